"""
Redis by name: whoever moves it gives the name another address, and the relay follows. Names are
looked up for each connection, so that no answer is older than that.
"""

import time

import pytest

from harness import patience
from harness.client import Place, fence
from harness.crowd import all_hear_resync, flowing_again, nobody_was_hurt, peers_on
from harness.names import Names, need_mount_namespace
from harness.redis import free_port

TTL = 6
FOLLOWED = 5  # seconds, at most
SPARE = 3  # for a busy machine
NAME = "redis.test"
HERE, THERE = "127.0.0.2", "127.0.0.3"


@pytest.fixture
def names(tmp_path):
    need_mount_namespace()
    names = Names(tmp_path, **{NAME: HERE})
    yield names
    names.stop()


@pytest.fixture
def two(start_redis):
    """At two addresses, on the same port."""
    port = free_port()
    return [start_redis(host=host, port=port) for host in (HERE, THERE)]


async def test_redis_moves(two, names, start_relays, mesh):
    """The old one is gone."""
    old, new = two
    nodes = start_relays(
        2, redis_url=f"redis://{NAME}:{old.port}", wrapper=names.wrapper, ttl_seconds=TTL
    )
    clients = await peers_on(nodes, mesh, 4, TTL)
    names.addresses[NAME] = THERE
    begin = time.monotonic()
    old.kill()
    assert await flowing_again(clients) - begin < FOLLOWED + SPARE
    await all_hear_resync(clients)
    nobody_was_hurt(clients)
    assert new.call("KEYS", "*") != []


async def test_redis_is_demoted(two, names, start_relays, mesh):
    """As managed ones fail over: the old one is a replica now, and lives."""
    old, new = two
    nodes = start_relays(
        2, redis_url=f"redis://{NAME}:{old.port}", wrapper=names.wrapper, ttl_seconds=TTL
    )
    clients = await peers_on(nodes, mesh, 4, TTL)
    names.addresses[NAME] = THERE
    begin = time.monotonic()
    old.call("REPLICAOF", THERE, new.port)
    assert await flowing_again(clients) - begin < FOLLOWED + SPARE
    await all_hear_resync(clients)
    nobody_was_hurt(clients)


async def test_a_name_that_comes_later(two, names, start_relays, mesh):
    del names.addresses[NAME]
    (node,) = start_relays(
        1, ready=False, redis_url=f"redis://{NAME}:{two[0].port}", wrapper=names.wrapper
    )
    await patience.eventually(lambda: "bus_down" in node.log(), node.log)
    names.addresses[NAME] = HERE
    await patience.eventually(node.is_ready, node.log)
    alice, bob = await Place(node, mesh).join("alice"), await Place(node, mesh).join("bob")
    await fence(alice, bob)


async def test_tls_follows_too(start_redis, names, start_relays, authority, mesh):
    """The certificate is for the name, wherever that is."""
    port = free_port()
    certificate = authority.issue("by-name", names=[f"DNS:{NAME}"])
    old, new = (start_redis(host=host, port=port, tls=certificate) for host in (HERE, THERE))
    nodes = start_relays(
        2,
        redis_url=f"rediss://{NAME}:{port}",
        redis_ca_file=authority.cert,
        wrapper=names.wrapper,
        ttl_seconds=TTL,
    )
    clients = await peers_on(nodes, mesh, 4, TTL)
    names.addresses[NAME] = THERE
    begin = time.monotonic()
    old.kill()
    assert await flowing_again(clients) - begin < FOLLOWED + SPARE
    nobody_was_hurt(clients)
    assert new.call("KEYS", "*") != []
