"""The way to Redis is narrow, or clients neither read nor end: who waits does so in order, and not for ever."""

import time

import pytest

from harness import patience
from rig import clean, record, within_memory

NARROW = 50_000  # bytes a second
MIB = 1 << 20
SLACK = 8 * MIB  # of a process that works, besides the queue


class Watch:
    """The most that a node had at any time."""

    def __init__(self, node):
        self.node = node
        self.resident = node.resident_bytes()
        self.queue = self.growth = 0

    def hold(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.queue = max(self.queue, self.node.metric("p2p_relay_bus_queue_bytes"))
            self.growth = max(self.growth, self.node.resident_bytes() - self.resident)
            time.sleep(0.1)


@pytest.mark.parametrize("queue", [MIB // 4, 16 * MIB], ids=["small-queue", "default-queue"])
def test_narrow_way_to_redis(rig, queue):
    """
    The way of one node to Redis takes a fraction of what its peers have to say: they are held back and
    nobody is refused, closed or called offline; all of it arrives, in order, in bounded memory.
    """
    scale = rig.scale
    ttl = max(10, scale.ttl)
    rig.start_redis()
    far, near = rig.start_nodes(2, ttl_seconds=ttl, bus_queue_bytes=queue, message_bytes_max=65536)
    rig.populate()
    watch = Watch(far)
    rig.proxy("set", far.way, "up", "throttle", NARROW)
    rig.swarm("direct", far.group, near.group, scale.seconds(150, 300), 1000)
    rig.swarm("direct", near.group, far.group, 20, 1000)
    rig.swarm("direct", near.group, near.group, 100)
    watch.hold(scale.seconds(15, 90))
    queued = rig.swarm.count()
    waiting = queued["SENT_DIRECT"] - queued["GOT_DIRECT"]
    rig.swarm("hush")
    rig.proxy.heal(far.way)
    rig.settle(120)
    verdict = rig.judge(ttl=ttl * 1000, told=300_000)
    ended = sum(verdict[name] for name in verdict if name.startswith("ended_"))
    name = f"queue of {queue / MIB:g} MiB"
    record("slow Redis", scale, f"{name}: messages that waited at the end", waiting, "", "")
    record("slow Redis", scale, f"{name}: most in the queue", watch.queue / MIB, "MiB", f"<= {queue / MIB:g}")
    record("slow Redis", scale, f"{name}: memory", watch.growth / MIB, "MiB", f"<= {(queue + SLACK) / MIB:g}")
    record("slow Redis", scale, f"{name}: lost, refused", verdict.lost, "", "0")
    record("slow Redis", scale, f"{name}: offline told", verdict.offline, "", "0")
    clean(verdict)
    assert waiting > 100, "it was not slow"
    assert verdict.lost == 0 and verdict.offline == 0 and ended == 0, verdict.story()
    assert watch.queue <= queue and within_memory(watch.growth, queue + SLACK)


def test_half_open_under_pressure(rig):
    """
    Clients whose messages wait for Redis, and who do not read what waits for them, are cut off without
    a word: their end is told a TTL after the last that they had said, and what they held is given back.
    """
    scale = rig.scale
    ttl = max(6, scale.ttl)
    rig.start_redis()
    options = {"ttl_seconds": ttl, "outbox_bytes_max": MIB, "message_bytes_max": 65536}
    node, other = rig.start_nodes(2, **options)
    rig.join_group(node.group, 20, node.group)
    rig.join_group(other.group, 20, other.group)
    rig.all_know_each_other()
    before = node.descriptors()
    rig.swarm("node", "narrow", rig.proxy.forward("clients", node.address))
    rig.swarm("rotation", "narrow", "out")
    count = scale.seconds(50, 500)
    rig.join_group("stuck", count, "narrow")
    rig.all_know_each_other()
    watch = Watch(node)
    rig.proxy("set", node.way, "up", "throttle", NARROW)
    rig.proxy("set", "clients", "down", "throttle", 1000)
    rig.swarm("direct", "stuck", other.group, 100, 1000)
    rig.swarm("direct", other.group, "stuck", scale.seconds(100, 1000), 1000)
    rig.swarm("direct", other.group, node.group, 100)
    seconds = scale.seconds(3, 10)
    watch.hold(seconds)
    begin = time.monotonic()
    rig.swarm("vanish", "stuck")
    rig.proxy("set", "clients", "both", "drop")
    rig.swarm.until(
        lambda counts: counts["GOT_OFFLINE"] >= 40 * count, "all to hear of their end", seconds=ttl + 30
    )
    patience.until(
        lambda: node.descriptors() <= before + 5, lambda: (before, node.descriptors()), seconds=ttl + 60
    )
    freed = time.monotonic() - begin
    watch.hold(1)
    rig.swarm("hush")
    rig.proxy.heal(node.way)
    rig.settle(60)
    late = 2 + seconds + 4  # twice what Redis takes was said, and its queue is three seconds long
    verdict = rig.judge(ttl=ttl * 1000, told=120_000, due=late * 1000)
    told = verdict.offline_after_vanished["max_ms"] / 1000
    bound = (count * MIB + 16 * MIB + SLACK) / MIB
    record("half-open", scale, f"offline of {count} told, last", told, "s", f"<= {ttl + late}")
    record("half-open", scale, "their sockets freed", freed, "s", "")
    record("half-open", scale, "memory", watch.growth / MIB, "MiB", f"<= {bound:g}")
    clean(verdict)
    assert verdict.offline == 40 * count, verdict.story()
    assert told <= ttl + late
    assert within_memory(watch.growth / MIB, bound)
    rig.proxy.heal("clients")
