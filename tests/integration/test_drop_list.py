"""
Events of the page itself are thrown away, some because secrets are in them: no error, no delivery,
but counted.
"""

import pytest

from harness import patience
from harness.client import Place, expect_nothing

DEFAULT = (
    "relay-log relay-connected relay-disconnected relay-config-updated relay-capabilities "
    "relay-auth-required configure list_github"
).split()


@pytest.mark.parametrize("type", DEFAULT)
async def test_dropped_by_default(here, there, type):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send(type, {"url": "wss://secret"}, to="bob")
    await expect_nothing(alice, bob, type=type)
    assert alice.all(type="error") == []


async def test_dropped_before_anything_else(here, there):
    """The page logs before it says who it is, and in whatever name."""
    bob = await there.join("bob")
    client = await here.connect("alice")
    await client.send("relay-log", {"n": 1})
    await client.send("relay-log", {"n": 2}, from_="bob")
    await client.send("configure", from_="relay")
    await client.send_text('{"type":"relay-connected","instanceId":"bob"}')
    await client.settle()
    assert [m["type"] for m in client.received] == ["capabilities_response"]
    await client.announce()
    await client.settle()
    await expect_nothing(client, bob, type="relay-log")


async def test_dropped_messages_are_counted(here):
    alice = await here.join("alice")

    def count():
        return here.relay.metric("p2p_relay_messages_received_total", type="dropped") or 0

    before = count()
    for _ in range(5):
        await alice.send("relay-log", {"n": 1})
    await alice.settle()
    await patience.eventually(lambda: count() == before + 5, count)


async def test_a_list_of_ones_own(start_relays, mesh):
    """--drop-types replaces the default, and is repeatable."""
    one, two = start_relays(2, drop_types=["noise", "gossip chatter"])
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    for type in ("noise", "gossip", "chatter"):
        await alice.send(type)
        await expect_nothing(alice, bob, type=type)
    for type in DEFAULT:
        await alice.send(type)
        await bob.expect(type=type)
    assert alice.all(type="error") == []


async def test_no_list(start_relays, mesh):
    (one,) = start_relays(1, drop_types="none")
    alice, bob = await Place(one, mesh).join("alice"), await Place(one, mesh).join("bob")
    await alice.send("relay-log", {"n": 1})
    await bob.expect(type="relay-log")


async def test_only_the_exact_word(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for type in ("relay-logs", "relay-lo", "Relay-log", "configured", "relay-log "):
        await alice.send(type)
        await bob.expect(type=type)
    await alice.send_text('{"type":"relay\\u002dlog"}')
    await expect_nothing(alice, bob, type="relay-log")
