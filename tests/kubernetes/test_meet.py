"""The script of `helm test`, with nodes on two addresses of this machine in the place of pods."""

import itertools
import os
import subprocess
import sys

import pytest

from chart import CHART
from harness import patience
from harness.certificates import Authority
from harness.issuer import Issuer
from harness.redis import Redis, free_port
from harness.relay import Relay

ADDRESSES = "127.0.0.1", "127.0.0.2"
numbers = itertools.count(1)


@pytest.fixture
def start(tmp_path):
    """A Redis, and a relay on each of some addresses, on one port."""
    running = [Redis(tmp_path)]

    def start(addresses=ADDRESSES, **options):
        port = free_port()
        for address in addresses:
            relay = Relay(
                tmp_path,
                next(numbers),
                listen=f"{address}:{port}",
                redis_url=running[0].url,
                presence_repeat_seconds=1,
                **{"auth": "none", **options},
            )
            relay.host = address
            running.append(relay)
        for relay in running[1:]:
            patience.until(lambda: "listening" in relay.log(), relay.story)
            relay.port = port
            relay.wait_ready()
        return port

    yield start
    for process in reversed(running):
        process.kill()


def meet(port, *addresses, **variables):
    command = [sys.executable, CHART / "files/meet.py", *addresses]
    environment = {**os.environ, "PORT": str(port), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_a_message_between_two_pods(start):
    done = meet(start(), *ADDRESSES)
    assert done.returncode == 0, done.stderr
    assert "and one back" in done.stdout


def test_one_pod(start):
    done = meet(start(ADDRESSES[:1]), ADDRESSES[0], PODS_MIN="1")
    assert done.returncode == 0, done.stderr


def test_two_addresses_of_one_node(start):
    """Would be no proof of anything."""
    done = meet(start(["0.0.0.0"]), *ADDRESSES)
    assert done.returncode == 1 and "two pods, and one node" in done.stderr


def test_over_tls(start, tmp_path):
    tls = Authority(tmp_path).issue("pods", names=[f"IP:{address}" for address in ADDRESSES])
    done = meet(start(tls=tls), *ADDRESSES, TLS="relay-tls")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def issuer(tmp_path):
    (tmp_path / "issuer").mkdir()
    issuer = Issuer(tmp_path / "issuer")
    yield issuer
    issuer.forget()


@pytest.mark.parametrize("refuse_by", ["status", "close"])
def test_with_tokens(start, issuer, refuse_by):
    port = start(
        auth="jwt",
        discovery_url=issuer.url(),
        auth_ca_file=issuer.ca,
        allowed_client="client",
        refuse_by=refuse_by,
    )
    done = meet(port, *ADDRESSES, TOKEN_NEEDED="yes", TOKEN=issuer.mint(aud="client"))
    assert done.returncode == 0 and "and one back" in done.stdout, done.stderr
    done = meet(port, *ADDRESSES, TOKEN_NEEDED="yes")
    assert done.returncode == 0 and "take nobody without a token" in done.stdout, done.stderr


def test_an_open_door_where_tokens_are_needed(start):
    done = meet(start(), *ADDRESSES, TOKEN_NEEDED="yes")
    assert done.returncode == 1 and "took a client without a token" in done.stderr
