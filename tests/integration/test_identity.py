"""
The first presence binds a connection to a peer id. Nobody speaks as another peer, and a receiver
can trust `instanceId`, else `from`, to name the sender.
"""

import json

import pytest

from harness.client import Place, expect_nothing, fence
from harness.raw import TEXT, RawSocket, frame

LONGEST = "n" * 128


async def test_from_is_inserted_where_it_is_missing(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text('{"type":"broadcast","turnId":"t","data":1}')
    message = await bob.expect(type="broadcast")
    assert message.text == '{"from":"alice","type":"broadcast","turnId":"t","data":1}'


async def test_instance_id_is_inserted_where_from_is_a_label(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text('{"type":"broadcast","from":"never announced","turnId":"t"}')
    message = await bob.expect(type="broadcast")
    wanted = '{"instanceId":"alice","type":"broadcast","from":"never announced","turnId":"t"}'
    assert message.text == wanted


async def test_nothing_is_inserted_where_the_sender_is_named(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for text in (
        '{"type":"broadcast","from":"alice","turnId":"1"}',
        '{"type":"broadcast","from":"label","instanceId":"alice","turnId":"2"}',
        '{"type":"broadcast","from":"alice","instanceId":"alice","turnId":"3"}',
        '{"type":"broadcast","from":"\\u0061lice","turnId":"4"}',
    ):
        await alice.send_text(text)
        assert (await bob.expect(type="broadcast")).text == text


async def test_from_is_inserted_beside_instance_id(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text('{"type":"ack","instanceId":"alice"}')
    message = await bob.expect(type="ack")
    assert message.text == '{"from":"alice","type":"ack","instanceId":"alice"}'


async def test_inserted_into_an_object_with_white_space(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send_text(' \n{ "type" : "ack" }\t ')
    message = await bob.expect(type="ack", from_="alice")
    assert message.text == ' \n{"from":"alice", "type" : "ack" }\t '


async def test_an_id_that_needs_escapes_is_inserted_escaped(here, there):
    odd = 'q"\\ю'
    alice, bob = await here.join(odd), await there.join("bob")
    await alice.send_text('{"type":"ack"}')
    assert (await bob.expect(type="ack"))["from"] == odd
    await alice.send_text('{"type":"turn_end","from":"label"}')
    assert (await bob.expect(type="turn_end"))["instanceId"] == odd


@pytest.mark.parametrize("type", ["direct", "broadcast", "stream", "presence", "heartbeat", "own"])
async def test_another_peers_id_is_refused(here, there, type):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await there.join("carol")
    await alice.send(type, {"n": 1}, from_="bob", to="carol", id="x")
    await alice.expect_error("from_mismatch", type=type, id="x")
    await fence(alice, carol)
    assert carol.all(data={"n": 1}) == []
    await expect_nothing(alice, bob, data={"n": 1})


async def test_another_peers_id_in_an_escaped_spelling_is_refused(here, there):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await there.join("carol")
    await alice.send_text('{"type":"broadcast","from":"\\u0062ob","turnId":"t","id":1}')
    await alice.expect_error("from_mismatch", id=1)
    await expect_nothing(alice, carol, type="broadcast")
    await expect_nothing(alice, bob, type="broadcast")


async def test_instance_id_must_be_the_own(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for other in ("bob", "nobody", "Alice"):
        await alice.send("broadcast", {"n": 1}, instanceId=other, turnId="t", id=other)
        await alice.expect_error("from_mismatch", type="broadcast", id=other)
    await alice.send_text('{"type":"broadcast","instanceId":null,"turnId":"t"}')
    await alice.expect_error("invalid_message")
    await expect_nothing(alice, bob, type="broadcast")


async def test_a_connection_keeps_its_id(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send("presence", {"status": "online"}, from_="alicia", id=1)
    await alice.expect_error("from_mismatch", type="presence", id=1)
    await expect_nothing(alice, bob, type="presence", from_="alicia")
    await alice.send("broadcast", {"n": 1}, turnId="t")
    await bob.expect(type="broadcast", from_="alice")


@pytest.mark.parametrize("type", ["presence", "direct", "broadcast"])
async def test_relay_is_nobodys_id(here, there, type):
    bob = await there.join("bob")
    stranger = await here.connect("relay")
    await stranger.send("presence", {"status": "online"})
    await stranger.expect(type="error", data={"code": "from_mismatch"})
    alice = await here.join("alice")
    await alice.send(type, {"n": 1}, from_="relay", to="bob", id=1)
    await alice.expect_error("from_mismatch", id=1)
    await expect_nothing(alice, bob, data={"n": 1})
    assert bob.presences_of("relay") == []


async def test_a_label_that_becomes_a_peer(here, there):
    """A free name may be used as a label, until somebody is that peer."""
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send("broadcast", {"n": 1}, from_="carol", turnId="t")
    await bob.expect(type="broadcast", data={"n": 1}, instanceId="alice")
    carol = await there.join("carol")
    await alice.expect(type="presence", from_="carol")
    await alice.send("broadcast", {"n": 2}, from_="carol", turnId="t", id=2)
    await alice.expect_error("from_mismatch", id=2)
    await carol.close()
    await alice.expect(type="presence", from_="carol", data={"status": "offline"})
    await alice.send("broadcast", {"n": 3}, from_="carol", turnId="t")
    await bob.expect(type="broadcast", data={"n": 3})


async def test_only_announced_names_by_option(start_relays, mesh):
    """--from announced"""
    one, two = start_relays(2, **{"from": "announced"})
    alice = await Place(one, mesh).join("alice", agents=["writer"])
    bob = await Place(two, mesh).join("bob")
    for name in ("writer", "alice"):
        await alice.send("broadcast", {"as": name}, from_=name, turnId="t")
        await bob.expect(type="broadcast", data={"as": name})
    await alice.send("broadcast", {"as": "critic"}, from_="critic", turnId="t", id=1)
    await alice.expect_error("from_mismatch", id=1)


async def test_an_announced_name_is_good_from_the_next_message_on(start_relays, mesh):
    """--from announced; also before the announcement has been around the mesh."""
    one, two = start_relays(2, **{"from": "announced"})
    bob = await Place(two, mesh).join("bob")
    alice = await RawSocket.upgrade(Place(one, mesh))
    await alice.send_text('{"type":"presence","from":"alice"}')
    await bob.expect(type="presence", from_="alice")
    texts = [
        '{"type":"presence","from":"alice","data":{"agents":["critic"]}}',
        '{"type":"ack","from":"critic"}',
    ]
    await alice.send(b"".join(frame(TEXT, text.encode()) for text in texts))
    await bob.expect(type="ack", from_="critic")
    alice.close()


@pytest.mark.parametrize(
    "type", ["broadcast", "direct", "heartbeat", "stream", "error", "own-type"]
)
async def test_before_presence_nothing_is_passed_on(here, there, type):
    bob = await there.join("bob")
    alice = await here.connect("alice")
    await alice.send(type, {"n": 1}, to="bob", id=5)
    error = await alice.expect_error("no_presence", type=type, id=5)
    assert "to" not in error
    await alice.announce()
    await alice.send("broadcast", {"n": 2}, turnId="t")
    await bob.expect(type="broadcast", data={"n": 2})
    assert bob.all(data={"n": 1}) == []


async def test_a_presence_must_say_who(here):
    alice = await here.connect()
    await alice.send_text('{"type":"presence","data":{"status":"online"},"id":1}')
    await alice.expect_error("invalid_message", type="presence", id=1)


BAD_IDS = {
    "empty": '""',
    "129 bytes": json.dumps("n" * 129),
    "129 bytes of UTF-8": json.dumps("n" + "é" * 64, ensure_ascii=False),
    "control": '"a\\u0007"',
    "newline": '"a\\n"',
    "NUL": '"a\\u0000"',
    "DEL": '"a\\u007f"',
    "C1": '"a\\u0085"',
    "lone high surrogate": '"a\\ud83d"',
    "lone low surrogate": '"a\\ude00"',
    "surrogates the wrong way": '"\\ude00\\ud83d"',
    "number": "1",
    "list": '["a"]',
    "object": "{}",
    "true": "true",
    "null": "null",
}


@pytest.mark.parametrize("value", BAD_IDS.values(), ids=BAD_IDS.keys())
async def test_what_is_no_id(here, value):
    alice = await here.connect()
    await alice.send_text('{"type":"presence","from":%s}' % value)
    await alice.expect_error("invalid_message")
    await alice.send_text('{"type":"presence","from":"alice"}')
    await alice.settle()
    members = ["from", "instanceId"] + ([] if value == "null" else ["to", "targetInstanceId"])
    for member in members:
        await alice.send_text('{"type":"ack","%s":%s}' % (member, value))
        await alice.expect_error("invalid_message")
    assert len(alice.all(type="error")) == 1 + len(members)


async def test_the_longest_id(here, there):
    bob = await there.join("bob")
    client = await here.join(LONGEST, agents=["a" * 128])
    await client.send("direct", {"n": 1}, from_="a" * 128, to="bob")
    message = await bob.expect(type="direct", data={"n": 1})
    assert message["instanceId"] == LONGEST
    await bob.send("direct", {"n": 2}, to="a" * 128)
    await client.expect(type="direct", data={"n": 2})


async def test_ids_are_compared_unescaped(here, there):
    bob = await there.join("bob")
    alice = await here.join("alice", message='{"type":"presence","from":"al\\u0069ce"}')
    await alice.send_text('{"type":"direct","from":"alice","to":"b\\u006fb","data":{"n":1}}')
    await bob.expect(type="direct", data={"n": 1})
    await bob.send("direct", {"n": 2}, to="alice")
    await alice.expect(type="direct", data={"n": 2})
    smile = await here.join("😀", message='{"type":"presence","from":"\\ud83d\\ude00"}')
    await bob.send("direct", {"n": 3}, to="😀")
    await smile.expect(type="direct", data={"n": 3})


async def test_ids_are_not_normalized(here, there):
    """Composed and decomposed are two peers; so are upper and lower case."""
    names = ["é", "e\u0301", "Anna", "anna", "anna ", " anna"]
    clients = [await here.join(name) for name in names]
    bob = await there.join("bob")
    for n, client in enumerate(clients):
        await bob.send("direct", {"n": n}, to=names[n])
        assert (await client.expect(type="direct"))["data"] == {"n": n}
