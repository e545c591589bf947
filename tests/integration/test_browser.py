"""
A real browser: Debian's chromium opens the page that the relay serves, and two tabs meet, on one
node and across nodes.
"""

import json

import pytest

from harness import browser, patience
from harness.browser import Browser
from harness.client import Place
from harness.redis import free_port

pytestmark = pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")

NASTY = "<img src=x onerror=document.title='hurt'>"


class Page:
    """The relay's page in a tab, as a person sees it."""

    def __init__(self, tab, id):
        self.tab, self.id = tab, id

    @classmethod
    async def open(cls, chromium, place):
        host = place.relay.url.replace("ws", "http", 1)
        tab = await chromium.open(f"{host}/?mesh={place.mesh}")
        self = cls(tab, await tab.evaluate("document.getElementById('me').textContent"))
        await self.shows("state", "online")
        return self

    async def text_of(self, element):
        return await self.tab.evaluate(f"document.getElementById('{element}').innerText")

    async def shows(self, element, *texts):
        async def shown():
            there = await self.text_of(element)
            return all(text in there for text in texts)

        await patience.eventually(shown, f"{self.id} to show {texts} in {element}")

    async def say(self, text, to=""):
        await self.tab.evaluate(
            f"document.getElementById('to').value = {json.dumps(to)},"
            f"document.getElementById('text').value = {json.dumps(text)},"
            "document.getElementById('form').requestSubmit()"
        )


async def test_two_tabs_meet(here, there, tmp_path):
    async with Browser(tmp_path) as chromium:
        first, second = await Page.open(chromium, here), await Page.open(chromium, there)
        assert first.id != second.id
        await first.shows("peers", second.id, "online")
        await second.shows("peers", first.id, "online")
        await first.say("hello everybody")
        await second.shows("log", "hello everybody", first.id)
        await second.say("hello you", to=first.id)
        await first.shows("log", "hello you", second.id)
        await second.tab.close()
        await first.shows("peers", second.id, "offline")


async def test_a_tab_and_a_program_meet(here, there, tmp_path):
    """What a peer calls itself and says is shown as text, whatever it is."""
    program = await there.join(NASTY, agents=[NASTY])
    async with Browser(tmp_path) as chromium:
        page = await Page.open(chromium, here)
        await program.expect(type="presence", from_=page.id)
        await page.shows("peers", NASTY)
        await page.say("from the page", to=NASTY)
        heard = await program.expect(type="direct", from_=page.id)
        assert heard["data"] == {"text": "from the page"}
        await program.send("broadcast", {"text": NASTY}, turnId="t")
        await page.shows("log", NASTY)
        assert await page.tab.evaluate("document.images.length") == 0
        assert await page.tab.evaluate("document.title") == "p2p-relay"
        await program.close()
        await page.shows("peers", "offline")


async def test_the_page_comes_back_after_a_restart(start_relay, mesh, tmp_path):
    listen = f"127.0.0.1:{free_port()}"
    relay = start_relay(listen=listen, ttl_seconds=2)
    async with Browser(tmp_path) as chromium:
        page = await Page.open(chromium, Place(relay, mesh))
        relay.kill()
        await page.shows("state", "offline")
        again = start_relay(listen=listen)
        await page.shows("state", "online")
        program = await Place(again, mesh).join("program")
        assert page.id in {m["from"] for m in program.roster}
        await page.shows("peers", "program")


async def test_a_script_of_ones_own(here, there, tmp_path):
    """The browser's own WebSocket, as an application uses it."""
    program = await there.join("program")
    async with Browser(tmp_path) as chromium:
        tab = await chromium.open(here.relay.url.replace("ws:", "http:") + "/livez")
        got = await tab.evaluate(
            """new Promise((resolve, reject) => {
                const socket = new WebSocket(%s);
                socket.onerror = () => reject(new Error("refused"));
                socket.onopen = () => {
                    socket.send(JSON.stringify({type: "capabilities"}));
                    socket.send(JSON.stringify({type: "presence", from: "app", data: {n: 1}}));
                };
                const types = [];
                socket.onmessage = (event) => {
                    types.push(JSON.parse(event.data).type);
                    if (types.length === 2) { socket.close(4000, "done"); resolve(types); }
                };
            })"""
            % json.dumps(here.url())
        )
        assert got == ["capabilities_response", "presence"]
    await program.expect(type="presence", from_="app", data={"n": 1})
    await program.expect(type="presence", from_="app", data={"status": "offline"})
