"""
A message may be as large as the limit says, and may come in fragments of any size. What is larger
than 16 KiB leaves in fragments, so that pings and closes fit in between.
"""

import json

import pytest

from harness.client import Place
from harness.raw import PING, PONG, TEXT, RawSocket, frame

MEBIBYTE = 1 << 20


def message_of(size, **members):
    text = json.dumps({"type": "direct", "from": "alice", "to": "bob", **members, "data": ""})
    return text[:-2] + "x" * (size - len(text)) + '"}'


@pytest.mark.parametrize(
    "size", [125, 126, 127, 65535, 65536, 16383, 16384, 16385, 32768, MEBIBYTE]
)
async def test_any_size_up_to_the_limit(here, there, size):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = message_of(size)
    assert len(text) == size
    await alice.send_text(text)
    assert (await bob.expect(type="direct")).text == text


async def test_one_byte_more_than_the_limit(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text(message_of(MEBIBYTE + 1))
    await alice.expect_close(1009)
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})
    assert bob.all(type="direct") == []


async def test_an_insertion_may_pass_the_limit(here, there):
    """The limit is for what clients send; what the relay adds is its own business."""
    alice, bob = await here.join("alice"), await there.join("bob")
    text = message_of(MEBIBYTE).replace('"from": "alice"', '"from": "label"')
    await alice.send_text(text)
    assert (await bob.expect(type="direct")).text == '{"instanceId":"alice",' + text[1:]


async def test_large_messages_leave_in_fragments(here, there):
    """At most 16 KiB of payload each; a ping in between is answered before the end."""
    alice = await here.join("alice")
    bob = await RawSocket.upgrade(there)
    await bob.send_text('{"type":"presence","from":"bob"}')
    await alice.expect(type="presence", from_="bob")
    for size in (16384, 16385, 100_000, MEBIBYTE):
        text = message_of(size)
        await alice.send_text(text)
        frames = []
        while not frames or not frames[-1].fin:
            got = await bob.receive_frame()
            if frames or b'"direct"' in got.payload:
                frames.append(got)
        assert [f.opcode for f in frames] == [TEXT] + [0] * (len(frames) - 1)
        assert all(len(f.payload) <= 16384 and not f.masked and f.rsv == 0 for f in frames)
        assert b"".join(f.payload for f in frames).decode() == text
        assert len(frames) == -(-size // 16384)
    bob.close()


async def test_control_frames_pass_between_fragments(here, there):
    """A client that reads slowly still gets its pong while a large message is on the way."""
    alice = await here.join("alice")
    bob = await RawSocket.upgrade(there, receive_buffer=4096)
    await bob.send_text('{"type":"presence","from":"bob"}')
    await alice.expect(type="presence", from_="bob")
    for n in range(3):
        await alice.send_text(message_of(MEBIBYTE, n=n))
    await bob.send(frame(PING, b"are you there"))
    whole, parts, pongs = [], [], 0
    while len(whole) < 3:
        got = await bob.receive_frame()
        if got.opcode == PONG:
            assert got.payload == b"are you there"
            pongs += 1
            continue
        parts.append(got.payload)
        if got.fin:
            message = json.loads(b"".join(parts))
            parts = []
            if message["type"] == "direct":
                whole.append(message["n"])
    assert whole == [0, 1, 2]
    if not pongs:
        assert (await bob.receive_frame()).opcode == PONG
    bob.close()


@pytest.mark.parametrize("size", [1, 7, 125, 126, 4096, 16385, 200_000])
async def test_fragments_of_any_size_are_accepted(here, there, size):
    bob = await there.join("bob")
    alice = await RawSocket.upgrade(here)
    await alice.send_text('{"type":"presence","from":"alice"}')
    text = message_of(min(600_000, 2000 * size))
    data = text.encode()
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    await alice.send(
        b"".join(
            frame(0 if n else TEXT, part, fin=n == len(parts) - 1) for n, part in enumerate(parts)
        )
    )
    assert (await bob.expect(type="direct")).text == text
    alice.close()


async def test_many_large_messages_to_many(here, elsewhere):
    alice = await here.join("alice")
    others = [await (here, elsewhere)[n % 2].join(f"p{n}") for n in range(6)]
    text = (
        message_of(300_000).replace('"direct"', '"broadcast"').replace('"to": "bob"', '"turnId": 1')
    )
    for _ in range(5):
        await alice.send_text(text)
    for other in others:
        assert [m.text for m in await other.collect(5, type="broadcast")] == [text] * 5


async def test_a_smaller_limit(start_relays, mesh):
    """--message-bytes-max; nodes may differ, the receiver's takes what the sender's let in."""
    (small,), (large,) = start_relays(1, message_bytes_max=2048), start_relays(1)
    alice, bob = await Place(large, mesh).join("alice"), await Place(small, mesh).join("bob")
    text = message_of(500_000)
    await alice.send_text(text)
    assert (await bob.expect(type="direct")).text == text
    await bob.send_text(message_of(2049))
    await bob.expect_close(1009)
