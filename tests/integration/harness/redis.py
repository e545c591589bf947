"""A redis-server of our own: unix socket or TCP, no persistence, so a restart comes up empty."""

import os
import socket

from . import patience
from .process import ROOT, Process

BUILT = ROOT / "build/bin/redis-server"
SERVER = os.environ.get("REDIS_SERVER") or (BUILT if BUILT.exists() else "redis-server")


class RedisError(Exception):
    """Redis answered with an error."""


class Redis(Process):
    name = "redis-server"

    def __init__(self, directory, tcp=False, port=0, options=()):
        super().__init__(directory / "redis.log")
        self.socket_path = directory / "redis.sock"
        self.port = free_port() if tcp else port
        self.options = options
        self.start()

    def start(self):
        self.spawn(
            [SERVER, "--port", self.port, "--bind", "127.0.0.1", "--unixsocket", self.socket_path]
            + ["--save", "", "--appendonly", "no", "--dir", self.socket_path.parent]
            + list(self.options)
        )
        patience.until(self.answers, lambda: f"redis-server to answer; its log:\n{self.log()}")

    def restart_empty(self):
        self.kill()
        self.start()

    def stop(self):
        if self.running:
            self.kill()

    def answers(self):
        assert self.running, f"redis-server is gone; its log:\n{self.log()}"
        try:
            return self.call("PING") in ("PONG", None)
        except (OSError, RedisError) as error:
            return "NOAUTH" in str(error)

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix:{self.socket_path}"

    def call(self, *words):
        """One command on a connection of its own; the reply as Python values."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience.SECONDS)
            connection.connect(str(self.socket_path))
            connection.sendall(encode(words))
            with connection.makefile("rb") as reader:
                return decode(reader)


def encode(words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


def decode(reader):
    line = reader.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("redis-server closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise RedisError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        size = int(rest)
        return None if size < 0 else reader.read(size + 2)[:-2].decode("utf-8", "replace")
    if kind == b"*":
        return [decode(reader) for _ in range(int(rest))]
    raise AssertionError(f"not RESP: {line!r}")


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
