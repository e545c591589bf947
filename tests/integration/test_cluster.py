"""
Redis as a Cluster: each mesh lives on the shard that has its slot, goes where the slot goes, and
shares nothing with the meshes of other shards, least of all their misfortunes.
"""

import asyncio
import contextlib
import time

import pytest

from harness import patience
from harness.client import Place, fence
from harness.cluster import mesh_slot
from harness.crowd import (
    Stream,
    all_hear_resync,
    all_reach_each_other,
    flowing_again,
    nobody_was_hurt,
    peers_on,
)
from harness.figures import record
from harness.redis import RedisError

TTL = 6
NODE_TIMEOUT = 1.5  # seconds until the Cluster begins to call a node failed
ELECTION = 4  # and until then, at most, there is a new master
FOUND = 1  # and until then, at most, the relay is there: what every mesh is promised
FOLLOWED = NODE_TIMEOUT + ELECTION + FOUND
SPARE = 3  # for a busy machine


def start_nodes(start_relays, cluster, count=3, **options):
    return start_relays(count, redis_url=cluster.url, ttl_seconds=TTL, **options)


def channels_at(node, mesh):
    """Channel, without what all begin with: how many subscribe it there."""
    start = "relay:{%s}:" % mesh
    with contextlib.suppress(OSError, RedisError):
        names = node.call("PUBSUB", "SHARDCHANNELS", start + "*")
        flat = node.call("PUBSUB", "SHARDNUMSUB", *names) if names else []
        return {name.removeprefix(start): n for name, n in zip(flat[::2], flat[1::2]) if n}
    return None


def all_channels(nodes, clients):
    """What nobody may be deaf to: what goes to all, once per node, and each peer's own."""
    return {"broadcast": len(nodes), **{f"peer:{client.id}": 1 for client in clients}}


async def all_subscribed(cluster, nodes, mesh, clients):
    """Returns when that is so, as time.monotonic()."""
    owner = await patience.eventually(lambda: cluster.owner(mesh_slot(mesh)), cluster.story)
    wanted = all_channels(nodes, clients)
    await patience.eventually(
        lambda: channels_at(owner, mesh) == wanted, lambda: (channels_at(owner, mesh), wanted)
    )
    return time.monotonic()


def heard_no_resync(clients):
    for client in clients:
        assert client.all(type="resync") == [], client.story()


async def crowd_on(nodes, cluster, master, name, count=6):
    """A mesh on that master, its peers, and a stream between two nodes that never stops."""
    mesh = cluster.mesh_of(master, name)
    clients = await peers_on(nodes, mesh, count, TTL)
    return mesh, clients, Stream(clients[0], clients[1])


async def test_every_mesh_on_its_shard(start_cluster, start_relays, mesh):
    cluster = start_cluster()
    nodes = start_nodes(start_relays, cluster)
    for master in cluster.nodes[:3]:
        here, clients, stream = await crowd_on(nodes, cluster, master, mesh)
        await all_subscribed(cluster, nodes, here, clients)
        await all_reach_each_other(clients)
        await stream.was_exact()
        for other in cluster.nodes[:3]:
            if other is not master:
                assert channels_at(other, here) == {}
            assert other.call("PUBSUB", "CHANNELS", "*") == [], "that would be in all nodes"
        await clients.pop().close()
        for client in clients:
            await client.expect(type="presence", data={"status": "offline"})


@pytest.mark.parametrize("seed", ["a replica", "another master", "the second of two, one is dead"])
async def test_a_seed_that_is_not_the_owner(start_cluster, start_relays, mesh, seed):
    cluster = start_cluster()
    seeds = {
        "a replica": [cluster.nodes[4]],
        "another master": [cluster.nodes[1]],
        "the second of two, one is dead": [cluster.nodes[5], cluster.nodes[3]],
    }[seed]
    if "dead" in seed:
        seeds[0].kill()
    nodes = start_relays(2, redis_url=cluster.url_of(seeds), ttl_seconds=TTL)
    for master in cluster.nodes[:3]:
        await all_reach_each_other(
            await peers_on(nodes, cluster.mesh_of(master, mesh), 4, TTL)
        )


