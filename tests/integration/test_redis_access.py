"""
How the relay gets to Redis: by socket or TCP, with passwords from URL, variable or file.
"""

import struct
import time

import pytest

from harness import patience
from harness.client import Place, fence

PASSWORD = "p@ss:w/rd %41?#"
QUOTED = "p%40ss%3Aw%2Frd%20%2541%3F%23"


async def meet(nodes, mesh):
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[-1], mesh).join("bob")
    await fence(alice, bob)
    await fence(bob, alice)
    await alice.close()
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})


async def test_unix_socket_and_tcp_are_one_redis(start_redis, start_relays, mesh):
    redis = start_redis(tcp=True)
    (by_tcp,) = start_relays(1, redis_url=f"redis://127.0.0.1:{redis.port}")
    (by_socket,) = start_relays(1, redis_url=f"unix:{redis.socket_path}")
    await meet([by_tcp, by_socket], mesh)


async def test_a_host_by_name(start_redis, start_relays, mesh):
    redis = start_redis(tcp=True)
    await meet(start_relays(2, redis_url=f"redis://localhost:{redis.port}"), mesh)


async def test_a_database_of_its_own(start_redis, start_relays, mesh):
    """Keys are in the database of the URL."""
    redis = start_redis(tcp=True)
    (one,) = start_relays(1, redis_url=f"redis://127.0.0.1:{redis.port}/3")
    await Place(one, mesh).join("alice")
    assert redis.call("KEYS", "*") == []
    assert "db3:keys=2" in redis.call("INFO", "keyspace")


async def test_password_in_the_url(start_redis, start_relays, mesh):
    """With what a URL must escape."""
    redis = start_redis(tcp=True, options=["--requirepass", PASSWORD])
    url = f"redis://:{QUOTED}@127.0.0.1:{redis.port}"
    await meet(start_relays(2, redis_url=url), mesh)


async def test_password_in_a_variable(start_redis, start_relays, mesh):
    """Where `ps` does not show it."""
    redis = start_redis(tcp=True, options=["--requirepass", "secret"])
    url = f"redis://:secret@127.0.0.1:{redis.port}"
    nodes = start_relays(2, environment={"RELAY_REDIS_URL": url}, redis_url=None)
    await meet(nodes, mesh)


@pytest.mark.parametrize("end", ["", "\n"])
async def test_password_in_a_file(start_redis, start_relays, tmp_path, mesh, end):
    redis = start_redis(tcp=True, options=["--requirepass", "secret"])
    path = tmp_path / "password"
    path.write_text("secret" + end)
    url = f"redis://:wrong@127.0.0.1:{redis.port}"
    await meet(start_relays(2, redis_url=url, redis_password_file=path), mesh)


async def test_a_wrong_password(start_redis, start_relays, mesh):
    """Never ready, says why, tries on: the password may be put right on Redis's side."""
    redis = start_redis(tcp=True, options=["--requirepass", "secret"])
    url = f"redis://:wrong@127.0.0.1:{redis.port}"
    (one,) = start_relays(1, ready=False, redis_url=url)
    await patience.eventually(lambda: "WRONGPASS" in one.log(), one.log)
    assert one.get("/readyz").status == 503
    assert "wrong@" not in one.log()


async def test_two_connections_per_node(start_redis, start_relays, mesh):
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    for n in range(10):
        await Place(one, f"{mesh}.{n}").join("alice")
    clients = redis.call("CLIENT", "LIST").splitlines()
    assert len([line for line in clients if "cmd=client" not in line]) == 2, clients


async def test_a_replica_is_not_taken(start_redis, start_relays, mesh):
    """A node that finds a replica waits for a master: what it wrote there would be lost."""
    redis = start_redis(tcp=True)
    redis.call("REPLICAOF", "127.0.0.1", "1")
    (one,) = start_relays(1, ready=False, redis_url=f"redis://127.0.0.1:{redis.port}")
    await patience.eventually(lambda: "not the master" in one.log(), one.log)
    assert one.get("/readyz").status == 503
    redis.call("REPLICAOF", "NO", "ONE")
    await patience.eventually(one.is_ready, one.log)
    await meet([one], mesh)


