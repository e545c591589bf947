"""
A mesh is a namespace: peers see and reach only their own. A client names it by ?mesh= or by the
header that AgentCore lets through.
"""

import pytest

from harness.client import Place, fence
from harness.raw import RawSocket, upgrade_request

HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh"


async def test_meshes_do_not_see_each_other(here, there):
    other = Place(there.relay, here.mesh + ".other")
    alice, bob = await here.join("alice", agents=["a"]), await other.join("bob", agents=["b"])
    assert bob.roster == []
    alice_too = await other.join("alice")
    assert [m["from"] for m in alice_too.roster] == ["bob"]
    await alice.send("broadcast", {"n": 1}, turnId="t")
    await alice.send("direct", {"n": 1}, to="bob")
    await alice.expect_error("peer_not_found", to="bob")
    await alice.send("direct", {"n": 1}, to="b")
    await alice.expect_error("peer_not_found", to="b")
    await alice.send("broadcast", {"n": 1}, from_="bob", turnId="t")
    await alice.close()
    carol = await other.join("carol")
    await fence(carol, bob)
    await fence(carol, alice_too)
    assert [m["from"] for m in bob.received if m["type"] == "presence"] == ["alice", "carol"]
    assert bob.all(data={"n": 1}) == [] and alice_too.all(data={"n": 1}) == []


async def test_names_that_contain_each_other(here, there):
    """Names end up in keys and channels."""
    alice = await here.join("alice")
    for name in (here.mesh + "x", here.mesh[:-1], here.mesh.upper(), here.mesh + "."):
        bob = await Place(there.relay, name).join("bob")
        assert bob.roster == []
    carol = await here.join("carol")
    await fence(carol, alice)
    assert alice.presences_of("bob") == []


async def test_without_a_name_it_is_default(start_redis, start_relays):
    one, two = start_relays(2, redis=start_redis())
    alice, bob = await Place(one).join("alice"), await Place(two, "default").join("bob")
    assert [m["from"] for m in bob.roster] == ["alice"]
    assert (await alice.settle())["data"]["relay"]["mesh"] == "default"
    empty = await RawSocket.open(one)
    await empty.send(upgrade_request("/ws?mesh="))
    status = (await empty.receive_head()).split()[1]
    assert status in ("101", "400")
    empty.close()


async def test_by_header(here, there):
    bob = await there.join("bob")
    nameless = Place(here.relay)
    client = await nameless.connect("alice", headers={HEADER.lower(): here.mesh})
    await client.announce()
    await client.settle()
    assert [m["from"] for m in client.received if m["type"] == "presence"] == ["bob"]
    await bob.expect(type="presence", from_="alice")


BAD_NAMES = ["a b", "a/b", "a{b}", "*", "ü", "x" * 65, "a%00b", "a:b", "a%20b"]


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_what_is_no_name(here, name):
    quoted = name.replace(" ", "%20").replace("ü", "%C3%BC")
    by_query = await RawSocket.open(here.relay)
    await by_query.send(upgrade_request(f"/ws?mesh={quoted}"))
    assert (await by_query.receive_head()).startswith("HTTP/1.1 400 ")
    by_query.close()
    if "%" not in name:
        by_header = await RawSocket.open(here.relay)
        await by_header.send(upgrade_request("/ws", [f"{HEADER}: {name}"]))
        assert (await by_header.receive_head()).startswith("HTTP/1.1 400 ")
        by_header.close()


async def test_all_that_a_name_may_be(here):
    for name in ("x" * 64, "A-Z_a.z0-9", ".", "..", "-", "0", "default-2", "a%2Eb"):
        client = await RawSocket.open(here.relay)
        await client.send(upgrade_request(f"/ws?mesh={name}"))
        assert (await client.receive_head()).startswith("HTTP/1.1 101 ")
        client.close()


async def test_the_header_beats_the_query(here):
    """What a gateway set counts, whatever the client's URL says."""
    client = await Place(here.relay, "other").connect(headers={HEADER: here.mesh})
    assert (await client.settle())["data"]["relay"]["mesh"] == here.mesh


async def test_other_parameters_are_not_the_relays(here):
    for query in (
        f"?x=1&mesh={here.mesh}",
        f"?mesh={here.mesh}&y",
        f"?themesh=no&mesh={here.mesh}",
    ):
        place = Place(here.relay)
        client = await place.connect(path="/ws" + query)
        assert (await client.settle())["data"]["relay"]["mesh"] == here.mesh


@pytest.mark.parametrize("mesh_by", ["query", "header", "none", "any"])
async def test_where_it_may_be_named(start_relays, mesh, mesh_by):
    """--mesh-by; what is not allowed to name the mesh is not looked at"""
    (one,) = start_relays(1, mesh_by=mesh_by)

    async def mesh_of(path, headers):
        client = await Place(one).connect(path=path, headers=headers)
        return (await client.settle())["data"]["relay"]["mesh"]

    by_query, by_header = mesh_by in ("query", "any"), mesh_by in ("header", "any")
    assert await mesh_of(f"/ws?mesh={mesh}", {}) == (mesh if by_query else "default")
    assert await mesh_of("/ws", {HEADER: mesh}) == (mesh if by_header else "default")


async def test_a_mesh_is_in_one_hash_slot(start_redis, start_relays, mesh):
    """Keys and channels carry the mesh as hash tag, so that a Cluster keeps them together."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    alice = await Place(one, mesh).join("alice")
    names = redis.call("KEYS", "*") + redis.call("PUBSUB", "CHANNELS", "*")
    names = [name for name in names if "{~}" not in name]  # of nodes, for all meshes
    assert len(names) == 4
    assert all(name.startswith("relay:{%s}:" % mesh) for name in names), names
    await alice.close()


async def test_a_prefix_of_ones_own(start_redis, start_relays, mesh):
    """Two relays that share a Redis and not the prefix are two relays."""
    redis = start_redis()
    (one,), (two,) = start_relays(1, redis=redis, redis_prefix="a:"), start_relays(
        1, redis=redis, redis_prefix="b:"
    )
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    assert bob.roster == []
    await bob.send("direct", {"n": 1}, to="alice")
    await bob.expect_error("peer_not_found")
    names = redis.call("KEYS", "*")
    assert {name.partition("{")[0] for name in names} == {"a:", "b:"}
    assert alice.presences_of("bob") == []
