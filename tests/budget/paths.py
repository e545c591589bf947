"""
The core paths: what a node does for one event, with a real Redis, and another node where it takes
two.

Each is driven one event at a time (see gate.py): a few to warm up, then those that are counted.
"""

import json

from harness.raw import CLOSE, RawSocket, frame, upgrade_request
from harness.relay import Relay

from callgrind import CountedRelay
from gate import Gate, fall_asleep

RECEIVERS = 100
ROSTER = 100
PADDING = 100 * "x"

PATHS = {
    "broadcast in": "a client's broadcast, up to Redis, and what the node gets back of it",
    "broadcast out": f"a broadcast, to one of {RECEIVERS} receivers",
    "direct in": "a client's direct, up to Redis",
    "direct out": "a direct, to one receiver",
    "connect": "a client's connection, up to the upgrade",
    "join": f"a peer that joins a mesh of {ROSTER}, and gets its roster",
    "leave": "a peer that closes its only connection",
}

# Whatever happens after a time happens the more often per event the slower the machine.
OPTIONS = {
    "messages_per_second": 0,
    "bytes_per_second": 0,
    "presence_repeat_seconds": 0,
    "ttl_seconds": 3600,
    "bus_probe_seconds": 60,
    "ping_seconds": 3600,
    "pong_seconds_max": 7200,
}


class World:
    """The counted node, and another one."""

    def __init__(self, directory, redis):
        self.peers = []  # a socket that nobody keeps is closed
        self.gate = Gate(redis)
        self.other = Relay(directory, "other", redis_url=redis.url, **OPTIONS)
        self.node = CountedRelay(directory, redis_url=self.gate.url, **OPTIONS)
        self.other.wait_ready()
        self.node.wait_listening()
        self.settle()
        self.node.wait_ready()

    def stop(self):
        self.node.kill()
        self.other.kill()

    def settle(self):
        """Returns when nothing is under way anywhere."""
        fall_asleep(self.other)
        self.gate.settle(self.node)
        fall_asleep(self.other)

    async def connect(self, relay, mesh):
        peer = await RawSocket.open(relay)
        self.peers.append(peer)
        self.settle()
        await peer.send(upgrade_request(f"/ws?mesh={mesh}"))
        assert (await peer.receive_head()).startswith("HTTP/1.1 101 ")
        self.settle()
        return peer

    async def join(self, relay, mesh, id):
        peer = await self.connect(relay, mesh)
        await peer.send_text(presence(id))
        await peer.send_text('{"type":"capabilities"}')  # is answered when the peer is in
        if relay is self.node:
            self.gate.wait_for_commands()
            self.settle()
        await hear(peer, "capabilities_response")
        self.settle()
        return peer

    async def count(self, event, numbers, shares=1):
        """
        The instructions that each function takes per event, or per share of one. The first tenth of
        the events is to warm up.
        """
        warm = len(numbers) // 10
        for number in numbers[:warm]:
            await event(number)
        self.settle()
        self.node.start_counting()
        for number in numbers[warm:]:
            await event(number)
        self.settle()
        count = (len(numbers) - warm) * shares
        return {name: spent / count for name, spent in self.node.stop_counting().items()}


async def measure(world):
    return {**await pair(world), **await crowd(world), **await visitors(world)}


async def pair(world):
    alice = await world.join(world.node, "pair", "alice")
    bob = await world.join(world.other, "pair", "bob")

    async def broadcast_in(number):
        await alice.send_text(message("broadcast", "alice", number))
        world.gate.wait_for_commands()
        world.settle()
        await hear(bob, "broadcast")

    async def direct_in(number):
        await alice.send_text(message("direct", "alice", number, to="bob"))
        world.gate.wait_for_commands()
        world.settle()
        await hear(bob, "direct")

    async def direct_out(number):
        await bob.send_text(message("direct", "bob", number, to="alice"))
        world.gate.wait_for_answers()
        world.settle()
        await hear(alice, "direct")

    return {
        "broadcast in": await world.count(broadcast_in, range(110)),
        "direct in": await world.count(direct_in, range(110)),
        "direct out": await world.count(direct_out, range(110)),
    }


async def crowd(world):
    sender = await world.join(world.other, "crowd", "sender")
    receivers = [await world.join(world.node, "crowd", f"peer-{n:03}") for n in range(RECEIVERS)]

    async def broadcast_out(number):
        await sender.send_text(message("broadcast", "sender", number))
        world.gate.wait_for_answers()
        world.settle()
        for receiver in receivers:
            await hear(receiver, "broadcast")

    return {"broadcast out": await world.count(broadcast_out, range(30), shares=RECEIVERS)}


async def visitors(world):
    """One after the other comes, and then goes; somebody stays, so that the node knows the mesh."""
    for number in range(ROSTER - 1):
        await world.join(world.other, "lobby", f"resident-{number:03}")
    await world.join(world.node, "lobby", "resident-here")
    peers = []

    async def connect(_):
        peers.append(await world.connect(world.node, "lobby"))

    async def join(number):
        await peers[number].send_text(presence(f"visitor-{number:03}"))
        world.gate.wait_for_commands()
        world.settle()
        for _ in range(ROSTER + number):
            await hear(peers[number], "presence")

    async def leave(number):
        await peers[number].send(frame(CLOSE, b"\x03\xe8"))
        world.gate.wait_for_commands()
        world.settle()
        peers[number].close()
        world.settle()

    numbers = range(22)
    return {
        "connect": await world.count(connect, numbers),
        "join": await world.count(join, numbers),
        "leave": await world.count(leave, numbers),
    }


def presence(id):
    data = {"status": "online", "agents": [f"agent-of-{id}"]}
    return json.dumps({"type": "presence", "from": id, "data": data, "timestamp": 1760000000123})


def message(type, sender, number, **members):
    """Of the same length for all numbers."""
    data = {"sequence": f"{number:010}", "padding": PADDING}
    members = {"type": type, "from": sender, **members}
    return json.dumps({**members, "data": data, "timestamp": 1760000000123})


async def hear(peer, type):
    """Passes over messages of other types."""
    while json.loads(await peer.receive_text())["type"] != type:
        pass
