"""
Pages that broadcast again what they hear, as the real one does: it hands a message of some types to
its other tabs, and by the same way back to the relay, as its own. Unguarded, 50 of them make of one
message 49, 2,352, 112,896, ... without end.
"""

import asyncio
import json
import time

import pytest

from clients import Place, with_clients
from harness import patience
from harness.client import fence
from rig import record

MESH = "pages"
PAGES = 50
BEAT, FOREVER = 5, 3600  # s
GUARDED = ["broadcast", "invoke", "ring-update"]
SLOW_MACHINE_MS = 60_000  # pages of a test need longer than real ones for many messages
DELAYS = [0, 0, 0.003, 0.05, 0.4, 2]  # s, of the first page, the second, ..., and again


class Page:
    """Some have two tabs, which share the id: each hears and sends by itself."""

    def __init__(self, number, echoes_max):
        self.id = f"page-{number}"
        self.delay = DELAYS[number % len(DELAYS)]
        self.tabs = []
        self.sending = set()
        self.echoes, self.echoes_max = 0, echoes_max

    async def open(self, place):
        self.tabs.append(await place.join(self.id, accept=["events"]))
        self.tabs[-1].beat(BEAT)
        self.tabs[-1].tasks.append(asyncio.ensure_future(self.listen(self.tabs[-1])))

    async def listen(self, tab):
        heard = 0
        while tab.closed is None:
            for message in tab.received[heard:]:
                if message["type"] in GUARDED:
                    self.sending.add(asyncio.ensure_future(self.echo(tab, message)))
            heard = len(tab.received)
            await tab.wait_for_news(time.monotonic() + FOREVER, "news")

    async def echo(self, tab, message):
        await asyncio.sleep(self.delay)
        if self.echoes == self.echoes_max:
            return  # a storm: it is to end the test, not the machine
        again = {"type": message["type"], "from": self.id, "data": message["data"]}
        await tab.send_text(json.dumps(again, separators=(",", ":"), ensure_ascii=False))
        self.echoes += 1

    def is_idle(self):
        for task in [task for task in self.sending if task.done()]:
            self.sending.remove(task)
        return not self.sending


async def open_pages(nodes, echoes_max):
    pages = [Page(number, echoes_max) for number in range(PAGES)]
    for number, page in enumerate(pages):
        await page.open(Place(nodes[number % 3], MESH))
        if number % 7 == 0:
            await page.open(Place(nodes[(number + 1) % 3], MESH))
    return pages


async def quiet(pages, watcher):
    """All have sent what they had to, and nothing of it is under way any more."""
    heard = -1
    while heard != len(watcher.received):
        await patience.eventually(lambda: all(page.is_idle() for page in pages), "the end of it")
        heard = len(watcher.received)
        for page in pages:
            for tab in page.tabs:
                await fence(tab, watcher)
                await fence(watcher, tab)
        heard += sum(len(page.tabs) for page in pages)


def dropped(nodes):
    return sum(node.metric("p2p_relay_echoes_dropped_total") for node in nodes)


async def start(rig, messages, **options):
    """`messages` is how many each tab may hear."""
    rig.start_redis()
    nodes = rig.start_nodes(3, ttl_seconds=30, **options)  # nobody is to go
    watcher = await Place(nodes[2], MESH).join("watcher", accept=["events"])
    watcher.beat(BEAT)
    return nodes, watcher, await open_pages(nodes, 2 * messages)


@pytest.mark.parametrize("type", GUARDED)
@with_clients
async def test_one_message_stays_one(rig, type):
    """Echo guard: of one message among 50 such pages, one is relayed, and all its echoes are dropped."""
    nodes, watcher, pages = await start(rig, 1)
    text = '{"type":"%s","from":"page-0","data":{"text":"hello \u00e9"}}' % type
    await pages[0].tabs[0].send_text(text)
    await quiet(pages, watcher)
    relayed = len(watcher.all(type=type))
    echoes = sum(page.echoes for page in pages)
    record("echo", rig.scale, f"{type}: relayed of one message", relayed, "", "1")
    record("echo", rig.scale, f"{type}: echoes dropped", dropped(nodes), "", f"{echoes}")
    assert relayed == 1, watcher.story()
    assert echoes == dropped(nodes) == sum(len(page.tabs) for page in pages[1:])
    for page in pages[1:]:
        told = sum(len(tab.all(type="error", data={"code": "echo_suppressed"})) for tab in page.tabs)
        assert told == len(page.tabs), page.id


