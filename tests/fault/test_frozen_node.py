"""
A node stands still and goes on as if nothing had been: a virtual machine that was moved, a container
without CPU, a debugger. Everything that it knows is old.
"""

import time

import pytest

from harness import patience
from rig import clean, record
from test_partition import changes


def start(rig, **options):
    """Two nodes, and one whose peers are the third group, which will say nothing but that they live."""
    rig.start_redis()
    *near, far = rig.start_nodes(3, **options)
    rig.populate()
    for node in near:
        rig.talk(rig.scale.direct // 2, rig.scale.broadcast // 2, node.group)
    rig.hold(1)
    return near, far


@pytest.mark.parametrize("long", [False, True], ids=["moment", "longer-than-ttl"])
def test_stood_still(rig, long):
    """
    A frozen node, for longer than TTL/6 and for longer than the TTL: what waited for it is not
    delivered, its clients keep their connections and are told `resync`; the others heard nothing, or one
    offline and one online of each peer.
    """
    scale = rig.scale
    ttl = scale.seconds(3 if long else 6, 30)
    near, far = start(rig, ttl_seconds=ttl)
    seconds = ttl + scale.seconds(2.5, 5) if long else scale.seconds(3.5, 10)
    name = f"frozen {'longer than the TTL' if long else 'longer than TTL/6'}"
    pairs = scale.peers * scale.peers
    if long:
        rig.swarm("away", far.group)
    far.freeze()
    frozen = time.monotonic()
    rig.hold(seconds)
    far.thaw()
    thawed = time.monotonic()
    rig.swarm.until(lambda counts: counts["GOT_RESYNC"] >= scale.peers, "resync", far.group)
    resync = time.monotonic() - thawed
    rig.all_know_each_other()
    again = time.monotonic() - thawed
    patience.until(far.is_ready, "ready")
    if long:
        rig.swarm("back", far.group)
    rig.hold(1)
    exact_from = time.monotonic() * 1000
    rig.hold(ttl + 2)
    rig.hush()
    verdict = rig.judge(told=(seconds + 10) * 1000, ttl=ttl * 1000)
    # What was on its way to a socket when it froze is delivered; what came later is old by now.
    late = scale.seconds(1.5, 10 if long else 5)
    then = {"from": (frozen + 0.5) * 1000, "until": (thawed - late) * 1000, "old": late * 1000}
    stale = rig.judge(**then).old
    after = rig.judge(**{"from": exact_from})

    heard = [changes(verdict, group, 2) for group in (0, 1)]
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    record("frozen", scale, f"{name}: all of its clients told `resync`", resync, "s", "")
    record("frozen", scale, f"{name}: everybody knows everybody again", again, "s", "")
    record("frozen", scale, f"{name}: offline told per pair", heard[0][0] / pairs, "", "1" if long else "0")
    record("frozen", scale, f"{name}: messages of that time that were delivered", stale, "", "0")
    record("frozen", scale, f"{name}: connections closed", ended, "", "0")
    clean(verdict)
    assert heard == [(pairs, pairs) if long else (0, 0)] * 2, verdict.story()
    assert changes(verdict, 2, 2) == (0, 0) == changes(verdict, 2, 0), "by its own"
    assert stale == 0 and ended == 0, verdict.story()
    assert after.lost == 0 and after.expected > 0, after.story()


def test_pongs_that_nobody_read(rig):
    """
    A node frozen for longer than clients may leave a ping unanswered: they had answered, and it was
    the node that did not read it.
    """
    rig.start_redis()
    (node,) = rig.start_nodes(1, ping_seconds=1, pong_seconds_max=2, ttl_seconds=30)
    rig.swarm("node", node.group, rig.proxy.forward("clients", node.address))
    rig.proxy("set", "clients", "both", "delay", 200)  # so that pings are always on their way
    count = rig.scale.seconds(200, 1000)
    rig.populate(count)
    for _ in range(rig.scale.seconds(1, 10)):
        rig.hold(1.5)
        node.freeze()
        rig.hold(3)
        node.thaw()
    rig.hold(2)
    open = rig.swarm.count()["open"]
    record("frozen", rig.scale, f"of {count} clients closed for pongs that it had not read", count - open, "", "0")
    assert open == count, rig.judge().story()
