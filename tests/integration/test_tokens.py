"""Who has a token comes in, as who the token says; nobody else does."""

import json
import random
import time

import pytest
from websockets.exceptions import InvalidHandshake

from harness.client import Place, fence

CLIENT = {"aud": "client"}


async def refused(place, status, error):
    """The WebSocket is refused, and so is the look at the mesh."""
    with pytest.raises(InvalidHandshake) as caught:
        await place.connect()
    answer = getattr(caught.value, "response", caught.value)
    assert getattr(answer, "status_code", getattr(answer, "status", None)) == status
    headers, _ = place.shown()
    path = place.url("/invocations").removeprefix(place.relay.url)
    answer = place.relay.request("POST", path, headers=headers)
    if place.by != "protocol":
        assert answer.status == status and answer.json == {"error": error}, answer
        if status == 401:
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    return answer


@pytest.mark.parametrize("by", ["header", "protocol", "query"])
async def test_a_token_opens_the_door(start_guarded, issuer, mesh, by):
    one, other = start_guarded(2)
    alice = await Place(one, mesh, issuer.mint(**CLIENT), by).join("alice")
    bob = await Place(other, mesh, issuer.mint(subject="bob", **CLIENT), by).join("bob")
    await alice.send("direct", {"n": 1}, to="bob")
    assert (await bob.expect(type="direct"))["data"] == {"n": 1}
    if by == "protocol":
        assert alice.websocket.subprotocol == "base64UrlBearerAuthorization"


async def test_without_a_token(start_guarded, mesh):
    (relay,) = start_guarded()
    answer = await refused(Place(relay, mesh), 401, "a bearer token is needed")
    assert "error" not in answer.headers["WWW-Authenticate"]  # RFC 6750 3.1: none, if none was sent


async def test_tokens_that_are_no_good(start_guarded, issuer, mesh):
    (relay,) = start_guarded()
    good = issuer.mint(**CLIENT)
    for token in (
        good[:-4] + "AAAA",
        good + "A",
        "x",
        "a.b.c",
        issuer.mint(aud="another"),
        issuer.mint(seconds=-61, **CLIENT),
        issuer.mint(host="127.0.0.1", **CLIENT),
    ):
        answer = await refused(Place(relay, mesh, token), 401, "invalid_token")
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_a_good_token_that_is_not_enough(start_guarded, issuer, mesh):
    (relay,) = start_guarded(allowed_scope="relay", required_claim="department=blue")
    for claims in ({"scope": "other"}, {"scope": "relay"}, {"scope": "relay", "department": "red"}):
        token = issuer.mint(**CLIENT, **claims)
        answer = await refused(Place(relay, mesh, token), 403, "insufficient_scope")
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    token = issuer.mint(**CLIENT, scope="x relay", department=["red", "blue"])
    await Place(relay, mesh, token).join("alice")


async def test_the_claim_decides_about_the_mesh(start_guarded, issuer):
    (relay,) = start_guarded(mesh_claim="team")

    async def mesh_of(wish, **claims):
        client = await Place(relay, wish, issuer.mint(**CLIENT, **claims)).connect("alice")
        return (await client.settle())["data"]["relay"]["mesh"]

    assert await mesh_of(None, team="red") == "red"
    assert await mesh_of("blue", team="red") == "red"
    assert await mesh_of("blue", team=["red", "blue"]) == "blue"
    assert await mesh_of(None, team=["red", "default"]) == "red"
    assert await mesh_of("green", team=["not a mesh", "red", "blue"]) == "red"
    for claims in ({}, {"team": []}, {"team": "no mesh"}, {"team": 7}):
        token = issuer.mint(**CLIENT, **claims)
        await refused(Place(relay, "red", token), 403, "insufficient_scope")


TRIES, TRIES_AT_A_TIME = 100_000, 5000
TYPES = ["broadcast", "direct", "stream", "ack", "turn_end", "presence", "heartbeat", "error", "x"]
TARGETS = ["bob", "blue:bob", "{blue}:peer:bob", "relay:{blue}:peer:bob", "relay:{blue}:broadcast"]
TARGETS += ["*", "helper", "bob *1", "{blue}:broadcast", "b\\u006fb", "../blue/bob", "bob\\u007d"]


