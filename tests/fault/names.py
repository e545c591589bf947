"""A name server of our own, and nodes that ask it instead of the machine's."""

import contextlib
import socket
import struct
import threading

import pytest

from harness.names import need_mount_namespace
from rig import Node

A, AAAA = 1, 28
NXDOMAIN = 3


class NameServer:
    """Knows one name at a time, by UDP; addresses may change at any moment. None: no such name."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def port(self):
        return self.socket.getsockname()[1]

    def run(self):
        with contextlib.suppress(OSError):  # closed
            while True:
                query, sender = self.socket.recvfrom(512)
                self.socket.sendto(self.answer(query), sender)

    def answer(self, query):
        """RFC 1035: the question again, and an address that may be kept for an hour."""
        end = query.index(b"\0", 12) + 5
        labels, (kind,) = query[12 : end - 4], struct.unpack(">H", query[end - 4 : end - 2])
        known = self.address and labels.lower() == encode(self.name)  # asked in letters of any case
        records = b""
        if known and kind == A:
            records = b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 3600, 4) + socket.inet_aton(self.address)
        flags = 0x8180 | (0 if known else NXDOMAIN)
        return query[:2] + struct.pack(">HHHHH", flags, 1, bool(records), 0, 0) + query[12:end] + records

    def close(self):
        self.socket.close()


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


class PrivateNode(Node):
    """Sees files of ours in the place of some of the machine's: {"/etc/hosts": path}."""

    def __init__(self, files, *arguments, **options):
        self.files = files
        super().__init__(*arguments, **options)

    def spawn(self, command, environment=None):
        binds = "".join(f"mount --bind '{path}' '{place}' && " for place, path in self.files.items())
        script = binds + 'exec "$@"'
        super().spawn(["unshare", "--mount", "sh", "-c", script, "sh", *command], environment)


@pytest.fixture
def private_files():
    need_mount_namespace()
