"""
While Redis is away senders are told so, and whether their message may have arrived; short outages
cost only time. Nobody loses the socket.
"""

import time

from harness import patience
from harness.client import Place, fence
from harness.redis import free_port

TTL = 4


async def pair(start_relays, redis, mesh, **options):
    one, two = start_relays(2, redis=redis, ttl_seconds=TTL, **options)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    await alice.expect(type="presence", from_="bob")
    alice.beat(TTL / 4)
    bob.beat(TTL / 4)
    return one, two, alice, bob


async def test_a_short_outage_only_delays(start_redis, start_relays, mesh):
    """What was sent while Redis was away leaves in order when it is back."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    for n in range(20):
        await alice.send("direct", {"n": n}, to="bob")
        await alice.send("broadcast", {"n": n}, turnId="t")
    redis.start()
    for type in ("direct", "broadcast"):
        messages = await bob.collect(20, type=type, from_="alice")
        assert [m["data"]["n"] for m in messages] == list(range(20))
    assert alice.all(type="error") == []


async def test_a_long_outage_is_told(start_redis, start_relays, mesh):
    """After 5 s what waits is answered: surely not delivered."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    await alice.send("direct", {"n": 1}, to="bob", id="m1")
    await alice.send("broadcast", {"n": 2}, turnId="m2")
    for id, type in (("m1", "direct"), ("m2", "broadcast")):
        error = await alice.expect_error("bus_unavailable", type=type, id=id)
        assert error["data"]["delivered"] == "no" and error["to"] == "alice"
    redis.start()
    await bob.expect(type="resync")
    await alice.expect(type="resync")
    await fence(alice, bob)
    assert bob.all(data={"n": 1}) == [] and bob.all(data={"n": 2}) == []
    assert alice.closed is None and bob.closed is None
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []


async def test_in_flight_at_the_end_is_unknown(start_redis, start_relays, mesh):
    """
    Sent to a Redis that died before it answered: perhaps delivered. Never sent twice, and what is
    said to be unknown is heard at most once.
    """
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.freeze()
    for n in range(10):
        await alice.send("direct", {"n": n}, to="bob", id=n)
    await alice.settle()
    redis.kill()
    redis.start()
    told = [await alice.expect(type="error", data={"id": n}) for n in range(10)]
    for error in told:
        assert error["data"]["code"] == "bus_unavailable"
        assert error["data"]["delivered"] == "unknown", error.text
    await bob.expect(type="resync")
    await fence(alice, bob)
    heard = [m["data"]["n"] for m in bob.all(type="direct", from_="alice") if "n" in m["data"]]
    assert heard == sorted(set(heard))


async def test_frozen_redis(start_redis, start_relays, mesh):
    """Seen within seconds, not believed to be well; back when it is back; nobody told offline."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.freeze()
    begin = time.monotonic()
    await patience.eventually(lambda: not one.is_ready() and not two.is_ready(), "to be seen")
    await patience.eventually(lambda: time.monotonic() - begin > TTL + 1, "longer than the TTL")
    redis.thaw()
    for client in (alice, bob):
        await client.expect(type="resync")
    await fence(alice, bob)
    await fence(bob, alice)
    for node in (one, two):
        await patience.eventually(node.is_ready, "readiness")
    assert alice.closed is None and bob.closed is None
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []


async def test_redis_frozen_for_a_moment(start_redis, start_relays, mesh):
    """Less than a probe's time: late, but nothing lost and nothing said."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.freeze()
    for n in range(20):
        await alice.send("direct", {"n": n}, to="bob")
    await alice.settle()
    redis.thaw()
    messages = await bob.collect(20, type="direct", from_="alice")
    assert [m["data"]["n"] for m in messages] == list(range(20))
    assert alice.all(type="error") == [] and bob.all(type="resync") == []


