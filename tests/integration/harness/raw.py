"""WebSocket bytes by hand, for what a polite library will not send or will not do."""

import asyncio
import base64
import os
import socket
import struct
from collections import namedtuple

from . import patience

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16))).decode()
Frame = namedtuple("Frame", "fin rsv opcode masked payload")


def frame(opcode, payload=b"", fin=True, mask=True, rsv=0, length=None):
    """One frame; `length` lies about the payload's."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += struct.pack(">BH", bit | 126, size)
    else:
        head += struct.pack(">BQ", bit | 127, size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = key * (len(payload) // 4 + 1)
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream[: len(payload)], "big")
    return head + key + masked.to_bytes(len(payload), "big")


def upgrade_request(path="/ws", headers=()):
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class RawSocket:
    """A TCP connection that sends and reads exactly what it is told to."""

    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""
        self.head = ""

    @classmethod
    async def open(cls, relay, receive_buffer=None):
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", relay.port))
        return cls(connection)

    @classmethod
    async def upgrade(cls, place, headers=(), path="/ws", receive_buffer=None):
        """A WebSocket on the place's mesh."""
        self = await cls.open(place.relay, receive_buffer)
        query = f"?mesh={place.mesh}" if place.mesh else ""
        await self.send(upgrade_request(path + query, headers))
        self.head = await self.receive_head()
        assert self.head.startswith("HTTP/1.1 101 "), self.head
        return self

    async def send(self, data):
        sending = asyncio.get_running_loop().sock_sendall(self.connection, data)
        await asyncio.wait_for(sending, patience.SECONDS)

    async def send_text(self, text):
        await self.send(frame(TEXT, text.encode()))

    async def receive_some(self):
        """Returns b"" at the end."""
        receiving = asyncio.get_running_loop().sock_recv(self.connection, 65536)
        try:
            return await asyncio.wait_for(receiving, patience.SECONDS)
        except (ConnectionResetError, BrokenPipeError):
            return b""
        except asyncio.TimeoutError:
            raise AssertionError(f"nothing came; before that: {self.buffer[-200:]!r}") from None

    async def need(self, size):
        while len(self.buffer) < size:
            more = await self.receive_some()
            if not more:
                raise EOFError(f"the end, after {self.buffer[:200]!r}")
            self.buffer += more

    def take(self, size):
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    async def receive_head(self):
        while b"\r\n\r\n" not in self.buffer:
            more = await self.receive_some()
            if not more:
                raise EOFError(f"the end, after {self.buffer[:500]!r}")
            self.buffer += more
        return self.take(self.buffer.index(b"\r\n\r\n") + 4).decode()

    async def receive_frame(self):
        await self.need(2)
        first, second = self.buffer[0], self.buffer[1] & 0x7F
        width = {126: 2, 127: 8}.get(second, 0)
        await self.need(2 + width)
        masked = bool(self.buffer[1] & 0x80)
        self_size = int.from_bytes(self.buffer[2 : 2 + width], "big") if width else second
        await self.need(2 + width + self_size)
        self.take(2 + width)
        return Frame(bool(first & 0x80), first >> 4 & 7, first & 15, masked, self.take(self_size))

    async def receive_text(self):
        """The next whole text message, joined; other frames between are passed over."""
        parts = []
        while True:
            got = await self.receive_frame()
            if got.opcode == CLOSE:
                raise EOFError(f"closed: {got.payload!r}")
            if got.opcode in (0, TEXT):
                parts.append(got.payload)
                if got.fin:
                    return b"".join(parts).decode()

    async def receive_close(self):
        """Passes over all up to the close frame, and answers it; returns (code, reason)."""
        while True:
            got = await self.receive_frame()
            if got.opcode == CLOSE:
                try:
                    await self.send(frame(CLOSE, got.payload[:2]))
                except ConnectionError:
                    pass  # it did not wait for the answer
                code = int.from_bytes(got.payload[:2], "big") if got.payload else None
                return code, got.payload[2:].decode()

    async def receive_end(self):
        """Reads to the end of the connection; returns what came."""
        while True:
            more = await self.receive_some()
            if not more:
                return self.buffer
            self.buffer += more

    def close(self):
        self.connection.close()

    def reset(self):
        """Ends with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
