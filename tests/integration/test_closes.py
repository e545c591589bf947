"""
The relay closes a connection with a code that says why, and a reason in words. (4408: see liveness;
4413: slow reader; 4429: limits; 1012: drain.)
"""

import asyncio

import pytest

from harness import patience
from harness.client import Place
from harness.raw import BINARY, CLOSE, PING, PONG, TEXT, RawSocket, frame

BAD_UTF8 = {
    "lone continuation": b"\x80",
    "overlong slash": b"\xc0\xaf",
    "overlong three": b"\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "above the end": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "cut short": b"\xe2\x82",
    "FF": b"\xff",
}


@pytest.mark.parametrize("bad", BAD_UTF8.values(), ids=BAD_UTF8.keys())
async def test_not_utf8_is_1007(here, bad):
    bob = await here.join("bob")
    for parts in (
        [b'{"type":"broadcast","from":"x","data":"' + bad + b'"}'],
        [bad],
        [b'{"type":"ack","data":"' + bad[:1], bad[1:] + b'"}'],
    ):
        client = await RawSocket.upgrade(here)
        for n, part in enumerate(parts):
            last = n == len(parts) - 1
            await client.send(frame(0 if n else TEXT, part, fin=last))
        code, reason = await client.receive_close()
        assert code == 1007 and reason
        client.close()
    await bob.settle()
    assert bob.all(type="ack") == [] and bob.all(type="broadcast") == []


async def test_utf8_split_in_a_character_is_well(here):
    """Fragments may cut anywhere."""
    bob = await here.join("bob")
    client = await RawSocket.upgrade(here)
    await client.send_text('{"type":"presence","from":"alice"}')
    text = '{"type":"ack","from":"alice","data":"aé€😀"}'
    data = text.encode()
    for n in range(len(data)):
        await client.send(frame(0 if n else TEXT, data[n : n + 1], fin=n == len(data) - 1))
    assert (await bob.expect(type="ack")).text == text
    client.close()


async def test_binary_is_1003(here):
    for parts in ([b"\x00\x01"], [b'{"type":"ack"}'], [b""], [b"a", b"b"]):
        client = await RawSocket.upgrade(here)
        for n, part in enumerate(parts):
            await client.send(frame(0 if n else BINARY, part, fin=n == len(parts) - 1))
        code, reason = await client.receive_close()
        assert code == 1003 and reason
        client.close()


async def test_too_large_is_1009(start_relays, mesh):
    (one,) = start_relays(1, message_bytes_max=4096)
    place = Place(one, mesh)
    bob = await place.join("bob")

    async def sent(*sizes):
        client = await RawSocket.upgrade(place)
        await client.send_text('{"type":"presence","from":"alice"}')
        whole = b'{"type":"ack","data":"' + b"x" * (sum(sizes) - 24) + b'"}'
        begin = 0
        for n, size in enumerate(sizes):
            part = whole[begin : begin + size]
            await client.send(frame(0 if n else TEXT, part, fin=n == len(sizes) - 1))
            begin += size
        return client

    for sizes in ((4096,), (4000, 96), (1,) * 4096):
        client = await sent(*sizes)
        await bob.expect(type="ack")
        client.close()
    for sizes in ((4097,), (4096, 1), (3000, 2000), (100_000,)):
        client = await sent(*sizes)
        code, reason = await client.receive_close()
        assert code == 1009 and reason, sizes
        client.close()
    assert bob.untaken(type="ack") == []


async def test_a_frame_that_claims_to_be_huge_is_1009(here):
    """Refused for its header; nobody waits for 2^62 bytes, or makes room for them."""
    for length in (2**31, 2**32 + 5, 2**62):
        client = await RawSocket.upgrade(here)
        await client.send(frame(TEXT, b'{"type":', length=length))
        code, reason = await client.receive_close()
        assert code == 1009 and reason
        client.close()


async def test_a_message_that_never_ends_is_1008(start_relays, mesh):
    """However much of it still comes, and however lively the connection is besides."""
    (one,) = start_relays(1, message_seconds_max=2)
    place = Place(one, mesh)
    stuck, dripping = await RawSocket.upgrade(place), await RawSocket.upgrade(place)
    for n, client in enumerate((stuck, dripping)):
        await client.send_text('{"type":"presence","from":"p%d"}' % n)
        await client.send(frame(TEXT, b'{"type":"ack","data":"', fin=False))

    async def drip():
        while True:
            await dripping.send(frame(0, b"x", fin=False) + frame(PING, b"still here"))
            await asyncio.sleep(0.1)

    dripper = asyncio.ensure_future(drip())
    try:
        for client in (stuck, dripping):
            code, reason = await client.receive_close()
            assert code == 1008 and reason
    finally:
        dripper.cancel()
    stuck.close()
    dripping.close()


