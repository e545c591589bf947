"""Who does not read, or reads slowly, costs the node a bounded sum and the others nothing."""

import time

from rig import clean, record, within_memory

OUTBOX = 1 << 20


def now_ms():
    return time.monotonic() * 1000


def p99(verdict):
    return verdict.broadcast["p99_ms"]


def join_slow_ones(rig, name, count, home, buffer_bytes):
    """As rig.join_group(), with small buffers in the kernel: what they do not read is the node's."""
    rig.groups[name] = "mesh-0"
    rig.swarm("peers", name, count, home, "mesh-0")
    rig.swarm("receive-buffer", name, buffer_bytes)
    rig.swarm("beat", name, rig.scale.beat_ms)
    rig.swarm("connect", name)
    rig.all_know_each_other()


def test_one_stops_reading(rig, scale):
    """F10: it is closed when its outbox is full, and the others notice nothing."""
    rig.start_redis()
    (node,) = rig.start_nodes(1, outbox_bytes_max=OUTBOX, message_bytes_max=OUTBOX // 4)
    peers, rate, seconds = scale.seconds((10, 600, 3), (100, 100, 15))  # rate * peers deliveries of 1 kB a second
    rig.join_group("readers", peers - 1, node.group)
    join_slow_ones(rig, "stuck", 1, node.group, 4096)
    rig.swarm("broadcast", "readers", rate, 1000)
    begun = now_ms()
    rig.hold(seconds)
    stopped, resident = now_ms(), node.resident_bytes()
    rig.swarm("away", "stuck")  # for it cannot see its end
    rig.swarm("read", "stuck", 0)
    rig.swarm.until(lambda counts: counts["open"] == 0, "the stuck one to be closed", "stuck", seconds=240)
    closed_s = (now_ms() - stopped) / 1000
    growth = node.resident_bytes() - resident
    rig.hold(seconds)
    rig.swarm("broadcast", "readers", 0, 1000)
    rig.settle()
    clean(rig.judge(told=300_000))
    before, during = rig.judge(**{"from": begun, "until": stopped}), rig.judge(**{"from": stopped})
    assert node.metric("p2p_relay_closes_total", code="4413") == 1
    record("F10", scale, "closed after", closed_s, "s", "<= 10, or 1 MiB queued")
    record("F10", scale, "memory that it cost", growth / OUTBOX, "outboxes", "<= 1.1")
    record("F10", scale, "others' p99, before", p99(before), "ms", "")
    record("F10", scale, "others' p99, meanwhile", p99(during), "ms", "<= 1.2 times before")


def test_many_read_slowly(rig, scale):
    """F11: memory is bounded by their outboxes, and those who read get all."""
    slow = scale.seconds(30, 500)
    rig.start_redis()
    (node,) = rig.start_nodes(1, outbox_bytes_max=OUTBOX, message_bytes_max=OUTBOX // 4)
    rig.join_group("readers", 20, node.group)
    join_slow_ones(rig, "slow", slow, node.group, 65536)
    resident = node.resident_bytes()
    rig.swarm("broadcast", "readers", 40, 1000)
    begun = time.monotonic()
    rig.hold(scale.seconds(3, 10))
    slowed = time.monotonic()
    rig.swarm("read", "slow", 1000)
    most = resident
    for _ in range(scale.seconds(10, 60)):
        rig.hold(1)
        most = max(most, node.resident_bytes())
    stopped = time.monotonic()
    rig.swarm("broadcast", "readers", 0, 1000)
    rig.swarm("read", "slow", "all")
    sent = rig.swarm.count("readers")["SENT_BROADCAST"]
    rig.swarm.until(lambda counts: counts["GOT_BROADCAST"] >= sent * slow, "the slow ones to have all", "slow")
    clean(rig.judge())
    before, during = rig.latency_p99_ms("readers", begun, slowed), rig.latency_p99_ms("readers", slowed, stopped)
    record("F11", scale, f"memory of {slow} slow readers", (most - resident) / OUTBOX / slow, "outboxes each", "<= 1")
    record("F11", scale, "others' p99, before", before, "ms", "")
    record("F11", scale, "others' p99, meanwhile", during, "ms", "<= 1.5 times before")
    assert within_memory(most - resident, slow * OUTBOX * 1.1 + (8 << 20))
