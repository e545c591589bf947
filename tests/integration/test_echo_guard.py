"""
The real page broadcasts again what it receives. The first message passes, its echoes do not: else
five pages turn one message into an endless avalanche.
"""

import asyncio
import time

import pytest

from harness import patience
from harness.client import Place, expect_nothing, fence

GUARDED = ["broadcast", "invoke", "ring-update"]


async def echo_all(client):
    """What the page does with each message of those types: sends its data again as its own."""
    while True:
        message = await client.expect(type=lambda type: type in GUARDED)
        await client.send_text(
            '{"type":"%s","from":"%s","data":%s}'
            % (message["type"], client.id, message.text.partition('"data":')[2][:-1])
        )


@pytest.mark.parametrize("type", GUARDED)
async def test_a_message_among_echoing_pages(here, elsewhere, type):
    pages = [await (here, elsewhere)[n % 2].join(f"page{n}") for n in range(6)]
    watcher = await elsewhere.join("watcher")
    echoing = [asyncio.ensure_future(echo_all(page)) for page in pages[1:]]
    await pages[0].send_text('{"type":"%s","from":"page0","data":{"text":"hello"}}' % type)
    for page in pages[1:]:
        await page.expect(type="error", data={"code": "echo_suppressed"})
    for page in pages:
        await fence(page, watcher)
    for task in echoing:
        task.cancel()
    # Each page may have answered before it could know; an echo of an echo never passes.
    assert 1 <= len(watcher.all(type=type)) <= 3, watcher.story()
    assert watcher.all(type=type)[0]["from"] == "page0"


@pytest.mark.parametrize("type", GUARDED)
async def test_an_echo_is_dropped_and_its_sender_told(here, there, type):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await here.join("carol")
    await alice.send(type, {"text": "hello"})
    await bob.expect(type=type)
    await bob.send(type, {"text": "hello"}, id="echo")
    error = await bob.expect_error("echo_suppressed", type=type, id="echo")
    assert error["to"] == "bob"
    await expect_nothing(bob, carol, type=type, from_="bob")
    await expect_nothing(bob, alice, type=type, from_="bob")


async def test_told_once_a_minute(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for n in range(20):
        await alice.send("broadcast", {"n": n})
        await bob.expect(type="broadcast", data={"n": n})
        await bob.send("broadcast", {"n": n})
    await expect_nothing(bob, alice, type="broadcast")
    await fence(alice, bob)
    assert len(bob.all(type="error")) == 1


async def test_suppressed_echoes_are_counted(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")

    def count():
        return there.relay.metric("p2p_relay_echoes_dropped_total") or 0

    before = count()
    for n in range(3):
        await alice.send("broadcast", {"n": n})
        await bob.expect(type="broadcast", data={"n": n})
        await bob.send("broadcast", {"n": n})
    await bob.settle()
    await patience.eventually(lambda: count() == before + 3, count)


async def test_what_is_not_an_echo(here, there):
    alice, bob, carol = await here.join("alice"), await there.join("bob"), await here.join("carol")
    await alice.send("broadcast", {"text": "hello"})
    await bob.expect(type="broadcast")
    originals = [
        {"data": {"text": "hello"}, "turnId": "t"},
        {"data": {"text": "hello"}, "timestamp": 1},
        {"data": {"text": "hello "}},
        {"data": "hello"},
        {"type": "invoke", "data": {"text": "hello"}},
        {"type": "own-type", "data": {"text": "hello"}},
        {"type": "stream", "data": {"text": "hello"}},
    ]
    for n, members in enumerate(originals):
        await bob.send(members.pop("type", "broadcast"), n=n, **members)
        await carol.expect(from_="bob", n=n)
    await bob.settle()
    assert bob.all(type="error") == []


async def test_saying_it_again_oneself_is_no_echo(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for _ in range(3):
        await alice.send("ring-update", {"text": "tick"})
    await bob.collect(3, type="ring-update")
    await alice.settle()
    assert alice.all(type="error") == []


async def test_types_that_nobody_echoes_are_not_watched(here, there):
    alice, bob = await here.join("alice"), await there.join("bob")
    for type in ("stream", "ack", "turn_end", "error", "own-type"):
        await alice.send(type, {"same": 1})
        await bob.expect(type=type)
        await bob.send(type, {"same": 1})
        await alice.expect(type=type, from_="bob")


async def test_meshes_are_apart(here, there):
    other = Place(there.relay, here.mesh + ".other")
    alice, bob = await here.join("alice"), await here.join("bob")
    carol, dave = await other.join("carol"), await other.join("dave")
    await alice.send("broadcast", {"text": "hello"})
    await bob.expect(type="broadcast")
    await carol.send("broadcast", {"text": "hello"})
    await dave.expect(type="broadcast", from_="carol")


async def test_after_the_window_it_is_news_again(start_relays, mesh):
    one, two = start_relays(2, echo_window_ms=300)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    await alice.send("broadcast", {"text": "hello"})
    await bob.expect(type="broadcast")
    begin = time.monotonic()
    await patience.eventually(lambda: time.monotonic() - begin > 0.4, "the window to pass")
    await bob.send("broadcast", {"text": "hello"})
    await alice.expect(type="broadcast", from_="bob")


async def test_off_by_option(start_relays, mesh):
    one, two = start_relays(2, echo_window_ms=0)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    await alice.send("broadcast", {"text": "hello"})
    await bob.expect(type="broadcast")
    await bob.send("broadcast", {"text": "hello"})
    await alice.expect(type="broadcast", from_="bob")
