"""Clients that come in by a balancer, to whichever node it likes, and move on when that one drains."""

import asyncio
import itertools

from . import patience
from .client import Place, fence

BEAT_SECONDS = 5
DRAIN_SECONDS_MAX = 240  # for which a nomad waits to be told

numbers = itertools.count(1)


class Balanced:
    """Many nodes behind one URL. Needs what a Place needs of a relay: url, tls, options."""

    async def join(self, mesh, id, **data):
        client = await Place(self, mesh).join(id, **data)
        client.node = (await client.settle())["data"]["relay"]["node"]
        client.beat(BEAT_SECONDS)
        return client

    async def join_on(self, mesh, prefix, count):
        """
        Clients on so many nodes, one on each: more connect until that is so, since the balancer may not
        have seen yet that a node is ready. The others stay meanwhile, or it would send there again.
        """
        clients = []

        async def one_more():
            clients.append(await self.join(mesh, f"{prefix}-{next(numbers)}"))
            return len({client.node for client in clients}) == count

        await patience.eventually(one_more, f"{count} nodes to get clients", 60)
        chosen = {client.node: client for client in clients}.values()
        for client in clients:
            if client not in chosen:
                await client.close()
        return list(chosen)


class Nomad:
    """
    A client as docs/protocol.md wants it: when its node drains it joins another, and lets go of the old
    connection when what it says on the new one has come there.
    """

    def __init__(self, nodes, mesh, id):
        self.nodes, self.mesh, self.id = nodes, mesh, id
        self.homes = []

    async def settle(self):
        self.homes.append(await self.nodes.join(self.mesh, self.id))
        self.task = asyncio.ensure_future(self.wander())

    async def wander(self):
        while True:
            old = self.home
            drain = await old.expect(type="drain", deadline=DRAIN_SECONDS_MAX)
            await asyncio.sleep(drain["data"]["reconnect_ms"] / 1000)
            self.homes.append(await self.nodes.join(self.mesh, self.id))
            await fence(self.home, old)
            await old.close()

    @property
    def home(self):
        return self.homes[-1]

    def heard(self, **members):
        return [message for home in self.homes for message in home.all(**members)]


async def nobody_notices(nodes, mesh, change):
    """While nodes are replaced by `change`, eight talk: nothing is lost, and nobody is told offline."""
    nomads = [Nomad(nodes, mesh, f"nomad-{number}") for number in range(8)]
    for nomad in nomads:
        await nomad.settle()

    changing = asyncio.ensure_future(change)
    sent = 0
    while not changing.done():
        for nomad in nomads:
            await nomad.home.send("broadcast", {"say": sent})
            sent += 1
        await asyncio.sleep(0.2)
    await changing
    assert any(len(nomad.homes) > 1 for nomad in nomads)

    for number, nomad in enumerate(nomads):
        assert not nomad.task.done(), nomad.task
        for other in nomads:
            if other is not nomad:
                await fence(other.home, nomad.home)
        heard = {message["data"]["say"] for message in nomad.heard(type="broadcast")}
        own = {said for said in range(sent) if said % len(nomads) == number}
        assert heard | own == set(range(sent)), sorted(set(range(sent)) - heard - own)
        assert not nomad.heard(type="presence", data={"status": "offline"})
        assert not nomad.heard(type="error")
        nomad.task.cancel()
