"""A node dies without a word."""

from rig import clean, record


def test_killed_under_load(rig):
    """
    F1: each survivor hears of each dead peer's end exactly once and in time, survivors' traffic is
    exact, and who writes to the dead is told so.
    """
    scale = rig.scale
    rig.start_redis()
    dead, *survivors = rig.start_nodes(3)
    rig.populate()
    rig.talk()
    rig.hold(scale.seconds(2, 15))
    dead.kill()
    pairs = scale.peers * scale.peers * len(survivors)
    rig.swarm.until(
        lambda counts: counts["GOT_OFFLINE"] >= pairs, "all to hear of all", seconds=scale.ttl + 15
    )
    rig.hold(scale.seconds(1, 10))
    rig.hush()
    verdict = rig.judge()

    clean(verdict)
    assert verdict.offline == pairs
    assert verdict.lost_between_stayers == 0, verdict.story()
    told = verdict.offline_after_lost
    undeliverable = max(verdict[name]["max_ms"] for name in ("error_PEER_NOT_FOUND", "error_PEER_UNREACHABLE"))
    record("F1", scale, "offline told, last", told["max_ms"] / 1000, "s", f"<= {scale.ttl + 2}")
    record("F1", scale, "false offline", verdict.false_offline, "", "0")
    record("F1", scale, "survivors' messages lost, twice, out of order", verdict.lost_between_stayers, "", "0")
    record("F1", scale, "undeliverable told, last", undeliverable / 1000, "s", "<= 1")
    assert told["max_ms"] <= (scale.ttl + 2) * 1000
    assert undeliverable <= 1000 and verdict.error_PEER_UNREACHABLE["count"] > 0
