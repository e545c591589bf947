"""
A presence that says nothing new is a heartbeat; a new one is told at once. Clients that forget
peers get the roster repeated, from the node's own memory; clients that accept `events` do not, and
those that accept `roster` get presences gathered.
"""

import json

from harness import patience
from harness.client import Place, expect_nothing, fence, is_relay_time
from harness.raw import PING, TEXT, RawSocket, frame


async def test_unchanged_presence_is_not_told(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", agents=["a"])
    for n in range(5):
        await bob.send("presence", {"status": "online", "agents": ["a"]}, timestamp=n, extra=n)
    await fence(bob, alice)
    assert len(alice.presences_of("bob")) == 1
    assert bob.roster and len(bob.presences_of("alice")) == 1, "no roster in answer either"


async def test_changed_presence_is_told_at_once(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", mood="calm")
    text = '{"type":"presence","from":"bob","data":{"mood" : "busy"},"x":1}'
    await bob.send_text(text)
    assert (await alice.expect(type="presence", data={"mood": "busy"})).text == text
    await fence(bob, alice)
    assert len(alice.presences_of("bob")) == 2


async def test_changed_is_a_matter_of_bytes(here, there):
    """White space in `data` makes another presence: no parser decides what is equal."""
    alice = await here.join("alice")
    bob = await there.join("bob", message='{"type":"presence","from":"bob","data":{"a":1}}')
    await bob.send_text('{"type":"presence","from":"bob","data":{"a": 1}}')
    await fence(bob, alice)
    assert len(alice.presences_of("bob")) == 2


async def test_a_presence_without_from_is_ones_own(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", mood="calm")
    await bob.send_text('{"type":"presence","data":{"mood":"busy"}}')
    told = await alice.expect(type="presence", data={"mood": "busy"})
    assert told.text == '{"from":"bob","type":"presence","data":{"mood":"busy"}}'


async def test_many_changes_are_gathered_and_the_latest_wins(here, there):
    """At most one per 250 ms and connection."""
    alice, bob = await here.join("alice"), await there.join("bob", step=-1)
    steps = 200
    begin = patience.time.monotonic()
    for step in range(steps):
        await bob.announce(step=step)
    await alice.expect(type="presence", from_="bob", data={"step": steps - 1})
    took = patience.time.monotonic() - begin
    told = [m["data"]["step"] for m in alice.presences_of("bob")]
    assert told == sorted(set(told))
    assert len(told) <= 3 + took / 0.25
    carol = await there.join("carol")
    assert [m["data"]["step"] for m in carol.presences_of("bob")] == [steps - 1]


async def test_back_and_forth_within_the_gathering(here, there):
    """Whatever is gathered, the last word is the one that stays."""
    alice, bob = await here.join("alice"), await there.join("bob", mood="calm")
    for mood in ("busy", "calm", "busy", "calm", "last"):
        await bob.announce(mood=mood)
    await alice.expect(type="presence", from_="bob", data={"mood": "last"})
    for mood in ("busy", "last"):
        await bob.announce(mood=mood)
    carol = await there.join("carol")

    async def latest():
        dave = await there.join("dave")
        found = dave.presences_of("bob")[-1]["data"]["mood"]
        await dave.close()
        return found == "last" and alice.presences_of("bob")[-1]["data"]["mood"] == "last"

    await patience.eventually(latest, lambda: alice.story())
    assert carol.presences_of("bob")


async def test_leaving_without_closing(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await bob.send("presence", {"status": "offline"})
    told = await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    assert is_relay_time(told["timestamp"])
    await bob.send("broadcast", {"n": 1}, turnId="t", id=1)
    await bob.expect_error("no_presence", id=1)
    await alice.send("direct", {"n": 1}, to="bob")
    await alice.expect_error("peer_not_found", to="bob")
    carol = await there.join("carol")
    assert [m["from"] for m in carol.roster] == ["alice"]
    assert len(alice.offlines_of("bob")) == 1

    await bob.send("presence", {"status": "online"}, from_="robert", id=2)
    await bob.expect_error("from_mismatch", id=2)
    await bob.announce(back=True)
    await alice.expect(type="presence", from_="bob", data={"back": True})
    await bob.settle()
    assert {m["from"] for m in bob.untaken(type="presence")} >= {"alice", "carol"}
    await alice.send("direct", {"n": 2}, to="bob")
    await bob.expect(type="direct", data={"n": 2})
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})


async def test_a_first_presence_that_says_offline(here, there):
    """Nobody came, so nobody is told."""
    alice = await here.join("alice")
    bob = await there.connect("bob")
    await bob.send("presence", {"status": "offline"})
    await bob.settle()
    await bob.send("broadcast", {"n": 1}, turnId="t")
    await bob.expect_error("no_presence")
    carol = await there.join("carol")
    await expect_nothing(carol, alice, type="presence", from_="bob")
    assert [m["from"] for m in carol.roster] == ["alice"]


async def test_the_largest_presence(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", step=0)

    def presence(size, step):
        text = json.dumps({"type": "presence", "from": "bob", "data": {"step": step, "fill": ""}})
        return text.replace('"fill": ""', '"fill": "%s"' % ("x" * (size - len(text))))

    await bob.send_text(presence(8192, 1))
    await alice.expect(type="presence", from_="bob", data={"step": 1})
    await bob.send_text(presence(12000, 2))
    await bob.expect_error("too_large", type="presence")
    await expect_nothing(bob, alice, type="presence", from_="bob", data={"step": 2})
    await bob.send("direct", {"n": 1}, to="alice")
    await alice.expect(type="direct", data={"n": 1})


# Repeats


async def test_the_roster_is_repeated_for_clients_that_forget(start_relays, mesh):
    """One presence per peer and period, the own left out, in the bytes of the announcement."""
    one, two = start_relays(2, presence_repeat_seconds=1)
    plain = await Place(one, mesh).join("plain")
    text = '{"type":"presence", "from":"bob", "data":{"status":"online"},"timestamp":5}'
    bob = await Place(two, mesh).join("bob", message=text, accept=["events"])
    carol = await Place(one, mesh).join("carol", accept=["events", "unknown word"])

    def repeated():
        return len(plain.presences_of("bob")) >= 3 and len(plain.presences_of("carol")) >= 3

    await patience.eventually(repeated, lambda: plain.story())
    assert {m.text for m in plain.presences_of("bob")} == {text}
    assert plain.presences_of("plain") == []
    assert abs(len(plain.presences_of("bob")) - len(plain.presences_of("carol"))) <= 1
    assert all(is_relay_time(m["timestamp"]) for m in plain.presences_of("carol")[1:])
    for modern in (bob, carol):
        assert len(modern.presences_of("plain")) == 1


async def test_what_is_repeated_is_the_present(start_relays, mesh):
    one, two = start_relays(2, presence_repeat_seconds=1)
    plain = await Place(one, mesh).join("plain")
    bob = await Place(two, mesh).join("bob", mood="calm")
    gone = await Place(two, mesh).join("gone")
    await bob.announce(mood="busy")
    await gone.close()
    await plain.expect(type="presence", from_="gone", data={"status": "offline"})
    await plain.expect(type="presence", from_="bob", data={"mood": "busy"})
    since = len(plain.received)
    await patience.eventually(
        lambda: len([m for m in plain.received[since:] if m["from"] == "bob"]) >= 2, plain.story
    )
    for message in plain.received[since:]:
        assert (message["from"], message["data"]["mood"]) == ("bob", "busy")


async def test_repeats_never_split_a_message(start_relays, mesh):
    """Repeats between the fragments of a large message would break the connection."""
    one, two = start_relays(2, presence_repeat_seconds=1)
    plain = await Place(one, mesh).join("plain")
    bob = await Place(two, mesh).join("bob")
    sent = 0

    async def busy():
        nonlocal sent
        await bob.send("direct", {"n": sent, "fill": "x" * 200_000}, to="plain")
        await plain.expect(type="direct", data={"n": sent})
        sent += 1
        return len(plain.presences_of("bob")) >= 3

    await patience.eventually(busy, lambda: plain.story())


async def test_accept_after_joining(start_relays, mesh):
    """A client may turn repeats off at any time."""
    (one,) = start_relays(1, presence_repeat_seconds=1)
    place = Place(one, mesh)
    bob, plain, late = await place.join("bob"), await place.join("plain"), await place.join("late")
    await patience.eventually(lambda: len(late.presences_of("bob")) >= 2, late.story)
    await late.send("capabilities", {"accept": ["events"]})
    await late.expect(type="capabilities_response")
    before = len(late.presences_of("bob"))
    had = len(plain.presences_of("bob"))
    await patience.eventually(lambda: len(plain.presences_of("bob")) >= had + 3, plain.story)
    await fence(bob, late)
    assert len(late.presences_of("bob")) <= before + 1


async def test_one_message_for_the_whole_roster(here, there):
    """accept: ["roster"]"""
    texts = {
        "a": '{"type":"presence","from":"a","data":{"n": 1.0},"timestamp":1}',
        "b": '{"type":"presence","from":"b","data":{"\\u00e9":"\\/"},"timestamp":2}',
    }
    for name, text in texts.items():
        await there.join(name, message=text)
    client = await here.join("c", accept=["events", "roster"])
    assert [m["type"] for m in client.roster] == ["roster"]
    (roster,) = client.roster
    assert roster["from"] == "relay" and is_relay_time(roster["timestamp"])
    assert {p["from"]: p for p in roster["data"]["peers"]} == {
        name: json.loads(text) for name, text in texts.items()
    }
    for text in texts.values():
        assert text in roster.text
    await there.join("d")
    await client.expect(type="presence", from_="d")


async def test_an_empty_roster_in_one_message(here):
    client = await here.join("alone", accept=["roster"])
    (roster,) = client.roster
    assert roster["type"] == "roster" and roster["data"]["peers"] == []


async def test_roster_without_events_repeats_gathered(start_relays, mesh):
    one, two = start_relays(2, presence_repeat_seconds=1)
    await Place(two, mesh).join("bob")
    client = await Place(one, mesh).join("c", accept=["roster"])
    await patience.eventually(lambda: len(client.all(type="roster")) >= 3, client.story)
    for roster in client.all(type="roster"):
        assert [p["from"] for p in roster["data"]["peers"]] == ["bob"]
    assert client.all(type="presence") == []


async def test_never_repeated_by_option(start_relays, mesh):
    """--presence-repeat-seconds 0"""
    never, often = start_relays(1, presence_repeat_seconds=0) + start_relays(
        1, presence_repeat_seconds=1
    )
    await Place(often, mesh).join("bob")
    quiet, repeated = await Place(never, mesh).join("quiet"), await Place(often, mesh).join("loud")
    await patience.eventually(lambda: len(repeated.presences_of("bob")) >= 4, repeated.story)
    assert len(quiet.presences_of("bob")) == 1


async def test_repeats_on_the_wire_are_whole_frames(start_relays, mesh):
    """The block of repeats is one run of unmasked, unfragmented text frames."""
    (one,) = start_relays(1, presence_repeat_seconds=1)
    place = Place(one, mesh)
    for n in range(30):
        await place.join(f"p{n}")
    plain = await RawSocket.upgrade(place)
    await plain.send(frame(TEXT, b'{"type":"presence","from":"plain"}'))
    seen = []
    while len(seen) < 90:
        got = await plain.receive_frame()
        if got.opcode == PING:
            continue
        assert (got.fin, got.rsv, got.opcode, got.masked) == (True, 0, TEXT, False)
        seen.append(json.loads(got.payload)["from"])
    for begin in (0, 30, 60):
        assert len(set(seen[begin : begin + 30])) == 30
    plain.close()
