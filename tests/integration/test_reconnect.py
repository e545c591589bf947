"""
A client that reconnects under its id, again and again, on any node, is never told offline as long
as one of its connections is there, and loses no message that was sent to it.
"""

import asyncio

from harness.client import fence

TIMES = 300


async def test_three_hundred_times_while_messages_flow(here, elsewhere):
    """Make before break: the new connection joins, then the old one closes."""
    alice = await here.join("alice")
    sent = 0
    done = False

    async def talk():
        nonlocal sent
        while not done:
            await alice.send("direct", {"n": sent}, to="bob")
            sent += 1
            await asyncio.sleep(0.001)

    current = await elsewhere.join("bob")
    talking = asyncio.ensure_future(talk())
    heard = set()
    for n in range(TIMES):
        following = await (here, elsewhere)[n % 2].join("bob")
        await fence(alice, current)  # it has heard what the following came too late for
        await (current.close() if n % 3 else vanish(current))
        heard.update(numbers(current))
        current = following
    done = True
    await talking
    await fence(alice, current)
    heard.update(numbers(current))
    assert heard == set(range(sent))
    assert alice.offlines_of("bob") == []
    assert alice.all(type="error") == []
    assert len(alice.presences_of("bob")) == 1


def numbers(client):
    """What the connection heard: each once, in order, with no gap."""
    found = [m["data"]["n"] for m in client.all(type="direct") if "n" in m["data"]]
    assert found == list(range(found[0], found[0] + len(found))) if found else True
    return found


async def vanish(client):
    client.vanish()
    await client.reader


async def test_break_before_make(here, there):
    """The old connection is gone before the new one comes: on, off, on, off, never off twice."""
    alice = await here.join("alice")
    for n in range(60):
        bob = await there.join("bob", visit=n)
        if n % 2:
            await vanish(bob)
        else:
            await bob.close()
    await alice.expect(type="presence", from_="bob", data={"visit": 59})
    last = await there.join("bob", visit=60)
    await alice.expect(type="presence", from_="bob", data={"visit": 60})
    await fence(last, alice)
    story = [m["data"]["status"] for m in alice.presences_of("bob")]
    assert all(not (a == b == "offline") for a, b in zip(story, story[1:])), story
    assert story[-1] == "online"
    carol = await here.join("carol")
    assert len(carol.presences_of("bob")) == 1


async def test_two_that_fight_for_an_id(here, elsewhere):
    """Both are tabs of one peer, and stay so: nobody is thrown out, for ever."""
    alice = await here.join("alice")
    fighters = [await (here, elsewhere)[n % 2].join("bob", page=n) for n in range(6)]
    for n, fighter in enumerate(fighters):
        await fighter.announce(page=f"again {n}")
    await alice.send("direct", {"n": 1}, to="bob")
    for fighter in fighters:
        await fighter.expect(type="direct", data={"n": 1})
        assert fighter.closed is None
    assert alice.offlines_of("bob") == []


async def test_the_same_id_joins_everywhere_at_once(here, elsewhere):
    alice = await here.join("alice")
    tabs = await asyncio.gather(*((here, elsewhere)[n % 2].join("bob") for n in range(40)))
    await alice.send("direct", {"n": 1}, to="bob")
    for tab in tabs:
        await tab.expect(type="direct", data={"n": 1})
    assert len(alice.presences_of("bob")) == 1
    await asyncio.gather(*(tab.close() for tab in tabs))
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    carol = await elsewhere.join("carol")
    await fence(carol, alice)
    assert len(alice.offlines_of("bob")) == 1
    assert [m["from"] for m in carol.roster] == ["alice"]
