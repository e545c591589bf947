"""
A peer that says nothing for a TTL is offline and its connection is closed (4408). Any message is a
sign of life; pongs are one only by option. Time in which the node itself did not listen is not held
against anybody.
"""

import time

from websockets.exceptions import ConnectionClosed

from harness import patience
from harness.client import Place, fence
from harness.raw import PING, PONG, RawSocket, frame

TTL = 2


def alive(*clients):
    for client in clients:
        client.beat(TTL / 4)


async def test_silence_ends_a_peer(start_relays, mesh):
    one, two = start_relays(2, ttl_seconds=TTL)
    alice, carol = await Place(one, mesh).join("alice"), await Place(two, mesh).join("carol")
    alive(alice, carol)
    begin = time.monotonic()
    bob = await Place(two, mesh).join("bob")
    for observer in (alice, carol):
        told = await observer.expect(type="presence", from_="bob", data={"status": "offline"})
        assert told.at - begin > TTL, "not before its time"
    await bob.expect_close(4408)
    await fence(alice, carol)
    await fence(carol, alice)
    for observer in (alice, carol):
        assert len(observer.offlines_of("bob")) == 1
        assert observer.closed is None


async def test_any_message_is_a_sign_of_life(start_relays, mesh):
    one, two = start_relays(2, ttl_seconds=TTL)
    observer = await Place(two, mesh).join("observer", accept=["events"])
    alive(observer)
    ways = {
        "heartbeat": {},
        "presence": {"data": {"status": "online"}},
        "direct": {"to": "observer"},
        "broadcast": {"turnId": "t"},
        "own-type": {},
        "capabilities": {},
        "undeliverable": {"to": "nobody"},
    }
    peers = []
    for way, members in ways.items():
        client = await Place(one, mesh).join(way)
        peers.append(client)
        client.beat(TTL / 4, "direct" if way == "undeliverable" else way, **members)
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 3 * TTL, "three TTLs")
    for client in peers:
        assert client.closed is None, client.story()
        assert observer.offlines_of(client.id) == []


async def test_the_last_message_counts_whatever_the_rhythm(start_relay, redis, mesh):
    """Leases are not written for each message; one that was too soon to write is not forgotten."""
    alice = await Place(start_relay(ttl_seconds=3), mesh).join("alice")
    key = "relay:{%s}:peer:alice" % mesh

    def lease():
        (field,) = [name for name in redis.call("HKEYS", key) if name.startswith("n:")]
        return int(redis.call("HGET", key, field))

    first = lease()
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 0.3, "less than a sixth")
    await alice.send("heartbeat")
    await patience.eventually(lambda: lease() >= first + 250, lambda: f"{lease() - first} ms more")
    assert abs(redis.call("PEXPIRETIME", key) - lease()) <= 1


async def test_receiving_is_no_sign_of_life(start_relays, mesh):
    one, two = start_relays(2, ttl_seconds=TTL)
    alice, deaf = await Place(one, mesh).join("alice"), await Place(two, mesh).join("deaf")
    alice.beat(TTL / 4, "direct", to="deaf")
    await alice.expect(type="presence", from_="deaf", data={"status": "offline"})
    await deaf.expect_close(4408)
    assert deaf.all(type="direct")


async def test_pongs_are_no_sign_of_life(start_relays, mesh):
    """The library answers each ping; a page whose script hangs would, too."""
    (one,) = start_relays(1, ttl_seconds=TTL, ping_seconds=1)
    alice = await Place(one, mesh).join("alice")
    alive(alice)
    silent = await Place(one, mesh).join("silent")
    await alice.expect(type="presence", from_="silent", data={"status": "offline"})
    await silent.expect_close(4408)


async def test_pongs_are_by_option(start_relays, mesh):
    """--liveness pongs, for hidden tabs, whose timers run once a minute"""
    one, two = start_relays(2, ttl_seconds=TTL, ping_seconds=1, liveness="pongs")
    silent = await Place(one, mesh).join("silent")
    other = await Place(two, mesh).join("other")
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 3 * TTL, "three TTLs")
    for client in (silent, other):
        assert client.closed is None, client.story()
    assert silent.offlines_of("other") == [] and other.offlines_of("silent") == []
    await silent.send("direct", {"n": 1}, to="other")
    await other.expect(type="direct", data={"n": 1})


async def test_the_relay_pings(start_relays, mesh):
    (one,) = start_relays(1, ping_seconds=1)
    client = await RawSocket.upgrade(Place(one, mesh))
    for _ in range(2):
        ping = await client.receive_frame()
        assert ping.opcode == PING and ping.fin and not ping.masked
        await client.send(frame(PONG, ping.payload))
    client.close()


async def test_a_connection_that_answers_no_ping_is_closed(start_relays, mesh):
    """Its messages may still flow, but nothing says that ours arrive."""
    (one,) = start_relays(1, ping_seconds=1, pong_seconds_max=3)
    place = Place(one, mesh)
    alice = await place.join("alice")
    dead = await RawSocket.upgrade(place)
    await dead.send_text('{"type":"presence","from":"dead"}')
    await alice.expect(type="presence", from_="dead")
    await alice.expect(type="presence", from_="dead", data={"status": "offline"})
    await dead.receive_close()
    assert alice.closed is None
    dead.close()


async def test_a_connection_that_never_joins_is_closed(start_relays, mesh):
    (one,) = start_relays(1, join_seconds_max=1)
    client = await Place(one, mesh).connect()
    await client.expect_close(4408)


async def test_questions_do_not_prolong_the_time_to_join(start_relays, mesh):
    (one,) = start_relays(1, join_seconds_max=2)
    client = await Place(one, mesh).connect()
    begin = time.monotonic()

    async def closed():
        if client.closed is None:
            try:
                await client.send("capabilities", from_=None)
            except ConnectionClosed:
                pass
        return client.closed

    await patience.eventually(closed, client.story)
    assert client.closed[0] == 4408 and time.monotonic() - begin > 1


async def test_a_frozen_node_costs_nobody_a_socket(start_relays, mesh):
    """
    Others are told that its peers are gone, since nobody could reach them; when it thaws they are
    back, on the connections that they had.
    """
    one, two = start_relays(2, ttl_seconds=TTL)
    bob, alice = await Place(two, mesh).join("bob"), await Place(one, mesh).join("alice")
    alive(alice, bob)
    two.freeze()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})
    two.thaw()
    await alice.expect(type="presence", from_="bob", data={"status": "online"})
    await alice.send("direct", {"n": 1}, to="bob")
    await bob.expect(type="direct", data={"n": 1})
    await bob.send("direct", {"n": 2}, to="alice")
    await alice.expect(type="direct", data={"n": 2})
    assert bob.closed is None and bob.offlines_of("bob") == []
    assert len(alice.offlines_of("bob")) == 1


async def test_a_node_frozen_for_less_than_the_ttl_is_not_noticed(start_relays, mesh):
    one, two = start_relays(2, ttl_seconds=4)
    bob, alice = await Place(two, mesh).join("bob"), await Place(one, mesh).join("alice")
    alive(alice, bob)
    two.freeze()
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 1.5, "a while")
    two.thaw()

    async def reachable():
        await alice.send("direct", {"n": 1}, to="bob")
        await alice.settle()
        return bob.all(type="direct", data={"n": 1})

    await patience.eventually(reachable, "the thawed node to be back")
    await patience.eventually(lambda: time.monotonic() - begin > 6, "longer than the TTL")
    assert alice.offlines_of("bob") == [] and bob.offlines_of("alice") == []
    assert alice.closed is None and bob.closed is None
