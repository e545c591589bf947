"""A client over python3-websockets that remembers what it received and waits with a deadline."""

import asyncio
import base64
import inspect
import itertools
import json
import re
import time
import urllib.parse

from websockets.exceptions import ConnectionClosed

from . import patience

try:
    from websockets.asyncio.client import connect
except ImportError:  # before version 13
    from websockets.legacy.client import connect

    HEADERS, NO_PROXY = "extra_headers", {}
else:
    HEADERS, NO_PROXY = "additional_headers", {"proxy": None}

tokens = itertools.count(1)
open_clients = []
introduced = set()


class Message(dict):
    """A parsed message; knows the text that it was and when it came."""

    def __init__(self, text):
        super().__init__(json.loads(text))
        self.text = text
        self.at = time.monotonic()


def fits(value, wanted):
    """Equal; of objects only the wanted members are looked at. A function decides by itself."""
    if callable(wanted):
        return wanted(value)
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], item) for name, item in wanted.items()
        )
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def named(members):
    """`from` is a word of Python's: where a keyword is wanted it is called `from_`."""
    return {"from" if name == "from_" else name: value for name, value in members.items()}


class Client:
    """One connection. `received` is all that came; what expect() took is not offered again."""

    def __init__(self, websocket, id=None):
        self.websocket = websocket
        self.id = id
        self.received = []
        self.pending = []
        self.closed = None
        self.roster = []
        self.world = None  # which mesh of which Redis it joined, while it is there
        self.questions = 0
        self.news = asyncio.Event()
        self.reader = asyncio.ensure_future(self.read())
        self.tasks = [self.reader]
        open_clients.append(self)

    async def read(self):
        try:
            while True:
                text = await self.websocket.recv()
                assert isinstance(text, str), f"a binary message: {text[:100]!r}"
                message = Message(text)
                self.received.append(message)
                self.pending.append(message)
                self.news.set()
        except ConnectionClosed:
            pass
        finally:
            self.closed = (self.websocket.close_code, self.websocket.close_reason)
            self.news.set()

    def __repr__(self):
        return f"<client {self.id}>"

    def story(self):
        """What came, and how long ago; of the same many times in a row the last."""
        now = time.monotonic()
        lines = []
        for text, same in itertools.groupby(self.received, lambda message: message.text):
            *before, last = same
            times = f" ({len(before) + 1} times)" if before else ""
            lines.append(f"  {now - last.at:.3f} s ago{times}: {text[:300]}")
        state = "open" if self.closed is None else f"closed {self.closed}"
        received = f"had received {len(self.received)}"
        return f"{self.id}, {state}, {received}:\n" + "\n".join(lines[-60:])

    # Sending

    async def send_text(self, text):
        self.questions += bool(re.search(r'"type": ?"capabilities"', text))
        await self.websocket.send(text)

    async def send(self, type, data=None, **members):
        """The sender is the own id unless `from_` says otherwise; None leaves it out."""
        message = {"type": type, "from": self.id, **named(members)}
        if data is not None:
            message["data"] = data
        if message["from"] is None:
            del message["from"]
        if type == "presence" and (data or {}).get("status") == "offline":
            self.world = None
        await self.send_text(json.dumps(message))

    async def announce(self, **data):
        await self.send("presence", {"status": "online", **data})

    def beat(self, seconds, type="heartbeat", **members):
        """Sends that from now on for ever, in the background."""

        async def beating():
            while self.closed is None:
                try:
                    await self.send(type, **members)
                except ConnectionClosed:
                    return
                await asyncio.sleep(seconds)

        self.tasks.append(asyncio.ensure_future(beating()))

    # Receiving

    async def wait_for_news(self, end, what):
        self.news.clear()
        try:
            await asyncio.wait_for(self.news.wait(), max(0.001, end - time.monotonic()))
        except asyncio.TimeoutError:
            others = [c.story() for c in open_clients if c is not self and len(open_clients) < 9]
            story = "\n".join([self.story(), *others])
            raise AssertionError(f"{what} did not come; {story}") from None

    async def expect(self, wanted=None, *, deadline=patience.SECONDS, **members):
        """Takes the first message not taken yet that fits, and waits for it."""
        wanted = wanted or named(members)
        end = time.monotonic() + deadline
        while True:
            for index, message in enumerate(self.pending):
                if fits(message, wanted):
                    return self.pending.pop(index)
            if self.closed is not None:
                raise AssertionError(f"{wanted} did not come before the end; {self.story()}")
            await self.wait_for_news(end, wanted)

    async def collect(self, count, **members):
        """Takes that many messages that fit, in the order they came."""
        return [await self.expect(**members) for _ in range(count)]

    async def expect_error(self, code, **data):
        message = await self.expect(type="error", from_="relay", data={"code": code, **data})
        assert isinstance(message["data"]["message"], str) and message["data"]["message"]
        assert is_relay_time(message["timestamp"]), message.text
        return message

    async def expect_close(self, code, deadline=patience.SECONDS):
        """Waits for the relay to close the connection; returns the reason."""
        end = time.monotonic() + deadline
        while self.closed is None:
            await self.wait_for_news(end, f"close {code}")
        assert self.closed[0] == code, f"wanted close {code}; {self.story()}"
        assert self.closed[1], f"a close without a reason text; {self.story()}"
        return self.closed[1]

    def untaken(self, **members):
        return [message for message in self.pending if fits(message, named(members))]

    def all(self, **members):
        """Of all that ever came."""
        return [message for message in self.received if fits(message, named(members))]

    def presences_of(self, id):
        return self.all(type="presence", from_=id)

    def offlines_of(self, id):
        return self.all(type="presence", from_=id, data={"status": "offline"})

    async def settle(self):
        """
        Returns, with the answer, when the relay has read all that was sent and said what it says by
        itself: it answers a question of this connection in its turn.
        """
        await self.send_text('{"type":"capabilities"}')
        end = time.monotonic() + patience.SECONDS
        while len(answers := self.all(type="capabilities_response")) < self.questions:
            if self.closed is not None:
                raise AssertionError(f"the end; {self.story()}")
            await self.wait_for_news(end, "an answer")
        self.pending = [m for m in self.pending if m["type"] != "capabilities_response"]
        return answers[-1]

    async def hear_of(self, id):
        end = time.monotonic() + patience.SECONDS
        while not self.presences_of(id) and self.world and self.closed is None:
            await self.wait_for_news(end, f"the presence of {id}")

    # Leaving

    async def close(self):
        await self.websocket.close()
        await self.reader

    def vanish(self):
        """The socket goes away without a word of WebSocket."""
        self.websocket.transport.abort()


