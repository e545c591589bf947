"""
Everything that a stranger can make large has a bound: sockets, peers, messages per second, bytes,
agents, requests that never end. (Sizes of messages: closes; of outboxes: slow reader.)
"""

import asyncio

from websockets.exceptions import ConnectionClosed

from harness import patience
from harness.client import Place, expect_nothing, fence
from harness.raw import RawSocket, upgrade_request


async def test_sockets_per_node(start_relays, mesh):
    """The next one gets 503; who leaves makes room; who is in stays."""
    one, two = start_relays(2, connections_max=3)
    place = Place(one, mesh)
    clients = [await place.join(f"p{n}") for n in range(3)]

    async def refused():
        client = await RawSocket.open(one)
        try:
            await client.send(upgrade_request())
            head = await client.receive_head()
            return head.startswith("HTTP/1.1 503 ") and "retry-after: " in head.lower()
        finally:
            client.close()

    assert await refused()
    assert one.get("/readyz").status == 503
    assert one.get("/livez").status == 200 and one.get("/ping").status == 200
    await clients[0].send("direct", {"n": 1}, to="p1")
    await clients[1].expect(type="direct", data={"n": 1})
    other = await Place(two, mesh).join("elsewhere")
    assert len(other.roster) == 3
    await clients[0].close()
    await patience.eventually(one.is_ready, "room again")
    await place.join("p3")


async def test_peers_per_mesh(start_relays, mesh):
    """Over all nodes; further tabs of who is in are welcome, and so are other meshes."""
    one, two = start_relays(2, mesh_peers_max=3)
    alice = await Place(one, mesh).join("alice")
    bob = await Place(two, mesh).join("bob")
    await Place(one, mesh).join("carol")
    await bob.expect(type="presence", from_="carol")
    dave = await Place(two, mesh).connect("dave")
    await dave.send("presence", {"status": "online"}, id=1)
    await dave.expect_error("mesh_full", type="presence", id=1)
    await expect_nothing(bob, alice, type="presence", from_="dave")
    tab = await Place(two, mesh).join("alice")
    assert len(tab.roster) == 2
    await Place(two, mesh + ".other").join("dave")
    await bob.close()
    await alice.expect(type="presence", from_="bob", data={"status": "offline"})

    async def joins():
        await dave.announce()
        await dave.settle()
        return dave.presences_of("alice")

    await patience.eventually(joins, dave.story)
    await alice.expect(type="presence", from_="dave")


async def test_peers_per_mesh_at_a_node_that_was_cold(start_relays, mesh):
    """The node has yet to learn who is there when its first newcomer asks."""
    one, two = start_relays(2, mesh_peers_max=2)
    for id in ("alice", "bob"):
        await Place(one, mesh).join(id)
    carol = await Place(two, mesh).connect("carol")
    await carol.announce()
    await carol.expect_error("mesh_full")
    tab = await Place(two, mesh).join("alice")
    assert [m["from"] for m in tab.roster] == ["bob"]


async def test_agents_per_peer(start_relays, mesh):
    one, two = start_relays(2, agents_max=4)
    alice = await Place(one, mesh).join("alice")
    bob = await Place(two, mesh).join("bob", agents=list("abcd"))
    await alice.expect(type="presence", from_="bob")
    await bob.announce(agents=list("abcde"))
    await bob.expect(type="error", data={"type": "presence"})
    await bob.send("heartbeat", {"agents": list("vwxyz")})
    await bob.expect(type="error", data={"type": "heartbeat"})
    await expect_nothing(bob, alice, type="presence", from_="bob")
    await alice.send("direct", {"n": 1}, to="d")
    await bob.expect(type="direct", data={"n": 1})