async def test_a_queue_that_is_full(start_redis, start_relays, mesh):
    """What does not fit into --bus-queue-bytes is answered at once."""
    redis = start_redis()
    one, two, alice, bob = await pair(
        start_relays, redis, mesh, bus_queue_bytes=100_000, message_bytes_max=20_000
    )
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    for n in range(30):
        await alice.send("direct", {"n": n, "fill": "x" * 10_000}, to="bob", id=n)
    error = await alice.expect_error("bus_unavailable")
    assert error["data"]["delivered"] == "no"
    refused = [error["data"]["id"]]
    redis.start()
    await bob.expect(type="resync")
    await fence(alice, bob)
    heard = [m["data"]["n"] for m in bob.all(type="direct", from_="alice") if "n" in m["data"]]
    refused += [m["data"]["id"] for m in alice.all(type="error", data={"code": "bus_unavailable"})]
    assert heard and heard == sorted(heard)
    assert sorted(set(heard) | set(refused)) == list(range(30)) and not set(heard) & set(refused)


async def test_nobody_is_called_unknown_meanwhile(start_redis, start_relays, mesh):
    """Who came in the last moment before the outage may be there, though the node does not know."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    await alice.send("direct", {"n": 1}, to="somebody", id=1)
    await alice.send("direct", {"n": 2}, targetInstanceId="somebody", id=2)
    for id in (1, 2):
        error = await alice.expect_error("bus_unavailable", id=id)
        assert error["data"]["delivered"] == "no"
    redis.start()
    await patience.eventually(one.is_ready, "readiness")
    await alice.send("direct", {"n": 3}, to="somebody", id=3)
    await alice.expect_error("peer_not_found", id=3)


async def test_joining_without_redis(start_redis, start_relays, mesh):
    """Answered after 5 s, and the same connection may try again."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    alice = await Place(one, mesh).connect("alice")
    await alice.announce()
    error = await alice.expect_error("bus_unavailable")
    assert error["data"]["delivered"] == "no"
    redis.start()
    await patience.eventually(one.is_ready, "readiness")
    await alice.announce()
    await alice.settle()
    bob = await Place(one, mesh).join("bob")
    await alice.expect(type="presence", from_="bob")
    assert [m["from"] for m in bob.roster] == ["alice"]


async def test_joining_while_redis_is_away_for_a_moment(start_redis, start_relays, mesh):
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    alice = await Place(one, mesh).connect("alice")
    await alice.announce()
    redis.start()
    await alice.settle()
    if alice.untaken(type="error"):  # it took longer than 5 s on this machine
        await alice.announce()
        await alice.settle()
    bob = await Place(one, mesh).join("bob")
    assert [m["from"] for m in bob.roster] == ["alice"]


async def test_leaving_while_redis_is_away(start_redis, start_relays, mesh):
    """The leave is owed, and made good: nobody waits for a TTL."""
    redis = start_redis()
    one, two = start_relays(2, redis=redis, ttl_seconds=60)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    redis.freeze()
    await bob.close()
    redis.thaw()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    assert len(alice.offlines_of("bob")) == 1


async def test_redis_comes_later(start_redis, start_relays, mesh):
    """A relay may be started before its Redis."""
    port = free_port()
    (one,) = start_relays(1, ready=False, redis_url=f"redis://127.0.0.1:{port}")
    alice = await Place(one, mesh).connect("alice")
    await alice.settle()
    start_redis(port=port)
    await patience.eventually(one.is_ready, "readiness")
    await alice.announce()
    await Place(one, mesh).join("bob")
    await alice.expect(type="presence", from_="bob")


async def test_first_use_connects_with_the_first_client(start_redis, start_relays, mesh):
    """--bus-connect first-use"""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis, bus_connect="first-use")
    connected = [line for line in redis.call("CLIENT", "LIST").splitlines() if line]
    assert len(connected) == 1, "only the question itself"
    alice = await Place(one, mesh).join("alice")
    bob = await Place(one, mesh).join("bob")
    await alice.expect(type="presence", from_="bob")
    assert len(redis.call("CLIENT", "LIST").splitlines()) == 3
    assert bob.roster


async def test_a_full_redis(start_redis, start_relays, mesh):
    """Refuses newcomers and keeps those that are present."""
    redis = start_redis()
    one, two, alice, bob = await pair(start_relays, redis, mesh)
    redis.call("CONFIG", "SET", "maxmemory", "1")
    carol = await Place(one, mesh).connect("carol")
    await carol.announce()
    await carol.expect_error("bus_unavailable")
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > TTL + 2, "longer than the TTL")
    await fence(alice, bob)
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    redis.call("CONFIG", "SET", "maxmemory", "0")
    await carol.announce()
    await alice.expect(type="presence", from_="carol")
