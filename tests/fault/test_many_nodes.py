"""A node for each client, as on AgentCore: hundreds of nodes with next to nothing to do."""

import re
import time

import pytest
from rig import clean, cpu_seconds, record


def proportional_bytes(pid):
    """Memory of its own, and its share of what it has in common with others."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"^Pss: +(\d+)", rollup.read(), re.MULTILINE)[1]) * 1024


@pytest.mark.plain("what a sanitizer needs for itself, a hundred times")
def test_a_node_for_each_peer(rig):
    """F45: all know all, one broadcast reaches all, and while nobody speaks, nodes and Redis idle."""
    scale = rig.scale
    count = scale.seconds(100, 500)
    rig.start_redis()
    # Core dumps, or only root may see how much memory they have.
    rig.start_nodes(count, profile="agentcore", core_dumps="on", redis_url=rig.redis_address)
    rig.populate(1)
    rig.hold(scale.seconds(1, 20))

    processes = [rig.redis.pid, *(node.pid for node in rig.nodes)]
    before, begun = [cpu_seconds(pid) for pid in processes], time.monotonic()
    rig.hold(scale.seconds(2, 60))
    seconds = time.monotonic() - begun
    busy = [(cpu_seconds(pid) - then) / seconds * 100 for pid, then in zip(processes, before)]
    memory = sum(proportional_bytes(node.pid) for node in rig.nodes) / count
    bar = scale.seconds("", "<= 5")
    record("F45", scale, "nodes with a client each", count, "", "")
    record("F45", scale, "their processor time while nobody speaks", sum(busy[1:]), "% of a core", "")
    record("F45", scale, "and that of Redis", busy[0], "% of a core", "")
    record("F45", scale, "together", sum(busy), "% of a core", bar)
    record("F45", scale, "memory of one", memory / 2**20, "MiB", "")

    rig.talk(direct=0, broadcast=2)
    rig.swarm.until(lambda counts: counts["GOT_BROADCAST"] >= count - 1, "a broadcast to reach all")
    rig.hush()
    verdict = rig.judge()
    clean(verdict)
    assert verdict.delivered == verdict.expected >= count - 1, verdict.story()
