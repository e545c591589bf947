"""A redis-server of our own, and connections to it: commands and replies as they are on the wire."""

import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Refused(Exception):
    """Redis answered with an error."""


class Server:
    """On a unix socket in a temporary folder: no port, no persistence."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="relay-lua-"))
        self.socket = self.folder / "redis"
        command = ["redis-server", "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([*command, "--dir", self.folder], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                Link(self).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.folder)


def encode(command):
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


class Link:
    """link("GET", key) sends, waits and returns; an error is raised."""

    def __init__(self, server):
        self.server = server
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.connect(str(server.socket))
        self.input = self.connection.makefile("rb")

    def send(self, *command):
        self.connection.sendall(encode(command))

    def receive(self):
        reply = self.read()
        if isinstance(reply, Refused):
            raise reply
        return reply

    def read(self):
        line = self.input.readline()
        if not line:
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b"$":
            return self.input.read(size + 2)[:-2]
        return [self.read() for _ in range(size)]

    def __call__(self, *command):
        self.send(*command)
        return self.receive()

    def many(self, commands):
        """All of them in one write."""
        self.connection.sendall(b"".join(encode(command) for command in commands))
        return [self.receive() for _ in commands]

    def time_ms(self):
        seconds, microseconds = self("TIME")
        return int(seconds) * 1000 + int(microseconds) // 1000

    def close(self):
        self.input.close()
        self.connection.close()
