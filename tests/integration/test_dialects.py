"""
The real clients, as they speak: pages of two generations, a dashboard, and Python programs; those of
AgentCore are in test_agentcore.py. Their messages are recorded here; what they need to work is asserted.
"""

import asyncio
import json
import time
import uuid

from websockets.exceptions import ConnectionClosed

from harness.client import Place, expect_nothing, fence
from harness.raw import RawSocket


def milliseconds():
    return int(time.time() * 1000)


class Page:
    """What the pages have in common: a map of remote peers that forgets who is not heard of."""

    forget_seconds = 30

    def __init__(self, client):
        self.client = client
        self.id = client.id

    def remote_peers(self):
        """As of now, by the page's own rules: any presence, also an offline one, renews a peer."""
        peers = {}
        for message in self.client.received:
            if message["type"] in ("presence", "heartbeat") and message["from"] != self.id:
                peers[message["from"]] = message.at
        now = time.monotonic()
        return {id for id, at in peers.items() if now - at <= self.forget_seconds}

    async def send(self, **message):
        await self.client.send_text(json.dumps(message, separators=(",", ":")))


class OldPage(Page):
    """Says who it is once; keeps alive, and its agents up to date, with heartbeats."""

    @classmethod
    async def open(cls, place, id, agents):
        self = cls(await place.connect(id))
        self.agents = agents
        await self.send(
            type="presence",
            **{"from": id},
            data={"status": "online", "agents": agents, "hostname": "old.example"},
            timestamp=milliseconds(),
        )
        return self

    async def heartbeat(self, agents):
        await self.send(
            type="heartbeat",
            **{"from": self.id},
            data={"agents": agents, "hostname": "old.example"},
            timestamp=milliseconds(),
        )


class NewPage(Page):
    """Asks for capabilities first, then sends its presence every 10 s and no heartbeat."""

    @classmethod
    async def open(cls, place, id, agents):
        self = cls(await place.connect(id))
        self.agents = agents
        await self.bridge("relay-log", {"level": "info", "message": "Connected", "data": "ws://x"})
        await self.client.send_text('{"type":"capabilities"}')
        await self.presence()
        await self.bridge("relay-connected", {"relayId": "r1", "url": "wss://x?X-Amz-Signature=1"})
        return self

    async def presence(self):
        data = {"status": "online", "agents": self.agents, "hostname": "new.example"}
        await self.send(type="presence", **{"from": self.id}, data={**data, "pageId": "agi"})

    async def bridge(self, type, data):
        """Events of the page that also go to the relay."""
        await self.send(type=type, **{"from": self.id}, data=data)


async def test_old_page_and_new_page_know_each_other(here, there):
    old = await OldPage.open(here, "old-1", ["helper"])
    new = await NewPage.open(there, "new-1", ["writer", "critic"])
    for page, other in ((old, new), (new, old)):
        await page.client.expect(type="presence", from_=other.id)
        assert page.remote_peers() == {other.id}
    answer = await new.client.expect(type="capabilities_response")
    assert answer["data"]["agentCards"] == [] and answer["data"]["activeAgents"] == []
    assert new.client.all(type="error") == [] and old.client.all(type="error") == []
    await expect_nothing(new.client, old.client, type="relay-connected")
    assert old.client.all(type="relay-log") == []


async def test_an_idle_mesh_is_quiet_and_nobody_is_forgotten(start_relays, mesh):
    """
    Pages forget who is not heard of, and each presence that they repeat is worth nothing to the
    others: the node repeats the roster itself, far less often than N pages would.
    """
    nodes = start_relays(2, presence_repeat_seconds=1)
    pages = []
    for n in range(5):
        place = Place(nodes[n % 2], mesh)
        pages.append(await (NewPage if n % 2 else OldPage).open(place, f"page-{n}", [f"a{n}"]))
    for page in pages:
        page.forget_seconds = 3
        await page.client.settle()
    begin = time.monotonic()
    before = [len(page.client.received) for page in pages]
    rounds = 0
    while time.monotonic() - begin < 6:
        for page in pages:
            await (page.presence() if isinstance(page, NewPage) else page.heartbeat(page.agents))
        rounds += 1
        await asyncio.sleep(0.1)
    took = time.monotonic() - begin
    for page, start in zip(pages, before):
        assert page.remote_peers() == {other.id for other in pages if other is not page}
        presences = [m for m in page.client.received[start:] if m["type"] == "presence"]
        assert len(presences) <= 4 * (took + 2) + 8, "as many as the repeats, not as the rounds"
        assert page.client.all(type="error") == []


