"""
An issuer of tokens of the tests' own: an HTTPS server with a discovery document and a key set,
whose keys are real, and which can be told to misbehave.

As a program (python3 -m harness.issuer FOLDER [HOST]) it serves tests that are not in Python: it
says its port and its CA, obeys a line at a time, and answers each with a line.
"""

import collections
import contextlib
import json
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time

from .certificates import HERE, Authority
from .tokens import Key, claims

WELL_KNOWN = "/.well-known/openid-configuration"
PUBLIC = "IP:198.51.100.1"  # an address as on the Internet, where there is one: RFC 5737
HEAD_BYTES_MAX = 16384
FETCH_BYTES_MAX = 256 * 1024  # relay/auth/fetch.h
PIECE = b" " * 65536


class Issuer:
    """
    Serves from its making on. `faults["discovery"]` or `faults["keys"]` is what goes wrong with
    that document, see Exchange, and `faults["connection"]` what does before: mute, plain, reset,
    early. `requests` counts how often each document was asked for, and any other path.
    """

    def __init__(self, directory, host="127.0.0.1", path="/pool", keys=("RS256", "ES256", "EdDSA")):
        self.directory, self.bound, self.path = directory, host, path
        self.authority = Authority(directory)
        self.ca = self.authority.cert
        self.faults = {}
        self.requests = collections.Counter()
        self.connections = 0
        self.kinds = keys
        self.rotate()
        self.present("good")
        self.port = 0
        self.start()

    # ---- Who it is

    def url(self, host="localhost"):
        """Of the discovery document. The name is that of a token's `iss` without its end."""
        return self.name(host) + WELL_KNOWN

    def name(self, host="localhost"):
        return f"https://{host}:{self.port}{self.path}"

    def rotate(self, keep=0):
        """New keys; the newest `keep` of the old ones stay in the set, behind them."""
        old = self.keys[:keep] if keep else []
        self.keys = [*(Key(kind) for kind in self.kinds), *old]

    def mint(self, key=None, algorithm=None, header=None, host="localhost", **more):
        """A token that is good unless something else is asked for; sign() is for other claims."""
        return self.sign(claims(self.name(host), **more), key, algorithm, **header or {})

    def sign(self, payload, key=None, algorithm=None, **header):
        return (key or self.keys[0]).sign(payload, algorithm, **header)

    def present(self, which):
        """The certificate: good, expired, other (another's name), stranger (of another CA)."""
        authority, names = self.authority, [*HERE, PUBLIC]
        if which == "other":
            names = ["DNS:other.example", "IP:192.0.2.1"]
        elif which == "stranger":
            folder = self.directory / "stranger"
            folder.mkdir(exist_ok=True)
            authority = Authority(folder)
        certificate = authority.issue(which, names=names, expired=which == "expired")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key)
        self.context = context

    # ---- Being there, and not

    def start(self):
        self.listener = socket.create_server((self.bound, self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=[self.listener], daemon=True).start()

    def stop(self):
        """Nobody listens there any more, until start()."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def forget(self):
        """Stops, and leaves nothing behind."""
        self.stop()
        for path in sorted(self.directory.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            if self.faults.get("connection") == "mute":
                wait_for_end(connection)
                return
            if self.faults.get("connection") == "plain":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            if self.faults.get("connection") == "reset":
                reset(connection)
                return
            with self.context.wrap_socket(connection, server_side=True) as secure:
                if self.faults.get("connection") == "early":
                    secure.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n" * 9)
                Exchange(self, secure).run()


class Exchange:
    """One request and its answer; a fault is the name of a method, and what is behind it."""

    def __init__(self, issuer, connection):
        self.issuer, self.connection = issuer, connection

    def run(self):
        path = self.read_path()
        path = path.partition("?")[0].removeprefix(self.issuer.path)
        which = {WELL_KNOWN: "discovery", "/keys": "keys"}.get(path)
        self.issuer.requests[which or path] += 1
        if which is None:
            self.send(b"", status="404 Not Found")
            return
        self.which = which
        name, _, detail = self.issuer.faults.get(which, "").partition(" ")
        getattr(self, name.replace("-", "_") or "good")(*([detail] if detail else []))

    def read_path(self):
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES_MAX:
            more = self.connection.recv(4096)
            if not more:
                raise OSError("closed")
            head += more
        lines = head.decode().split("\r\n")
        self.host = next(line[6:] for line in lines if line.lower().startswith("host: "))
        return lines[0].split(" ")[1]

    def send(self, body, status="200 OK", headers=(), length=None):
        size = len(body) if length is None else length
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", *headers]
        lines += [] if size < 0 else [f"Content-Length: {size}"]
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def document(self, **more):
        name = f"https://{self.host}{self.issuer.path}"
        if self.which == "keys":
            return json.dumps({"keys": [key.jwk() for key in self.issuer.keys], **more}).encode()
        members = {
            "issuer": name,
            "authorization_endpoint": f"{name}/authorize",
            "jwks_uri": f"{name}/keys",
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            **more,
        }
        return json.dumps({key: it for key, it in members.items() if it is not None}).encode()

    def key_for(self, algorithm):
        return next(key for key in self.issuer.keys if key.algorithm == algorithm)

    def good(self):
        self.send(self.document())

    # ---- What it says

    def status(self, number):
        self.send(self.document(), status=f"{number} As Told")

    def redirect(self):
        place = f"https://{self.host}/elsewhere"
        self.send(self.document(), status="302 Found", headers=[f"Location: {place}"])

    def junk(self):
        self.send(b"<html>Sign in</html>")

    def nothing(self):
        self.send(b"")

    def twice(self):
        self.send(b"{" + self.document().strip(b"{}") + b", " + self.document().strip(b"{}") + b"}")

    def text(self):
        """It is not the content type that makes it JSON."""
        self.send(self.document(), headers=["Content-Type: text/html"])

    def empty(self):
        self.send(self.document(keys=[]))

    def many(self, algorithm):
        key = self.key_for(algorithm)
        self.send(self.document(keys=[key.jwk(kid=f"{number}") for number in range(64)]))

    def lying(self):
        self.send(self.document(issuer="https://accounts.example.com"))

    def false(self, algorithm):
        """As many as there may be keys of which none is of use, which takes a look at each."""
        key = self.key_for(algorithm).jwk(kid=None, use=None)
        key["y"] = key["x"]
        count = FETCH_BYTES_MAX // (len(json.dumps(key)) + 2) - 1
        self.send(self.document(keys=[key] * count))

    def member(self, text):
        """`member jwks_uri "http://..."`; null leaves it out."""
        name, _, value = text.partition(" ")
        self.send(self.document(**{name: json.loads(value)}))

    def slash(self):
        self.send(self.document(issuer=f"https://{self.host}{self.issuer.path}/"))

    def padded(self, size):
        self.send(self.document().ljust(int(size)))

    # ---- How it says it

    def hang(self):
        wait_for_end(self.connection)

    def drip(self):
        self.send(b"", length=100000)
        while True:
            self.connection.sendall(b" ")
            time.sleep(0.05)

    def chunked(self):
        self.send(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        for byte in self.document():
            self.connection.sendall(b"1\r\n%c\r\n" % byte)
        self.connection.sendall(b"0\r\n\r\n")

    def until_close(self):
        self.send(self.document(), length=-1)

    def huge(self):
        """100 MB."""
        self.send(b"", length=100 << 20)
        for _ in range(1600):
            self.connection.sendall(PIECE)

    def huge_until_close(self):
        self.send(b"", length=-1)
        for _ in range(1600):
            self.connection.sendall(PIECE)

    def huge_chunked(self):
        self.send(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        for _ in range(1600):
            self.connection.sendall(b"10000\r\n" + PIECE + b"\r\n")

    def endless_chunk_size(self):
        self.send(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        while True:
            self.connection.sendall(b"0" * 65536)

    def endless_trailer(self):
        self.send(b"", headers=["Transfer-Encoding: chunked"], length=-1)
        self.connection.sendall(b"2\r\n{}\r\n0\r\n")
        while True:
            self.connection.sendall(b"X: y\r\n" * 1000)

    def endless_continue(self):
        while True:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 1000)

    def endless_header(self):
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            self.connection.sendall(b"x" * 65536)

    def many_headers(self):
        self.connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.connection.sendall(b"X: y\r\n" * 1000)

    def no_http(self):
        self.connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
        wait_for_end(self.connection)

    def cut(self):
        document = self.document()
        self.send(document[: len(document) // 2], length=len(document))

    def close(self):
        """Without a word."""

    def reset(self):
        reset(self.connection)


def wait_for_end(connection):
    while connection.recv(4096):
        pass


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


# ---- As a program


def obey(issuer, line):
    """
    fault WHICH [FAULT], present CERTIFICATE, rotate, start, stop, forget, mint; count WHICH says
    how often it was asked for, count connections how often somebody connected.
    """
    word, _, rest = line.strip().partition(" ")
    if word == "fault":
        which, _, fault = rest.partition(" ")
        issuer.faults[which] = fault
    elif word == "count":
        return issuer.connections if rest == "connections" else issuer.requests[rest]
    elif word == "mint":
        return issuer.mint()
    else:
        getattr(issuer, word)(*rest.split())
    return "done"


def main(directory, host="127.0.0.1"):
    issuer = Issuer(pathlib.Path(directory), host, keys=("ES256", "EdDSA"))
    print(issuer.port, issuer.ca, flush=True)
    for line in sys.stdin:
        print(obey(issuer, line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
