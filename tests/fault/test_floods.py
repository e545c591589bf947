"""Who sends more than it may is held to its quota, and ended if it goes on. Others notice nothing."""

import select
import time

from rig import clean, record
from strangers import CLOSE, Stranger, frame, join, text

QUOTA = 100  # messages a second
WINDOW_S = 3  # in which the others say enough for a 99th percentile


def flood(stranger, bytes_at_once, seconds):
    """
    Sends as fast as it is let, until the other side ends it or the time is over. Returns the close
    code, None if there was none.
    """
    heard, to_send = b"", b""
    stranger.tcp.setblocking(False)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        to_send = to_send or bytes_at_once
        readable, writable, _ = select.select([stranger.tcp], [stranger.tcp], [], 0.1)
        try:
            if writable:
                to_send = to_send[stranger.tcp.send(to_send) :]
            if readable:
                more = stranger.tcp.recv(1 << 20)
                if not more:
                    break
                heard += more
        except ConnectionError:
            break
        if close_code(heard) is not None:
            break
    return close_code(heard)


def close_code(heard):
    """Of the close frame among these, if it is there as a whole."""
    at = 0
    while at + 4 <= len(heard):
        size = heard[at + 1]
        head = 2 if size < 126 else 4
        size = size if size < 126 else int.from_bytes(heard[at + 2 : at + 4], "big")
        if heard[at] & 15 == CLOSE:
            return int.from_bytes(heard[at + 2 : at + 4], "big")
        at += head + size
    return None


def settled(rig, scale):
    (node,) = rig.start_nodes(1, ttl_seconds=60, messages_per_second=QUOTA)
    rig.join_group("others", 20, node.group)
    rig.all_know_each_other()
    rig.swarm("direct", "others", "others", 200)
    rig.hold(scale.seconds(2, 10))
    return node


def after(rig, row, scale, figure, begun, **allowed):
    rig.swarm("direct", "others", "others", 0)
    rig.settle()
    clean(rig.judge(ttl=60_000), **allowed)
    before, during = rig.judge(ttl=60_000, until=begun), rig.judge(ttl=60_000, **{"from": begun})
    record(row, scale, f"{figure}: others' p99, before", before.direct["p99_ms"], "ms", "")
    record(row, scale, f"{figure}: others' p99, meanwhile", during.direct["p99_ms"], "ms", "<= 1.2 times before")


def test_messages(rig, scale):
    """F37: of 10,000 a second as many pass as the quota has, and in the end the connection goes (4429)."""
    rig.start_redis()
    node = settled(rig, scale)
    flooder = join(node, "flooder", mesh="flood")
    witness = join(node, "witness", mesh="flood")
    begun = time.monotonic()
    burst = text('{"type":"direct","to":"witness","data":0}') * 100
    code = flood(flooder, burst, 60)
    took = time.monotonic() - begun
    assert code == 4429
    passed = sum(message["type"] == "direct" for message in witness.fence())
    record("F37", scale, "passed of the flood", passed / (QUOTA * (took + 1)), "quotas", "1 +- 0.1")
    assert passed <= QUOTA * (took + 1) * 1.1
    after(rig, "F37", scale, "flood of messages", begun * 1000)


def test_pings_and_empty_frames(rig, scale):
    """F37: they cost their sender its own connection, and nobody else anything."""
    rig.start_redis()
    node = settled(rig, scale)
    begun = time.monotonic()
    for name, nuisance, expected in (
        ("pings", frame(9, b"x" * 125) * 200, 4429),
        ("empty fragments", frame(1, b"", fin=False) + frame(0, b"", fin=False) * 500 + frame(0, b"{}"), 1008),
        ("empty messages", frame(1, b"") * 200, 1008),
    ):
        stranger = Stranger(node, mesh="flood")
        code = flood(stranger, nuisance, 60)
        record("F37", scale, f"flood of {name}, closed with", str(code), "", str(expected))
        assert code == expected
        stranger.reset()
        assert node.get("/livez").status == 200
    rig.hold(WINDOW_S)
    after(rig, "F37", scale, "pings and empty frames", begun * 1000)


def test_one_message_to_all(rig, scale):
    """F37: broadcasts multiply by the peers of the mesh: the quota bounds that too."""
    rig.start_redis()
    node = settled(rig, scale)
    begun = time.monotonic()
    flooder = join(node, "flooder", mesh="mesh-0")
    code = flood(flooder, text('{"type":"x","data":"' + "y" * 200 + '"}') * 50, 60)
    assert code == 4429
    after(rig, "F37", scale, "flood of broadcasts", begun * 1000, strange=True)
