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

from harness import browser, patience, tokens
from harness.browser import Browser
from harness.client import HEADERS, Place
from harness.process import ROOT, die_with_parent
from harness.redis import free_port
from harness.relay import BINARY

README = (ROOT / "README.md").read_text()

released = pytest.mark.skipif(
    BINARY.resolve() != ROOT / "build/release/p2p-relay",
    reason="scripts/start runs the release build, and is tested with it",
)


def blocks(language, text=README):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


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


def relay_flags(text):
    """What is said to the relay in each command of the text that starts one."""
    for line in text.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line) or [""]
        if program.endswith("p2p-relay"):
            flags = zip(words[::2], words[1::2])
            yield {flag[2:].replace("-", "_"): value for flag, value in flags}


async def test_the_commands_to_run_it(start_redis, start_relays, issuer, mesh):
    """Every flag in them is one that the relay has, and with them somebody can come in."""
    without, with_tokens = (flags for block in blocks("sh") for flags in relay_flags(block))
    for flags in (without, with_tokens):
        flags["redis_url"] = start_redis().url
        flags["listen"] = flags["listen"].replace("8080", str(free_port()))
    (relay,) = start_relays(1, **without)
    await Place(relay, mesh).join("somebody")
    with_tokens.update(discovery_url=issuer.url(), auth_ca_file=issuer.ca)
    (relay,) = start_relays(1, **with_tokens)
    await Place(relay, mesh, issuer.mint(aud="relay")).join("somebody")


PAGE = (ROOT / "docs/authentication.md").read_text()
SHAPES = {
    "Cognito": [tokens.cognito_id, tokens.cognito_access],
    "Okta": [tokens.okta],
    "Entra ID": [tokens.entra],
    "Keycloak": [tokens.keycloak],
}


@pytest.mark.parametrize("name", SHAPES)
async def test_the_recipe_of_an_issuer(start_relays, issuer, mesh, name):
    """With the issuer of the tests in the place of the real one, and tokens as that makes them."""
    (recipe,) = re.findall(rf"^### {name}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    words = {"$CLIENT": "client", "$APP": "app", "relay-page": "client"}
    for word, value in words.items():
        recipe = recipe.replace(word, value)
    (flags,) = (flags for block in blocks("sh", recipe) for flags in relay_flags(block))
    assert flags["discovery_url"].endswith("/.well-known/openid-configuration")
    flags.update(discovery_url=issuer.url(), auth_ca_file=issuer.ca)
    (relay,) = start_relays(1, **flags)
    for shape in SHAPES[name]:
        place = Place(relay, mesh, issuer.sign(shape(issuer.name(), **AUDIENCE.get(name, {}))))
        await place.join("somebody")
    stranger = Place(relay, mesh, issuer.sign(SHAPES[name][0](issuer.name(), "else", aud="else")))
    with pytest.raises(Exception, match="401"):
        await stranger.connect()


# Where the recipe asks for an audience, what the tokens have to say.
AUDIENCE = {"Entra ID": {"audience": "app"}}


@pytest.mark.parametrize("block", re.findall(r"^```sh\n(aws .*?)^```", PAGE, re.M | re.S))
def test_commands_for_aws(block):
    pytest.skip("needs an account with AWS")


@pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")
async def test_the_pages_of_the_documentation(start_relays, issuer, mesh, tmp_path):
    """docs/authentication.md: the script of a page, in a page."""
    (script,) = blocks("js", PAGE)
    (relay,) = start_relays(
        1, auth="jwt", discovery_url=issuer.url(), auth_ca_file=issuer.ca, allowed_client="client"
    )
    script = script.replace("wss://relay.example.org", relay.url)
    host = relay.url.replace("ws:", "http:")
    async with Browser(tmp_path) as chromium:
        tab = await chromium.open(f"{host}/livez")
        answer = await tab.evaluate(
            "new Promise((resolve) => {"
            + f"const token = {issuer.mint(aud='client')!r};{script};"
            + "socket.onopen = () => resolve(socket.protocol); socket.onclose = () => resolve('closed')})"
        )
    assert answer == "base64UrlBearerAuthorization"


async def test_the_program_of_the_documentation(start_relays, issuer, tmp_path):
    """docs/authentication.md: as it stands there, but for the address, and an old library's word."""
    (program,) = blocks("python", PAGE)
    (relay,) = start_relays(
        1, auth="jwt", discovery_url=issuer.url(), auth_ca_file=issuer.ca, allowed_client="client"
    )
    program = program.replace("ws://localhost:8080", relay.url).replace("additional_headers", HEADERS)
    environment = {**os.environ, "RELAY_TOKEN": issuer.mint(aud="client")}
    running = subprocess.Popen(["/usr/bin/python3", "-c", program], env=environment, preexec_fn=die_with_parent)
    try:
        await patience.eventually(
            lambda: "agent" in relay.request(
                "POST", "/invocations", {"Authorization": f"Bearer {environment['RELAY_TOKEN']}"}
            ).json.get("peers", []),
            "the program to be in",
        )
    finally:
        running.kill()
        running.wait()


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
