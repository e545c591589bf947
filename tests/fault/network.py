"""A network of a node's own, whose packets are dropped on the way: no end, no reset, nothing."""

import itertools
import os
import random
import subprocess

import pytest

from rig import Node

numbers = itertools.count(1)
RULES = """
table inet fault {{
    chain in {{ type filter hook input priority 0; {rules} }}
    chain out {{ type filter hook output priority 0; {rules} }}
}}
"""


def run(*words, input=None):
    done = subprocess.run([str(w) for w in words], input=input, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")


class Network:
    """A namespace that a pair of veth joins to ours: `outside` is our address, `inside` the node's."""

    def __init__(self):
        number = next(numbers)
        self.name = f"fault-{os.getpid()}-{number}"
        link = f"f{os.getpid() % 10**7}.{number}"  # at most 15 bytes
        net = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
        block = 4 * random.randrange(64)
        self.outside, self.inside = f"{net}.{block + 1}", f"{net}.{block + 2}"
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", link + "a", "type", "veth", "peer", "name", link + "b")
            run("ip", "link", "set", link + "b", "netns", self.name)
            run("ip", "addr", "add", self.outside + "/30", "dev", link + "a")
            run("ip", "link", "set", link + "a", "up")
            self.run("ip", "addr", "add", self.inside + "/30", "dev", link + "b")
            self.run("ip", "link", "set", link + "b", "up")
            self.run("ip", "link", "set", "lo", "up")
            self.run("nft", "list", "tables")
        except OSError:
            self.close()
            raise

    def run(self, *words, input=None):
        """Inside."""
        run("ip", "netns", "exec", self.name, *words, input=input)

    def drop(self, port):
        """From now on no packet to or from that port passes."""
        rules = f"tcp dport {port} drop; tcp sport {port} drop;"
        self.run("nft", "-f", "-", input=RULES.format(rules=rules))

    def heal(self):
        self.run("nft", "delete", "table", "inet", "fault")

    def close(self):
        run("ip", "netns", "delete", self.name)


class RemoteNode(Node):
    """A node in a network of its own."""

    def __init__(self, network, *arguments, **options):
        self.network = network
        self.host = network.inside
        super().__init__(*arguments, listen=f"{network.inside}:0", auth="none", **options)

    def spawn(self, command, environment=None):
        super().spawn(["ip", "netns", "exec", self.network.name, *command], environment)

    @property
    def address(self):
        return f"{self.host}:{self.port}"


@pytest.fixture
def network():
    try:
        network = Network()
    except OSError as error:
        pytest.skip(f"no network namespace here: {error}")
    yield network
    network.close()
