"""
What the relay itself says, nobody else may say: a client must be able to trust it.
"""

import pytest

from harness.client import expect_nothing

RESERVED = (
    "drain resync roster cursor receipt trace auth_response auth_expiring capabilities_response "
    "relay. relay.anything relay.x.y"
).split()


@pytest.mark.parametrize("type", RESERVED)
async def test_reserved(here, there, type):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send(type, {"reconnect_ms": 0}, to="bob", id="x")
    await alice.expect_error("reserved_type", type=type, id="x")
    await expect_nothing(alice, bob, type=type)


async def test_reserved_in_an_escaped_spelling(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for text in ('{"type":"dra\\u0069n"}', '{"type":"relay\\u002Ex"}'):
        await alice.send_text(text)
        await alice.expect_error("reserved_type")
    await expect_nothing(alice, bob, type="drain")


async def test_not_reserved(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for type in ("relay", "relayed", "relay-x", "Drain", "resyncs", "relay_x", "x.relay."):
        await alice.send(type)
        await bob.expect(type=type)
    assert alice.all(type="error") == []
