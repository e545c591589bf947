"""Frames that are too long, lie about their length, or never end. (F15, F16, F17: tests/edge/test_rfc6455.py.)"""

import struct
import time

import pytest
from rig import record, within_memory
from strangers import TTL_S, Closed, Stranger, ended, frame, join, text

LIMIT = 1 << 20
SLACK_BYTES = 12 << 20  # what an allocator keeps, and what is on the way


def closing(stranger):
    """(code, ms that it took)"""
    begun = time.monotonic()
    return stranger.closing().code, (time.monotonic() - begun) * 1000


def message_of(size):
    start, end = b'{"type":"x","data":"', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def test_at_the_limit_and_one_byte_more(rig, scale):
    """F14: the limit is exact, and what is above it costs the node no more than the limit."""
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, message_bytes_max=LIMIT)
    receiver, sender = join(node, "receiver"), join(node, "sender")
    receiver.fence()
    sender.send_bytes(frame(1, message_of(LIMIT)))
    assert len(receiver.hear()["data"]) > LIMIT - 100
    resident = node.resident_bytes()
    sender.send_bytes(frame(1, message_of(LIMIT + 1)))
    code, ms = closing(sender)
    assert code == 1009
    record("F14", scale, "a byte more than the limit, closed after", ms, "ms", "<= 100")
    assert receiver.hear()["data"] == {"status": "offline"}
    assert within_memory(node.resident_bytes() - resident, LIMIT + SLACK_BYTES)


@pytest.mark.parametrize("length", [LIMIT + 1, (1 << 32) + 1, (1 << 63) - 1])
def test_a_head_that_claims_much(rig, scale, length):
    """F14: refused by what it says, before any of it is there."""
    if scale.name == "long":
        pytest.skip("no larger numbers to it")
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, message_bytes_max=LIMIT)
    stranger = join(node, "stranger")
    stranger.send_bytes(frame(1, b"{", length=length))
    code, ms = closing(stranger)
    assert code == 1009
    record("F14", scale, f"a head that claims {length} bytes, closed after", ms, "ms", "<= 100")


def test_a_length_with_the_highest_bit(rig, scale):
    """F14: no length at all."""
    if scale.name == "long":
        pytest.skip("no larger numbers to it")
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S)
    stranger = join(node, "stranger")
    stranger.send_bytes(b"\x81\xff" + struct.pack("!Q", 1 << 63) + b"mask")
    code, ms = closing(stranger)
    assert code in (1002, 1009, None)
    record("F14", scale, "a length of 2^63, closed after", ms, "ms", "<= 100")
    join(node, "another").hang_up()


def test_a_million_fragments(rig, scale):
    """F14: of one byte each: a message as any other, and others are served meanwhile."""
    size = scale.seconds(100_000, LIMIT)
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, message_bytes_max=LIMIT, message_seconds_max=60)
    receiver, sender = join(node, "receiver"), join(node, "sender")
    receiver.fence()
    resident = node.resident_bytes()
    whole = message_of(size)
    pieces = [frame(0 if i else 1, whole[i : i + 1], fin=i == size - 1) for i in range(size)]
    heard = []
    begun = time.monotonic()
    for at in range(0, size, 10_000):
        sender.send_bytes(b"".join(pieces[at : at + 10_000]))
        heard += receiver.fence()
    (message,) = heard or [receiver.hear()]
    assert len(message["data"]) > size - 100
    record("F14", scale, f"{size} fragments of a byte, delivered after", time.monotonic() - begun, "s", "")
    assert within_memory(node.resident_bytes() - resident, 3 * LIMIT + SLACK_BYTES)


def test_a_message_that_never_ends(rig, scale):
    """F14: fragments without an end are one message: at the limit it is over. Or in time."""
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, message_bytes_max=LIMIT, message_seconds_max=3)
    resident = node.resident_bytes()
    endless, late = join(node, "endless"), join(node, "late")
    late.send_bytes(frame(1, b"{", fin=False))
    endless.send_bytes(frame(1, b"{", fin=False))
    with pytest.raises((Closed, ConnectionError)):
        while True:
            endless.send_bytes(frame(0, b" " * 10_000, fin=False) * 20)
    assert ended(endless.tcp)
    assert within_memory(node.resident_bytes() - resident, 2 * LIMIT + SLACK_BYTES)
    assert late.closing().code == 1008


def test_after_a_breach_nobody_is_there(rig, scale):
    """F17: who breaks the protocol is gone for all others at once, however long it keeps its socket."""
    if scale.name == "long":
        pytest.skip("no larger numbers to it")
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S)
    observer, breaker = join(node, "observer"), join(node, "breaker")
    assert [each["from"] for each in observer.fence()] == ["breaker"]
    begun = time.monotonic()
    breaker.send_bytes(text("{}", rsv=4) + text('{"type":"broadcast","data":"too late"}'))
    gone = observer.hear()
    ms = (time.monotonic() - begun) * 1000
    assert (gone["from"], gone["data"]) == ("breaker", {"status": "offline"})
    record("F17", scale, "told offline after a breach, the socket still open", ms, "ms", "")
    assert observer.fence() == []
    assert breaker.closing().code == 1002