async def test_a_master_that_becomes_a_replica(start_redis, start_relays, mesh):
    """READONLY: leave, and come back when there is a master; clients keep their sockets."""
    redis = start_redis()
    one, two = start_relays(2, redis=redis, ttl_seconds=4)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    alice.beat(1)
    bob.beat(1)
    redis.call("REPLICAOF", "127.0.0.1", "1")
    await patience.eventually(lambda: not one.is_ready() and not two.is_ready(), one.log)
    redis.call("REPLICAOF", "NO", "ONE")
    for client in (alice, bob):
        await client.expect(type="resync")
    await fence(alice, bob)
    await fence(bob, alice)
    assert alice.closed is None and bob.closed is None
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []


async def test_what_is_on_the_channels_but_no_parcel(start_redis, start_relays, mesh):
    """Bytes from Redis are a stranger's: counted, not delivered, harmless."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    alice, bob = await Place(one, mesh).join("alice"), await Place(one, mesh).join("bob")
    prefix = "relay:{%s}:" % mesh
    parcel = bytes(8) + b"\x01\x01" + (50).to_bytes(2, "big") + bytes(34) + b"\x01x"
    for junk in (
        b"",
        b"x",
        b"\x00" * 4096,
        b"\xff" * 100,
        parcel,
        parcel + b"\x00\xff",
        b"{}" * 40,
        bytes(8) + b"\x63\x01\x00\x2c" + bytes(32),
        bytes(8) + b"\x01\x63\x00\x2c" + bytes(32),
    ):
        redis.call("PUBLISH", prefix + "broadcast", junk)
        redis.call("PUBLISH", prefix + "peer:alice", junk)
    await fence(bob, alice)
    await fence(alice, bob)
    assert alice.closed is None and bob.closed is None
    assert {m["type"] for m in alice.received} == {"presence", "capabilities_response", "direct"}
    assert one.metric("p2p_relay_parcels_unread_total") >= 9


PRESENCES, OFFLINES, HEAD_BYTES = 2, 3, 42


def parcel(kind, body):
    """What a node of this version says to all others, as in relay/wire/parcel.h."""
    head = struct.pack(
        ">QBBHIQIIQBB", 0, 1, kind, HEAD_BYTES, 0, 77, 0, 0, time.time_ns() // 10**6, 0, 0
    )
    assert len(head) == HEAD_BYTES
    return head + body


async def test_news_that_are_none(start_redis, start_relays, mesh):
    """Clients are told when something changes: not again when a node hears the same again."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    alice, bob = await Place(one, mesh).join("alice"), await Place(one, mesh).join("bob")
    message = b'{"type":"presence","from":"ghost","data":{"n":1}}'
    record = struct.pack(">H", 5) + b"ghost" + struct.pack(">I", len(message)) + message
    channel = "relay:{%s}:broadcast" % mesh
    for news in (
        parcel(OFFLINES, b"ghost"),
        parcel(PRESENCES, record),
        parcel(PRESENCES, record + record),
        parcel(OFFLINES, b"ghost\nghost\nnobody"),
        parcel(OFFLINES, b"ghost"),
    ):
        redis.call("PUBLISH", channel, news)
    await fence(bob, alice)
    assert [m["data"] for m in alice.presences_of("ghost")] == [{"n": 1}, {"status": "offline"}]
    assert alice.presences_of("nobody") == []


async def test_strange_values_in_its_keys(start_redis, start_relays, mesh):
    """A roster with entries that no relay wrote still loads."""
    redis = start_redis()
    prefix = "relay:{%s}:" % mesh
    redis.call("ZADD", prefix + "peers", 9e15, "ghost", 9e15, "broken", 9e15, "empty")
    redis.call("HSET", prefix + "peer:broken", "presence", "{not json", "seen", "x", "n:1", 9e15)
    redis.call("HSET", prefix + "peer:empty", "owner", "")
    (one,) = start_relays(1, redis=redis)
    alice = await Place(one, mesh).join("alice")
    bob = await Place(one, mesh).join("bob")
    assert {m["from"] for m in bob.roster} == {"alice"}
    await fence(alice, bob)
