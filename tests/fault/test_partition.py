"""The network drops packets, and nobody is told."""

import time

import pytest

from harness import patience
from network import RemoteNode, network  # noqa: F401
from rig import Readiness, clean, oldest, record


def changes(verdict, observer, other):
    """What the peers of one group were told of those of another."""
    for change in verdict.changes:
        if (change["observer"], change["other"]) == (observer, other):
            return change["offline"], change["back"]
    return 0, 0


def start(rig, network):
    """Two nodes on our side, one in the network, whose peers are the third group."""
    options = ["--bind", "127.0.0.1", network.outside, "--protected-mode", "no"]
    rig.start_redis(tcp=True, options=options)
    near = rig.start_nodes(2)
    url = f"redis://{network.outside}:{rig.redis.port}"
    far = rig.start_node(RemoteNode, network, redis_url=url)
    return near, far


@pytest.mark.parametrize("long", [False, True], ids=["moment", "minute"])
def test_between_a_node_and_redis(rig, network, long):  # noqa: F811
    """
    F7: 10 s are noticed by nobody but who waits; after 60 s everybody heard one offline and one online
    of each peer on the node. Nothing old is delivered.
    """
    scale = rig.scale
    near, far = start(rig, network)
    rig.populate()
    rig.talk()
    rig.hold(1)
    seconds = scale.seconds(8, 60) if long else scale.seconds(1.5, 10)
    rig.swarm("away", far.group)
    with Readiness([far]) as watch:
        cut = time.monotonic()
        network.drop(rig.redis.port)
        if seconds > 4:
            not_ready = watch.last_to_be(False, cut)
        rig.hold(seconds - (time.monotonic() - cut))
        network.heal()
        healed = time.monotonic()
        ready = watch.last_to_be(True, healed)
    rig.hold(scale.ttl + 2)
    rig.hush()
    verdict = rig.judge(told=(seconds + 40) * 1000)

    name = f"{'60' if long else '10'} s"
    pairs = scale.peers * scale.peers
    heard = [changes(verdict, group, 2) for group in (0, 1)]
    if seconds > 4:
        record("F7", scale, f"{name}: not ready", not_ready, "s", "<= 4")
        record("F7", scale, f"{name}: ready again", ready, "s", "")
    record("F7", scale, f"{name}: offline told per pair", heard[0][0] / pairs, "", "1" if long else "0")
    record("F7", scale, f"{name}: oldest delivery", oldest(verdict), "s", "<= 5")
    clean(verdict)
    assert heard == [(pairs, pairs) if long else (0, 0)] * 2, verdict.story()
    assert [changes(verdict, 2, group) for group in (0, 1)] == [(0, 0)] * 2, "by the node's own"
    assert oldest(verdict) <= 5 + scale.spare, verdict.story()


def test_between_a_node_and_its_clients(rig, network):  # noqa: F811
    """F8: half-open peers are told offline within the TTL, and their sockets freed."""
    scale = rig.scale
    near, far = start(rig, network)
    rig.join_group("near", 20, near[0].group)
    rig.all_know_each_other()
    before = far.descriptors()
    count = scale.seconds(200, 1000)
    rig.join_group(far.group, count, far.group)
    rig.all_know_each_other()
    rig.talk(broadcast=scale.seconds(5, 1))
    rig.hold(1)
    assert far.descriptors() >= before + count
    cut = time.monotonic()
    rig.swarm("vanish", far.group)
    network.drop(far.port)
    rig.swarm.until(
        lambda counts: counts["GOT_OFFLINE"] >= 20 * count, "all offline", seconds=scale.ttl + 15
    )
    rig.talk(0, 0)
    patience.until(lambda: far.descriptors() <= before + 5, lambda: far.descriptors())
    freed = time.monotonic() - cut
    left = far.descriptors() - before
    network.heal()
    rig.hush()
    verdict = rig.judge()
    told = verdict.offline_after_vanished["max_ms"] / 1000
    record("F8", scale, f"offline of {count} told, last", told, "s", f"<= {scale.ttl + 2}")
    record("F8", scale, "their sockets freed", freed, "s", f"<= {scale.ttl + 2}")
    record("F8", scale, "descriptors more than before", left, "", "<= 5")
    clean(verdict)
    assert verdict.offline == 20 * count, verdict.story()
    assert told <= scale.ttl + 2 and freed <= scale.ttl + 2 + scale.spare
