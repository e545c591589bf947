"""
AgentCore's front, as a client sees it: a runtime's address, at which each session has a container of its own. What its
guide says does not get through to a container does not here either.
"""

import asyncio
import base64
import re
import urllib.parse

CUSTOM = "x-amzn-bedrock-agentcore-runtime-"
SESSION_ID_CHARACTERS_MIN = 33
BEARER = "base64UrlBearerAuthorization"
NEVER_FORWARDED = re.compile(
    r"(host|origin|cookie|user-agent|via|accept.*|content-.*|x-forwarded-.*|sec-websocket-protocol|sec-websocket-extensions)$"
)


class Platform:
    """`start` makes a container, a Relay, for a new session; headers that are not on the list are kept back."""

    def __init__(self, start, allowlist=()):
        self.start = start
        self.allowlist = {name.lower() for name in allowlist}
        self.containers = {}  # by session
        self.connections = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()
        self.cut()

    def cut(self):
        """As after an hour: all connections end, on both sides, without a word."""
        for writer in self.connections:
            writer.transport.abort()
        self.connections.clear()

    async def serve(self, reader, writer):
        line, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        target = urllib.parse.urlsplit(line.split()[1])
        headers = [tuple(field.split(": ", 1)) for field in fields]
        # As in a header of the same name.
        headers += [(name.lower(), value) for name, value in urllib.parse.parse_qsl(target.query)]
        session = dict((name.lower(), value) for name, value in headers)[CUSTOM + "session-id"]
        assert len(session) >= SESSION_ID_CHARACTERS_MIN, session
        assert target.path.startswith("/runtimes/arn%3Aaws%3Abedrock-agentcore%3A"), target.path

        if session not in self.containers:
            self.containers[session] = self.start()
        inside = await asyncio.open_connection("127.0.0.1", self.containers[session].port)
        path = target.path.rpartition("/")[2]
        inside[1].write(self.request(path, headers).encode())
        self.connections += [writer, inside[1]]
        head = (await inside[0].readuntil(b"\r\n\r\n")).decode()
        if any(name.lower() == "sec-websocket-protocol" for name, _ in headers):
            head = head.replace("\r\n\r\n", f"\r\nSec-WebSocket-Protocol: {BEARER}\r\n\r\n")
        writer.write(head.encode())
        await asyncio.gather(pass_on(reader, inside[1]), pass_on(inside[0], writer))

    def request(self, path, headers):
        lines = [f"GET /{path} HTTP/1.1", "Host: localhost:8080"]
        for name, value in headers:
            offered = [word.strip() for word in value.split(",")]
            if name.lower() == "sec-websocket-protocol" and "authorization" in self.allowlist:
                lines.append(f"Authorization: Bearer {decode(offered)}")
            if self.passes(name.lower()):
                lines.append(f"{name}: {value}")
        return "\r\n".join(lines) + "\r\n\r\n"

    def passes(self, name):
        if NEVER_FORWARDED.match(name):
            return False
        of_the_handshake = name in ("connection", "upgrade") or name.startswith("sec-websocket-")
        return of_the_handshake or name == CUSTOM + "session-id" or name in self.allowlist


def decode(offered):
    (encoded,) = (word.partition(".")[2] for word in offered if "." in word)
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


async def pass_on(reader, writer):
    try:
        while some := await reader.read(65536):
            writer.write(some)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()