async def test_a_slot_moves(start_cluster, start_relays, mesh):
    """
    F6: key by key, with messages on the way all the time. Within a second after its subscriptions were
    ended everybody hears everything again, and its neighbours notice nothing.
    """
    cluster = start_cluster()
    source, target, _ = cluster.nodes[:3]
    nodes = start_nodes(start_relays, cluster)
    moved, clients, stream = await crowd_on(nodes, cluster, source, mesh)
    neighbours = [
        await crowd_on(nodes, cluster, source, mesh + ".same-shard"),
        await crowd_on(nodes, cluster, target, mesh + ".target"),
    ]
    cluster.migration(mesh_slot(moved), target).run()
    begin = time.monotonic()
    took = await all_subscribed(cluster, nodes, moved, clients) - begin
    record("F6", "a slot moves: every channel subscribed again", took, "s", f"<= {FOUND}")
    assert took < FOUND + SPARE
    assert channels_at(source, moved) == {}
    await flowing_again(clients)
    await all_hear_resync(clients)
    await stream.stop()
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)
    for _, others, undisturbed in neighbours:
        await undisturbed.was_exact()
        heard_no_resync(others)
        nobody_was_hurt(others)


async def test_a_slot_that_is_long_on_the_way(start_cluster, start_relays, mesh):
    """Half of its keys are there, half here: no lease ends for that, and who comes gets in."""
    cluster = start_cluster()
    source, target, _ = cluster.nodes[:3]
    nodes = start_nodes(start_relays, cluster)
    moved, clients, stream = await crowd_on(nodes, cluster, source, mesh)
    migration = cluster.migration(mesh_slot(moved), target)
    migration.begin()
    migration.move(3)
    late = await Place(nodes[2], moved).connect("late")
    late.beat(TTL / 4)
    joining = asyncio.ensure_future(join_at_last(late))
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > TTL / 2, "half of the TTL")
    migration.finish()
    await asyncio.wait_for(joining, patience.SECONDS)
    await all_subscribed(cluster, nodes, moved, [*clients, late])
    await flowing_again(clients)
    await stream.stop()
    await all_reach_each_other(clients)
    await fence(clients[0], late)
    nobody_was_hurt(clients)


async def join_at_last(client):
    """As a client does: what is unavailable now is tried again."""
    while True:
        await client.announce()
        answer = await client.expect(
            type=lambda type: type in ("presence", "error"),
            data=lambda data: data.get("code") != "no_presence",
        )
        if answer["type"] == "presence":
            return
        assert answer["data"]["code"] == "bus_unavailable"


async def test_keys_that_come_while_the_slot_moves(start_cluster, start_relays, mesh):
    """The first peer of a mesh comes when its slot is on the way: its keys are at the target."""
    cluster = start_cluster()
    source, target, _ = cluster.nodes[:3]
    nodes = start_nodes(start_relays, cluster, count=2)
    moved = cluster.mesh_of(source, mesh)
    migration = cluster.migration(mesh_slot(moved), target)
    migration.begin()
    alice = await Place(nodes[0], moved).connect("alice")
    alice.beat(TTL / 4)
    await alice.announce()
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 1, "a second")
    migration.finish()
    await alice.settle()
    bob = await Place(nodes[1], moved).join("bob")
    assert [m["from"] for m in bob.roster if m["type"] == "presence"] == ["alice"]
    await fence(alice, bob)
    await fence(bob, alice)
    nobody_was_hurt([alice, bob])


async def test_many_slots_move(start_cluster, start_relays, mesh):
    """By redis-cli, a dozen meshes with them: none is forgotten."""
    cluster = start_cluster()
    source, target, _ = cluster.nodes[:3]
    nodes = start_nodes(start_relays, cluster)
    crowds = {}
    number = 0
    while len(crowds) < 12:
        number += 1
        name = f"{mesh}.{number}"
        if mesh_slot(name) < 600:
            crowds[name] = await peers_on(nodes, name, 3, TTL)
    process = cluster.reshard(source, target, 600)
    await patience.eventually(lambda: process.poll() is not None, "redis-cli to be done")
    assert process.returncode == 0, (source.directory / "reshard.log").read_text()
    begin = time.monotonic()
    await patience.eventually(lambda: cluster.owner(599) is target, cluster.story)
    for name, clients in crowds.items():
        assert cluster.owner(mesh_slot(name)) is target
        assert await all_subscribed(cluster, nodes, name, clients) - begin < FOUND + SPARE
        await flowing_again(clients)
        await all_hear_resync(clients)
        await all_reach_each_other(clients)
        nobody_was_hurt(clients)


