"""A WebSocket client that can do what a good one would not."""

import base64
import contextlib
import os
import socket
import ssl
import struct

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of that key, from RFC 6455 section 1.3

HANDSHAKE = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


tls = None  # an SSLContext: all connections are TLS
BROKEN = (ConnectionError, ssl.SSLError)


class Closed(Exception):
    """The other side closed: code and reason, or None if it just hung up."""

    def __init__(self, code, reason=""):
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def connect(port, receive_buffer=None):
    tcp = socket.socket()
    if receive_buffer is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    tcp.settimeout(20)
    tcp.connect(("127.0.0.1", port))
    return tls.wrap_socket(tcp, server_hostname="127.0.0.1") if tls else tcp


def head(method, path, headers):
    """`headers` is a dict, or a list of pairs for duplicates."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_answer(stream, method="GET"):
    """(status, headers in lower case, body) of one HTTP answer; None if the other side hung up."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while (field := stream.readline().strip()) != b"":
        name, _, value = field.decode().partition(":")
        assert name.lower() not in headers, name
        headers[name.lower()] = value.strip()
    status = int(line.split()[1])
    body = b""
    if method != "HEAD" and status != 101:
        body = stream.read(int(headers["content-length"]))
    return status, headers, body


def request(port, method="GET", path="/", headers=None, body=b""):
    """One HTTP request on a connection of its own."""
    with connect(port) as tcp:
        tcp.sendall(head(method, path, headers or {"Host": "localhost"}) + body)
        return read_answer(tcp.makefile("rb"), method)


def upgrade(port, path="/ws", headers=HANDSHAKE, method="GET"):
    return request(port, method, path, headers)


def frame(opcode, payload=b"", fin=True, masked=True, rsv=0, length=None):
    length = len(payload) if length is None else length
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if length < 126:
        start = struct.pack("!BB", first, mask_bit | length)
    elif length < 65536:
        start = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        start = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not masked:
        return start + payload
    mask = os.urandom(4)
    whole = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return start + mask + (int.from_bytes(payload, "big") ^ whole).to_bytes(len(payload), "big")


def text(message, **more):
    return frame(TEXT, message.encode(), **more)


class Client:
    def __init__(self, port, path="/ws", headers=HANDSHAKE, receive_buffer=None):
        self.tcp = connect(port, receive_buffer)
        self.stream = self.tcp.makefile("rb")
        self.pings = []
        self.pongs = []
        self.answers_pings = True
        self.tcp.sendall(head("GET", path, headers))
        status, self.headers, _ = read_answer(self.stream)
        assert status == 101
        assert self.headers["sec-websocket-accept"] == ACCEPT

    def send(self, message):
        self.tcp.sendall(text(message))

    def send_bytes(self, raw):
        self.tcp.sendall(raw)

    def _read(self, size):
        data = self.stream.read(size)
        if len(data) < size:
            raise Closed(None)
        return data

    def receive_frame(self):
        """(opcode, fin, payload)"""
        try:
            first, second = self._read(2)
            assert second < 0x80, "a server must not mask"
            size = second
            if size == 126:
                (size,) = struct.unpack("!H", self._read(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", self._read(8))
            return first & 0x0F, bool(first & 0x80), self._read(size)
        except BROKEN:
            raise Closed(None) from None

    def receive_bytes(self):
        """The next message. Answers pings and closes on the way."""
        message = b""
        while True:
            opcode, fin, payload = self.receive_frame()
            if opcode == PING:
                self.pings.append(payload)
                if self.answers_pings:
                    self.send_bytes(frame(PONG, payload))
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                with contextlib.suppress(*BROKEN):  # it may be gone already
                    self.send_bytes(frame(CLOSE, payload))
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode())
            else:
                message += payload
                if fin:
                    return message

    def receive(self):
        return self.receive_bytes().decode()

    def ask(self, message):
        self.send(message)
        return self.receive()

    def closing(self):
        """Reads until the other side closes; returns the Closed."""
        try:
            while True:
                self.receive_bytes()
        except Closed as closed:
            return closed

    def close(self, code=1000, reason=""):
        self.send_bytes(frame(CLOSE, struct.pack("!H", code) + reason.encode()))
        return self.closing()

    def hang_up(self):
        self.stream.close()
        self.tcp.close()

    def reset(self):
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.hang_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()


def token(size):
    return base64.urlsafe_b64encode(os.urandom(size)).decode().rstrip("=")[:size]
