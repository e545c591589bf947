"""Debian's chromium without a screen, driven by the DevTools protocol over its WebSocket."""

import asyncio
import itertools
import json
import re
import shutil

from . import patience
from .client import NO_PROXY, connect
from .process import Process

PROGRAM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
]


class Browser(Process):
    name = "chromium"

    def __init__(self, directory, *flags):
        super().__init__(directory / "chromium.log")
        profile = f"--user-data-dir={directory / 'profile'}"
        environment = {"HOME": str(directory), "XDG_RUNTIME_DIR": str(directory)}
        self.spawn([PROGRAM, *FLAGS, *flags, profile, "about:blank"], environment)
        self.endpoint = patience.until(self.find_endpoint, self.log, seconds=60)
        self.websocket = None
        self.numbers = itertools.count(1)
        self.answers = {}

    def find_endpoint(self):
        assert self.running, f"chromium exited with {self.popen.returncode}:\n{self.log()}"
        found = re.search(r"DevTools listening on (ws://\S+)", self.log())
        return found and found[1]

    async def __aenter__(self):
        self.websocket = await connect(self.endpoint, max_size=None, ping_interval=None, **NO_PROXY)
        self.reader = asyncio.ensure_future(self.read())
        return self

    async def __aexit__(self, *_):
        self.reader.cancel()
        self.websocket.transport.abort()
        self.kill()

    async def read(self):
        async for text in self.websocket:
            message = json.loads(text)
            if "id" in message:
                self.answers[message["id"]].set_result(message)

    async def command(self, method, session=None, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        await self.websocket.send(json.dumps(message))
        result = await asyncio.wait_for(answer, patience.SECONDS)
        assert "error" not in result, (method, result["error"])
        return result["result"]

    async def open(self, url):
        """A new tab."""
        target = (await self.command("Target.createTarget", url=url))["targetId"]
        attached = await self.command("Target.attachToTarget", targetId=target, flatten=True)
        tab = Tab(self, target, attached["sessionId"])
        await patience.eventually(
            lambda: tab.evaluate(
                "document.readyState == 'complete' && location.href != 'about:blank'"
            ),
            f"{url} to load",
        )
        return tab


class Tab:
    def __init__(self, browser, target, session):
        self.browser, self.target, self.session = browser, target, session

    async def evaluate(self, expression):
        """The value of a JavaScript expression in the page; promises are awaited."""
        result = await self.browser.command(
            "Runtime.evaluate",
            self.session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def text(self):
        return await self.evaluate("document.body.innerText")

    async def close(self):
        await self.browser.command("Target.closeTarget", targetId=self.target)
