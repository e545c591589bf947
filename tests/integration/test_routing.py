"""
A direct goes to one peer (or to the peers of an agent), a heartbeat to the relay, everything else
to all peers but the sender.
"""

import pytest

from harness.client import Place, expect_nothing, fence

TO_ALL = ["broadcast", "stream", "ack", "turn_end", "error"]
OWN_TYPES = [
    "invoke",
    "ring-update",
    "task-created",
    "launch_agent",
    "x",
    "a.b",
    "relay_x",
    "Direct",
]


async def test_direct_by_peer_id(here, there):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await there.join("carol")
    await alice.send("direct", {"command": "hi"}, to="bob", turnId="t1")
    message = await bob.expect(type="direct")
    assert message["data"] == {"command": "hi"} and message["turnId"] == "t1"
    await expect_nothing(alice, carol, type="direct", data={"command": "hi"})
    await expect_nothing(bob, alice, type="direct")
    await expect_nothing(alice, bob, type="direct")


async def test_direct_by_target_instance_id(here, there):
    """As the real page sends it: `to` names an agent, `targetInstanceId` the peer that has it."""
    alice = await here.join("alice", agents=["a1"])
    bob, carol = await there.join("bob", agents=["dup"]), await there.join("carol", agents=["dup"])
    await alice.send(
        "direct", {"n": 1}, from_="a1", to="dup", instanceId="alice", targetInstanceId="carol"
    )
    message = await carol.expect(type="direct", data={"n": 1})
    assert message["from"] == "a1" and message["to"] == "dup"
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_target_instance_id_beats_a_peer_named_by_to(here, there):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await there.join("carol")
    await alice.send("direct", {"n": 1}, to="bob", targetInstanceId="carol")
    await carol.expect(type="direct", data={"n": 1})
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_target_instance_id_is_never_an_agent(here, there):
    alice = await here.join("alice")
    bob = await there.join("bob", agents=["writer"])
    await alice.send("direct", {"n": 1}, to="bob", targetInstanceId="writer", id=7)
    await alice.expect_error("peer_not_found", type="direct", id=7)
    await expect_nothing(alice, bob, type="direct", data={"n": 1})


async def test_null_counts_as_absent(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send("direct", {"n": 1}, to="bob", targetInstanceId=None)
    await bob.expect(type="direct", data={"n": 1})
    await alice.send("direct", {"n": 2}, to=None, targetInstanceId="bob")
    await bob.expect(type="direct", data={"n": 2})
    await alice.send("direct", {"n": 3}, to=None)
    await alice.expect_error("invalid_message", type="direct")
    await alice.send("broadcast", {"n": 4}, to=None, turnId="t")
    await bob.expect(type="broadcast", data={"n": 4})


async def test_direct_to_nobody_in_particular(here):
    alice = await here.join("alice")
    await alice.send("direct", {"n": 1})
    await alice.expect_error("invalid_message", type="direct")


@pytest.mark.parametrize("type", TO_ALL + OWN_TYPES)
async def test_everything_else_goes_to_all_others(here, there, type):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await here.join("carol")
    await alice.send(type, {"n": 1}, to="bob", turnId="t")
    for receiver in (bob, carol):
        await receiver.expect(type=type, from_="alice", to="bob", data={"n": 1})
    await fence(bob, alice)
    await fence(alice, bob)
    assert alice.all(type=type) == []
    assert len(bob.all(type=type, data={"n": 1})) == 1


async def test_heartbeat_is_for_the_relay_alone(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send("heartbeat")
    await alice.send("heartbeat", {"agents": []})
    await expect_nothing(alice, bob, type="heartbeat")


async def test_replies_to_the_asker_alone_by_option(start_relays, mesh):
    """--replies to: one delivery per token instead of one per peer."""
    one, two = start_relays(2, replies="to")
    alice = await Place(one, mesh).join("alice", agents=["asker"])
    bob = await Place(two, mesh).join("bob")
    carol = await Place(two, mesh).join("carol")
    for type in ("stream", "ack", "turn_end", "error"):
        await bob.send(type, {"by": "id"}, to="alice", turnId="t")
        await alice.expect(type=type, data={"by": "id"})
        await bob.send(type, {"by": "agent"}, to="asker", turnId="t")
        await alice.expect(type=type, data={"by": "agent"})
        await bob.send(type, {"by": "instance"}, to="asker", targetInstanceId="alice")
        await alice.expect(type=type, data={"by": "instance"})
        await expect_nothing(bob, carol, type=type)
        await bob.send(type, {"by": "nobody"}, to="no such peer", turnId="t")
        await carol.expect(type=type, data={"by": "nobody"})
        await alice.expect(type=type, data={"by": "nobody"})
        await bob.send(type, {"by": "nothing"}, turnId="t")
        await carol.expect(type=type, data={"by": "nothing"})
    for type in ("broadcast", "invoke"):
        await bob.send(type, {"still": "all"}, to="alice", turnId="t")
        await carol.expect(type=type, data={"still": "all"})
    await fence(alice, bob)
    assert bob.all(type="error") == []


async def test_a_million_is_not_needed_to_be_alone(here):
    """A broadcast that nobody is there to hear is no error."""
    alice = await here.join("alice")
    await alice.send("broadcast", {"n": 1}, turnId="t")
    bob = await here.join("bob")
    await expect_nothing(bob, alice, type="error")
    await expect_nothing(alice, bob, type="broadcast")
