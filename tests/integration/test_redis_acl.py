"""
The user that may do the least that suffices: with it everything works, through an outage too, and
Redis has refused it nothing.
"""

import pytest

from harness.client import Place, fence
from harness.cluster import mesh_slot
from harness.crowd import all_hear_resync, flowing_again, peers_on
from harness.redis import IN_A_CLUSTER, LEAST, RedisError

TTL = 3
USER = "relay:secret@"


def add_user(redis, rules):
    redis.call("ACL", "SETUSER", "relay", "on", ">secret", *rules)


async def everything_works(nodes, mesh, redis, others=()):
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[1], mesh).join("bob")
    alice.beat(TTL / 6)
    bob.beat(TTL / 6)
    await alice.announce(mood="busy")
    await bob.expect(type="presence", data={"mood": "busy"})
    await alice.send("direct", to="nobody")
    await alice.expect_error("peer_not_found")
    silent = await Place(nodes[0], mesh).join("silent")
    await alice.expect(type="presence", from_="silent", data={"status": "offline"})
    await silent.expect_close(4408)
    redis.call("CLIENT", "KILL", "TYPE", "pubsub")
    for client in (alice, bob):
        await client.expect(type="resync")
    await fence(alice, bob)
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    listed = nodes[1].request("POST", f"/invocations?mesh={mesh}").json
    assert listed["peers"] == ["alice"]
    for server in (redis, *others):
        assert server.call("ACL", "LOG") == []


async def test_single(start_redis, start_relays, mesh):
    redis = start_redis(tcp=True)
    add_user(redis, LEAST)
    nodes = start_relays(2, redis_url=f"redis://{USER}{redis.address}", ttl_seconds=TTL)
    await everything_works(nodes, mesh, redis)


async def test_sentinel(start_sentinels, start_relays, mesh):
    sentinels = start_sentinels()
    for node in sentinels.nodes:
        add_user(node, LEAST)
    url = sentinels.url.replace("://", f"://{USER}")
    nodes = start_relays(2, redis_url=url, ttl_seconds=TTL)
    await everything_works(nodes, mesh, sentinels.master(), sentinels.replicas())


async def test_cluster(start_cluster, start_relays, mesh):
    """The slot moves, too: what the relay asks then, it may ask."""
    cluster = start_cluster()
    for node in cluster.nodes:
        add_user(node, LEAST + IN_A_CLUSTER)
    nodes = start_relays(2, redis_url=cluster.url_of(cluster.nodes, USER), ttl_seconds=TTL)
    owner, target, _ = cluster.nodes[:3]
    here = cluster.mesh_of(owner, mesh)
    movers = await peers_on(nodes, here, 2, TTL)
    cluster.migration(mesh_slot(here), target).run()
    await all_hear_resync(movers)
    await flowing_again(movers)
    for mover in movers:
        await mover.close()
    await everything_works(nodes, here, target, cluster.nodes)


HOSTILE = [
    "ACL LIST",
    "ACL WHOAMI",
    "BLPOP relay:x 0",
    "CLIENT KILL TYPE normal",
    "CLIENT LIST",
    "CLIENT NO-EVICT on",
    "CONFIG GET *",
    "CONFIG SET maxmemory 1",
    "DEBUG SLEEP 1",
    "EVAL return(1) 0",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION LIST",
    "GET other",
    "HGET other:{m}:peer:a presence",
    "HSET other x y",
    "KEYS *",
    "MODULE LIST",
    "MONITOR",
    "PSUBSCRIBE *",
    "PSUBSCRIBE relay:*",
    "PUBLISH other x",
    "RANDOMKEY",
    "REPLICAOF 127.0.0.1 1",
    "SAVE",
    "SCAN 0",
    "SCRIPT FLUSH",
    "SHUTDOWN NOSAVE",
    "SUBSCRIBE __keyevent@0__:expired",
    "SUBSCRIBE other",
    "SWAPDB 0 1",
]


@pytest.mark.parametrize("command", HOSTILE)
def test_whoever_has_the_relays_password_has_no_more_than_that(redis, command):
    """The user of the shared Redis is that of the relay; all other tests run as it, too."""
    login, redis.login = redis.login, None
    try:
        with pytest.raises(RedisError, match="NOPERM|not allowed|unknown (sub)?command"):
            redis.call(*command.split())
    finally:
        redis.login = login
        redis.call("ACL", "LOG", "RESET")


def test_not_from_within_a_script_either(redis):
    login, redis.login = redis.login, None
    try:
        for script in (
            "return redis.call('GET', 'other')",
            "return redis.call('FLUSHALL')",
            "return redis.call('PUBLISH', 'other', 'x')",
        ):
            digest = redis.call("SCRIPT", "LOAD", script)
            with pytest.raises(RedisError, match="(?i)perm|can't (run|access|publish)"):
                redis.call("EVALSHA", digest, 0)
    finally:
        redis.login = login
        redis.call("ACL", "LOG", "RESET")
