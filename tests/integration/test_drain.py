"""
SIGTERM moves the clients away: no newcomers, peers are told to reconnect, sockets are closed with
1012 a slice at a time, and a peer that moved to another node is never told offline.
"""

import asyncio
import signal
import time

from harness import patience
from harness.client import Place, fence, is_relay_time
from harness.raw import RawSocket, upgrade_request


async def test_told_then_closed(start_relays, mesh):
    one, two = start_relays(2, drain_seconds=1)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    nobody = await Place(one, mesh).connect()
    one.terminate()
    for client in (alice, nobody):
        told = await client.expect(type="drain", from_="relay")
        assert is_relay_time(told["timestamp"])
        assert 0 <= told["data"]["reconnect_ms"] <= 60_000
        await client.expect_close(1012)
    assert one.wait() == 0
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})
    assert bob.closed is None and bob.all(type="drain") == []


async def test_not_ready_and_no_newcomers(start_relays, mesh):
    (one,) = start_relays(1, drain_seconds=2)
    await Place(one, mesh).join("alice")
    one.terminate()
    await patience.eventually(lambda: one.get("/readyz").status == 503, "not to be ready")
    assert one.get("/livez").status == 200
    client = await RawSocket.open(one)
    await client.send(upgrade_request())
    answer = (await client.receive_end()).decode().lower()
    assert answer == "" or answer.startswith("http/1.1 503 ") and "retry-after: " in answer
    client.close()
    assert one.wait() == 0


async def test_messages_flow_until_the_close(start_relays, mesh):
    """Who is still connected is still served."""
    one, two = start_relays(2, drain_seconds=2)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    one.terminate()
    await alice.expect(type="drain")
    await bob.send("direct", {"n": 1}, to="alice")
    await alice.expect(type="direct", data={"n": 1})
    await alice.send("direct", {"n": 2}, to="bob")
    await bob.expect(type="direct", data={"n": 2})
    await alice.expect_close(1012)
    assert one.wait() == 0


async def test_closed_in_slices(start_relays, mesh):
    """Not all at once: the other nodes shall not meet a herd."""
    one, two = start_relays(2, drain_seconds=2)
    clients = [await Place(one, mesh).join(f"p{n}") for n in range(60)]
    one.terminate()
    times = []

    async def closing(client):
        await client.reader
        assert client.closed[0] == 1012, client.story()
        times.append(time.monotonic())

    await asyncio.gather(*(closing(client) for client in clients))
    assert max(times) - min(times) > 0.5
    middle = sorted(times)[30]
    assert min(times) + 0.2 < middle < max(times) - 0.2
    assert one.wait() == 0


async def test_who_moves_is_never_offline(start_relays, mesh):
    """A client that reconnects elsewhere when told, or when closed, is not missed by anybody."""
    one, two = start_relays(2, drain_seconds=2)
    observers = [await Place(two, mesh).join("observer")]
    movers = [await Place(one, mesh).join(f"m{n}", agents=[f"a{n}"]) for n in range(20)]
    one.terminate()

    async def move(number, client):
        if number % 2:
            await client.expect(type="drain")
        else:
            await client.reader
        moved = await Place(two, mesh).join(client.id, agents=[f"a{number}"])
        if number % 2:
            await client.close()
        return moved

    moved = await asyncio.gather(*(move(n, client) for n, client in enumerate(movers)))
    assert one.wait() == 0
    observer = observers[0]
    for n, client in enumerate(moved):
        await observer.send("direct", {"n": n}, to=f"a{n}")
        await client.expect(type="direct", data={"n": n})
        assert observer.offlines_of(client.id) == []
        assert len(observer.presences_of(client.id)) == 1
    assert observer.all(type="error") == []


async def test_who_stays_away_is_offline(start_relays, mesh):
    one, two = start_relays(2, drain_seconds=0)
    observer = await Place(two, mesh).join("observer")
    for n in range(5):
        await Place(one, mesh).join(f"p{n}")
    one.terminate()
    for n in range(5):
        await observer.expect(type="presence", from_=f"p{n}", data={"status": "offline"})
    assert one.wait() == 0
    ghost = await Place(two, mesh).join("ghost")
    await fence(ghost, observer)
    assert all(len(observer.offlines_of(f"p{n}")) == 1 for n in range(5))


async def test_a_rolling_restart(start_relays, mesh):
    """Three nodes in turn, while messages flow: a client that moves when told loses nothing."""
    nodes = start_relays(3, drain_seconds=1)
    sender = await Place(nodes[2], mesh).join("sender")
    observer = await Place(nodes[2], mesh).join("observer")
    receiver = await Place(nodes[0], mesh).join("receiver")
    got = []
    for step in range(2):
        nodes[step].terminate()
        await receiver.expect(type="drain")
        moved = await Place(nodes[step + 1], mesh).join("receiver")
        for n in range(10):
            await sender.send("direct", {"n": (step, n)}, to="receiver")
        await moved.collect(10, type="direct")
        await receiver.close()
        got += [m["data"]["n"] for m in moved.all(type="direct")]
        receiver = moved
        assert nodes[step].wait() == 0
    assert got == [[step, n] for step in range(2) for n in range(10)]
    await fence(sender, observer)
    assert observer.offlines_of("receiver") == [] and sender.all(type="error") == []


async def test_a_second_signal_means_now(start_relays, mesh):
    one, two = start_relays(2, drain_seconds=3600, ttl_seconds=2)
    observer = await Place(two, mesh).join("observer")
    observer.beat(0.5)
    alice = await Place(one, mesh).join("alice")
    one.terminate()
    await patience.eventually(lambda: one.get("/readyz").status == 503, "the drain")
    one.signal(signal.SIGTERM)
    await alice.expect_close(1001)
    assert one.wait() == 0
    await observer.expect(type="presence", from_="alice", data={"status": "offline"})


def test_nobody_to_move(start_relay):
    """An idle node is gone at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        relay = start_relay(drain_seconds=3600)
        relay.expected_dead = True
        relay.signal(number)
        assert relay.wait() == 0


async def test_without_redis_it_ends_all_the_same(start_redis, start_relays, mesh):
    redis = start_redis()
    (one,) = start_relays(1, redis=redis, drain_seconds=0)
    alice = await Place(one, mesh).join("alice")
    redis.kill()
    one.terminate()
    await alice.expect_close(1012)
    assert one.wait() == 0


async def test_a_client_that_does_not_read_is_not_waited_for(start_relays, mesh):
    (one,) = start_relays(1, drain_seconds=1)
    alice = await Place(one, mesh).join("alice")
    stuck = await RawSocket.upgrade(Place(one, mesh), receive_buffer=4096)
    await stuck.send_text('{"type":"presence","from":"stuck"}')
    await alice.expect(type="presence", from_="stuck")
    for n in range(8):
        await alice.send("direct", {"fill": "x" * 300_000}, to="stuck")
    await alice.settle()
    one.terminate()
    assert one.wait() == 0
    stuck.close()