@with_clients
async def test_another_spelling_is_one_round(rig):
    """
    Echo guard: what pages spell otherwise than its sender is news the first time they say it. That
    may be more than one page in the same moment, but of theirs no echo passes.
    """
    nodes, watcher, pages = await start(rig, 1 + 2 * PAGES)
    agent = await Place(nodes[0], MESH).join("agent")
    agent.beat(BEAT)
    await agent.send_text('{"type": "broadcast", "from": "agent", "data": {"n": 1.50, "e": "\\u00e9"}}')
    await quiet(pages, watcher)
    heard = watcher.all(type="broadcast")
    by_pages = [message["from"] for message in heard[1:]]
    record("echo", rig.scale, "spelled otherwise: relayed of one message", len(heard), "", "<= 58")
    assert heard[0]["from"] == "agent" and by_pages
    for page in pages:  # each tab once
        assert by_pages.count(page.id) <= len(page.tabs), by_pages
    assert len(by_pages) + dropped(nodes) == sum(page.echoes for page in pages)


@with_clients
async def test_a_burst_is_no_spark(rig):
    """
    Echo guard: of many messages at once, too, each is relayed once: when the slow pages get to echo
    the first, the others have not made the mesh forget it.
    """
    count = rig.scale.seconds(400, 1500)
    nodes, watcher, pages = await start(rig, count, echo_window_ms=SLOW_MACHINE_MS)
    agent = await Place(nodes[1], MESH).join("agent")
    agent.beat(BEAT)
    for n in range(count):
        await agent.send_text('{"type":"broadcast","data":{"n":%d}}' % n)
    await quiet(pages, watcher)
    relayed = len(watcher.all(type="broadcast"))
    record("echo", rig.scale, f"of {count} at once: relayed", relayed, "", f"{count}")
    assert relayed == count
    assert dropped(nodes) == sum(page.echoes for page in pages)


@with_clients
async def test_what_is_meant_is_never_dropped(rig):
    """
    Echo guard: whoever says the same on purpose says when, or in which turn; the same data again by
    the same peer is no echo either. All of it arrives, in the midst of pages that echo it.
    """
    rounds = rig.scale.seconds(20, 200)
    nodes, watcher, pages = await start(rig, 9 * rounds, echo_window_ms=SLOW_MACHINE_MS)
    speakers = [await Place(node, MESH).join(f"speaker-{n}") for n, node in enumerate(nodes)]
    for speaker in speakers:
        speaker.beat(BEAT)
    for n in range(rounds):
        for speaker in speakers:
            for text in (
                '{"type":"broadcast","turnId":"turn-%d","data":{"same":"always"}}' % n,
                '{"type":"ring-update","timestamp":%d,"data":{"same":"always"}}' % n,
                '{"type":"invoke","data":{"same":"%s"}}' % speaker.id,
            ):
                await speaker.send_text(text)
    await quiet(pages, watcher)
    for speaker in speakers:
        heard = watcher.all(from_=speaker.id)
        for type in GUARDED:
            assert len([m for m in heard if m["type"] == type]) == rounds, (speaker.id, type)
        assert not speaker.all(type="error"), speaker.story()
    echoes = [m for m in watcher.received if m["type"] in GUARDED and m["from"].startswith("page")]
    record("echo", rig.scale, f"of {9 * rounds} said again on purpose: dropped", 0, "", "0")
    record("echo", rig.scale, "their echoes that passed", len(echoes), "", "0")
    assert not echoes
