"""
F21: a message that names a routing member twice is refused, also in an escaped spelling: two parsers
must never disagree about who sent what to whom.
"""

import itertools

import pytest

from harness.client import expect_nothing

SPELLINGS = {
    "type": ["type", "t\\u0079pe", "\\u0074\\u0079\\u0070\\u0065"],
    "from": ["from", "fr\\u006fm", "\\u0066rom"],
    "to": ["to", "\\u0074o", "t\\u006F"],
    "instanceId": ["instanceId", "instance\\u0049d"],
    "targetInstanceId": ["targetInstanceId", "\\u0074argetInstanceId"],
}
VALUES = {"type": '"own"', "from": '"alice"', "to": '"bob"', "instanceId": '"alice"'}
VALUES["targetInstanceId"] = '"bob"'


@pytest.mark.parametrize("member", SPELLINGS)
async def test_named_twice(here, there, member):
    bob = await there.join("bob")
    spellings = SPELLINGS[member]
    others = "".join(f',"{name}":{VALUES[name]}' for name in ("type", "from") if name != member)
    for first, second in itertools.product(spellings, repeat=2):
        alice = await here.join("alice")
        for value in (VALUES[member], '"other"', "null", "1"):
            text = '{"%s":%s%s,"%s":%s}' % (first, VALUES[member], others, second, value)
            await alice.send_text(text)
            await alice.expect_error("invalid_message")
        await expect_nothing(alice, bob, type="own")


async def test_escaped_once_is_well(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = '{"t\\u0079pe":"direct","fr\\u006fm":"alice","\\u0074o":"bob","data":1}'
    await alice.send_text(text)
    assert (await bob.expect(type="direct")).text == text


async def test_below_the_top_level_is_not_the_relays_business(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = '{"type":"own","from":"alice","data":{"from":"x","from":"y","type":1,"type":2}}'
    await alice.send_text(text)
    assert (await bob.expect(type="own")).text == text


async def test_names_that_only_look_alike(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    text = '{"type":"own","from":"alice","From":"bob","from ":"bob","TYPE":"x","to\\u0000":"x"}'
    await alice.send_text(text)
    assert (await bob.expect(type="own")).text == text


@pytest.mark.parametrize("text", ['{"type":"presence","from":"x","fr\\u006fm":"y"}'])
async def test_before_presence(here, text):
    client = await here.connect()
    await client.send_text(text)
    await client.expect_error("invalid_message")
