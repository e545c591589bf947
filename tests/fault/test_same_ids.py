"""The same ids on all nodes at once, as the tabs of browsers have them, and all of them come and go."""

import asyncio
import json
import random
import time

from clients import Place, with_clients
from harness import patience
from harness.client import fence
from harness.raw import CLOSE, RawSocket, frame
from rig import record

MESH = "twins"
ANCHORED = 5  # of the ids have one connection that stays


class Observer:
    """Hears of everybody from before they first came to after they last went."""

    def __init__(self, client):
        self.client = client

    def heard_of(self, id):
        """["online", "offline", ...]"""
        return [message["data"]["status"] for message in self.client.presences_of(id)]

    def online(self):
        latest = {m["from"]: m["data"]["status"] for m in self.client.all(type="presence")}
        return {id for id, status in latest.items() if status == "online"}


async def observe(node):
    client = await Place(node, MESH).join(f"observer-{node.group}", accept=["events"])
    client.beat(node.options["ttl_seconds"] / 4)
    return Observer(client)


class Churn:
    """Connections that announce one of the ids, stay a while, and end in one of three ways."""

    def __init__(self, rig, ids, seed):
        self.nodes, self.ids, self.dice = rig.nodes, ids, random.Random(seed)
        self.open = set()
        self.total = 0

    async def run(self, seconds, per_second):
        begin = time.monotonic()
        while (elapsed := time.monotonic() - begin) < seconds:
            while self.total < elapsed * per_second:
                self.total += 1
                task = asyncio.ensure_future(self.visit())
                self.open.add(task)
                task.add_done_callback(self.open.remove)
            await asyncio.sleep(0.01)
        await asyncio.gather(*self.open)

    async def visit(self):
        place = Place(self.dice.choice(self.nodes), MESH)
        message = {"type": "presence", "from": self.dice.choice(self.ids), "data": {"status": "online"}}
        stay, end = self.dice.uniform(0, 1), self.dice.choice(["close", "reset", "silence"])
        connection = await RawSocket.upgrade(place)
        await connection.send_text(json.dumps(message))
        await asyncio.sleep(stay)
        if end == "close":
            await connection.send(frame(CLOSE, b"\x03\xe8"))
        if end == "reset":
            connection.reset()
        else:
            connection.close()


def alternates(words):
    return words == (["online", "offline"] * len(words))[: len(words)]


@with_clients
async def test_all_ids_are_duplicates(rig):
    """
    F30: while connections of the same ids come and go on all nodes, each observer hears online and
    offline in turn, and nothing of who always has one. At rest all nodes agree with who is there,
    each connection gets what is for its peer once, and the last one that goes is the peer's offline.
    """
    scale = rig.scale
    rig.start_redis()
    nodes = rig.start_nodes(3)
    ids = [f"twin-{n}" for n in range(scale.seconds(20, 100))]
    observers = [await observe(node) for node in nodes]
    kept = {id: [await tab(nodes[n % 3], id)] for n, id in enumerate(ids[:ANCHORED])}

    churn = Churn(rig, ids, rig.seed)
    per_second = scale.seconds(150, 500)
    await churn.run(scale.seconds(5, 60), per_second)

    for n, id in enumerate(ids[: 2 * ANCHORED]):
        more = [await tab(node, id) for node in nodes[: 1 + n % 3]]
        kept.setdefault(id, []).extend(more)
    everybody = set(kept) | {observer.client.id for observer in observers}
    for observer in observers:
        await patience.eventually(
            lambda: observer.online() | {observer.client.id} == everybody,
            lambda: f"{observer.online()} to be {everybody}",
        )
    await check_rest(rig, kept, everybody)
    errors = [
        (observer.client.id, id, observer.heard_of(id))
        for observer in observers
        for id in ids
        if not alternates(observer.heard_of(id))
    ]
    false = sum("offline" in o.heard_of(id) for o in observers for id in ids[:ANCHORED])
    changes = sum(len(observer.heard_of(id)) for observer in observers for id in ids)
    record("F30", scale, "connections of the same ids", churn.total, "", f"{per_second}/s")
    record("F30", scale, "changes heard", changes, "", "")
    record("F30", scale, "on/off alternation errors", len(errors), "", "0")
    record("F30", scale, "offline of who was always there", false, "", "0")
    assert changes > len(ids) * len(observers), "nothing happened"
    assert not errors, errors[:5]
    assert false == 0
    await end_one_by_one(rig, observers, kept)


async def tab(node, id):
    client = await Place(node, MESH).join(id, accept=["events"])
    client.beat(node.options["ttl_seconds"] / 4)
    return client


async def check_rest(rig, kept, everybody):
    """Nodes and Redis agree on who is there, and a direct message reaches each connection once."""
    for n, node in enumerate(rig.nodes):
        fresh = await Place(node, MESH).join(f"fresh-{n}", accept=["events"])
        assert {m["from"] for m in fresh.roster} - {f"fresh-{m}" for m in range(n)} == everybody
        for id, tabs in kept.items():
            await fresh.send("direct", {"n": n}, to=id)
            for tab in tabs:
                await tab.expect(type="direct", data={"n": n})
        for id, tabs in kept.items():
            for tab in tabs:
                assert len(tab.all(type="direct", data={"n": n})) == 1, tab.story()
        await fresh.close()
    listed = set(rig.redis.call("ZRANGE", f"relay:{{{MESH}}}:peers", 0, -1))
    assert {id for id in listed if not id.startswith("fresh")} == everybody
    channels = rig.redis.call("PUBSUB", "CHANNELS", f"relay:{{{MESH}}}:peer:twin-*")
    assert len(channels) == len(kept), channels
    for id, tabs in kept.items():
        assert subscribers(rig, id) == nodes_of(tabs), id


def subscribers(rig, id):
    return rig.redis.call("PUBSUB", "NUMSUB", f"relay:{{{MESH}}}:peer:{id}")[1]


def nodes_of(tabs):
    return len({tab.websocket.remote_address for tab in tabs})


async def end_one_by_one(rig, observers, kept):
    """The peer is offline with its last connection, and not before."""
    for id, tabs in kept.items():
        before = [len(observer.heard_of(id)) for observer in observers]
        while len(tabs) > 1:
            await tabs.pop().close()
            await patience.eventually(lambda: subscribers(rig, id) == nodes_of(tabs), "its end")
        for observer in observers:
            await fence(observer.client, tabs[0])
            await fence(tabs[0], observer.client)
        assert [len(observer.heard_of(id)) for observer in observers] == before
        await tabs.pop().close()
        for observer, count in zip(observers, before):
            await patience.eventually(lambda: id not in observer.online(), f"{id} to be offline")
            assert observer.heard_of(id)[count:] == ["offline"]
