"""
A client that does not read costs itself its socket, and nobody else anything.
"""

import asyncio
import json

from harness import patience
from harness.client import Place, fence
from harness.raw import RawSocket


async def stuck_client(place, id, witness):
    client = await RawSocket.upgrade(place, receive_buffer=4096)
    await client.send_text('{"type":"presence","from":"%s"}' % id)
    await witness.expect(type="presence", from_=id)
    return client


async def test_too_slow_is_4413(start_relays, mesh):
    """Told to all others like any other end; the code is there for who reads at last."""
    one, two = start_relays(2, message_bytes_max=65536, outbox_bytes_max=100_000)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    stuck = await stuck_client(Place(two, mesh), "stuck", alice)
    sent = 0
    while not alice.offlines_of("stuck"):
        await alice.send("broadcast", {"n": sent, "fill": "x" * 60_000}, turnId="t")
        await bob.expect(type="broadcast", data={"n": sent})
        sent += 1
        assert sent < 1000, "the outbox has no bound"
    await bob.expect(type="presence", from_="stuck", data={"status": "offline"})
    await fence(alice, bob)
    assert len(bob.all(type="broadcast")) == sent
    await patience.eventually(
        lambda: two.metric("p2p_relay_closes_total", code="4413") == 1, "the close to be counted"
    )
    try:
        code, reason = await stuck.receive_close()
        assert code == 4413 and reason
    except EOFError:
        pass  # the relay need not wait for who does not read
    stuck.close()


async def test_others_get_all_meanwhile(start_relays, mesh):
    """Many that do not read, on the same node as one that does."""
    one, two = start_relays(2, message_bytes_max=65536, outbox_bytes_max=200_000)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    stuck = [await stuck_client(Place(two, mesh), f"stuck-{n}", bob) for n in range(20)]
    for n in range(120):
        await alice.send("broadcast", {"n": n, "fill": "x" * 30_000}, turnId="t")
        await alice.send("direct", {"n": n}, to="bob")
    for type in ("broadcast", "direct"):
        messages = await bob.collect(120, type=type, from_="alice")
        assert [m["data"]["n"] for m in messages] == list(range(120))
    for client in stuck:
        client.close()
    assert alice.closed is None and bob.closed is None
    assert two.metric("p2p_relay_outbox_high_water_bytes") <= 200_000 + 65536 + 4096


async def test_a_slow_reader_within_the_bound_loses_nothing(start_relays, mesh):
    one, two = start_relays(2, outbox_bytes_max=8 << 20)
    alice = await Place(one, mesh).join("alice")
    slow = await stuck_client(Place(two, mesh), "slow", alice)
    for n in range(100):
        await alice.send("direct", {"n": n, "fill": "x" * 20_000}, to="slow")
    await alice.settle()
    got = []
    while len(got) < 100:
        message = json.loads(await slow.receive_text())
        if message["type"] == "direct":
            got.append(message["data"]["n"])
        await asyncio.sleep(0)
    assert got == list(range(100))
    slow.close()


async def test_a_large_roster_reaches_a_small_outbox(start_relays, mesh):
    """The roster is shared by all and does not count: a newcomer is never closed for it."""
    one, two = start_relays(2, message_bytes_max=8192, outbox_bytes_max=32768)
    filler = "x" * 1000
    peers = [await Place(one, mesh).connect(f"p{n}") for n in range(100)]
    for peer in peers:
        await peer.send("presence", {"fill": filler})
        await peer.settle()
    late = await Place(two, mesh).join("late")
    assert len(late.roster) == 100
    modern = await Place(two, mesh).join("modern", accept=["events", "roster"])
    assert len(modern.roster[0]["data"]["peers"]) == 101


async def test_the_bound_is_one_connections(start_relays, mesh):
    """One tab of a peer that does not read is closed; the other goes on, and nobody hears of it."""
    one, two = start_relays(2, message_bytes_max=65536, outbox_bytes_max=100_000)
    alice = await Place(one, mesh).join("alice")
    tab = await Place(two, mesh).join("bob")
    stuck = await RawSocket.upgrade(Place(two, mesh), receive_buffer=4096)
    await stuck.send_text('{"type":"presence","from":"bob","data":{"status":"online"}}')
    sent = 0
    while not two.metric("p2p_relay_closes_total", code="4413"):
        await alice.send("direct", {"n": sent, "fill": "x" * 60_000}, to="bob")
        await tab.expect(type="direct", data={"n": sent})
        sent += 1
        assert sent < 1000, "the outbox has no bound"
    await fence(alice, tab)
    await fence(tab, alice)
    assert alice.offlines_of("bob") == []
    stuck.close()
