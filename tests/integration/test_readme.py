"""
The README: what it tells a newcomer to type works as it stands there.

`scripts/test` itself is not typed here: it is what runs this.
"""

import os
import pathlib
import re
import shlex
import signal
import subprocess

import pytest

from harness import browser, patience
from harness.browser import Browser
from harness.client import Place
from harness.process import ROOT, die_with_parent
from harness.redis import free_port
from harness.relay import BINARY

README = (ROOT / "README.md").read_text()

released = pytest.mark.skipif(
    BINARY.resolve() != ROOT / "build/release/p2p-relay",
    reason="scripts/start runs the release build, and is tested with it",
)


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


class Terminal:
    """A command in a terminal of its own: what is typed goes in, what it shows is kept."""

    def __init__(self, directory, command, **environment):
        self.shown_path = directory / f"{pathlib.Path(command.split()[0]).name}-{id(self)}"
        with open(self.shown_path, "wb") as shown:
            self.popen = subprocess.Popen(
                shlex.split(command),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=shown,
                stderr=shown,
                start_new_session=True,
                env={**os.environ, **environment},
                preexec_fn=die_with_parent,
            )

    def type(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def shown(self):
        return self.shown_path.read_text()

    def shows(self, text):
        patience.until(lambda: text in self.shown(), lambda: f"{text!r} in:\n{self.shown()}")

    def ctrl_c(self):
        os.killpg(self.popen.pid, signal.SIGINT)
        return self.popen.wait(patience.SECONDS)


@pytest.fixture
def terminal(tmp_path):
    opened = []

    def open_terminal(command, **environment):
        opened.append(Terminal(tmp_path, command, **environment))
        return opened[-1]

    yield open_terminal
    for one in opened:
        if one.popen.poll() is None:
            one.ctrl_c()


def children_of(pid):
    return [
        int(child)
        for child in (pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()).split()
    ]


@released
def test_two_terminals_meet(terminal, tmp_path):
    assert "scripts/start\n" in blocks("sh")
    port = free_port()
    start = terminal("scripts/start", RELAY_LISTEN=f"127.0.0.1:{port}", TMPDIR=str(tmp_path))
    start.shows(f"ws://localhost:{port}")
    for line in ("scripts/peer alice", "scripts/peer bob"):
        assert f"`{line}`" in README
        start.shows(line)

    url = f"ws://localhost:{port}"
    alice, bob = terminal(f"scripts/peer alice {url}"), None
    alice.shows("you are alice")
    bob = terminal(f"scripts/peer bob {url}")
    bob.shows("alice is online")
    alice.shows("bob is online")
    alice.type("hello everybody")
    bob.shows("alice: hello everybody")
    bob.type("@alice hello you")
    alice.shows("bob (to you): hello you")
    assert bob.ctrl_c() == 0
    alice.shows("bob is offline")

    children = children_of(start.popen.pid)
    assert children
    start.ctrl_c()
    patience.until(
        lambda: not any(os.path.exists(f"/proc/{child}") for child in children), "all to be gone"
    )
    assert not list(tmp_path.rglob("*.sock")) and not list(tmp_path.glob("tmp.*"))


async def test_the_command_to_run_it(start_redis, start_relays, tmp_path):
    """Every flag in it is one that the relay has."""
    (command,) = [
        line for block in blocks("sh") for line in block.splitlines() if "--listen" in line
    ]
    program, *words = shlex.split(command)
    assert program == "build/release/p2p-relay"
    options = dict(zip(words[::2], words[1::2]))
    options["--redis-url"] = start_redis().url
    options["--listen"] = options["--listen"].replace("8080", str(free_port()))
    flags = {name[2:].replace("-", "_"): value for name, value in options.items()}
    (relay,) = start_relays(1, **flags)
    await Place(relay, "default").join("somebody")


@pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")
async def test_the_script_in_a_browser(here, there, tmp_path):
    (script,) = blocks("js")
    script = script.replace("ws://localhost:8080/ws?mesh=demo", here.url())
    connect, send = script.split("// later\n")
    bob = await there.join("bob")
    async with Browser(tmp_path) as chromium:
        tab = await chromium.open(here.relay.url.replace("ws:", "http:") + "/livez")
        await tab.evaluate(f"(0, eval)({connect.replace('const socket', 'var socket')!r}); 0")
        await bob.expect(type="presence", from_="alice", data={"agents": ["writer"]})
        await tab.evaluate(f"(0, eval)({send!r}); 0")
        assert (await bob.expect(type="direct"))["data"] == {"command": "hello"}


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
    ],
)
def test_no_link_leads_nowhere(page):
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
