"""
Starts the edge with its fake mesh (fake_mesh.c), and sees to it that it ends well.

With EDGE_TLS=yes in the environment all that the tests say to it, they say over TLS.
"""

import os
import pathlib
import signal
import ssl
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402

import client  # noqa: E402
from client import Client, connect  # noqa: E402


def program():
    if "EDGE_FAKE_MESH" in os.environ:
        return os.environ["EDGE_FAKE_MESH"]
    built = pathlib.Path(__file__).parents[2].glob("build/*/tests/edge/fake_mesh")
    return str(max(built, key=lambda path: path.stat().st_mtime))


TLS = os.environ.get("EDGE_TLS") == "yes"
TLS_OPTIONS = []


@pytest.fixture(scope="session", autouse=TLS)
def tls(tmp_path_factory):
    """A certificate of its own for the edge, which the client knows."""
    directory = tmp_path_factory.mktemp("tls")
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        + ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "keyUsage=digitalSignature,keyCertSign", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    TLS_OPTIONS[:] = ["--tls-cert-file", cert, "--tls-key-file", key]
    client.tls = ssl.create_default_context(cafile=cert)


class Node:
    def __init__(self, *options):
        self.log_lines = None
        self.log = tempfile.TemporaryFile("w+")  # a pipe that nobody reads would stop the node
        self.process = subprocess.Popen(
            [program(), *map(str, [*TLS_OPTIONS, *options])], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.port = int(self.process.stdout.readline() or 0)
        assert self.port > 0

    def client(self, path="/ws", **more):
        """An open WebSocket."""
        return Client(self.port, path, **more)

    def tcp(self):
        return connect(self.port)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        """Its end; returns what it logged."""
        if self.log_lines is None:
            self.process.wait(seconds)
            self.log.seek(0)
            self.log_lines = self.log.read().splitlines()
            assert self.process.returncode == 0, "\n".join(self.log_lines[-100:])
        return self.log_lines

    def stop(self):
        if self.log_lines is None and self.process.poll() is None:
            self.signal()
        return self.wait()


@pytest.fixture
def start():
    """start("--option", value, ...) -> Node; all are stopped at the end and must have ended without a complaint."""
    nodes = []

    def start_one(*options):
        nodes.append(Node(*options))
        return nodes[-1]

    yield start_one
    try:
        for node in nodes:
            node.stop()
    finally:
        for node in nodes:
            if node.process.poll() is None:
                node.process.kill()
            node.process.stdout.close()
            node.log.close()


@pytest.fixture
def node(start):
    return start()
