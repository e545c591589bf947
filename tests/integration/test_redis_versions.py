"""The same story with every Redis that is supported, in each of its forms."""

import pytest

from harness.client import Place
from harness.crowd import (
    all_hear_resync,
    all_reach_each_other,
    flowing_again,
    nobody_was_hurt,
    peers_on,
)
from harness.process import ROOT

TTL = 4
SERVERS = {"redis-7": "redis-server", "redis-8": "redis-server", "valkey-8": "valkey-server"}


@pytest.fixture(params=SERVERS)
def server(request):
    path = ROOT / "build/servers" / request.param / "bin" / SERVERS[request.param]
    if not path.exists():
        pytest.skip(f"no {request.param} here: scripts/servers could not get it")
    return path


async def story(start_relays, mesh, url, break_redis):
    """Join, direct, broadcast, a node that dies, a Redis that is lost, leave."""
    nodes = start_relays(3, redis_url=url, ttl_seconds=TTL)
    clients = await peers_on(nodes, mesh, 6, TTL)
    await all_reach_each_other(clients)

    nodes[2].kill()
    dead = [clients.pop(5), clients.pop(2)]
    for client in clients:
        for gone in dead:
            await client.expect(type="presence", from_=gone.id, data={"status": "offline"})
    for client in clients:
        assert len(client.all(type="presence", data={"status": "offline"})) == len(dead)
        client.received.clear()

    break_redis()
    await flowing_again([clients[0], clients[1]])
    await all_hear_resync(clients)
    nobody_was_hurt(clients)
    late = await Place(nodes[1], mesh).join_at_last("late", TTL / 4)
    assert {m["from"] for m in late.roster} == {client.id for client in clients}
    await late.close()
    for client in clients:
        await client.expect(type="presence", from_="late", data={"status": "offline"})
    listed = nodes[0].request("POST", f"/invocations?mesh={mesh}").json
    assert set(listed["peers"]) == {client.id for client in clients}


async def test_single(start_redis, start_relays, server, mesh):
    redis = start_redis(server=server)
    await story(start_relays, mesh, redis.url, redis.restart_empty)


async def test_sentinel(start_sentinels, start_relays, server, mesh):
    sentinels = start_sentinels(server=server)
    await story(start_relays, mesh, sentinels.url, lambda: sentinels.master().kill())


async def test_cluster(start_cluster, start_relays, server, mesh):
    cluster = start_cluster(server=server)
    master = cluster.nodes[1]
    await story(start_relays, cluster.mesh_of(master, mesh), cluster.url, master.kill)
