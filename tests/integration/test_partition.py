"""
The network between a node and Redis breaks without anybody being told: seen by the node's own
probes, repaired by itself, and at no client's expense.
"""

import asyncio
import time

from harness import patience
from harness.client import Place, fence
from harness.proxy import Proxy

TTL = 6


async def two_nodes(start_relays, redis, proxy, mesh, ttl_seconds=TTL):
    """
    Alice is on a node with a good line to Redis, bob's node is behind the proxy. Both have just
    been heard, and say something often from now on.
    """
    (good,) = start_relays(1, redis=redis, ttl_seconds=ttl_seconds)
    (behind,) = start_relays(1, ready=False, redis_url=proxy.url, ttl_seconds=ttl_seconds)
    await patience.eventually(lambda: ready(behind), behind.log)
    bob, alice = await Place(behind, mesh).join("bob"), await Place(good, mesh).join("alice")
    await bob.expect(type="presence", from_="alice")
    alice.beat(ttl_seconds / 6)
    bob.beat(ttl_seconds / 6)
    return good, behind, alice, bob


async def ready(relay):
    """Asked in a way that lets the proxy work meanwhile."""
    return await asyncio.to_thread(relay.is_ready)


async def test_a_node_that_is_cut_off_for_long(start_redis, start_relays, mesh):
    """Its peers go offline once and come back once; its own clients keep their sockets."""
    redis = start_redis()
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh)
        proxy.cut()
        await alice.expect(type="presence", from_="bob", data={"status": "offline"})
        await alice.send("direct", {"n": 1}, to="bob")
        await alice.expect_error("peer_not_found")
        assert not await ready(behind)
        proxy.heal()
        await alice.expect(type="presence", from_="bob", data={"status": "online"})
        await bob.expect(type="resync")
        await fence(alice, bob)
        await fence(bob, alice)
        await patience.eventually(lambda: ready(behind), behind.log)
        assert [m["data"]["status"] for m in alice.presences_of("bob")] == [
            "online",  # in the roster
            "offline",
            "online",
        ]
        assert bob.closed is None and bob.offlines_of("alice") == []
        assert alice.all(type="resync") == []


async def test_a_node_that_is_cut_off_for_a_moment(start_redis, start_relays, mesh):
    """Shorter than the probes' patience: late, and nobody hears of it."""
    redis = start_redis()
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh)
        proxy.cut()
        for n in range(10):
            await alice.send("direct", {"n": n}, to="bob")
            await bob.send("direct", {"n": n}, to="alice")
        await alice.settle()
        proxy.heal()
        for client in (alice, bob):
            messages = await client.collect(10, type="direct", data=lambda d: "n" in d)
            assert [m["data"]["n"] for m in messages] == list(range(10))
        assert alice.all(type="error") == [] and bob.all(type="error") == []
        assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []


async def test_a_deaf_subscriber(start_redis, start_relays, mesh):
    """
    Connected, answering, and nothing arrives any more: what the probe of the own channel is for.
    """
    redis = start_redis()
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh)
        begin = time.monotonic()
        proxy.deafen()
        await bob.expect(type="resync")
        assert time.monotonic() - begin < 10 + patience.SECONDS / 3
        await fence(alice, bob)
        await fence(bob, alice)
        assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []
        assert bob.closed is None


async def test_a_healthy_peer_that_is_told_offline(start_redis, start_relays, mesh):
    """
    Its node can't refresh the lease, and hears what the others made of that: it contradicts, and
    closes nobody.
    """
    redis = start_redis()
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh, ttl_seconds=2)
        proxy.cut_commands()
        await alice.expect(type="presence", from_="bob", data={"status": "offline"})
        proxy.heal()
        await alice.expect(type="presence", from_="bob", data={"status": "online"})
        await fence(alice, bob)
        assert bob.closed is None and bob.presences_of("bob") == []
        assert len(alice.offlines_of("bob")) == 1


