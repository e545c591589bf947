"""
A redis-server of our own: unix socket, TCP or TLS; no persistence, so a restart comes up empty.

The server is `server`, else $REDIS_SERVER, else the machine's. The tests themselves always talk to
it by its unix socket.
"""

import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from . import patience
from .process import ROOT, Process

BUILT = ROOT / "build/bin/redis-server"
SERVER = os.environ.get("REDIS_SERVER") or (BUILT if BUILT.exists() else "redis-server")
PORTS = range(15000, 32000)  # below those that the kernel gives to whoever connects

# What docs/reliability.md says of the user that the relay needs.
PAGE = (ROOT / "docs/reliability.md").read_text()
LEAST = re.search(r"^user relay on >PASSWORD (.*)$", PAGE, re.MULTILINE)[1].split()
IN_A_CLUSTER = re.search(r"^On a Cluster also `(.*)`", PAGE, re.MULTILINE)[1].split()

claims = {}


class RedisError(Exception):
    """Redis answered with an error."""


class Redis(Process):
    """
    `tls`: a Certificate; `port` is then that of TLS, and there is none without. `ask_certificate`:
    clients must have a certificate of the same authority. `password`: of the default user. `least`:
    whoever says no name may do what a relay has to, and no more; the tests themselves say one.
    """

    name = "redis-server"
    mode = ()

    def __init__(
        self,
        directory,
        tcp=False,
        port=0,
        host="127.0.0.1",
        options=(),
        server=None,
        tls=None,
        ask_certificate=False,
        password=None,
        least=False,
        start=True,
    ):
        super().__init__(directory / "redis.log")
        self.directory = directory
        self.home = tempfile.TemporaryDirectory(prefix="redis-")  # the kernel wants short names
        self.socket_path = Path(self.home.name) / "redis.sock"
        self.server = server or SERVER
        self.host = host
        self.tls = tls
        self.password = password
        self.port = port or (free_port() if tcp or tls else 0)
        self.options = self.listening(ask_certificate) + list(options)
        self.login = ["AUTH", password] if password else None
        if password:
            self.options += ["--requirepass", password]
        if least:
            self.login = ["AUTH", "tests", "tests"]
            self.options += ["--user", "default", "on", "nopass", *LEAST]
            self.options += ["--user", "tests", "on", ">tests", "~*", "&*", "+@all"]
        if start:
            self.start()

    def listening(self, ask_certificate):
        if not self.tls:
            return ["--port", self.port]
        return ["--port", 0, "--tls-port", self.port] + tls_options(self.tls, ask_certificate)

    def launch(self):
        self.spawn(
            [self.server, *self.mode, "--bind", self.host, "--unixsocket", self.socket_path]
            + ["--save", "", "--appendonly", "no", "--dir", self.directory]
            + self.options
        )

    def wait_ready(self):
        patience.until(self.answers, lambda: f"{self.name} to answer; its log:\n{self.log()}")
        return self

    def start(self):
        self.launch()
        self.wait_ready()

    def restart_empty(self):
        self.kill()
        self.start()

    def stop(self):
        if self.running:
            self.kill()

    def answers(self):
        assert self.running, f"{self.name} is gone; its log:\n{self.log()}"
        try:
            return self.call("PING") == "PONG"
        except (OSError, RedisError) as error:
            return "NOAUTH" in str(error)

    @property
    def scheme(self):
        return "rediss" if self.tls else "redis"

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"{self.scheme}://{self.address}" if self.port else f"unix:{self.socket_path}"

    @property
    def cli(self):
        """The command line client that belongs to it, and how it gets there."""
        server = shutil.which(str(self.server))
        cli = server.removesuffix("-server") + "-cli"
        secure = ["--tls", "--cacert", self.tls.ca] if self.tls else []
        return [cli if os.path.exists(cli) else "redis-cli", *map(str, secure)]

    def call(self, *words):
        """One command on a connection of its own; the reply as Python values."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(patience.SECONDS)
            connection.connect(str(self.socket_path))
            if self.login:
                connection.sendall(encode(self.login))
            connection.sendall(encode(words))
            with connection.makefile("rb") as reader:
                if self.login:
                    decode(reader)
                return decode(reader)

    def info(self, section):
        """INFO as a dict of texts."""
        return dict(
            line.split(":", 1)
            for line in self.call("INFO", section).splitlines()
            if ":" in line and not line.startswith("#")
        )


def tls_options(certificate, ask_certificate=False):
    return [
        *("--tls-cert-file", certificate.cert, "--tls-key-file", certificate.key),
        *("--tls-ca-cert-file", certificate.ca),
        *("--tls-auth-clients", "yes" if ask_certificate else "no"),
    ]


def version(server=None):
    """("redis" or "valkey", (7, 0, 15)): of the program, which is not a running one."""
    said = subprocess.run([str(server or SERVER), "--version"], capture_output=True, text=True)
    kind, numbers = re.match(r"(\w+) server v=([\d.]+)", said.stdout).groups()
    return kind.lower(), tuple(int(number) for number in numbers.split("."))


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
    """
    Ours until this process ends, also while nobody listens there: a name in the abstract namespace
    keeps other test runs off, and is gone with us.
    """
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as probe:
            try:
                claim.bind(f"\0p2p-relay-test-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        claims[port] = claim
        return port
    raise AssertionError("no free port")
