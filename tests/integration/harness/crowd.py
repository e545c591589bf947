"""Peers of one mesh that keep themselves alive and know each other, and what they go through."""

import asyncio
import contextlib
import itertools

from websockets.exceptions import ConnectionClosed

from . import patience
from .client import Place, fence

rounds = itertools.count(1)


async def peers_on(nodes, mesh, count, ttl):
    """p0, p1, ... on one node after the other; p3 announces the agent a3."""
    clients = []
    for n in range(count):
        client = await Place(nodes[n % len(nodes)], mesh).join(f"p{n}", agents=[f"a{n}"])
        client.beat(ttl / 4)
        clients.append(client)
    for client in clients:
        await patience.eventually(
            lambda: len(client.all(type="presence")) == count - 1, client.story
        )
    return clients


async def all_reach_each_other(clients):
    """By id and by agent, and what one says to all is heard by all."""
    for n, client in enumerate(clients):
        receiver = clients[(n + 1) % len(clients)]
        await fence(client, receiver)
        await client.send("direct", {"by": "agent"}, to=f"a{(n + 1) % len(clients)}")
        await receiver.expect(type="direct", from_=client.id, data={"by": "agent"})
    number = next(rounds)
    for client in clients:
        await client.send("broadcast", {"round": number}, turnId=client.id)
    for client in clients:
        for other in clients:
            if other is not client:
                await client.expect(type="broadcast", from_=other.id, data={"round": number})


async def flowing_again(clients):
    """
    Each sends to the next until something sent from now on has arrived. Returns when the last of
    these firsts came, as time.monotonic().
    """
    number = next(rounds)

    async def until_heard(sender, receiver):
        while True:
            await sender.send("direct", {"flows": number}, to=receiver.id)
            with contextlib.suppress(AssertionError):
                heard = {"type": "direct", "from": sender.id, "data": {"flows": number}}
                return (await receiver.expect(heard, deadline=0.05)).at

    pairs = zip(clients, clients[1:] + clients[:1])
    return max(await asyncio.gather(*(until_heard(*pair) for pair in pairs)))


async def all_hear_resync(clients):
    for client in clients:
        await client.expect(type="resync", from_="relay")


def nobody_was_hurt(clients):
    """No socket was closed, nobody was told that somebody is offline."""
    for client in clients:
        assert client.closed is None, client.story()
        offline = client.all(type="presence", data={"status": "offline"})
        assert offline == [], client.story()


class Stream:
    """What one peer sends to another without a pause, as 0, 1, 2, ..."""

    def __init__(self, sender, receiver, seconds=0.01):
        self.sender, self.receiver, self.name = sender, receiver, f"stream-{next(rounds)}"
        self.sent = 0
        self.seconds = seconds
        self.task = asyncio.ensure_future(self.run())
        sender.tasks.append(self.task)

    async def run(self):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.sender.send(
                    "direct", {self.name: self.sent}, to=self.receiver.id, id=self.name
                )
                self.sent += 1
                await asyncio.sleep(self.seconds)

    def arrived(self):
        return [
            m["data"][self.name]
            for m in self.receiver.all(type="direct", from_=self.sender.id)
            if self.name in m["data"]
        ]

    def refused(self):
        return len(self.sender.all(type="error", data={"id": self.name}))

    async def stop(self):
        """Returns the numbers that arrived, each once and in order, when no more can come."""
        self.task.cancel()
        await fence(self.sender, self.receiver)
        arrived = self.arrived()
        odd = [pair for pair in zip(arrived, arrived[1:]) if pair[0] >= pair[1]]
        assert not odd, f"{odd} of {len(arrived)}; {self.receiver.story()}"
        return arrived

    async def was_exact(self):
        arrived = await self.stop()
        assert arrived == list(range(self.sent)), (self.sent, len(arrived), self.sender.story())