async def test_there_and_back(start_cluster, start_relays, mesh):
    """A slot that moves again before everybody has settled."""
    cluster = start_cluster()
    nodes = start_nodes(start_relays, cluster)
    moved, clients, stream = await crowd_on(nodes, cluster, cluster.nodes[0], mesh)
    for n in range(6):
        cluster.migration(mesh_slot(moved), cluster.nodes[(n + 1) % 3]).run()
        await patience.eventually(
            lambda: cluster.owner(mesh_slot(moved)) is cluster.nodes[(n + 1) % 3], cluster.story
        )
    await all_subscribed(cluster, nodes, moved, clients)
    await flowing_again(clients)
    await stream.stop()
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def disturb_a_shard(start_cluster, start_relays, mesh):
    """A cluster, its relays, a crowd on the shard to be broken, and one elsewhere."""
    cluster = start_cluster(node_timeout_ms=int(NODE_TIMEOUT * 1000))
    nodes = start_nodes(start_relays, cluster)
    broken = await crowd_on(nodes, cluster, cluster.nodes[0], mesh + ".broken")
    well = await crowd_on(nodes, cluster, cluster.nodes[1], mesh + ".well")
    return cluster, nodes, broken, well


async def all_is_well(cluster, nodes, broken, well):
    mesh, clients, stream = broken
    await all_subscribed(cluster, nodes, mesh, clients)
    await flowing_again(clients)
    await all_hear_resync(clients)
    await stream.stop()
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)
    _, others, undisturbed = well
    await undisturbed.was_exact()
    heard_no_resync(others)
    nobody_was_hurt(others)


async def test_a_master_is_killed(start_cluster, start_relays, mesh):
    """F6"""
    cluster, nodes, broken, well = await disturb_a_shard(start_cluster, start_relays, mesh)
    begin = time.monotonic()
    cluster.nodes[0].kill()
    took = await flowing_again(broken[1]) - begin
    record("F6", f"a master is killed, failed after {NODE_TIMEOUT} s: traffic again", took, "s", f"<= {FOLLOWED}")
    assert took < FOLLOWED + SPARE
    assert cluster.owner(mesh_slot(broken[0])) is cluster.nodes[3]
    await all_is_well(cluster, nodes, broken, well)


async def test_a_node_that_starts_while_a_master_is_dead(start_cluster, start_relays, mesh):
    """It learns from the others where the slots were, and finds nobody there when it wants to."""
    cluster = start_cluster(node_timeout_ms=int(NODE_TIMEOUT * 1000))
    name = cluster.mesh_of(cluster.nodes[0], mesh)
    cluster.nodes[0].kill()
    [node] = start_nodes(start_relays, cluster, 1)
    await patience.eventually(
        lambda: cluster.owner(mesh_slot(name)) is cluster.nodes[3], cluster.story
    )
    client = await Place(node, name).connect("alice")
    await client.send("presence", {})
    await client.settle()
    assert client.untaken(type="error") == []


async def test_a_master_that_stood_still(start_cluster, start_relays, mesh):
    """What was on its way into it arrives nowhere, although it works it off when it wakes up."""
    cluster, nodes, broken, well = await disturb_a_shard(start_cluster, start_relays, mesh)
    old = cluster.nodes[0]
    begin = time.monotonic()
    old.freeze()
    alice, bob = broken[1][:2]
    for n in range(20):
        await alice.send("direct", {"on its way": n}, to=bob.id)
    assert await flowing_again(broken[1]) - begin < FOLLOWED + SPARE
    await patience.eventually(lambda: time.monotonic() - begin > 8, "a long stop")
    old.thaw()
    await patience.eventually(
        lambda: old.info("replication")["role"] == "slave", lambda: old.log()[-2000:]
    )
    await all_is_well(cluster, nodes, broken, well)
    assert bob.all(type="direct", data=lambda data: "on its way" in data) == []


