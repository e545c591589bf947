"""
Redis dies and comes back empty: no client's socket is closed, all keys come back, nobody is told
offline who is there, and clients hear `resync`, since messages may have been missed.
"""

from harness import patience
from harness.client import Place, fence, is_relay_time
from harness.crowd import all_reach_each_other, nobody_was_hurt, peers_on

TTL = 3


def all_back(redis, mesh, clients):
    prefix = "relay:{%s}:" % mesh
    try:
        listed = set(redis.call("ZRANGE", prefix + "peers", 0, -1))
        keys = set(redis.call("KEYS", prefix + "peer:*"))
    except OSError:
        return False
    ids = {client.id for client in clients}
    return listed == ids and keys == {prefix + "peer:" + id for id in ids}


async def keys_are_back(redis, mesh, clients):
    await patience.eventually(
        lambda: all_back(redis, mesh, clients), lambda: redis.call("KEYS", "*")
    )


async def test_killed_and_back_at_once(start_redis, start_relays, mesh):
    redis = start_redis()
    nodes = start_relays(3, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 12, TTL)
    redis.restart_empty()
    await keys_are_back(redis, mesh, clients)
    for client in clients:
        resync = await client.expect(type="resync", from_="relay")
        assert is_relay_time(resync["timestamp"])
    for node in nodes:
        await patience.eventually(node.is_ready, "readiness")
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_away_for_longer_than_the_ttl(start_redis, start_relays, mesh):
    """Nobody may judge who is offline in that time, nor right after it."""
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    redis.kill()
    begin = patience.time.monotonic()
    await patience.eventually(lambda: patience.time.monotonic() - begin > TTL + 1, "the outage")
    redis.start()
    for client in clients:
        await client.expect(type="resync")
    await keys_are_back(redis, mesh, clients)
    begin = patience.time.monotonic()
    await patience.eventually(lambda: patience.time.monotonic() - begin > 2 * TTL, "the hold-off")
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_again_and_again(start_redis, start_relays, mesh):
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    for _ in range(4):
        redis.restart_empty()
    await keys_are_back(redis, mesh, clients)
    for client in clients:
        await client.expect(type="resync")
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_who_left_meanwhile_is_told_once(start_redis, start_relays, mesh):
    """It was offline all the time; the others hear of it when that can be known."""
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    redis.kill()
    await clients[5].close()
    redis.start()
    staying = clients[:5]
    for client in staying:
        await client.expect(type="presence", from_="p5", data={"status": "offline"})
    await patience.eventually(
        lambda: all_back(redis, mesh, staying), lambda: redis.call("KEYS", "*")
    )
    for n, client in enumerate(staying):
        await fence(staying[n - 1], client)
        assert len(client.offlines_of("p5")) == 1
        assert client.closed is None
        assert len(client.all(type="presence", data={"status": "offline"})) == 1


async def test_a_node_that_died_meanwhile(start_redis, start_relays, mesh):
    """Its peers are told once, by the survivors; nobody else is."""
    redis = start_redis()
    nodes = start_relays(3, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 9, TTL)
    dead = [client for n, client in enumerate(clients) if n % 3 == 2]
    staying = [client for client in clients if client not in dead]
    redis.kill()
    nodes[2].kill()
    redis.start()
    for client in staying:
        for gone in dead:
            await client.expect(type="presence", from_=gone.id, data={"status": "offline"})
    for n, client in enumerate(staying):
        await fence(staying[n - 1], client)
        assert len(client.all(type="presence", data={"status": "offline"})) == len(dead)
        assert client.closed is None


async def test_newcomers_after_the_restart(start_redis, start_relays, mesh):
    """See everybody who was there, and are seen once."""
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    redis.restart_empty()
    for client in clients:
        await client.expect(type="resync")
    late = [await Place(node, mesh).join(f"late-{n}") for n, node in enumerate(nodes)]
    for newcomer in late:
        newcomer.beat(TTL / 4)
    assert {m["from"] for m in late[0].roster} >= {client.id for client in clients}
    assert {m["from"] for m in late[1].roster} >= {client.id for client in clients}
    for client in clients:
        for newcomer in late:
            await fence(newcomer, client)
            assert len(client.presences_of(newcomer.id)) == 1
    nobody_was_hurt(clients)


async def test_subscriptions_cut(start_redis, start_relays, mesh):
    """Redis itself cuts its subscribers off: all subscribed again, nobody deaf, `resync` told."""
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    for _ in range(5):
        assert redis.call("CLIENT", "KILL", "TYPE", "pubsub") >= 0
    for client in clients:
        await client.expect(type="resync")
    for node in nodes:
        await patience.eventually(node.is_ready, "readiness")
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_commands_cut(start_redis, start_relays, mesh):
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    assert redis.call("CLIENT", "KILL", "TYPE", "normal") >= 2
    for client in clients:
        await client.expect(type="resync")
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_scripts_flushed(start_redis, start_relays, mesh):
    """SCRIPT FLUSH is nothing that a client notices."""
    redis = start_redis()
    nodes = start_relays(2, redis=redis, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 4, TTL)
    redis.call("SCRIPT", "FLUSH")
    late = await Place(nodes[0], mesh).join("late")
    late.beat(TTL / 4)
    assert len(late.roster) == 4
    await clients[3].close()
    await late.expect(type="presence", from_="p3", data={"status": "offline"})
    await all_reach_each_other([clients[0], clients[1]])
