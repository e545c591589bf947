"""
What `helm test` runs: a message goes from a socket on one pod to a socket on another, and an answer back.

    meet.py HOST...

The hosts' addresses are the pods. Variables: PORT; PODS_MIN, how many pods there have to be; TLS and TOKEN, if not
empty; TOKEN_NEEDED, if not empty: without a TOKEN nobody may come in, and that is all that is seen then.
"""

import base64
import itertools
import json
import os
import socket
import ssl
import struct
import sys
import time

SECONDS_MAX = 60
PORT = int(os.environ.get("PORT", "8080"))
PODS_MIN = int(os.environ.get("PODS_MIN", "2"))
TOKEN = os.environ.get("TOKEN", "")
UNAUTHORIZED = 401, 4401  # as a status, and as a close code
TEXT, CLOSE = 1, 8


class Refused(Exception):
    """By an HTTP status or a close code, which is the argument."""


class Client:
    """A WebSocket to one pod."""

    def __init__(self, address):
        self.id = f"helm-test-{os.urandom(4).hex()}"
        self.socket = socket.create_connection((address, PORT), timeout=5)
        if os.environ.get("TLS"):
            # The certificate is of the name under which clients come, and this is one pod's address.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        # A token may say the mesh; without one the others need not see the test.
        lines = [f"GET /ws{'' if TOKEN else '?mesh=helm-test'} HTTP/1.1", f"Host: {address}:{PORT}"]
        lines += ["Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"Authorization: Bearer {TOKEN}"] if TOKEN else []
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = int(self.stream.readline().split()[1])
        if status != 101:
            raise Refused(status)
        while self.stream.readline() != b"\r\n":
            pass

    def close(self):
        self.socket.close()

    def send(self, type_, **members):
        payload = json.dumps({"type": type_, "from": self.id, **members}).encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.socket.sendall(struct.pack(">BBH", 0x80 | TEXT, 0x80 | 126, len(payload)) + mask + masked)

    def receive(self):
        """The next message; what is large comes in fragments."""
        message = b""
        while True:
            first, size = struct.unpack(">BB", self.stream.read(2))
            if size >= 126:
                (size,) = struct.unpack(*((">H", self.stream.read(2)) if size == 126 else (">Q", self.stream.read(8))))
            payload = self.stream.read(size)
            if first & 0x0F == CLOSE:
                raise Refused(*struct.unpack(">H", payload[:2]))
            if first & 0x08:
                continue
            message += payload
            if first & 0x80:
                return json.loads(message)

    def expect(self, type_, **members):
        while True:
            message = self.receive()
            if message["type"] == type_ and members.items() <= message.items():
                return message

    def node(self):
        self.send("capabilities")
        return self.expect("capabilities_response")["data"]["relay"]["node"]


def pods():
    found = itertools.chain(*(socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM) for host in sys.argv[1:]))
    addresses = sorted({where[0] for *_, where in found})
    if len(addresses) < PODS_MIN:
        raise OSError(f"{len(addresses)} of {PODS_MIN} pods have an address")
    return addresses


def meet(one, other):
    nodes = [client.node() for client in (one, other)]
    one.send("presence", data={})
    other.send("presence", data={})
    one.expect("presence", **{"from": other.id})
    other.expect("presence", **{"from": one.id})
    for sender, receiver in ((one, other), (other, one)):
        sender.send("direct", to=receiver.id, data="hello")
        receiver.expect("direct", data="hello", **{"from": sender.id})
    return nodes


def shut(addresses):
    """Nobody comes in without a token, into no pod."""
    for address in addresses:
        try:
            Client(address).node()
        except Refused as refused:
            if refused.args[0] not in UNAUTHORIZED:
                raise
        else:
            sys.exit(f"{address} took a client without a token")
    return f"{len(addresses)} pods take nobody without a token; with test.tokenSecret a message would be sent"


def attempt():
    addresses = pods()
    if os.environ.get("TOKEN_NEEDED") and not TOKEN:
        return shut(addresses)
    clients = [Client(address) for address in (addresses[0], addresses[-1])]
    try:
        nodes = meet(*clients)
    finally:
        for client in clients:
            client.close()
    if len(set(nodes)) < min(2, len(addresses)):
        sys.exit(f"two pods, and one node: {nodes}")
    return f"a message went from node {nodes[0]} to node {nodes[1]}, and one back"


deadline = time.monotonic() + SECONDS_MAX
while True:
    try:
        print(attempt())
        break
    except (OSError, IndexError, struct.error, Refused) as problem:  # a pod may be starting or ending
        if time.monotonic() > deadline:
            sys.exit(f"not in {SECONDS_MAX} s: {problem!r}")
        time.sleep(1)
