"""
When the last connection of a peer goes, all others are told, each exactly once, however it went.
"""

import asyncio

from harness import patience
from harness.client import Place, fence, is_relay_time
from harness.raw import RawSocket


async def test_a_close_is_told_once_to_everybody(here, there):
    observers = [await here.join("o1"), await there.join("o2"), await there.join("o3")]
    bob = await there.join("bob")
    await bob.close()
    for observer in observers:
        told = await observer.expect(type="presence", from_="bob", data={"status": "offline"})
        assert set(told) == {"type", "from", "data", "timestamp"}
        assert told["data"] == {"status": "offline"} and is_relay_time(told["timestamp"])
    for observer in observers:
        for other in observers:
            if other is not observer:
                await fence(other, observer)
        assert len(observer.offlines_of("bob")) == 1


async def test_a_socket_that_vanishes(here, there):
    alice = await here.join("alice")
    for end in ("fin", "reset"):
        bob = await RawSocket.upgrade(there)
        await bob.send_text('{"type":"presence","from":"bob-%s"}' % end)
        await alice.expect(type="presence", from_=f"bob-{end}")
        if end == "fin":
            bob.close()
        else:
            bob.reset()
        await alice.expect(type="presence", from_=f"bob-{end}", data={"status": "offline"})


async def test_a_socket_that_vanishes_while_it_joins(here, there):
    """Whether or not it got in, it is gone at the end, and nobody sees it twice."""
    alice = await here.join("alice")
    for n in range(40):
        bob = await RawSocket.upgrade(there)
        await bob.send_text('{"type":"presence","from":"bob-%d"}' % n)
        if n % 2:
            bob.reset()
        else:
            bob.close()
    carol = await there.join("carol")

    async def nobody_left():
        dave = await there.join("dave")
        left = {m["from"] for m in dave.roster} - {"alice", "carol"}
        await dave.close()
        return not left

    await patience.eventually(nobody_left, "the peers that vanished to be gone")
    await fence(carol, alice)
    for n in range(40):
        story = [m.get("data") for m in alice.presences_of(f"bob-{n}")]
        assert len(story) in (0, 2), story
        assert len(alice.offlines_of(f"bob-{n}")) == len(story) // 2


async def test_a_late_observer_hears_nothing_of_the_past(here, there):
    bob = await there.join("bob")
    alice = await here.join("alice")
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    carol = await there.join("carol")
    await fence(alice, carol)
    assert carol.presences_of("bob") == []


async def test_gone_and_back_again(here, there):
    alice = await here.join("alice")
    for n in range(10):
        bob = await there.join("bob", visit=n)
        await alice.expect(type="presence", from_="bob", data={"visit": n})
        await bob.close()
        await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    assert len(alice.presences_of("bob")) == 20


async def test_who_leaves_is_not_told_of_itself(here, there):
    bob, alice = await here.join("bob"), await there.join("alice")
    await bob.send("presence", {"status": "offline"})
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    await bob.settle()
    assert bob.presences_of("bob") == []


async def test_many_ends_at_once(here, elsewhere):
    """Exactly one offline of each for each observer."""
    observers = [await here.join("o1"), await elsewhere.join("o2")]
    for observer in observers:
        observer.beat(10)  # a slow machine is not done within a TTL
    peers = []
    for n in range(200):
        peers.append(await (here, elsewhere)[n % 2].connect(f"p{n}"))
        await peers[-1].announce()
        peers[-1].beat(10)
    for observer in observers:
        for peer in peers:
            await observer.hear_of(peer.id)
    await asyncio.gather(*(peer.close() for peer in peers))
    for observer in observers:
        for peer in peers:
            await observer.expect(type="presence", from_=peer.id, data={"status": "offline"})
    await fence(*observers)
    await fence(*reversed(observers))
    for observer in observers:
        assert all(len(observer.offlines_of(peer.id)) == 1 for peer in peers)


async def test_keys_of_who_left_are_gone(start_redis, start_relays, mesh):
    redis = start_redis()
    one, two = start_relays(2, redis=redis)
    clients = [await Place(node, mesh).join(f"p{n}") for n, node in enumerate((one, two))]
    keys = sorted(redis.call("KEYS", "*"))
    prefix = "relay:{%s}:" % mesh
    assert keys == sorted([prefix + "peer:p0", prefix + "peer:p1", prefix + "peers"])
    assert all(0 < redis.call("PTTL", key) <= 120_000 for key in keys)
    for client in clients:
        await client.close()
    await patience.eventually(
        lambda: not redis.call("KEYS", "*:peer:*"), lambda: redis.call("KEYS", "*")
    )
    assert redis.call("ZCARD", prefix + "peers") == 0
