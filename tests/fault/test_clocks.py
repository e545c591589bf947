"""Nodes that do not know what time it is."""

import time

import pytest

from clients import Place, with_clients
from harness.clock import Clock
from rig import clean, record

MINUTES, HOUR = 300, 3600
SILENT = 10  # peers
CLOCKS = {  # of three nodes: at first, and from some moment on
    "right": ((0, 0, 0), (0, 0, 0)),
    "wrong": ((MINUTES, -MINUTES, 0), (MINUTES + HOUR, -MINUTES - HOUR, 0)),
}


async def told_time(node):
    """By the relay, in what it says by itself."""
    client = await Place(node, "time").connect()
    answer = await client.settle()
    return answer["timestamp"]


@with_clients
async def check_clocks(nodes, clocks):
    for node, clock in zip(nodes, clocks):
        wrong = await told_time(node) - time.time()
        assert abs(wrong - clock.shift) < 60, (node.name, wrong, clock.shift)


def hear(rig, offline, of_whom):
    rig.swarm.until(
        lambda counts: counts["GOT_OFFLINE"] >= offline,
        f"all to hear of {of_whom}",
        seconds=rig.scale.ttl + 15,
    )


@pytest.mark.plain("libfaketime has to come first, and so has AddressSanitizer")
@pytest.mark.parametrize("which", CLOCKS)
def test_clocks(rig, tmp_path, which):
    """
    F27: who joins, leaves, falls silent and dies with a node is told as if all clocks were right,
    and nobody is closed: leases end by Redis's clock, and all that waits here by the time that passes.
    """
    scale = rig.scale
    first, then = CLOCKS[which]
    clocks = [Clock(tmp_path / f"clock-{n}", shift) for n, shift in enumerate(first)]
    rig.start_redis()
    nodes = [rig.start_nodes(1, environment=clock.environment)[0] for clock in clocks]
    check_clocks(nodes, clocks)
    for n, node in enumerate(nodes):
        rig.join_group(f"leaving-{n}", 1, node.group)
    rig.join_group("silent", SILENT, nodes[1].group)
    rig.populate()
    rig.talk()
    rig.hold(1)
    for clock, shift in zip(clocks, then):
        clock.set(shift)
    check_clocks(nodes, clocks)
    rig.hold(scale.ttl + 2)  # what the step could end would have ended

    assert rig.swarm.count()["GOT_OFFLINE"] == 0
    others = 3 * scale.peers + SILENT
    expected = 0
    for n in reversed(range(3)):
        expected += others + n
        rig.swarm("leave", f"leaving-{n}")
        hear(rig, expected, "who left")
    expected += (SILENT + scale.peers) * 2 * scale.peers
    rig.swarm("vanish", "silent")
    nodes[2].kill()
    hear(rig, expected, "who fell silent, and who died with its node")
    rig.hush()
    verdict = rig.judge()

    told = max(verdict[f"offline_after_{how}"]["max_ms"] for how in ("vanished", "lost")) / 1000
    died = scale.peers + 1
    closed = sum(verdict[name] for name in verdict if name.startswith("ended_")) - died
    record("F27", scale, f"{which}: offline told, last", told, "s", f"<= {scale.ttl + 2}")
    record("F27", scale, f"{which}: false offline", verdict.false_offline, "", "0")
    record("F27", scale, f"{which}: connections closed", closed, "", "0")
    clean(verdict)
    assert verdict.offline == expected and closed == 0, verdict.story()
    assert told <= scale.ttl + 2
