"""Redis is known by a name, and the name moves on."""

import time

import pytest

from harness import patience
from harness.redis import Redis, free_port
from names import NameServer, PrivateNode, private_files  # noqa: F401
from rig import clean, record

NAME = "redis.relay.test"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"


class ByHosts:
    """/etc/hosts, as compose and Kubernetes write it. It is written in place, as a bound file must be."""

    def __init__(self, directory):
        self.path = directory / "hosts"
        self.files = {"/etc/hosts": self.path}

    def point(self, address):
        self.path.write_text(f"127.0.0.1 localhost\n{address} {NAME}\n" if address else "127.0.0.1 localhost\n")

    def close(self):
        pass


class ByServer:
    """A name server, which says that its answers hold for an hour."""

    def __init__(self, directory):
        self.server = NameServer(NAME, None)
        self.path, self.hosts = directory / "resolv.conf", directory / "hosts"
        self.path.write_text(f"nameserver 127.0.0.1:{self.server.port}\n")
        self.hosts.write_text("127.0.0.1 localhost\n")
        self.files = {"/etc/resolv.conf": self.path, "/etc/hosts": self.hosts}

    def point(self, address):
        self.server.address = address

    def close(self):
        self.server.close()


def start_redis(directory, address, port):
    directory.mkdir()
    return Redis(directory, port=port, options=["--bind", address])


@pytest.fixture
def port():
    return free_port()


@pytest.fixture(params=[ByHosts, ByServer], ids=["hosts", "server"])
def names(request, tmp_path, private_files):  # noqa: F811
    names = request.param(tmp_path)
    yield names
    names.close()


@pytest.mark.parametrize("how", ["dies", "becomes-a-replica"])
def test_another_address(rig, tmp_path, names, port, how):
    """
    F40: when Redis has died, or is not the master any more, the name is looked up anew, and the nodes
    are where it points to. Nobody is told offline, no socket closes.
    """
    first = rig.redis = start_redis(tmp_path / "first", FIRST, port)
    second = start_redis(tmp_path / "second", SECOND, port)
    names.point(FIRST)
    for _ in range(2):
        rig.start_node(PrivateNode, names.files, redis_url=f"redis://{NAME}:{port}")
    rig.populate()
    rig.talk()
    rig.hold(1)
    assert second.call("DBSIZE") == 0
    names.point(SECOND)
    moved, most = time.monotonic(), 5
    if how == "dies":
        first.kill()
    else:
        first.call("REPLICAOF", SECOND, port)
        most = max(most, rig.scale.ttl // 6 + 1)  # the next write of a lease says so, to all
    peers = 2 * rig.scale.peers
    patience.until(
        lambda: second.call("PUBSUB", "NUMSUB", "relay:{mesh-0}:broadcast")[1] == 2
        and second.call("ZCARD", "relay:{mesh-0}:peers") == peers
        and all(node.is_ready() for node in rig.nodes),
        lambda: [node.get("/readyz") for node in rig.nodes],
    )
    followed = time.monotonic() - moved
    rig.hold(3)  # `resync` is spread over 2 s
    exact_from = time.monotonic() * 1000
    rig.hold(rig.scale.ttl + 2)
    rig.hush()
    verdict = rig.judge(told=20_000)
    after = rig.judge(**{"from": exact_from})
    second.stop()
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    where = type(names).__name__
    record("F40", rig.scale, f"{where}, the first {how}: followed", followed, "s", f"<= {most}")
    record("F40", rig.scale, f"{where}, the first {how}: offline told", verdict.offline, "", "0")
    clean(verdict)
    assert ended == 0 and verdict.offline == 0, verdict.story()
    assert after.lost == 0 and after.expected > 0, after.story()
    assert followed <= most


def test_no_such_name_for_a_while(rig, tmp_path, names, port):
    """F40: a name that is gone is looked for until it is back; meanwhile the node says what is wrong."""
    rig.redis = start_redis(tmp_path / "first", FIRST, port)
    names.point(FIRST)
    node = rig.start_node(PrivateNode, names.files, redis_url=f"redis://{NAME}:{port}")
    rig.populate()
    names.point(None)
    rig.redis.restart_empty()
    patience.until(lambda: not node.is_ready(), "the loss to be seen")
    rig.hold(rig.scale.seconds(2, 30))
    assert not node.is_ready() and "name" in node.log().splitlines()[-1], node.log()
    names.point(FIRST)
    back = time.monotonic()
    node.wait_ready()
    record("F40", rig.scale, f"{type(names).__name__}: ready after the name is back", time.monotonic() - back, "s", "<= 6")
    assert time.monotonic() - back <= 6  # 5 s are the longest wait between two attempts
    rig.hold(1)
    clean(rig.judge())
