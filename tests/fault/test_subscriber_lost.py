"""A node's subscription ends while everything else works: messages go by, and nobody may stay deaf."""

import time

from harness import patience
from rig import clean, record

CALM = 5.2  # s: a node that lost Redis again before comes back with growing delays, and must not here

def subscribers(redis):
    """How many connections are subscribed to the mesh, and to nodes' own channels (the last step)."""
    nodes = len(redis.call("PUBSUB", "CHANNELS", "relay:{~}:node:*"))
    return redis.call("PUBSUB", "NUMSUB", "relay:{mesh-0}:broadcast")[1], nodes


def test_killed_again_and_again(rig):
    """F9: CLIENT KILL TYPE pubsub: subscribed again soon, counted, told, and nobody is deaf after it."""
    rounds = rig.scale.seconds(3, 100)
    rig.start_redis()
    nodes = rig.start_nodes(3)
    rig.populate()
    rig.talk()
    whole = subscribers(rig.redis)
    times = []
    for _ in range(rounds):
        begin = time.monotonic()
        assert rig.redis.call("CLIENT", "KILL", "TYPE", "pubsub") == 3
        patience.until(lambda: subscribers(rig.redis) == whole, lambda: subscribers(rig.redis))
        times.append(time.monotonic() - begin)
        patience.until(lambda: all(node.is_ready() for node in nodes), "all ready")
        rig.hold(CALM)
    counted = sum(node.metric("p2p_relay_bus_reconnects_total") for node in nodes)
    exact_from = time.monotonic() * 1000
    rig.hold(rig.scale.seconds(2, 10))
    rig.hush()
    verdict = rig.judge()
    after = rig.judge(**{"from": exact_from})
    record("F9", rig.scale, f"subscribed again, longest of {rounds} rounds", max(times), "s", "<= 1")
    record("F9", rig.scale, "losses of Redis counted by the nodes", counted, "", str(3 * rounds))
    record("F9", rig.scale, "lost and nobody told", verdict.lost_silent, "", "0")
    record("F9", rig.scale, "lost after the last round", after.lost, "", "0")
    clean(verdict)
    assert after.lost == 0 and after.expected > 0, after.story()
    assert verdict.resync >= 3 * rig.scale.peers and verdict.offline == 0
    assert counted == 3 * rounds
    assert max(times) <= 1 + rig.scale.spare, times


def test_cut_off_by_redis(rig):
    """
    F9: a node stands still until Redis cuts its subscriber off for what it has not read: the node's
    peers are told that they may have missed messages, and get all that comes after.
    """
    rig.start_redis()
    near, far = rig.start_nodes(2, ttl_seconds=30)  # who is offline gets nothing to be cut off for
    rig.join_group(near.group, 10, near.group)
    rig.join_group(far.group, 10, far.group)
    rig.all_know_each_other()
    rig.swarm("away", far.group)
    far.freeze()
    begin = time.monotonic()
    rig.swarm("direct", near.group, far.group, 1000, 10_000)  # 10 MB/s
    patience.until(
        lambda: subscribers(rig.redis)[0] == 1, lambda: rig.redis.call("CLIENT", "LIST", "TYPE", "pubsub")
    )
    cut = time.monotonic() - begin
    rig.hold(rig.scale.seconds(6, 20) - cut)
    rig.swarm("direct", near.group, far.group, 0)
    thawed = time.monotonic()
    far.thaw()
    patience.until(lambda: subscribers(rig.redis)[0] == 2, "both subscribed")
    again = time.monotonic() - thawed
    patience.until(far.is_ready, "ready")
    rig.swarm("back", far.group)
    rig.swarm.until(lambda counts: counts["GOT_RESYNC"] >= 10, "resync", far.group)
    rig.hold(1)
    exact_from = time.monotonic() * 1000
    rig.talk(direct=100, broadcast=10)
    rig.hold(2)
    rig.hush()
    verdict = rig.judge(ttl=30_000, told=60_000)
    after = rig.judge(ttl=30_000, **{"from": exact_from})
    record("F9", rig.scale, "frozen at 10 MB/s: cut off after", cut, "s", "")
    record("F9", rig.scale, "frozen at 10 MB/s: subscribed again", again, "s", "<= 1")
    record("F9", rig.scale, "frozen at 10 MB/s: lost and nobody told", verdict.lost_silent, "", "0")
    record("F9", rig.scale, "frozen at 10 MB/s: delivered later than 5 s", verdict.old, "", "")
    clean(verdict)
    assert after.lost == 0 and after.expected > 0, after.story()
    assert again <= 1