class Place:
    """A mesh on a node: where a client connects to."""

    def __init__(self, relay, mesh=None, token=None, by="header"):
        """A token is shown by the header, by a protocol (as browsers do), or by the query."""
        self.relay = relay
        self.mesh = mesh
        self.token = token
        self.by = by

    def url(self, path="/ws"):
        query = {"mesh": self.mesh, "token": self.token if self.by == "query" else None}
        query = {name: value for name, value in query.items() if value}
        return self.relay.url + path + ("?" + urllib.parse.urlencode(query) if query else "")

    def shown(self):
        if self.token is None or self.by == "query":
            return {}, None
        if self.by == "header":
            return {"Authorization": f"Bearer {self.token}"}, None
        name = "base64UrlBearerAuthorization"
        encoded = base64.urlsafe_b64encode(self.token.encode()).rstrip(b"=").decode()
        return {}, [f"{name}.{encoded}", name]

    async def connect(self, id=None, path="/ws", headers=None):
        """A connection that has not said who it is."""
        more, protocols = self.shown()
        websocket = await connect(
            self.url(path),
            subprotocols=protocols,
            compression=None,
            max_size=None,
            max_queue=None,
            ping_interval=None,
            open_timeout=patience.SECONDS,
            ssl=self.relay.tls,
            **{HEADERS: {**more, **(headers or {})}},
            **NO_PROXY,
        )
        return Client(websocket, id)

    async def join(self, id, **data):
        """Announces the peer and waits until it is in; client.roster is who was there already."""
        client = await self.announce(id, **data)
        await self.introduce(client)
        return client

    async def join_at_last(self, id, beat_seconds):
        """Where the bus may go away once more: who is told so tries again, as clients do."""
        end = time.monotonic() + patience.SECONDS
        while True:
            client = await self.announce(id)
            if not client.all(type="error", data={"code": "bus_unavailable"}):
                break
            assert time.monotonic() < end, client.story()
            await client.close()
        client.beat(beat_seconds)
        await self.introduce(client)
        return client

    async def announce(self, id, agents=None, accept=None, message=None, **data):
        """As join(), but others may not know it yet, and it may have been refused."""
        client = await self.connect(id)
        if accept is not None:
            await client.send("capabilities", {"accept": accept}, from_=None)
            await client.expect(type="capabilities_response")
        if agents is not None:
            data["agents"] = list(agents)
        if message is not None:
            await client.send_text(message)
        else:
            await client.announce(**data)
        await client.settle()
        client.roster = [m for m in client.received if m["type"] in ("presence", "roster")]
        client.pending.clear()
        return client

    async def introduce(self, newcomer):
        """Returns when all who are there know it: nodes hear of it one after the other."""
        options = self.relay.options
        world = (options["redis_url"], options.get("redis_prefix"), self.mesh)
        if (world, newcomer.id) not in introduced:
            introduced.add((world, newcomer.id))
            others = [c for c in open_clients if c.world == world and c.id != newcomer.id]
            for other in others:
                await other.hear_of(newcomer.id)
        newcomer.world = world


async def fence(sender, receiver):
    """
    Proves what did not come, without waiting for it not to come.

    All that one connection sends arrives in the order sent: when a message sent now has arrived,
    whatever was to arrive before has. Returns what the receiver had not taken until then.
    """
    token = f"fence-{next(tokens)}"
    await sender.send("direct", {"fence": token}, to=receiver.id, targetInstanceId=receiver.id)
    fence_message = await receiver.expect(type="direct", data={"fence": token})
    place = receiver.received.index(fence_message)
    before = {id(message) for message in receiver.received[:place]}
    return [message for message in receiver.pending if id(message) in before]


async def expect_nothing(sender, receiver, **members):
    """Nothing that fits has come, nor is on its way from that sender."""
    await fence(sender, receiver)
    stray = receiver.untaken(**members)
    assert not stray, f"came, but should not: {stray[0].text[:300]}; {receiver.story()}"


def is_relay_time(timestamp):
    """Seconds since 1970, near to now."""
    return isinstance(timestamp, (int, float)) and abs(timestamp - time.time()) < 120


def run(test, seconds, arguments):
    """Runs the coroutine function in a loop of its own, with a deadline. No client is left after it."""

    async def bounded():
        try:
            await asyncio.wait_for(test(**arguments), seconds)
        finally:
            abandon_all()

    asyncio.run(bounded())


def run_coroutine(pyfuncitem, seconds):
    """For pytest_pyfunc_call(): runs the test if it is a coroutine function, and leaves others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    run(pyfuncitem.obj, seconds, {name: pyfuncitem.funcargs[name] for name in names})
    return True


def abandon_all():
    """After a test: no client is left."""
    introduced.clear()
    while open_clients:
        client = open_clients.pop()
        for task in client.tasks:
            task.cancel()
        client.vanish()