async def test_messages_per_second(start_relays, mesh):
    """What is too much is refused and said so; when it has calmed down all is well again."""
    one, two = start_relays(2, messages_per_second=20)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    for n in range(60):
        await alice.send("broadcast", {"n": n}, turnId="t")
    await alice.expect_error("rate_limited")
    await patience.eventually(
        lambda: len(bob.all(type="broadcast")) + len(alice.all(type="error")) == 60,
        lambda: alice.story() + bob.story(),
    )
    passed = [m["data"]["n"] for m in bob.all(type="broadcast")]
    assert passed == sorted(passed) and passed[:10] == list(range(10))

    async def calm():
        await alice.send("broadcast", {"calm": True}, turnId="t")
        await asyncio.sleep(0.2)
        return bob.all(type="broadcast", data={"calm": True})

    await patience.eventually(calm, alice.story)
    assert alice.closed is None


async def test_a_flood_is_ended(start_relays, mesh):
    """Who does not stop is closed with 4429, and the others never suffered."""
    one, two = start_relays(2, messages_per_second=20)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    carol = await Place(one, mesh).join("carol")
    try:
        for n in range(5000):
            await alice.send("broadcast", {"n": n}, turnId="t")
    except ConnectionClosed:
        pass
    await alice.expect_close(4429)
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})
    assert 1 <= len(bob.all(type="broadcast")) < 2000
    await fence(carol, bob)
    assert bob.closed is None and carol.closed is None


async def test_bytes_per_second(start_relays, mesh):
    one, two = start_relays(2, message_bytes_max=50_000, bytes_per_second=50_000)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    for n in range(8):
        await alice.send("broadcast", {"n": n, "fill": "x" * 20_000}, turnId="t")
    await alice.expect_error("rate_limited")
    await bob.expect(type="broadcast", data={"n": 0})
    assert len(bob.all(type="broadcast")) < 8


async def test_the_defaults_leave_room_for_real_use(start_relays, mesh):
    """A model that streams 200 tokens a second, for a second, in one go."""
    one, two = start_relays(2, messages_per_second=1000, bytes_per_second=4 << 20)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    for n in range(200):
        await alice.send("stream", {"chunk": "token ", "chunkNum": n}, to="bob", turnId="t")
    assert len(await bob.collect(200, type="stream")) == 200
    assert alice.all(type="error") == []


async def test_unreadable_messages(here):
    """A few are answered; who sends nothing else is closed with 1008."""
    client = await here.connect()
    try:
        for _ in range(200):
            await client.send_text("{")
    except ConnectionClosed:
        pass
    await client.expect_close(1008)
    assert 5 <= len(client.all(type="error", data={"code": "invalid_message"})) < 100


async def test_requests_that_never_end(start_relays, mesh):
    """Slow or silent strangers are disconnected, and keep nobody from being served."""
    (one,) = start_relays(1, handshake_seconds_max=1)
    silent = [await RawSocket.open(one) for _ in range(50)]
    slow = await RawSocket.open(one)
    await slow.send(b"GET /ws HTTP/1.1\r\nHost: x\r\n")

    async def drip():
        try:
            for _ in range(200):
                await slow.send(b"X-Slow: yes\r\n")
                await asyncio.sleep(0.1)
        except (ConnectionError, OSError):
            pass

    dripping = asyncio.ensure_future(drip())
    alice = await Place(one, mesh).join("alice")
    for client in silent + [slow]:
        await client.receive_end()
    await alice.settle()
    dripping.cancel()


async def test_a_request_that_is_too_long(here):
    """Answered or cut off, but never upgraded and never harmful."""
    for line in ("/ws?" + "x" * 100_000, "/ws"):
        client = await RawSocket.open(here.relay)
        headers = [] if "x" in line else ["X-Long: " + "y" * 100_000]
        try:
            await client.send(upgrade_request(line, headers))
        except (ConnectionError, OSError):
            pass
        answer = await client.receive_end()
        assert not answer.startswith(b"HTTP/1.1 101"), answer[:200]
        client.close()
    alice = await here.join("alice")
    await alice.settle()


async def test_many_meshes_leave_nothing_behind(start_relays):
    (one,) = start_relays(1)
    for n in range(300):
        client = await Place(one, f"many-{n}").join("p")
        client.vanish()
    await patience.eventually(lambda: one.metric("p2p_relay_connections") == 0, "all to be gone")
    assert one.metric("p2p_relay_peers") == 0
