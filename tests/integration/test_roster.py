"""
Who joins is told who is there, completely and before anything else, and all others are told of it
once. A presence reaches them byte for byte as it was announced.
"""

import json
import re

from harness import patience
from harness.client import Place, expect_nothing, fence, is_relay_time
from harness.raw import RawSocket

ODD = (
    '{ "type":"presence" ,"from":"odd","data":{"status":"online","agents":["a\\u00e9"],'
    '"n":1.50e+01,"big":12345678901234567890},"timestamp":1760000000123, "extra":[null,"\\/"]}'
)


async def test_first_peer_finds_an_empty_mesh(here):
    alice = await here.join("alice")
    assert alice.roster == []


async def test_newcomer_gets_a_presence_of_each_peer(here, there):
    alice = await here.join("alice", agents=["writer", "critic"], hostname="desk")
    await there.join("bob", agents=[])
    carol = await there.join("carol")
    assert sorted(m["from"] for m in carol.roster) == ["alice", "bob"]
    (of_alice,) = carol.presences_of("alice")
    assert of_alice["data"] == {
        "status": "online",
        "agents": ["writer", "critic"],
        "hostname": "desk",
    }
    assert alice.presences_of("alice") == []


async def test_others_are_told_of_the_newcomer_once(here, there):
    alice = await here.join("alice")
    bob = await there.join("bob")
    carol = await there.join("carol", agents=["x"])
    for observer in (alice, bob):
        await fence(carol, observer)
        assert len(observer.presences_of("carol")) == 1
    await fence(bob, alice)
    assert len(alice.presences_of("bob")) == 1


async def test_presence_travels_untouched(here, there):
    watcher = await there.join("watcher")
    odd = await here.join("odd", message=ODD)
    await fence(odd, watcher)
    assert [m.text for m in watcher.presences_of("odd")] == [ODD]
    late = await there.join("late")
    assert [m.text for m in late.presences_of("odd")] == [ODD]


async def test_roster_gives_a_time_where_the_peer_gave_none(here, there):
    text = '{"type":"presence","from":"alice","data":{"status":"online"}}'
    await here.join("alice", message=text)
    bob = await there.join("bob")
    (of_alice,) = bob.presences_of("alice")
    assert is_relay_time(of_alice["timestamp"])
    inserted = re.fullmatch(r'\{("timestamp":[0-9]+\.[0-9]{3},)(.*)', of_alice.text)
    assert inserted and "{" + inserted[2] == text, of_alice.text


async def test_what_follows_the_first_presence_is_sent_by_a_member(here, there):
    """A client need not wait for the roster before it speaks."""
    bob = await there.join("bob")
    alice = await here.connect("alice")
    await alice.announce()
    await alice.send("direct", {"n": 1}, to="bob")
    await bob.expect(type="direct", data={"n": 1})
    await alice.settle()
    assert alice.untaken(type="error") == []
    assert len(alice.presences_of("bob")) == 1


async def test_roster_comes_before_all_else(here, there):
    bob = await there.join("bob")
    for n in range(20):
        alice = await here.connect(f"alice-{n}")
        await alice.announce()
        await bob.expect(type="presence", from_=alice.id)
        await bob.send("direct", {"n": n}, to=alice.id)
        await alice.expect(type="direct", data={"n": n})
        kinds = [m["type"] for m in alice.received]
        assert kinds.index("direct") > kinds.index("presence"), alice.story()
        await alice.close()


async def test_an_answer_to_ones_own_presence_is_not_lost(here, there):
    """The greeter answers at once; the newcomer gets it even when it is still joining."""
    greeter = await there.join("greeter")
    newcomers = []
    for n in range(60):
        client = await here.connect(f"n{n}")
        await client.announce()
        newcomers.append(client)
    for _ in newcomers:
        presence = await greeter.expect(type="presence", data={"status": "online"})
        await greeter.send("direct", {"hello": presence["from"]}, to=presence["from"])
    for client in newcomers:
        await client.expect(type="direct", data={"hello": client.id})
        assert client.all(type="error") == []
    assert greeter.all(type="error") == []


async def test_large_roster_is_complete_on_a_node_that_was_cold(here, start_relay, mesh):
    """More peers than Redis is asked for at a time, with data of some size."""
    members = []
    for n in range(600):
        members.append(await RawSocket.upgrade(here))
        data = {"n": n, "fill": "x" * 700}
        await members[n].send_text(json.dumps({"type": "presence", "from": f"p{n}", "data": data}))
    probe = await here.join("probe")
    await patience.eventually(
        lambda: len({m["from"] for m in probe.all(type="presence")}) == 600, "all"
    )
    late = await Place(start_relay(), mesh).join("late")
    found = {m["from"]: m["data"].get("n") for m in late.roster}
    assert found == {**{f"p{n}": n for n in range(600)}, "probe": None}
    assert len(late.roster) == 601
    for member in members:
        member.close()


async def test_roster_shows_the_latest_announcement(here, there):
    alice = await here.join("alice", mood="calm")
    bob = await there.join("bob")
    await alice.announce(mood="busy")
    await bob.expect(type="presence", from_="alice", data={"mood": "busy"})
    carol = await there.join("carol")
    assert [m["data"]["mood"] for m in carol.presences_of("alice")] == ["busy"]


async def test_who_has_not_announced_itself_is_nobody(here, there):
    """Neither listed nor reached."""
    bob = await there.join("bob")
    lurker = await here.connect("lurker")
    await lurker.settle()
    carol = await there.join("carol")
    assert [m["from"] for m in carol.roster] == ["bob"]
    await bob.send("broadcast", {"n": 1}, turnId="t")
    await carol.expect(type="broadcast")
    await bob.send("direct", {"n": 1}, to="lurker")
    await bob.expect_error("peer_not_found", to="lurker")
    await lurker.settle()
    assert [m["type"] for m in lurker.received] == ["capabilities_response"] * 2


async def test_strange_but_valid_ids(here, there):
    names = ["a b", "{curly}", "*", "%s%n", "ключ-😀", "a:b/c?d#e", "'\";--", "\\", "x" * 128]
    names += ["é" * 64, "__keyevent@0__:expired", "constructor"]
    for name in names:
        await here.join(name, agents=[name + "!"] if len(name.encode()) < 128 else [])
    bob = await there.join("bob")
    assert sorted(m["from"] for m in bob.roster) == sorted(names)
    for name in names:
        await bob.send("direct", {"n": 1}, to=name)
    for name in names:
        if len(name.encode()) < 128:
            await bob.send("direct", {"n": 2}, to=name + "!")
    await bob.settle()
    ghost = await there.join("ghost")
    await expect_nothing(ghost, bob, type="error")
    assert json.loads(bob.roster[0].text)["from"] == bob.roster[0]["from"]
