"""
A node dies without a word: each of its peers is told offline exactly once to each survivor, within
the TTL and two seconds.
"""

import time

from harness import patience
from harness.client import Place, fence

TTL = 3
SPARE = 3  # for a busy machine; the promise is 2 s after the lease's end


async def test_every_pair_hears_it_once_and_in_time(start_relays, mesh):
    nodes = start_relays(3, ttl_seconds=TTL)
    clients = []
    for n in range(30):
        client = await Place(nodes[n % 3], mesh).join(f"p{n}")
        client.beat(TTL / 4)
        clients.append(client)
    dead = [client for n, client in enumerate(clients) if n % 3 == 0]
    staying = [client for client in clients if client not in dead]
    for client in staying:
        await fence(staying[0] if client is not staying[0] else staying[1], client)
    begin = time.monotonic()
    nodes[0].kill()
    for client in staying:
        for gone in dead:
            told = await client.expect(type="presence", from_=gone.id, data={"status": "offline"})
            assert told.at - begin < TTL + 2 + SPARE
    for n, client in enumerate(staying):
        await fence(staying[n - 1], client)
        assert len(client.all(type="presence", data={"status": "offline"})) == len(dead)
        assert client.closed is None
    late = await Place(nodes[1], mesh).join("late")
    assert sorted(m["from"] for m in late.roster) == sorted(client.id for client in staying)


async def test_back_on_another_node_before_it_is_missed(start_relays, mesh):
    """A client that reconnects at once is never told offline, and reachable at once."""
    one, two = start_relays(2, ttl_seconds=TTL)
    alice = await Place(two, mesh).join("alice")
    alice.beat(TTL / 4)
    bob = await Place(one, mesh).join("bob", agents=["writer"])
    one.kill()
    await bob.reader
    back = await Place(two, mesh).join("bob", agents=["writer"])
    back.beat(TTL / 4)
    await alice.send("direct", {"n": 1}, to="writer")
    await back.expect(type="direct", data={"n": 1})
    begin = time.monotonic()
    while time.monotonic() - begin < TTL + 2:
        await alice.send("direct", {"n": 2}, to="bob")
        await back.expect(type="direct", data={"n": 2})
    assert alice.offlines_of("bob") == [] and alice.all(type="error") == []
    assert len(alice.presences_of("bob")) == 1


async def test_a_tab_on_another_node_survives(start_relays, mesh):
    one, two = start_relays(2, ttl_seconds=TTL)
    alice = await Place(two, mesh).join("alice")
    await Place(one, mesh).join("bob")
    tab = await Place(two, mesh).join("bob")
    alice.beat(TTL / 4)
    tab.beat(TTL / 4)
    one.kill()
    begin = time.monotonic()
    while time.monotonic() - begin < TTL + 2:
        await alice.send("direct", {"n": 1}, to="bob")
        await tab.expect(type="direct", data={"n": 1})
    assert alice.offlines_of("bob") == []


async def test_the_last_survivor_is_a_newcomer(start_relays, mesh):
    """All nodes of a mesh die; a node that comes later cleans up."""
    (one,) = start_relays(1, ttl_seconds=TTL)
    for n in range(5):
        await Place(one, mesh).join(f"p{n}")
    one.kill()
    (two,) = start_relays(1, ttl_seconds=TTL)
    late = await Place(two, mesh).join("late")
    late.beat(TTL / 4)
    seen = {m["from"] for m in late.roster}
    for id in seen:
        await late.expect(type="presence", from_=id, data={"status": "offline"})
    fresh = await Place(two, mesh).join("fresh")
    assert [m["from"] for m in fresh.roster] == ["late"]
    assert all(len(late.offlines_of(id)) == 1 for id in seen)


async def test_an_empty_mesh_leaves_no_keys(start_redis, start_relays, mesh):
    """Nobody is left to clean up: the keys end by themselves."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis, ttl_seconds=1)
    await Place(one, mesh).join("alice")
    one.kill()
    await patience.eventually(
        lambda: redis.call("KEYS", "*") == [], lambda: redis.call("KEYS", "*")
    )
