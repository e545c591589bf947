"""A relay process: the binary under test is $RELAY_BINARY, else build/release/p2p-relay."""

import functools
import http.client
import json
import os
import re
import signal
import socket
import ssl

from . import patience
from .process import ROOT, Process

BINARY = ROOT / os.environ.get("RELAY_BINARY", "build/release/p2p-relay")
SANITIZERS = {
    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "detect_leaks=1:strict_string_checks=1"),
    "UBSAN_OPTIONS": os.environ.get("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1"),
}
SANITIZER_REPORT = re.compile(r"==\d+==ERROR: |runtime error: |SUMMARY: \w+Sanitizer")


@functools.cache
def is_sanitized():
    return b"__asan_init" in BINARY.read_bytes()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<HTTP {self.status} {dict(self.headers)} {self.body[:500]!r}>"


class Relay(Process):
    """One node. `tls`: the Certificate that it shows; clients then speak TLS, and know who issued it."""

    host = "127.0.0.1"

    def __init__(self, directory, number, environment=None, wrapper=(), tls=None, **options):
        super().__init__(directory / f"relay-{number}.log")
        self.name = f"relay {number}"
        self.expected_dead = False
        self.port = None
        options.setdefault("listen", "127.0.0.1:0")
        self.tls = None
        if tls:
            options.update(tls_cert_file=tls.cert, tls_key_file=tls.key)
            self.tls = ssl.create_default_context(cafile=tls.ca)
        self.options = options
        self.spawn([*wrapper, BINARY, *flags(options)], {**SANITIZERS, **(environment or {})})

    def wait_listening(self):
        self.port = patience.until(self.find_port, lambda: f"a listening relay; log:\n{self.log()}")
        return self

    def find_port(self):
        assert self.running, f"{self.name} exited with {self.popen.returncode}; log:\n{self.log()}"
        found = re.search(r"\bevent\W+listening\b.*\bport\W+(\d+)", self.log())
        if found:
            return int(found[1])
        port = int((self.options["listen"] or "").rpartition(":")[2] or 0)
        if not port:
            return None
        with socket.socket() as probe:  # it may be told to log less
            return port if probe.connect_ex(("127.0.0.1", port)) == 0 else None

    def wait_ready(self):
        if self.port is None:
            self.wait_listening()
        patience.until(self.is_ready, lambda: f"readiness: {self.get('/readyz')}\n{self.log()}")
        return self

    def is_ready(self):
        return self.get("/readyz").status == 200

    def request(self, method, path, headers=None, body=None, seconds=patience.SECONDS):
        if self.tls:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=seconds, context=self.tls
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def metric(self, name, **labels):
        """The sum of all samples of that name that carry the labels; None if there are none."""
        samples = [
            float(value)
            for found, inside, value in re.findall(
                r"^(\w+)(?:\{(.*)\})? ([0-9.eE+-]+)$", self.get("/metrics").text, re.MULTILINE
            )
            if found == name
            and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', inside)).items()
        ]
        return sum(samples) if samples else None

    @property
    def url(self):
        return f"{'wss' if self.tls else 'ws'}://{self.host}:{self.port}"

    def kill(self):
        self.expected_dead = True
        super().kill()

    def terminate(self):
        """Asks it to drain."""
        self.expected_dead = True
        self.signal(signal.SIGTERM)

    def check(self):
        """Fails on a sanitizer's report, and on an exit that nobody asked for."""
        log = self.log()
        assert not SANITIZER_REPORT.search(log), f"{self.name}:\n{log[-20000:]}"
        if not self.expected_dead:
            assert (
                self.running
            ), f"{self.name} exited with {self.popen.returncode}; log:\n{log[-8000:]}"

    def stop(self):
        """Ends it the quick way, which must be a clean one: leaks are looked for at exit."""
        was_killed = self.expected_dead and not self.running
        if self.running:
            self.thaw()
            self.terminate()
            try:
                patience.until(lambda: not self.running, "", seconds=2)
            except AssertionError:
                self.signal(signal.SIGTERM)
            self.wait()
        self.check()
        if not was_killed:
            code = self.popen.returncode
            assert code == 0, f"{self.name} exited with {code}; log:\n{self.log()[-8000:]}"


def flags(options):
    """ttl_seconds=2 becomes --ttl-seconds 2; a list repeats the option, None leaves it out."""
    words = []
    for name, value in options.items():
        for item in value if isinstance(value, list) else [value] if value is not None else []:
            words += ["--" + name.replace("_", "-"), item]
    return words
