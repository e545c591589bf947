"""
Redis says no. Each error that it has for us, provoked in a real one, has one outcome for messages,
newcomers and readiness; and whatever it is, nobody is told offline, nobody loses the connection,
and all is as before when the reason is gone.
"""

import contextlib
import itertools
import socket
import threading
import time
from dataclasses import dataclass

import pytest

from harness import patience
from harness.redis import LEAST, RedisError, decode, encode
from rig import clean, record

NEWCOMERS = 15
CONNECTIONS = 2  # per attempt to connect

EXACT, TOLD = "all arrive", "senders are told"  # messages
WELCOME, REFUSED, LATER = "join", "refused", "join when it is over"  # newcomers


class Control:
    """A connection to Redis from before the trouble begins."""

    def __init__(self, redis):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(patience.SECONDS)
        self.connection.connect(str(redis.socket_path))
        self.reader = self.connection.makefile("rb")

    def __call__(self, *words):
        self.connection.sendall(encode(words))
        return decode(self.reader)


class Trouble:
    """What is done to Redis, and how it is undone."""

    options = []

    def __init__(self, rig):
        self.rig, self.redis = rig, rig.redis
        self.call = Control(rig.redis)

    def cut(self):
        for node in self.rig.nodes:
            self.rig.proxy("cut", node.way, "reset")


def by_command(begin, end=None, options=()):
    """Commands, in words."""
    named = {"options": list(options)}
    named["begin"] = lambda self: [self.call(*command.split()) for command in begin]
    named["end"] = lambda self: [self.call(*command.split()) for command in end or []]
    return type("ByCommand", (Trouble,), named)


class Forgetful(Trouble):
    """The scripts are gone, again and again."""

    def begin(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.flush, daemon=True)
        self.thread.start()

    def flush(self):
        while not self.over.wait(0.05):
            self.call("SCRIPT", "FLUSH")

    def end(self):
        self.over.set()
        self.thread.join()


class Busy(Trouble):
    """A script of somebody else does not end."""

    options = ["--busy-reply-threshold", 100]

    def begin(self):
        self.thread = threading.Thread(target=self.spin, daemon=True)
        self.thread.start()

    def spin(self):
        with contextlib.suppress(RedisError, TimeoutError):  # it is killed, or lasts longer than we wait
            self.redis.call("EVAL", "while true do end", 0)

    def end(self):
        self.call("SCRIPT", "KILL")
        self.thread.join()


class Loading(Trouble):
    """Redis restarts, and takes its time to read what it had kept."""

    KEYS = 2000
    options = ["--loading-process-events-interval-bytes", 1024]

    def begin(self):
        delay_us = int((self.rig.outage + 2) * 1e6 / self.KEYS)
        self.call("EVAL", "for n = 1, ARGV[1] do redis.call('SET', 'other:' .. n, '') end", 0, self.KEYS)
        self.call("SAVE")
        self.redis.kill()
        self.redis.options += ["--key-load-delay", delay_us]
        self.redis.launch()

    def end(self):
        self.redis.wait_ready()


class Misconfigured(Trouble):
    """What has changed can't be saved, and Redis is told to accept no more then."""

    options = ["--save", "3600 1", "--enable-protected-configs", "yes"]

    def begin(self):
        folder = self.redis.directory / "gone"
        folder.mkdir()
        self.call("CONFIG", "SET", "dir", folder)
        folder.rmdir()
        self.call("BGSAVE")
        patience.until(lambda: self.redis.info("persistence")["rdb_last_bgsave_status"] == "err", "it to fail")

    def end(self):
        self.call("CONFIG", "SET", "stop-writes-on-bgsave-error", "no")


class Rotated(Trouble):
    """The password is another one, and the nodes' file comes later."""

    def begin(self):
        self.call("ACL", "SETUSER", "relay", "resetpass", ">new")
        self.cut()

    def end(self):
        self.rig.password_file.write_text("new\n")


class Full(Trouble):
    """The nodes lose their connections while Redis has as many as it may."""

    def begin(self):
        self.call("CONFIG", "SET", "maxclients", 1)
        self.cut()

    def end(self):
        self.call("CONFIG", "SET", "maxclients", 100)


class Paused(Trouble):
    """Redis answers nobody for a while, not even who would have it end."""

    def begin(self):
        self.call("CLIENT", "PAUSE", int(1000 * (self.rig.outage + 2)), "ALL")

    def end(self):
        self.call("PING")


@dataclass
class Case:
    trouble: type
    messages: str
    newcomers: str
    ready: bool
    says: str  # in the nodes' log


REPLICA = "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"