async def test_turn_of_the_pages(here, there):
    """A question by broadcast, answered with ack, stream and turn_end by an agent's name."""
    asker = await NewPage.open(here, "new-1", ["boss"])
    helper = await OldPage.open(there, "old-1", ["helper"])
    await helper.client.settle()
    await asker.client.settle()
    turn = uuid.uuid4().hex[:8]
    question = {"type": "broadcast", "from": "boss", "turnId": turn, "data": {"command": "hi"}}
    await asker.send(**question, timestamp=milliseconds(), instanceId=asker.id)
    heard = await helper.client.expect(type="broadcast", turnId=turn)
    assert heard["from"] == "boss" and heard["instanceId"] == "new-1"

    async def answer(type, **more):
        await helper.send(
            type=type,
            **{"from": "helper"},
            to=heard["from"],
            turnId=turn,
            **more,
            timestamp=milliseconds(),
            instanceId=helper.id,
        )

    await answer("ack")
    for n in range(30):
        await answer("stream", data={"chunk": f"word{n} ", "chunkNum": n + 1})
    await answer("turn_end", data={"result": "all words", "chunks": 30})
    await asker.client.expect(type="turn_end", turnId=turn)
    turns = [m for m in asker.client.received if m.get("turnId") == turn]
    assert [m["type"] for m in turns] == ["ack"] + ["stream"] * 30 + ["turn_end"]
    assert [m["data"]["chunkNum"] for m in turns[1:-1]] == list(range(1, 31))
    assert {m["from"] for m in turns} == {"helper"}


async def test_direct_of_the_page_reaches_the_agent(here, there):
    """Addressed by agent and by instance, which the predecessor dropped without a word."""
    asker = await NewPage.open(here, "new-1", ["boss"])
    helper = await OldPage.open(there, "old-1", ["helper"])
    await asker.client.settle()
    await helper.client.settle()
    direct = {"type": "direct", "from": "boss", "to": "helper", "turnId": "t1"}
    await asker.send(**direct, instanceId="new-1", targetInstanceId="old-1", data={"command": "hi"})
    message = await helper.client.expect(type="direct", turnId="t1")
    assert message["to"] == "helper" and message["data"] == {"command": "hi"}
    await asker.send(**{**direct, "turnId": "t2"}, instanceId="new-1", data={"command": "again"})
    await helper.client.expect(type="direct", turnId="t2")


async def test_own_types_of_the_pages(here, there):
    """Widgets talk to each other by types that the relay never heard of."""
    first, second = await NewPage.open(here, "n1", []), await NewPage.open(there, "n2", [])
    await first.client.settle()
    await second.client.settle()
    bridged = {
        "invoke": {"agentId": "a", "prompt": "hi"},
        "invoke-response": {"agentId": "a", "text": "hello"},
        "ring-update": {"entries": [{"agentId": "a", "content": "x"}]},
        "ring-clear": {},
        "task-created": {"id": "task-1", "title": "do it"},
        "task-status-changed": {"id": "task-1", "status": "done"},
        "agent-discovered": {"id": "a", "source": "mesh"},
        "thinking-update": {"text": "hm"},
        "capabilities_request": None,
        "launch_agent": {"agentId": "a", "agent": "default", "workingPath": "~/src"},
        "get_schemas": None,
        "list_agents": None,
    }
    for type, data in bridged.items():
        await first.bridge(type, data)
        assert (await second.client.expect(type=type, from_="n1"))["data"] == data
    assert first.client.all(type="error") == []


async def test_agents_that_come_and_go_by_heartbeat(here, there):
    old = await OldPage.open(here, "old-1", [])
    watcher = await NewPage.open(there, "new-1", [])
    await old.client.settle()
    await watcher.client.settle()
    for agents in (["a"], ["a", "b"], ["b"], []):
        await old.heartbeat(agents)
        told = await watcher.client.expect(type="presence", from_="old-1", data={"agents": agents})
        assert told["data"]["hostname"] == "old.example"


