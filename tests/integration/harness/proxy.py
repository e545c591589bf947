"""
A TCP proxy between a relay and its Redis, which can stop passing bytes on without closing anything:
what a network does when it breaks.
"""

import asyncio
import contextlib


class Connection:
    """What it is for shows when it subscribes."""

    def __init__(self):
        self.subscriber = False
        self.deaf = False
        self.answers = asyncio.Event()
        self.answers.set()


class Proxy:
    """Runs in the test's loop; the relay behind it is told `url` in place of Redis's."""

    def __init__(self, redis):
        self.redis = redis
        self.flows = {True: asyncio.Event(), False: asyncio.Event()}  # by Connection.subscriber
        self.connections = []
        self.tasks = set()
        self.held_word = None
        self.holding = asyncio.Event()
        self.heard = b""  # by subscribers
        self.heal()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.url = f"redis://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()

    def cut(self):
        """From now on nothing passes, also not on new connections."""
        self.cut_commands()
        self.flows[True].clear()

    def cut_commands(self):
        """What is not a subscriber's does not pass."""
        self.flows[False].clear()

    def heal(self):
        for flow in self.flows.values():
            flow.set()

    def deafen(self):
        """What Redis says on connections that subscribed is lost for good; all else passes."""
        for connection in self.connections:
            connection.deaf = connection.subscriber

    def hold_answers_to(self, word):
        """Redis gets the next command with that word, and its answer waits for let_go()."""
        self.held_word = word

    def let_go(self):
        for connection in self.connections:
            connection.answers.set()

    async def serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        connection = Connection()
        self.connections.append(connection)
        await self.flows[False].wait()
        redis = await asyncio.open_unix_connection(str(self.redis.socket_path))
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self.pump(reader, redis[1], connection, outward=True),
                self.pump(redis[0], writer, connection, outward=False),
            )

    async def pump(self, reader, writer, connection, outward):
        while data := await reader.read(65536):
            if outward:
                self.look_at(data, connection)
            else:
                await connection.answers.wait()
                self.heard += data if connection.subscriber else b""
            await self.flows[connection.subscriber].wait()
            if outward or not connection.deaf:
                writer.write(data)
                await writer.drain()
        writer.close()

    def look_at(self, command, connection):
        if b"SUBSCRIBE" in command:
            connection.subscriber = True
        if self.held_word and self.held_word in command:
            self.held_word = None
            connection.answers.clear()
            self.holding.set()