CASES = {
    "NOSCRIPT": Case(Forgetful, EXACT, WELCOME, True, ""),
    "OOM": Case(
        by_command(["CONFIG SET maxmemory 1"], ["CONFIG SET maxmemory 0"]), EXACT, REFUSED, True, "OOM "
    ),
    "NOPERM-scripts": Case(
        by_command(["ACL SETUSER relay -evalsha"], ["ACL SETUSER relay +evalsha"]),
        TOLD, LATER, False, "NOPERM ",
    ),
    "NOPERM-publish": Case(
        by_command(["ACL SETUSER relay -publish"], ["ACL SETUSER relay +publish"]),
        TOLD, LATER, False, "NOPERM ",
    ),
    "NOPERM-channels": Case(
        by_command(["ACL SETUSER relay resetchannels"], ["ACL SETUSER relay &relay:*"]),
        TOLD, LATER, False, "NOPERM ",
    ),
    "NOPERM-keys": Case(
        by_command(["ACL SETUSER relay resetkeys"], ["ACL SETUSER relay ~relay:*"]),
        TOLD, LATER, False, "NOPERM ",
    ),
    "BUSY": Case(Busy, TOLD, LATER, False, "BUSY "),
    "LOADING": Case(Loading, TOLD, LATER, False, "loading"),
    "READONLY": Case(by_command([REPLICA[0]], [REPLICA[1]]), TOLD, LATER, False, "READONLY "),
    "MASTERDOWN": Case(
        by_command([REPLICA[0]], [REPLICA[1]], ["--replica-serve-stale-data", "no"]),
        TOLD, LATER, False, "",  # READONLY or MASTERDOWN
    ),
    "NOREPLICAS": Case(
        by_command(["CONFIG SET min-replicas-to-write 1"], ["CONFIG SET min-replicas-to-write 0"]),
        TOLD, LATER, False, "NOREPLICAS ",
    ),
    "MISCONF": Case(Misconfigured, TOLD, LATER, False, "MISCONF "),
    "WRONGPASS": Case(Rotated, TOLD, LATER, False, "WRONGPASS "),
    "maxclients": Case(Full, TOLD, LATER, False, "max number of clients"),
    "CLIENT-PAUSE": Case(Paused, TOLD, LATER, False, "no answer"),
}


def start(rig, trouble):
    """Nodes that are the least user, with a password from a file."""
    rig.start_redis(options=["--user", "relay", "on", ">old", *LEAST, *trouble.options])
    rig.password_file = rig.directory / "password"
    rig.password_file.write_text("old\n")
    for n in range(3):
        way = rig.proxy.forward(f"node-{n}", rig.redis_address, f"unix:{rig.directory}/node-{n}")
        url = way.replace("unix:", "unix://relay@")
        rig.start_nodes(1, redis_url=url, redis_password_file=rig.password_file)
    rig.populate()
    rig.groups["new"] = "mesh-0"
    rig.swarm("peers", "new", NEWCOMERS, "any", "mesh-0")
    rig.swarm("beat", "new", rig.scale.beat_ms)
    rig.talk()
    rig.hold(0.5)


def attempts(rig):
    return max(rig.proxy.count(node.way)["total"] for node in rig.nodes) / CONNECTIONS


@pytest.mark.parametrize("error", CASES)
def test_error(rig, error):
    """F35"""
    scale, case = rig.scale, CASES[error]
    rig.outage = scale.seconds(scale.ttl + 3, scale.ttl + 10)
    start(rig, case.trouble)
    trouble = case.trouble(rig)
    before, begin = attempts(rig), time.monotonic()
    told_before = errors(rig)
    trouble.begin()
    rig.swarm("connect", "new")
    if not case.ready:
        patience.until(lambda: not any(node.is_ready() for node in rig.nodes), "no node ready")
    not_ready = time.monotonic() - begin
    while time.monotonic() - begin < rig.outage:
        assert case.ready == all(node.is_ready() for node in rig.nodes)
        rig.hold(0.2)
    during = rig.swarm.count("new")
    per_second = (attempts(rig) - before) / (time.monotonic() - begin)
    told = errors(rig) - told_before
    trouble.end()
    over = time.monotonic()

    patience.until(lambda: all(node.is_ready() for node in rig.nodes), "all ready again")
    ready = time.monotonic() - over
    rig.all_know_each_other()
    exact_from = time.monotonic() * 1000 + 2000  # `resync` is spread over 2 s
    rig.hold(scale.ttl + 4)
    rig.hush()
    verdict = rig.judge(told=(rig.outage + 20) * 1000)
    after = rig.judge(**{"from": exact_from})

    record("F35", scale, f"{error}: attempts to connect", per_second, "/s", "<= 5")
    record("F35", scale, f"{error}: ready again", ready, "s", "<= 6")
    if not case.ready:
        record("F35", scale, f"{error}: not ready", not_ready, "s", "")
    record("F35", scale, f"{error}: offline told", verdict.offline, "", "0")
    clean(verdict)
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    assert ended == 0 and verdict.offline == 0, verdict.story()
    assert after.lost == 0 and after.expected > 0, after.story()
    assert per_second <= 5 or scale.name == "short"  # they are the rarer the longer the TTL
    assert ready <= 6  # 5 s are the longest wait between two attempts
    for node in rig.nodes:
        assert case.says in node.log()
    assert during["in"] == (NEWCOMERS if case.newcomers == WELCOME else 0), during
    assert during["GOT_ERROR"] > 0 or case.newcomers != REFUSED, during
    if case.messages == EXACT:
        assert verdict.lost == 0 and verdict.resync == 0, verdict.story()
    else:
        assert told > 0, verdict.story()


def errors(rig):
    return sum(node.metric("p2p_relay_errors_total", code="bus_unavailable") or 0 for node in rig.nodes)
