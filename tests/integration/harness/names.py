"""
A name server of the tests' own, and what makes a process ask it and no other: a mount namespace in
which /etc/resolv.conf is another file. It takes root to make one.
"""

import contextlib
import os
import socket
import struct
import subprocess
import threading

import pytest

A, IN = 1, 1
NO_SUCH_NAME = 3


def need_mount_namespace():
    """Skips where a process can't have a view of its own on the files."""
    done = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True)
    if os.geteuid() != 0 or done.returncode != 0:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")


class Names:
    """`addresses` says who is where, now: a dict that the test changes."""

    def __init__(self, directory, **addresses):
        self.addresses = addresses
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.file = directory / "resolv.conf"
        self.file.write_text(f"nameserver 127.0.0.1:{self.socket.getsockname()[1]}\n")
        threading.Thread(target=self.serve, daemon=True).start()

    @property
    def wrapper(self):
        """To be put before a command."""
        script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, self.file]

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                question, sender = self.socket.recvfrom(512)
                self.socket.sendto(self.answer(question), sender)

    def answer(self, question):
        labels, at = [], 12
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += 1 + size
        (kind,) = struct.unpack(">H", question[at + 1 : at + 3])
        address = self.addresses.get(".".join(labels).lower())  # askers vary it, against forgers
        answers = [address] if address and kind == A else []
        flags = 0x8180 | (0 if address else NO_SUCH_NAME)
        head = struct.pack(">2sHHHHH", question[:2], flags, 1, len(answers), 0, 0)
        records = [
            struct.pack(">HHHIH4s", 0xC00C, A, IN, 1, 4, socket.inet_aton(it)) for it in answers
        ]
        return head + question[12 : at + 5] + b"".join(records)

    def stop(self):
        self.socket.close()
