"""
Two hundred peers join at the same moment, on several nodes: each ends up knowing all the others,
and nobody is told of anybody twice.
"""

import asyncio

import pytest

from harness import patience
from harness.client import Place, fence

PEERS = 200


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_every_roster_is_complete(start_relays, mesh, count):
    nodes = start_relays(count)
    clients = [await Place(nodes[n % count], mesh).connect(f"p{n}") for n in range(PEERS)]
    await asyncio.gather(*(client.announce(n=n) for n, client in enumerate(clients)))
    everybody = {client.id for client in clients}

    def known(client):
        return {m["from"] for m in client.all(type="presence")} == everybody - {client.id}

    for client in clients:
        await patience.eventually(lambda: known(client), client.story)
    for n, client in enumerate(clients):
        await fence(clients[n - 1], client)
        assert len(client.all(type="presence")) == PEERS - 1, "each told once"
        assert client.all(type="error") == []


async def test_a_storm_while_others_leave(start_relays, mesh):
    """Whatever the order of events, at rest every roster is the truth."""
    nodes = start_relays(2)
    leaving = [await Place(nodes[n % 2], mesh).join(f"old{n}") for n in range(60)]
    coming = [await Place(nodes[n % 2], mesh).connect(f"new{n}") for n in range(60)]
    await asyncio.gather(
        *(client.announce() for client in coming), *(client.close() for client in leaving)
    )
    truth = {client.id for client in coming}

    def online(client):
        state = {}
        for message in client.all(type="presence"):
            state[message["from"]] = message["data"]["status"]
        return {id for id, status in state.items() if status == "online"} | {client.id}

    for client in coming:
        await patience.eventually(lambda: online(client) == truth, client.story)
    probe = await Place(nodes[0], mesh).join("probe")
    assert {m["from"] for m in probe.roster} == truth
    for client in coming:
        for old in leaving:
            assert len(client.offlines_of(old.id)) <= 1


async def test_a_queue_at_the_door(start_relays, mesh):
    """Few at a time: the others wait their turn, and all get in."""
    (one, two) = start_relays(2, joins_in_flight_max=2)
    clients = [await Place((one, two)[n % 2], mesh).connect(f"p{n}") for n in range(100)]
    await asyncio.gather(*(client.announce() for client in clients))
    for client in clients:
        await client.settle()
    for client in clients:
        await patience.eventually(
            lambda: len({m["from"] for m in client.all(type="presence")}) == 99, client.story
        )


async def test_a_storm_of_meshes(start_relays, mesh):
    """As many meshes as peers: each alone."""
    nodes = start_relays(2)
    clients = [await Place(nodes[n % 2], f"{mesh}.{n}").connect("p") for n in range(100)]
    await asyncio.gather(*(client.announce() for client in clients))
    for client in clients:
        await client.settle()
        assert client.all(type="presence") == [] and client.all(type="error") == []