async def test_full_is_1013(start_redis, start_relays, mesh):
    """More newcomers than may wait for their turn; here for a Redis that takes no writes."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis, joins_in_flight_max=1, joins_waiting_max=1)
    place = Place(one, mesh)
    await place.join("member")
    redis.call("CLIENT", "PAUSE", 2000, "WRITE")
    clients = [await place.connect(f"p{n}") for n in range(6)]
    for client in clients:
        await client.announce()
    await patience.eventually(
        lambda: len([client for client in clients if client.closed]) == 4,
        lambda: "".join(client.story() for client in clients),
    )
    for client in clients:
        if client.closed:
            await client.expect_close(1013)
        else:
            await client.settle()
            assert client.presences_of("member")


PROTOCOL_ERRORS = {
    "unmasked": frame(TEXT, b'{"type":"ack"}', mask=False),
    "reserved bit 1": frame(TEXT, b'{"type":"ack"}', rsv=4),
    "reserved bit 2": frame(TEXT, b'{"type":"ack"}', rsv=2),
    "reserved bit 3": frame(TEXT, b'{"type":"ack"}', rsv=1),
    "opcode 3": frame(3, b"x"),
    "opcode 11": frame(11, b"x"),
    "long ping": frame(PING, b"x" * 126),
    "fragmented ping": frame(PING, b"x", fin=False),
    "continuation of nothing": frame(0, b"x"),
    "text inside of a message": frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
    "close with one byte": frame(CLOSE, b"\x03"),
    "close code 999": frame(CLOSE, b"\x03\xe7"),
    "close code 1005": frame(CLOSE, b"\x03\xed"),
    "close code 1006": frame(CLOSE, b"\x03\xee"),
}


async def test_broken_frames_end_the_connection(here):
    """With 1002, or without a word."""
    bob = await here.join("bob")
    clients = []
    for name, data in PROTOCOL_ERRORS.items():
        client = await RawSocket.upgrade(here)
        await client.send_text('{"type":"presence","from":"%s"}' % name)
        await bob.expect(type="presence", from_=name)
        await client.send(data)
        clients.append(client)
    for name, client in zip(PROTOCOL_ERRORS, clients):
        try:
            assert (await client.receive_close())[0] == 1002, name
        except EOFError:
            pass
        await bob.expect(type="presence", from_=name, data={"status": "offline"})
        client.close()
    assert bob.all(type="ack") == []


async def test_a_close_is_answered_with_the_same_code(here):
    for code in (1000, 1001, 3000, 4999):
        client = await RawSocket.upgrade(here)
        await client.send(frame(CLOSE, code.to_bytes(2, "big") + b"bye"))
        assert (await client.receive_close())[0] == code
        await client.receive_end()
        client.close()


async def test_a_close_without_a_code(here):
    client = await RawSocket.upgrade(here)
    await client.send(frame(CLOSE))
    await client.receive_end()
    client.close()


async def test_a_ping_is_answered_with_its_bytes(here):
    client = await RawSocket.upgrade(here)
    for payload in (b"", b"hello", bytes(range(125))):
        await client.send(frame(PING, payload))
        pong = await client.receive_frame()
        assert (pong.opcode, pong.payload, pong.fin, pong.masked) == (PONG, payload, True, False)
    client.close()


async def test_a_ping_inside_of_a_message(here):
    bob = await here.join("bob")
    client = await RawSocket.upgrade(here)
    await client.send_text('{"type":"presence","from":"alice"}')
    await bob.expect(type="presence", from_="alice")
    await client.send(frame(TEXT, b'{"type":', fin=False) + frame(PING, b"now"))
    while (pong := await client.receive_frame()).opcode != PONG:
        pass
    assert pong.payload == b"now"
    await client.send(frame(PONG, b"unasked") + frame(0, b'"ack"}'))
    await bob.expect(type="ack", from_="alice")
    client.close()


async def test_empty_frames_in_a_message(here):
    bob = await here.join("bob")
    client = await RawSocket.upgrade(here)
    await client.send_text('{"type":"presence","from":"alice"}')
    parts = [b"", b'{"type":', b"", b'"ack"}', b""]
    for n, part in enumerate(parts):
        await client.send(frame(0 if n else TEXT, part, fin=n == len(parts) - 1))
    await bob.expect(type="ack", from_="alice")
    client.close()


async def test_bytes_one_by_one(here):
    """TCP may deliver a frame in any pieces."""
    bob = await here.join("bob")
    client = await RawSocket.upgrade(here)
    data = frame(TEXT, b'{"type":"presence","from":"alice"}')
    data += frame(PING, b"p") + frame(TEXT, b'{"type":"ack","data":"' + b"x" * 300 + b'"}')
    for n in range(len(data)):
        await client.send(data[n : n + 1])
    assert len((await bob.expect(type="ack"))["data"]) == 300
    client.close()
