"""Redis dies and comes back, empty or with what it remembers of a past that is over."""

import time

import pytest

from harness import patience
from rig import Readiness, clean, record

MESHES = 10


def everybody_is_back(rig, count):
    """All peers have their keys again."""

    def keys():
        try:
            return sum(
                rig.redis.call("ZCARD", "relay:{%s}:peers" % mesh) for mesh in set(rig.groups.values())
            )
        except OSError:
            return -1

    patience.until(lambda: keys() == count, lambda: f"{keys()} of {count} keys back")
    return time.monotonic()


def restart(rig, watch, outage, count):
    """Returns when it was killed, was up, and had all keys."""
    killed = time.monotonic()
    rig.redis.kill()
    not_ready = watch.last_to_be(False, killed)
    rig.hold(max(0, outage - (time.monotonic() - killed)))
    rig.redis.start()
    up = time.monotonic()
    keys = everybody_is_back(rig, count) - up
    return not_ready, keys, watch.last_to_be(True, up)


def judge_restart(rig, row, outages, results, **rules):
    rig.hold(2 * rig.scale.ttl)  # the hold-off passes, and the first sweep after it
    rig.hush()
    verdict = rig.judge(told=(max(outages) + 30) * 1000, **rules)
    for outage, (not_ready, keys, ready) in zip(outages, results):
        name = f"outage of {outage:g} s"
        record(row, rig.scale, f"{name}: not ready", not_ready, "s", "<= 4")
        if row == "F2":  # else they never were away
            record(row, rig.scale, f"{name}: all keys back", keys, "s", "<= 5")
        record(row, rig.scale, f"{name}: ready", ready, "s", "<= 5")
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    record(row, rig.scale, "client sockets closed", ended, "", "0")
    record(row, rig.scale, "offline told", verdict.offline, "", "0")
    record(row, rig.scale, "lost and nobody told", verdict.lost_silent, "", "0")
    clean(verdict)
    assert ended == 0 and verdict.offline == 0, verdict.story()
    assert verdict.resync > 0
    assert all(max(not_ready - 4, keys - 5, ready - 5) <= rig.scale.spare for not_ready, keys, ready in results)


def test_empty(rig):
    """F2: no client's socket is closed, nobody is told offline, all keys are back soon."""
    outages = [1, 4] if rig.scale.name == "short" else [1, 10, 60]
    rig.start_redis()
    nodes = rig.start_nodes(3)
    per_node = 100 if rig.scale.name == "short" else 3330
    rig.populate(per_node, meshes=MESHES, seconds=120)
    rig.talk(broadcast=1)
    with Readiness(nodes) as watch:
        results = [restart(rig, watch, outage, 3 * per_node) for outage in outages]
    judge_restart(rig, "F2", outages, results)


@pytest.mark.parametrize("kept", ["aof", "rdb"])
def test_with_leases_that_lapsed_meanwhile(rig, kept):
    """F3: what Redis remembers of who is there is old; nobody is told offline for that."""
    outages = [2.5, 4] if rig.scale.name == "short" else [25, 40]
    options = {"aof": ["--appendonly", "yes", "--appendfsync", "always"], "rdb": ["--save", "3600 1"]}
    rig.start_redis(options=options[kept])
    nodes = rig.start_nodes(3)
    rig.populate()
    rig.talk()
    results = []
    with Readiness(nodes) as watch:
        for outage in outages:
            if kept == "rdb":
                rig.redis.call("SAVE")
            results.append(restart(rig, watch, outage, 3 * rig.scale.peers))
    judge_restart(rig, "F3", outages, results)
