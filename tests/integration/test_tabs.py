"""
A peer may have several connections, on several nodes: the tabs of one browser share an id. All of
them get what is for the peer; the peer is online until the last one goes.
"""

import time

from harness import patience
from harness.client import Place, expect_nothing, fence


async def three_tabs(here, elsewhere):
    return [await here.join("bob"), await here.join("bob"), await elsewhere.join("bob")]


async def test_a_direct_reaches_all_tabs(here, elsewhere):
    tabs = await three_tabs(here, elsewhere)
    for place in (here, elsewhere):
        alice = await place.join(f"alice-{place.relay.name}")
        await alice.send("direct", {"by": alice.id}, to="bob")
        for tab in tabs:
            await tab.expect(type="direct", data={"by": alice.id})
        await fence(alice, tabs[0])
        for tab in tabs:
            await alice.send("direct", {"again": alice.id}, to="bob")
            await tab.expect(type="direct", data={"again": alice.id})
            assert len(tab.all(type="direct", data={"by": alice.id})) == 1


async def test_a_broadcast_skips_all_tabs_of_the_sender(here, elsewhere):
    alice = await here.join("alice")
    tabs = await three_tabs(here, elsewhere)
    for n, tab in enumerate(tabs):
        await tab.send("broadcast", {"n": n}, turnId="t")
        await alice.expect(type="broadcast", data={"n": n})
    for tab in tabs:
        await expect_nothing(alice, tab, type="broadcast")


async def test_a_direct_to_the_own_id_reaches_the_other_tabs(here, elsewhere):
    alice = await here.join("alice")
    tabs = await three_tabs(here, elsewhere)
    for n, sender in enumerate(tabs):
        await sender.send("direct", {"n": n}, to="bob")
        for tab in tabs:
            if tab is not sender:
                await tab.expect(type="direct", data={"n": n})
        await expect_nothing(alice, sender, type="direct", data={"n": n})


async def test_a_direct_to_the_own_agent_reaches_the_other_tabs(here, elsewhere):
    alice = await here.join("alice")
    tabs = [await place.join("bob", agents=["mine"]) for place in (here, here, elsewhere)]
    await tabs[0].send("direct", {"n": 1}, to="mine")
    for tab in tabs[1:]:
        await tab.expect(type="direct", data={"n": 1})
    await expect_nothing(alice, tabs[0], type="direct", data={"n": 1})


async def test_a_direct_to_oneself_with_one_connection(here):
    """It reaches nobody, and is no error: the peer is there."""
    alice, bob = await here.join("alice"), await here.join("bob")
    await alice.send("direct", {"n": 1}, to="alice")
    await alice.settle()
    await expect_nothing(bob, alice, type="error")
    await expect_nothing(bob, alice, type="direct", data={"n": 1})


async def test_a_further_tab_is_no_news(here, elsewhere, there):
    alice = await here.join("alice")
    first = await here.join("bob", hostname="desk")
    second = await there.join("bob", hostname="desk")
    for tab in (first, second):
        await fence(tab, alice)
    assert len(alice.presences_of("bob")) == 1
    assert [m["from"] for m in second.roster] == ["alice"]
    carol = await elsewhere.join("carol")
    assert len(carol.presences_of("bob")) == 1


async def test_offline_with_the_last_tab(here, elsewhere):
    alice = await elsewhere.join("alice")
    tabs = await three_tabs(here, elsewhere)
    for last in (False, False, True):
        await tabs.pop(0).close()
        if last:
            await alice.expect(type="presence", from_="bob", data={"status": "offline"})
        else:
            await tabs[0].send("direct", {"n": len(tabs)}, to="alice")
            await alice.expect(type="direct", data={"n": len(tabs)})
            assert alice.offlines_of("bob") == []
    carol = await here.join("carol")
    await fence(carol, alice)
    assert len(alice.offlines_of("bob")) == 1
    assert [m["from"] for m in carol.roster] == ["alice"]


async def test_the_last_writer_wins(here, there):
    alice = await here.join("alice")
    first = await here.join("bob", agents=["one"])
    second = await there.join("bob", agents=["two"])
    await alice.expect(type="presence", from_="bob", data={"agents": ["two"]})
    carol = await there.join("carol")
    assert [m["data"]["agents"] for m in carol.presences_of("bob")] == [["two"]]
    await first.announce(agents=["three"])
    await alice.expect(type="presence", from_="bob", data={"agents": ["three"]})
    await alice.send("direct", {"n": 1}, to="three")
    for tab in (first, second):
        await tab.expect(type="direct", data={"n": 1})
    await alice.send("direct", {"n": 2}, to="two")
    for tab in (first, second):
        await tab.expect(type="direct", data={"n": 2})


async def test_a_tab_that_repeats_what_another_replaced(here, there):
    """
    Unchanged is what equals both the connection's last announcement and the roster: a tab whose
    page sends its presence every 10 s takes the peer back after another tab announced.
    """
    alice = await here.join("alice")
    first = await here.join("bob", page="one")
    await there.join("bob", page="two")
    await alice.expect(type="presence", from_="bob", data={"page": "two"})
    await first.announce(page="one")
    await fence(first, alice)
    assert [m["data"]["page"] for m in alice.presences_of("bob")] == ["one", "two", "one"]


async def test_tabs_are_not_told_of_their_own_peer(here, elsewhere):
    alice = await here.join("alice")
    tabs = [await place.join("bob", page=n) for n, place in enumerate((here, here, elsewhere))]
    await tabs[2].announce(page="new")
    await alice.expect(type="presence", from_="bob", data={"page": "new"})
    for tab in tabs:
        await fence(alice, tab)
        assert tab.presences_of("bob") == []


async def test_a_leave_takes_only_the_own_tab_away(here, there):
    """Presence offline ends one connection's part; the other tab still holds the peer."""
    alice = await here.join("alice")
    first, second = await here.join("bob"), await there.join("bob")
    await first.send("presence", {"status": "offline"})
    await first.send("broadcast", {"n": 1}, turnId="t")
    await first.expect_error("no_presence")
    await second.send("direct", {"n": 2}, to="alice")
    await alice.expect(type="direct", data={"n": 2})
    assert alice.offlines_of("bob") == []
    await second.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})


async def test_tabs_that_come_and_go_never_take_the_peer_away(here, elsewhere):
    alice = await here.join("alice")
    keeper = await elsewhere.join("bob")
    for n in range(40):
        tab = await (here, elsewhere)[n % 2].join("bob")
        await (tab.close() if n % 3 else tab.settle())
        if n % 3 == 0:
            tab.vanish()
        await alice.send("direct", {"n": n}, to="bob")
        await keeper.expect(type="direct", data={"n": n})
    await fence(keeper, alice)
    assert alice.offlines_of("bob") == []
    assert alice.all(type="error") == []


async def test_a_silent_tab_beside_a_lively_one(start_relays, mesh):
    """The silence of one tab is not the silence of the peer."""
    one, two = start_relays(2, ttl_seconds=2)
    alice = await Place(one, mesh).join("alice")
    silent = await Place(one, mesh).join("bob")
    lively = await Place(two, mesh).join("bob")
    alice.beat(0.5)
    lively.beat(0.5)
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 6, "three TTLs")
    assert alice.offlines_of("bob") == []
    await alice.send("direct", {"n": 1}, to="bob")
    await lively.expect(type="direct", data={"n": 1})
    if silent.closed is None:
        await silent.expect(type="direct", data={"n": 1})
    else:
        assert silent.closed[0] == 4408
