"""The issuer rotates its keys, is away, hangs: who is known stays, who is new waits, and nobody stands still."""

import pytest

from harness import patience
from harness.client import Place
from harness.tokens import Key

CLIENT = {"aud": "client"}


async def knock(place):
    """The status of an attempt: 101 if it is let in."""
    try:
        client = await place.connect()
    except Exception as refusal:
        answer = getattr(refusal, "response", refusal)
        return getattr(answer, "status_code", getattr(answer, "status", None))
    await client.close()
    return 101


async def let_in(place, status=101):
    async def asked():
        return await knock(place) == status

    await patience.eventually(asked, f"the answer {status}")


async def test_keys_are_rotated(start_guarded, issuer, mesh):
    """F25: a new key is known after one fetch; what an old one signed is refused from then on."""
    (relay,) = start_guarded()
    old = Place(relay, mesh, issuer.mint(**CLIENT))
    assert await knock(old) == 101
    before = issuer.requests["keys"]
    issuer.rotate()
    new = Place(relay, mesh, issuer.mint(**CLIENT))
    assert await knock(new) == 503  # its key is being fetched
    await let_in(new)
    assert issuer.requests["keys"] == before + 1
    assert await knock(old) == 401


async def test_a_flood_of_unknown_keys(start_guarded, issuer, mesh):
    """F25: it costs the issuer one fetch a minute, and who is known nothing."""
    (relay,) = start_guarded()
    good = Place(relay, mesh, issuer.mint(**CLIENT))
    alice = await good.join("alice")
    before = issuer.requests["keys"]
    for n in range(50):
        strange = issuer.sign({"iss": issuer.name(), "sub": "x", "exp": 9999999999, **CLIENT}, Key("ES256"))
        assert await knock(Place(relay, mesh, strange)) in (503, 401)
    assert await knock(Place(relay, mesh, strange)) == 401
    assert issuer.requests["keys"] <= before + 1
    await alice.settle()
    assert await knock(good) == 101


async def test_the_issuer_is_away(start_guarded, issuer, mesh):
    """F26: known keys serve on."""
    (relay,) = start_guarded()
    issuer.stop()
    for seconds in (600, 700):
        assert await knock(Place(relay, mesh, issuer.mint(seconds=seconds, **CLIENT))) == 101
    assert relay.is_ready()
    issuer.start()


@pytest.mark.parametrize("fault", ["status 500", "hang", "junk", "lying", "redirect", "huge"])
async def test_a_node_starts_without_its_issuer(start_guarded, issuer, mesh, fault):
    """F26: it says so, refuses for a moment, and heals by itself."""
    issuer.faults["discovery"] = fault
    (relay,) = start_guarded(ready=False)
    place = Place(relay, mesh, issuer.mint(**CLIENT))
    answer = relay.get("/readyz")
    assert answer.status == 503 and "issuer" in answer.json["reason"], answer
    assert await knock(place) == 503
    assert relay.get("/ping").status == 200
    issuer.faults.clear()
    relay.wait_ready()
    assert await knock(place) == 101


async def test_a_hanging_issuer_stops_nobody(start_guarded, issuer, mesh):
    (relay,) = start_guarded()
    alice = await Place(relay, mesh, issuer.mint(**CLIENT)).join("alice")
    bob = await Place(relay, mesh, issuer.mint(subject="bob", **CLIENT)).join("bob")
    issuer.faults["discovery"] = "hang"
    issuer.rotate()
    place = Place(relay, mesh, issuer.mint(**CLIENT))
    asked = issuer.requests["discovery"]
    assert await knock(place) == 503
    await patience.eventually(lambda: issuer.requests["discovery"] > asked, "the fetch to hang")
    for n in range(100):
        await alice.send("direct", {"n": n}, to="bob")
        assert (await bob.expect(type="direct"))["data"] == {"n": n}
    assert await knock(place) == 503
