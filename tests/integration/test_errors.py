"""
What is refused is answered with an error that says why, and the connection stays open. (Codes that
need more than a message have files of their own: limits, echo guard, outage, identity.)
"""

import json

import pytest

from harness import patience
from harness.client import Place, expect_nothing

NOT_A_MESSAGE = {
    "empty": "",
    "white space": "  ",
    "word": "hello",
    "number": "1",
    "string": '"type"',
    "list": '[{"type":"ack"}]',
    "null": "null",
    "cut short": '{"type":"ack"',
    "two": '{"type":"ack"}{"type":"ack"}',
    "trailing": '{"type":"ack"} x',
    "trailing comma": '{"type":"ack",}',
    "single quotes": "{'type':'ack'}",
    "comment": '{"type":"ack"/**/}',
    "bare name": '{type:"ack"}',
    "byte order mark": '\ufeff{"type":"ack"}',
    "no type": '{"data":1}',
    "type null": '{"type":null}',
    "type number": '{"type":1}',
    "type list": '{"type":["ack"]}',
    "type empty": '{"type":""}',
    "type too long": json.dumps({"type": "t" * 65}),
    "type control": '{"type":"a\\u0000"}',
    "raw control": '{"type":"ack","data":"a\x01"}',
    "raw newline": '{"type":"ack","data":"a\n"}',
    "bad escape": '{"type":"ack","data":"\\x41"}',
    "short escape": '{"type":"ack","data":"\\u12"}',
    "leading zero": '{"type":"ack","data":01}',
    "plus": '{"type":"ack","data":+1}',
    "no digits": '{"type":"ack","data":1.}',
    "NaN": '{"type":"ack","data":NaN}',
    "Infinity": '{"type":"ack","data":-Infinity}',
    "nested too deep": '{"type":"ack","data":' + "[" * 64 + "]" * 64 + "}",
    "nested very deep": '{"type":"ack","data":' + "[" * 500_000 + "]" * 500_000 + "}",
    "never closed": '{"type":"ack","data":' + '{"a":' * 100_000,
    "to a number": '{"type":"ack","to":1}',
    "target an object": '{"type":"ack","targetInstanceId":{}}',
}


@pytest.mark.parametrize("text", NOT_A_MESSAGE.values(), ids=NOT_A_MESSAGE.keys())
async def test_invalid_message(here, there, text):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text(text)
    error = await alice.expect_error("invalid_message")
    assert error["to"] == "alice"
    await expect_nothing(alice, bob, from_="alice", type="ack")
    assert len(alice.all(type="error")) == 1


async def test_the_deepest_message(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = '{"type":"ack","from":"alice","data":' + "[" * 63 + "]" * 63 + "}"
    await alice.send_text(text)
    assert (await bob.expect(type="ack")).text == text


async def test_the_longest_type(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for type in ("t" * 64, "é" * 32, "with space", "😀"):
        await alice.send(type, {"n": 1})
        await bob.expect(type=type)


async def test_invalid_messages_before_presence(here):
    client = await here.connect()
    await client.send_text("[]")
    error = await client.expect_error("invalid_message")
    assert "to" not in error
    await client.send_text('{"type":"presence","from":"late"}')
    await client.settle()
    assert client.closed is None


async def test_what_an_error_says(here):
    """Which message, for whom it was, and the sender's own mark on it."""
    alice = await here.join("alice")
    await alice.send("direct", {"n": 1}, to="nobody", turnId="turn-7")
    error = await alice.expect_error("peer_not_found")
    assert error["to"] == "alice"
    assert error["data"]["type"] == "direct" and error["data"]["to"] == "nobody"
    assert error["data"]["id"] == "turn-7"
    assert set(error) == {"type", "from", "to", "data", "timestamp"}
    await alice.send("direct", {"n": 1}, to="nobody", turnId="turn-8", id="id-8")
    assert (await alice.expect_error("peer_not_found"))["data"]["id"] == "id-8"
    await alice.send("direct", {"n": 1}, to="nobody")
    assert "id" not in (await alice.expect_error("peer_not_found"))["data"]


@pytest.mark.parametrize("id", [1, 0, -1.5, 'a"\\é😀', "", None, True, ["x"], {"a": [1]}])
async def test_the_mark_is_echoed_as_it_is(here, id):
    alice = await here.join("alice")
    await alice.send("direct", to="nobody", id=id)
    assert (await alice.expect_error("peer_not_found"))["data"]["id"] == id


async def test_a_long_mark_is_left_out(here):
    """Up to 256 bytes come back: an error is no way to make the relay talk."""
    alice = await here.join("alice")
    await alice.send("direct", to="nobody", id="x" * 254)  # and two quotes
    assert (await alice.expect_error("peer_not_found"))["data"]["id"] == "x" * 254
    await alice.send("direct", to="nobody", id="x" * 255)
    assert "id" not in (await alice.expect_error("peer_not_found"))["data"]


async def test_what_an_error_says_is_escaped(here):
    alice = await here.join("alice")
    for to in ('q"uote', "back\\slash", "é\u2028", "</script>"):
        await alice.send("direct", to=to)
        assert (await alice.expect_error("peer_not_found"))["data"]["to"] == to
    await alice.send('own"type', from_="relay")
    assert (await alice.expect_error("from_mismatch"))["data"]["type"] == 'own"type'


async def test_peer_not_found(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for members in ({"to": "nobody"}, {"targetInstanceId": "nobody"}, {"to": "Bob"}):
        await alice.send("direct", {"n": 1}, **members)
        await alice.expect_error("peer_not_found", type="direct")
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_only_the_connection_that_sent_it_is_told(here, there):
    first, second = await here.join("bob"), await there.join("bob")
    alice = await here.join("alice")
    await first.send("direct", {"n": 1}, to="nobody")
    await first.expect_error("peer_not_found")
    await expect_nothing(alice, second, type="error")
    await expect_nothing(first, alice, type="error")


async def test_peer_unreachable(start_relays, mesh):
    """The peer is online still, but its node is gone: better try again than forget it."""
    one, two = start_relays(2, ttl_seconds=5)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    alice.beat(1)
    two.kill()
    await bob.reader
    await alice.send("direct", {"n": 1}, to="bob", id=1)
    error = await alice.expect_error("peer_unreachable", type="direct", to="bob", id=1)
    assert error["to"] == "alice"
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    await alice.send("direct", {"n": 2}, to="bob", id=2)
    await alice.expect_error("peer_not_found", id=2)


async def test_an_error_from_a_peer_is_not_the_relays(here, there):
    """Peers send `error` too: only the relay's come from `relay`."""
    alice, bob = await here.join("alice"), await there.join("bob")
    await bob.send("error", {"error": "model failed"}, to="alice", turnId="t")
    message = await alice.expect(type="error")
    assert message["from"] == "bob" and message["data"] == {"error": "model failed"}


async def test_errors_are_counted(here, elsewhere):
    alice = await here.join("alice")

    def count():
        return here.relay.metric("p2p_relay_errors_total", code="peer_not_found") or 0

    before = count()
    for _ in range(3):
        await alice.send("direct", to="nobody")
    await alice.collect(3, type="error")
    await patience.eventually(lambda: count() == before + 3, count)
