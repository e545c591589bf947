"""
All messages of one connection arrive at each receiver in the order sent, whatever their types, and
each at most once.
"""

import json
import random

from harness.client import fence
from harness.raw import CLOSE, TEXT, RawSocket, frame

TYPES = ["direct", "broadcast", "stream", "ack", "turn_end", "error", "own-type"]


async def test_one_order_across_types_and_ways(here, there):
    """Directs travel on another channel than broadcasts, and still keep their place."""
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await here.join("carol")
    chance = random.Random(1)
    sent = {"bob": [], "carol": []}
    for n in range(2000):
        type = chance.choice(TYPES)
        to = chance.choice(["bob", "carol"])
        await alice.send(type, {"n": n}, to=to, turnId="t")
        for name, numbers in sent.items():
            if type != "direct" or name == to:
                numbers.append(n)
    for receiver in (bob, carol):
        await fence(alice, receiver)
        got = [m["data"]["n"] for m in receiver.received if m["type"] in TYPES and "n" in m["data"]]
        assert got == sent[receiver.id]


async def test_large_and_small_messages_do_not_overtake_each_other(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    sizes = [10, 500_000, 10, 16_384, 16_385, 40_000, 10, 300_000, 1, 16_300, 70_000, 5]
    for n, size in enumerate(sizes):
        await alice.send("direct", {"n": n, "fill": "x" * size}, to="bob")
    messages = await bob.collect(len(sizes), type="direct")
    assert [(m["data"]["n"], len(m["data"]["fill"])) for m in messages] == list(enumerate(sizes))


async def test_presence_keeps_its_place(here, there):
    """What was sent before and after a changed presence arrives before and after it."""
    alice, bob = await here.join("alice", step=0), await there.join("bob")
    await alice.send("broadcast", {"n": 1}, turnId="t")
    await alice.announce(step=1)
    await alice.send("broadcast", {"n": 2}, turnId="t")
    await fence(alice, bob)
    steps = [
        m["data"].get("n", "presence")
        for m in bob.received
        if m["from"] == "alice" and (m["type"] == "broadcast" or m["data"].get("step") == 1)
    ]
    assert steps == [1, "presence", 2]


async def test_leave_comes_last(here, there):
    """What a peer said before it left is heard before its end."""
    bob = await there.join("bob")
    for n in range(20):
        alice = await here.join(f"alice-{n}")
        for step in range(10):
            await alice.send("broadcast", {"step": step}, turnId="t")
        await alice.close()
        await bob.expect(type="presence", from_=alice.id, data={"status": "offline"})
        got = [m for m in bob.received if m.get("from") == alice.id]
        assert [m["data"]["step"] for m in got if m["type"] == "broadcast"] == list(range(10))
        assert got[-1]["data"] == {"status": "offline"}


async def test_many_senders_at_once(here, elsewhere):
    """Every pair keeps its order, and nobody gets anything twice."""
    peers = [await (here, elsewhere)[n % 2].join(f"p{n}") for n in range(8)]
    rounds = 60
    for n in range(rounds):
        for sender in peers:
            await sender.send("broadcast", {"n": n}, turnId="t")
            await sender.send("direct", {"n": n}, to=peers[(n + 1) % len(peers)].id)
    for receiver in peers:
        for sender in peers:
            if sender is receiver:
                continue
            await fence(sender, receiver)
            for type in ("broadcast", "direct"):
                got = [
                    m["data"]["n"]
                    for m in receiver.all(type=type, from_=sender.id, data=is_numbered)
                ]
                wanted = range(rounds)
                if type == "direct":
                    wanted = [n for n in wanted if peers[(n + 1) % len(peers)] is receiver]
                assert got == list(wanted)


def is_numbered(data):
    return isinstance(data, dict) and "n" in data


async def test_a_burst_in_one_write(here, there):
    """A hundred messages that reach the relay at the same moment."""
    bob = await there.join("bob")
    alice = await RawSocket.upgrade(here)
    texts = ['{"type":"presence","from":"alice"}']
    texts += [json.dumps({"type": "direct", "to": "bob", "data": {"n": n}}) for n in range(100)]
    await alice.send(b"".join(frame(TEXT, text.encode()) for text in texts))
    messages = await bob.collect(100, type="direct")
    assert [m["data"]["n"] for m in messages] == list(range(100))
    alice.close()


async def test_two_lives_in_one_write(here, there):
    """Joins, speaks, leaves, joins again, speaks, and closes: heard in that order."""
    bob = await there.join("bob")
    alice = await RawSocket.upgrade(here)
    online = {"type": "presence", "from": "alice", "data": {"status": "online"}}
    life = [
        online,
        {"type": "broadcast", "data": {"n": 1}, "turnId": "t"},
        {"type": "presence", "from": "alice", "data": {"status": "offline"}},
        online,
        {"type": "direct", "to": "bob", "data": {"n": 2}},
    ]
    frames = [frame(TEXT, json.dumps(message).encode()) for message in life]
    await alice.send(b"".join(frames) + frame(CLOSE, b"\x03\xe8"))
    await bob.expect(type="direct")
    await bob.expect(type="presence", data={"status": "offline"})
    await bob.expect(type="presence", data={"status": "offline"})
    heard = [m for m in bob.received if m["from"] == "alice"]
    assert [m["data"].get("n", m["data"].get("status")) for m in heard] == [
        "online",
        1,
        "offline",
        "online",
        2,
        "offline",
    ]
    alice.close()