async def test_a_failover_as_planned(start_cluster, start_relays, mesh):
    """F6"""
    cluster, nodes, broken, well = await disturb_a_shard(start_cluster, start_relays, mesh)
    cluster.failover(cluster.nodes[3])
    await patience.eventually(
        lambda: cluster.owner(mesh_slot(broken[0])) is cluster.nodes[3], cluster.story
    )
    begin = time.monotonic()
    took = await all_subscribed(cluster, nodes, broken[0], broken[1]) - begin
    record("F6", "a failover as planned: every channel subscribed again", took, "s", f"<= {FOUND}")
    assert took < FOUND + SPARE
    await all_is_well(cluster, nodes, broken, well)


async def test_a_shard_without_anybody(start_cluster, start_relays, mesh):
    """Its meshes are told so; the others go on. It comes back, empty, and nobody was offline."""
    cluster, nodes, broken, well = await disturb_a_shard(start_cluster, start_relays, mesh)
    cluster.nodes[3].kill()
    cluster.nodes[0].kill()
    alice = broken[1][0]
    await alice.expect_error("bus_unavailable")
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > TTL + 2, "longer than the TTL")
    heard_no_resync(well[1])
    await all_reach_each_other(well[1])
    cluster.nodes[0].start()
    cluster.nodes[3].start()
    await all_is_well(cluster, nodes, broken, well)


async def test_a_node_is_killed(start_cluster, start_relays, mesh):
    """A node of the relay: in the meshes of all shards its peers are told offline once, in time."""
    cluster = start_cluster()
    nodes = start_nodes(start_relays, cluster)
    crowds = [await crowd_on(nodes, cluster, master, mesh) for master in cluster.nodes[:3]]
    for _, clients, stream in crowds:
        stream.task.cancel()
        await all_reach_each_other(clients)
    begin = time.monotonic()
    nodes[2].kill()
    for _, clients, _ in crowds:
        dead, staying = clients[2::3], [c for n, c in enumerate(clients) if n % 3 != 2]
        for client in staying:
            for gone in dead:
                told = await client.expect(
                    type="presence", from_=gone.id, data={"status": "offline"}
                )
                assert told.at - begin < TTL + 2 + SPARE
            assert len(client.all(type="presence", data={"status": "offline"})) == len(dead)


async def test_the_whole_cluster_restarts(start_cluster, start_relays, mesh):
    """Empty; it takes two seconds until it takes writes again."""
    cluster = start_cluster()
    nodes = start_nodes(start_relays, cluster)
    crowds = [await crowd_on(nodes, cluster, master, mesh) for master in cluster.nodes[:3]]
    for node in cluster.nodes:
        node.kill()
    for node in cluster.nodes:
        node.launch()
    for here, clients, stream in crowds:
        await flowing_again(clients)
        await all_hear_resync(clients)
        await all_subscribed(cluster, nodes, here, clients)
        await stream.stop()
        await all_reach_each_other(clients)
        nobody_was_hurt(clients)


async def test_over_tls(start_cluster, start_relays, authority, mesh):
    cluster = start_cluster(tls=authority.issue("cluster"))
    nodes = start_nodes(start_relays, cluster, redis_ca_file=authority.cert)
    moved, clients, stream = await crowd_on(nodes, cluster, cluster.nodes[0], mesh)
    cluster.migration(mesh_slot(moved), cluster.nodes[1]).run()
    await flowing_again(clients)
    cluster.nodes[1].kill()
    await flowing_again(clients)
    await all_subscribed(cluster, nodes, moved, clients)
    await stream.stop()
    await all_reach_each_other(clients)
    nobody_was_hurt(clients)


async def test_what_is_no_cluster(start_redis, start_relays, mesh):
    redis = start_redis(tcp=True)
    (node,) = start_relays(1, ready=False, redis_url=f"redis+cluster://{redis.address}")
    await patience.eventually(lambda: "cluster support disabled" in node.log(), node.log)
    assert node.get("/readyz").status == 503


async def test_a_cluster_that_is_taken_for_a_single_redis(start_cluster, start_relays, mesh):
    """The log says what to change."""
    cluster = start_cluster()
    (node,) = start_relays(1, ready=False, redis_url=cluster.nodes[0].url)
    await patience.eventually(lambda: "redis+cluster://" in node.log(), node.log)
    assert node.get("/readyz").status == 503