async def test_five_echoing_pages(here, elsewhere):
    """The page broadcasts again what it receives of three types; the relay ends the avalanche."""
    pages = [await NewPage.open((here, elsewhere)[n % 2], f"n{n}", []) for n in range(5)]

    async def echo(page):
        while True:
            message = await page.client.expect(type=lambda t: t in ("invoke", "ring-update"))
            try:
                await page.bridge(message["type"], message["data"])
            except ConnectionClosed:
                return

    for page in pages:
        await page.client.settle()
    echoing = [asyncio.ensure_future(echo(page)) for page in pages]
    await pages[0].bridge("ring-update", {"entries": ["x"]})
    for page in pages[1:]:
        await page.client.expect(type="error", data={"code": "echo_suppressed"})
    watcher = await here.join("watcher")
    for page in pages:
        await fence(page.client, watcher)
    for task in echoing:
        task.cancel()
    for page in pages:
        assert len(page.client.all(type="ring-update")) <= 3


async def test_dashboard(here, there):
    """Its presence carries a timestamp in `data`: changed each time, so it is told each time."""
    watcher = await there.join("watcher")
    client = await here.connect(f"dashboard-{milliseconds()}")
    await client.send("capabilities", from_=None)
    for n in range(3):
        await client.send("presence", {"agents": [], "pageId": "dashboard", "timestamp": n})
        await watcher.expect(type="presence", from_=client.id, data={"timestamp": n})
    await client.expect(type="capabilities_response")


async def test_mesh_page_sends_secrets_first(here, there):
    """`configure` and `list_github` carry a token, before any presence: to nobody, and no error."""
    watcher = await there.join("watcher")
    client = await here.connect("mesh-page")
    await client.send_text('{"type":"configure","github_token":"ghp_x","github_repos":["a/b"]}')
    await client.send_text('{"type":"list_github","token":"ghp_x","repos":["a/b"]}')
    await client.settle()
    assert [m["type"] for m in client.received] == ["capabilities_response"]
    await client.announce()
    await expect_nothing(client, watcher, github_token="ghp_x")
    assert watcher.all(type="configure") == [] and watcher.all(type="list_github") == []


async def test_python_client(here, there):
    """Seconds as timestamps, ASCII escapes, blanks after the colons; a new socket per run."""
    listener = await there.join("listener")
    client = await here.connect("kiro-1")
    await client.send_text(
        json.dumps(
            {
                "type": "presence",
                "from": "kiro-1",
                "timestamp": time.time(),
                "data": {"status": "online", "type": "kiro-cli", "agent": "Döner"},
            }
        )
    )
    told = await listener.expect(type="presence", from_="kiro-1")
    assert told["data"]["agent"] == "Döner" and "\\u00f6" in told.text
    await client.send_text(
        json.dumps(
            {
                "type": "stream",
                "from": "kiro-1",
                "to": "listener",
                "turnId": 5,
                "data": {"chunk": "ü"},
                "timestamp": time.time(),
            }
        )
    )
    await listener.expect(type="stream", turnId=5)
    await client.close()
    await listener.expect(type="presence", from_="kiro-1", data={"status": "offline"})


# Browsers that have a token


async def test_bearer_subprotocols_of_a_browser(here):
    """Of the two that it offers the one without the token is selected; of others none."""
    name = "base64UrlBearerAuthorization"
    for offered, selected in (
        (f"{name}.{'eyJ' * 1200}, {name}", name),
        (f"{name}, {name}.eyJ", name),
        (f"{name}.eyJ", None),
        ("chat, superchat", None),
    ):
        client = await RawSocket.upgrade(here, [f"Sec-WebSocket-Protocol: {offered}"])
        lines = [line for line in client.head.splitlines() if "websocket-protocol" in line.lower()]
        assert [line.partition(": ")[2] for line in lines] == ([selected] if selected else [])
        await client.send_text('{"type":"capabilities"}')
        assert json.loads(await client.receive_text())["type"] == "capabilities_response"
        client.close()
    assert "eyJ" not in here.relay.log()
