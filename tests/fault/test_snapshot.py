"""
A node that is continued twice from one snapshot, as AgentCore's V2 does after the first healthy /ping: it must be two
nodes. See native/twins.c: all memory is in both, sockets are in none.
"""

import copy
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

from clients import Place, with_clients
from harness import patience
from harness.client import fence
from harness.redis import free_port
from programs import FOLDER
from rig import Node

IN_A_NAMESPACE = ("unshare", "--pid", "--fork", "--kill-child")
HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh"
MESH = "twins"

pytestmark = pytest.mark.plain("what is preloaded has to come first, and so has AddressSanitizer")


class Original(Node):
    """A node that is PID 1, as in a container, and can be continued twice."""

    def __init__(self, directory, number, way=None, **options):
        self.twin_port = free_port()
        environment = {"LD_PRELOAD": FOLDER / "twins.so", "TWIN_PORT": str(self.twin_port)}
        super().__init__(directory, number, way, environment, wrapper=IN_A_NAMESPACE, **options)

    def continue_twice(self):
        """Two from here on; returns the second, which lives as long as the first."""
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children")
        subprocess.run(["kill", "-USR2", children.read_text().strip()], check=True)
        twin = copy.copy(self)
        twin.port = self.twin_port
        patience.until(lambda: answers(twin), "the second one to answer")
        return twin

    def stop(self):
        self.kill()
        super().stop()


def answers(node):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", node.port)) == 0


@pytest.fixture
def original(rig):
    if subprocess.run([*IN_A_NAMESPACE, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no PID namespaces for us here")
    if not shutil.which("unshare") or not (FOLDER / "twins.so").exists():
        pytest.skip("no unshare, or twins.so is not built")

    def start(**options):
        return rig.start_node(Original, profile="agentcore", core_dumps="on", **options)

    return start


async def join(node, id):
    client = await Place(node).connect(id, headers={HEADER: MESH})
    await client.announce()
    client.node = (await client.settle())["data"]["relay"]["node"]
    client.beat(node.options["ttl_seconds"] / 4)
    return client


async def are_two_nodes(rig, one, other, ids):
    """Each with a number of its own; they meet in Redis, as any two, and nobody hears anything false."""
    alice, bob = await join(one, ids[0]), await join(other, ids[1])
    assert alice.node != bob.node and 0 not in (int(alice.node, 16), int(bob.node, 16))
    await alice.expect(type="presence", from_=bob.id)
    await fence(alice, bob)
    await fence(bob, alice)
    listed = rig.redis.call("CLIENT", "LIST")
    assert {f"p2p-relay:{client.node}" for client in (alice, bob)} <= set(re.findall(r"name=(\S+)", listed))
    for client in (alice, bob):
        assert client.all(type="presence", data={"status": "offline"}) == []
        assert client.closed is None


@with_clients
async def test_before_the_first_use(rig, original):
    """F46: nothing that names a node, or that somebody could foresee, is there before its first client."""
    rig.start_redis(tcp=True)
    one = original(redis_url=rig.redis.url)
    assert one.get("/ping").json == {"status": "Healthy"}
    assert "p2p-relay" not in rig.redis.call("CLIENT", "LIST")
    other = one.continue_twice()
    for node in (one, other):
        assert node.get("/ping").json == {"status": "Healthy"}
    assert one.get("/").headers["Content-Security-Policy"] != other.get("/").headers["Content-Security-Policy"]
    await are_two_nodes(rig, one, other, ("alice", "bob"))


@with_clients
async def test_after_the_first_use(rig, original):
    """F46: they notice by themselves that there are two of them."""
    rig.start_redis(tcp=True)
    one = original(redis_url=rig.redis.url)
    first = await join(one, "early")
    other = one.continue_twice()
    await first.reader
    await patience.eventually(lambda: "event=node_cloned" in one.log(), one.log)
    await patience.eventually(lambda: one.is_ready() and other.is_ready(), "both to have Redis again")
    await are_two_nodes(rig, one, other, ("alice", "bob"))


def client_hellos(server, count):
    """The first messages of TLS clients that connect; each is then hung up on, and tries again."""
    for _ in range(count):
        connection, _ = server.accept()
        connection.settimeout(patience.SECONDS)
        with connection:
            yield connection.recv(4096)


def test_what_tls_takes_for_random(rig, original):
    """F46: OpenSSL has a generator in memory, and what it made of it would be the same in both."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(patience.SECONDS)
        one = original(redis_url=f"rediss://127.0.0.1:{server.getsockname()[1]}", ready=False)
        other = one.continue_twice()
        for node in (one, other):
            node.request("POST", "/invocations", {HEADER: MESH})
        hellos = list(client_hellos(server, 8))
    assert all(hello[0] == 22 for hello in hellos), "handshakes of TLS"
    assert len({hello[11:43] for hello in hellos}) == len(hellos), "the same random bytes"
