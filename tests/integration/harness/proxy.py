"""
A TCP proxy between a relay and its Redis, which can stop passing bytes on without closing anything:
what a network does when it breaks.
"""

import asyncio
import contextlib


class Connection:
    """What it is for shows when it subscribes."""

    subscriber = False
    deaf = False


class Proxy:
    """Runs in the test's loop; the relay behind it is told `url` in place of Redis's."""

    def __init__(self, redis):
        self.redis = redis
        self.flows = {True: asyncio.Event(), False: asyncio.Event()}  # by Connection.subscriber
        self.connections = []
        self.tasks = set()
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
            if outward and b"SUBSCRIBE" in data:
                connection.subscriber = True
            await self.flows[connection.subscriber].wait()
            if outward or not connection.deaf:
                writer.write(data)
                await writer.drain()
        writer.close()