def a_try(dice):
    """A message by which somebody of mesh red might hope to be heard in mesh blue."""
    message = {"type": dice.choice(TYPES), "from": dice.choice(["alice"] * 3 + ["bob"])}
    for member in ("to", "targetInstanceId", "mesh", "channel"):
        if dice.random() < 0.6:
            message[member] = dice.choice([*TARGETS, "blue"])
    if dice.random() < 0.8:
        message["data"] = {"mesh": "blue", "to": "bob", "agents": ["bob", "helper"], "team": "blue"}
    return json.dumps(message).replace("\\\\", "\\")


async def test_nothing_crosses_from_mesh_to_mesh(start_guarded, issuer):
    """Whatever a message says: the mesh is that of the token."""
    here, there = start_guarded(2, mesh_claim="team")
    mallory = Place(here, "blue", issuer.mint(team="red", **CLIENT))
    blue = Place(there, None, issuer.mint(subject="bob", team="blue", **CLIENT))
    bob, carol = await blue.join("bob", agents=["helper"]), await blue.join("carol")
    dice = random.Random(26)
    for _ in range(TRIES // TRIES_AT_A_TIME):
        alice = await mallory.join("alice")
        for _ in range(TRIES_AT_A_TIME):
            await alice.send_text(a_try(dice))
        await alice.settle()
        assert alice.all(type="error", from_="relay")
        await alice.close()
    await fence(carol, bob)
    assert {message["from"] for message in bob.received} == {"carol", "relay"}


async def test_ids_belong_to_subjects(start_guarded, issuer, mesh):
    one, other = start_guarded(2)
    alice = await Place(one, mesh, issuer.mint(**CLIENT)).join("me")
    for relay in (one, other):
        mallory = await Place(relay, mesh, issuer.mint(subject="m", **CLIENT)).connect("me")
        await mallory.announce()
        await mallory.expect_error("id_taken")
        second = await Place(relay, mesh, issuer.mint(seconds=1800, **CLIENT)).join("me")
        assert second.roster == []
    assert alice.closed is None


async def test_a_socket_ends_with_its_token(start_guarded, issuer, mesh):
    """F24: told before, closed at the end."""
    (relay,) = start_guarded()
    begun = time.time()
    alice = await Place(relay, mesh, issuer.mint(seconds=4, **CLIENT)).join("alice")
    expiring = await alice.expect(type="auth_expiring")
    assert expiring["data"]["expires_at"] == int(begun) + 4
    assert "expired" in await alice.expect_close(4401)
    assert 3 <= time.time() - int(begun) <= 4 + 3


async def test_a_fresh_token_keeps_the_socket(start_guarded, issuer, mesh):
    """F24: of the same subject."""
    (relay,) = start_guarded()
    place = Place(relay, mesh, issuer.mint(seconds=3, **CLIENT))
    alice = await place.join("alice")
    await alice.expect(type="auth_expiring")
    await alice.send("auth", {"token": issuer.mint(subject="bob", **CLIENT)}, id="1")
    await alice.expect_error("unauthorized", id="1")
    await alice.send("auth", {"token": issuer.mint(**CLIENT)}, id="2")
    await alice.expect_error("rate_limited", id="2")

    while not alice.all(type="auth_response"):
        await alice.send("auth", {"token": issuer.mint(seconds=90, **CLIENT)}, from_=None)
        await alice.expect(type=lambda type: type in ("auth_response", "error"))
    (response,) = alice.all(type="auth_response")
    assert response["data"]["status"] == "ok"
    assert 80 <= response["data"]["expires_at"] - time.time() <= 90
    witness = await Place(relay, mesh, issuer.mint(seconds=6, **CLIENT)).connect("w")
    await witness.expect_close(4401)  # later than the first token would have ended
    assert alice.closed is None and len(alice.all(type="auth_expiring")) == 1