async def test_a_redis_that_remembers(start_redis, start_relays, mesh):
    """
    It comes back with all that it knew, and by that every lease has lapsed. The node that is back
    first does not judge those whose nodes come a little later.
    """
    redis = start_redis(options=["--appendonly", "yes", "--appendfsync", "always"])
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh)
        proxy.cut()
        good.freeze()
        lapse_all(redis, mesh)
        redis.kill()
        good.thaw()
        redis.start()
        begin = time.monotonic()
        await alice.expect(type="resync")
        await patience.eventually(lambda: time.monotonic() - begin > TTL / 3, "a little")
        proxy.heal()
        await bob.expect(type="resync")
        await patience.eventually(lambda: time.monotonic() - begin > TTL, "the sweeps")
        await fence(alice, bob)
        await fence(bob, alice)
        assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []


async def test_a_leave_that_redis_missed(start_redis, start_relays, mesh):
    """It is owed, and made good with a Redis that still believes the peer to be there."""
    redis = start_redis(options=["--appendonly", "yes", "--appendfsync", "always"])
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh, ttl_seconds=60)
        proxy.cut()
        redis.kill()
        await bob.close()
        redis.start()
        await alice.expect(type="resync")
        proxy.heal()
        await alice.expect(type="presence", from_="bob", data={"status": "offline"})


def lapse_all(redis, mesh):
    """As if the outage had lasted longer than the TTL: all leases end in a moment."""
    prefix = "relay:{%s}:" % mesh
    seconds, micro = redis.call("TIME")
    soon = int(seconds) * 1000 + int(micro) // 1000 + 50
    for key in redis.call("KEYS", prefix + "peer:*"):
        for field in redis.call("HKEYS", key):
            if field.startswith("n:"):
                redis.call("HSET", key, field, soon)
        redis.call("PEXPIREAT", key, soon)
        redis.call("ZADD", prefix + "peers", soon, key.removeprefix(prefix + "peer:"))


async def test_what_happens_while_a_roster_is_loaded(start_redis, start_relays, mesh):
    """The snapshot is on its way and already old: what was heard since it was taken wins."""
    redis = start_redis()
    async with Proxy(redis) as proxy:
        (good,) = start_relays(1, redis=redis)
        (behind,) = start_relays(1, ready=False, redis_url=proxy.url)
        await patience.eventually(lambda: ready(behind), behind.log)
        place = Place(good, mesh)
        alice = await place.join("alice")
        bob = await place.join("bob")
        carol = await place.join("carol", mood="calm")
        late = await Place(behind, mesh).connect("late")

        proxy.hold_answers_to(b"HMGET")
        await late.announce()
        await asyncio.wait_for(proxy.holding.wait(), patience.SECONDS)
        await bob.close()
        await carol.announce(mood="busy")
        await place.join("dave")
        await alice.expect(type="presence", from_="bob", data={"status": "offline"})
        await patience.eventually(lambda: b'"dave"' in proxy.heard, "the news to be heard")
        proxy.let_go()

        await late.settle()
        assert {m["from"]: m["data"].get("mood") for m in late.all(type="presence")} == {
            "alice": None,
            "carol": "busy",
            "dave": None,
        }
        await fence(alice, late)
        assert len(late.all(type="presence")) == 3


async def test_nothing_old_is_delivered_after_a_long_cut(start_redis, start_relays, mesh):
    """What the node was to deliver when it was cut off is lost, and `resync` says so."""
    redis = start_redis()
    async with Proxy(redis) as proxy:
        good, behind, alice, bob = await two_nodes(start_relays, redis, proxy, mesh)
        proxy.cut()
        for n in range(10):
            await alice.send("direct", {"old": n}, to="bob")
        await patience.eventually(lambda: not_ready(behind), behind.log)
        proxy.heal()
        await bob.expect(type="resync")
        await fence(alice, bob)
        assert bob.all(type="direct", data=lambda d: "old" in d) == []


async def not_ready(relay):
    return not await ready(relay)
