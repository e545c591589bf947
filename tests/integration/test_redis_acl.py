"""
The user that may do the least that suffices: with it everything works, through an outage too, and
Redis has refused it nothing.
"""

from harness.client import Place, fence
from harness.cluster import mesh_slot
from harness.crowd import all_hear_resync, flowing_again, peers_on

TTL = 3
LEAST = (
    "-@all ~relay:* &relay:* +hello +auth +ping +role +client|setname +subscribe +unsubscribe "
    "+publish +evalsha +script|load +time +hkeys +hget +hmget +hset +hdel +exists +del +pexpire "
    "+pexpireat +zadd +zrem +zrange +pubsub|numsub +info"
).split()
IN_A_CLUSTER = "+ssubscribe +sunsubscribe +spublish +cluster|slots +pubsub|shardnumsub".split()
USER = "relay:secret@"


def add_user(redis, rules):
    redis.call("ACL", "SETUSER", "relay", "on", ">secret", "resetkeys", "resetchannels", *rules)


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
