"""
Agents are addresses: a direct to the name of an agent reaches the peers that announced it.
"""

from harness import patience
from harness.client import Place, expect_nothing, fence


async def test_direct_by_agent(here, there):
    alice = await here.join("alice")
    bob = await there.join("bob", agents=["writer", "critic"])
    carol = await there.join("carol", agents=["other"])
    await alice.send("direct", {"n": 1}, to="critic")
    assert (await bob.expect(type="direct"))["to"] == "critic"
    await expect_nothing(alice, carol, type="direct", data={"n": 1})


async def test_a_name_of_many_peers_reaches_them_all(here, there):
    alice = await here.join("alice")
    homes = [await (here, there)[n % 2].join(f"p{n}", agents=["worker"]) for n in range(6)]
    await alice.send("direct", {"n": 1}, to="worker", turnId="t")
    for home in homes:
        await home.expect(type="direct", data={"n": 1})
    for home in homes:
        await expect_nothing(alice, home, type="direct", data={"n": 1})


async def test_at_most_sixteen_peers(here, there):
    alice = await here.join("alice")
    homes = [await (here, there)[n % 2].join(f"p{n}", agents=["worker"]) for n in range(20)]
    await alice.send("direct", {"n": 1}, to="worker", turnId="t")
    got = 0
    for home in homes:
        got += len([m for m in await fence(alice, home) if m["data"] == {"n": 1}])
    assert got == 16


async def test_a_peer_of_that_name_comes_first(here, there):
    alice = await here.join("alice")
    bob = await there.join("bob", agents=["carol"])
    carol = await there.join("carol")
    await alice.send("direct", {"n": 1}, to="carol")
    await carol.expect(type="direct", data={"n": 1})
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_agents_that_come_with_a_new_presence(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", agents=["old"])
    await bob.announce(agents=["new"])
    await alice.expect(type="presence", from_="bob", data={"agents": ["new"]})
    await alice.send("direct", {"n": 1}, to="new")
    await bob.expect(type="direct", data={"n": 1})


async def test_agents_of_the_announcement_before_are_reached_for_one_ttl(start_relays, mesh):
    """Messages on their way to a tab that another tab's announcement replaced still arrive."""
    one, two = start_relays(2, ttl_seconds=2)
    alice = await Place(one, mesh).join("alice")
    bob = await Place(two, mesh).join("bob", agents=["old"])
    await bob.announce(agents=["new"])
    await alice.expect(type="presence", from_="bob", data={"agents": ["new"]})
    await alice.send("direct", {"n": 1}, to="old")
    await bob.expect(type="direct", data={"n": 1})

    async def forgotten():
        await bob.send("heartbeat")
        await alice.send("direct", {"n": 2}, to="old", id="late")
        await alice.settle()
        return alice.untaken(type="error", data={"code": "peer_not_found", "id": "late"})

    await patience.eventually(forgotten, "the old name to be forgotten")
    await alice.send("direct", {"n": 3}, to="new")
    await bob.expect(type="direct", data={"n": 3})


async def test_an_agent_of_a_peer_that_left_is_gone(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", agents=["writer"])
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    await alice.send("direct", {"n": 1}, to="writer")
    await alice.expect_error("peer_not_found", type="direct", to="writer")


async def test_agents_in_a_heartbeat(here, there):
    """The old page announces new agents by heartbeat alone; the rest of its presence stays."""
    alice = await here.join("alice")
    bob = await there.join("bob", agents=["a"], hostname="desk")
    await bob.send("heartbeat", {"agents": ["a", "b"]})
    presence = await alice.expect(type="presence", from_="bob", data={"agents": ["a", "b"]})
    assert presence["data"] == {"status": "online", "agents": ["a", "b"], "hostname": "desk"}
    await alice.send("direct", {"n": 1}, to="b")
    await bob.expect(type="direct", data={"n": 1})
    carol = await there.join("carol")
    assert [m["data"]["agents"] for m in carol.presences_of("bob")] == [["a", "b"]]

    await bob.send("heartbeat", {"agents": ["a", "b"]})
    await fence(bob, alice)
    assert len(alice.presences_of("bob")) == 2


async def test_agents_in_the_heartbeat_of_a_peer_that_announced_none(here, there):
    alice, bob = await here.join("alice"), await there.join("bob", hostname="desk")
    await bob.send("heartbeat", {"agents": ["solo"]})
    presence = await alice.expect(type="presence", from_="bob", data={"agents": ["solo"]})
    assert presence["data"]["hostname"] == "desk" and presence["data"]["status"] == "online"
    await alice.send("direct", {"n": 1}, to="solo")
    await bob.expect(type="direct", data={"n": 1})


async def test_names_that_are_no_names_are_passed_over(here, there):
    """One bad item does not cost the others their address, and the bytes still travel."""
    strange = [None, 1, "", {"id": "x"}, "good", "x" * 129, ["nested"], "bad\u0007", "écrivain"]
    alice = await here.join("alice")
    bob = await there.join("bob", agents=strange)
    presence = await alice.expect(type="presence", from_="bob")
    assert presence["data"]["agents"] == strange
    for n, name in enumerate(["good", "écrivain"]):
        await alice.send("direct", {"n": n}, to=name)
        await bob.expect(type="direct", data={"n": n})


async def test_agents_that_are_no_list(here, there):
    alice = await here.join("alice")
    bob = await there.join(
        "bob", message='{"type":"presence","from":"bob","data":{"agents":"all"}}'
    )
    await alice.expect(type="presence", from_="bob", data={"agents": "all"})
    await alice.send("direct", {"n": 1}, to="all")
    await alice.expect_error("peer_not_found")
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_own_agent_and_another_peers(here, there):
    """A name that the sender shares reaches the others that have it, and not the sender."""
    alice = await here.join("alice", agents=["worker"])
    bob = await there.join("bob", agents=["worker"])
    await alice.send("direct", {"n": 1}, to="worker")
    await bob.expect(type="direct", data={"n": 1})
    await expect_nothing(bob, alice, type="direct", data={"n": 1})
