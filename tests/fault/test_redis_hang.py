"""Redis stands still, its connections open."""

import time

from rig import Readiness, clean, record

def reconnects(nodes):
    """How often the nodes have lost Redis."""
    return sum(node.metric("p2p_relay_bus_reconnects_total") for node in nodes)


def test_for_a_moment(rig):
    """F4: for 2 s: nothing is lost or said, only late."""
    rig.start_redis()
    nodes = rig.start_nodes(3, ttl_seconds=max(6, rig.scale.ttl))
    rig.populate()
    rig.talk()
    rig.hold(1)
    rig.redis.freeze()
    rig.hold(2)
    rig.redis.thaw()
    rig.hold(2)
    rig.hush()
    verdict = rig.judge()
    lost = reconnects(nodes)
    record("F4", rig.scale, "2 s: lost, twice, out of order", verdict.lost, "", "0")
    record("F4", rig.scale, "2 s: connections to Redis made anew", lost, "", "0")
    record("F4", rig.scale, "2 s: oldest delivery", verdict.direct["max_ms"] / 1000, "s", "")
    clean(verdict)
    assert verdict.lost == 0 and verdict.offline == 0 and verdict.resync == 0, verdict.story()
    assert lost == 0


def test_for_long(rig):
    """F4: for 20 s: seen, told to senders, nobody told offline, and nothing old comes afterwards."""
    rig.start_redis()
    nodes = rig.start_nodes(3)
    rig.populate()
    rig.talk()
    rig.hold(1)
    with Readiness(nodes) as watch:
        frozen = time.monotonic()
        rig.redis.freeze()
        not_ready = watch.last_to_be(False, frozen)
        rig.hold(rig.scale.seconds(8, 20) - (time.monotonic() - frozen))
        thawed = time.monotonic()
        rig.redis.thaw()
        ready = watch.last_to_be(True, thawed)
    rig.hold(2 * rig.scale.ttl)
    rig.hush()
    verdict = rig.judge()
    backlog = rig.judge(**{"from": frozen * 1000 + 100, "until": (thawed - 5) * 1000 - 500})
    record("F4", rig.scale, "20 s: not ready", not_ready, "s", "<= 4")
    record("F4", rig.scale, "20 s: ready again", ready, "s", "")
    record("F4", rig.scale, "20 s: offline told", verdict.offline, "", "0")
    record("F4", rig.scale, "20 s: delivered, though 5 s old when Redis went on", backlog.delivered, "", "0")
    clean(verdict)
    assert verdict.offline == 0, verdict.story()
    assert backlog.expected > 0 and backlog.delivered == 0, backlog.story()
    assert verdict.error_BUS_UNAVAILABLE_UNKNOWN["count"] > 0 and verdict.resync > 0
    assert not_ready <= 4 + rig.scale.spare  # 1 of silence, 3 for an answer
