"""
`capabilities` asks the relay what it is and can do; only the relay answers, also before presence.
"""

import pytest

from harness.client import Place, expect_nothing, is_relay_time


@pytest.mark.parametrize("joined", [False, True], ids=["before presence", "after"])
async def test_the_answer(here, joined):
    client = await here.join("alice") if joined else await here.connect()
    answer = await client.settle()
    assert set(answer) == {"type", "from", "data", "timestamp"}
    assert answer["from"] == "relay" and is_relay_time(answer["timestamp"])
    data = answer["data"]
    assert data["agentCards"] == [] and data["activeAgents"] == []
    relay = data["relay"]
    assert isinstance(relay["version"], str) and relay["version"]
    assert isinstance(relay["node"], str) and relay["node"]
    assert relay["mesh"] == here.mesh
    assert relay["ttl_seconds"] == 30 and 0 < relay["heartbeat_seconds"] <= 15
    assert relay["limits"]["message_bytes_max"] == 1 << 20
    assert {"presence", "direct", "broadcast", "heartbeat"} <= set(relay["types"])


async def test_nodes_have_names_of_their_own(here, elsewhere):
    names = [
        (await (await place.join("x")).settle())["data"]["relay"]["node"]
        for place in (here, here, elsewhere)
    ]
    assert names[0] == names[1] != names[2]


async def test_limits_are_those_of_the_options(start_relays, mesh):
    (one,) = start_relays(1, ttl_seconds=7, message_bytes_max=5000, messages_per_second=77)
    relay = (await (await Place(one, mesh).connect()).settle())["data"]["relay"]
    assert relay["ttl_seconds"] == 7 and relay["heartbeat_seconds"] < 7
    assert relay["limits"]["message_bytes_max"] == 5000
    assert relay["limits"]["messages_per_second"] == 77


async def test_nobody_else_hears_of_it(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    await alice.send("capabilities", {"accept": []})
    await alice.expect(type="capabilities_response")
    await expect_nothing(alice, bob, type="capabilities")


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"accept": []},
        {"accept": None},
        {"accept": "events"},
        {"accept": [1, {}]},
        {"accept": ["no such word"]},
        [],
        "x",
        5,
    ],
)
async def test_whatever_is_in_it(here, data):
    client = await here.connect("alice")
    await client.send("capabilities", data)
    await client.expect(type="capabilities_response")
    await client.announce()
    await client.settle()
    assert client.all(type="error") == []


async def test_from_may_be_missing_or_the_own(here):
    alice = await here.join("alice")
    for members in ({"from_": None}, {}, {"from_": None, "id": 3}):
        await alice.send("capabilities", **members)
        await alice.expect(type="capabilities_response")
