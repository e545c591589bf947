"""No descriptors, no memory, nonsense for options."""

import http.client
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest
from harness import patience
from harness.relay import BINARY, Relay
from rig import record
from strangers import TTL_S, Closed, Stranger, join

LIMIT = 256


def test_no_descriptors(rig, scale):
    """F28: who is there stays, the loop does not spin, and when there is room, others get in."""
    crowd_size = scale.seconds(400, 1000)
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S)
    node.limit(resource.RLIMIT_NOFILE, LIMIT)
    friends = [join(node, f"friend-{i}") for i in range(20)]
    crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(crowd_size)]
    patience.until(lambda: node.descriptors() >= LIMIT - 8, lambda: f"{node.descriptors()} descriptors")
    cpu, begun = node.cpu_seconds(), time.monotonic()
    for _ in range(4):
        for i, friend in enumerate(friends):
            friend.say("direct", to=f"friend-{(i + 1) % 20}", data=i)
        for friend in friends:
            assert any(message["type"] == "direct" for message in friend.fence())
        rig.hold(0.5)
    busy = (node.cpu_seconds() - cpu) / (time.monotonic() - begun)
    record("F28", scale, "processor while no descriptor is left", busy * 100, "%", "<= 10")
    for tcp in crowd:
        tcp.close()
    freed = time.monotonic()
    join(node, "newcomer").hang_up()
    record("F28", scale, "a newcomer in, after there was room", time.monotonic() - freed, "s", "<= 1")
    for friend in friends:
        friend.fence()


# ---- Memory


class MemoryLimit:
    """A control group of the test's own; version 1 or 2."""

    def __init__(self, name):
        one = pathlib.Path("/sys/fs/cgroup/memory")
        self.path = (one if one.is_dir() else pathlib.Path("/sys/fs/cgroup")) / name
        self.file = "memory.limit_in_bytes" if one.is_dir() else "memory.max"
        try:
            self.path.mkdir()
            self.set(1 << 30)
        except OSError as error:
            pytest.skip(f"no control group for memory: {error}")

    def set(self, size):
        (self.path / self.file).write_text(str(size))

    def take(self, pid):
        (self.path / "cgroup.procs").write_text(str(pid))

    def close(self):
        if self.path.exists():
            os.rmdir(self.path)


@pytest.fixture
def memory():
    limit = MemoryLimit(f"p2p-relay-{os.getpid()}")
    yield limit
    patience.until(lambda: not (limit.path / "cgroup.procs").read_text(), "the group to be empty")
    limit.close()


def test_little_memory(rig, scale, memory):
    """F29: with bounds that fit into it, a node refuses what is too much, and is not killed."""
    room = 96 << 20
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, connections_max=200, outbox_bytes_max=256 << 10, message_bytes_max=64 << 10)
    memory.take(node.pid)
    memory.set(node.resident_bytes() + room)
    stuck = []
    for i in range(400):
        try:
            stranger = Stranger(node, receive_buffer=4096)
        except (AssertionError, ConnectionError, TypeError):
            break  # 503: full
        stranger.say("presence", **{"from": f"stuck-{i}"}, data={})
        stuck.append(stranger)
    assert 150 < len(stuck) <= 200
    talker = stuck[0]
    for _ in range(300):
        try:
            talker.say("x", data="y" * 32000)
        except ConnectionError:
            break
    assert node.running and node.get("/livez").status == 200
    record("F29", scale, "memory with 200 who do not read", node.resident_bytes() >> 20, "MiB", "not killed")
    for each in stuck:
        each.reset()
    patience.until(lambda: node.metric("p2p_relay_connections") == 0, "all to be gone")
    join(node, "later").hang_up()
    node.stop()


NTH = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
static long left = -1;
static int fails(void) {
	if (left < 0) { const char *n = getenv("FAIL_ALLOCATION"); left = n ? atol(n) : 0; }
	return left > 0 && --left == 0;
}
#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
void *malloc(size_t n) { REAL(malloc); return fails() ? NULL : real(n); }
void *realloc(void *p, size_t n) { REAL(realloc); return fails() ? NULL : real(p, n); }
"""


def serve_somebody(relay):
    relay.wait_ready()
    join(relay, "somebody").hang_up()


def test_an_allocation_fails_at_the_start(rig, scale, tmp_path):
    """F29: the process ends with a message; it never goes on half made, and never hangs."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, library = tmp_path / "nth.c", tmp_path / "nth.so"
    source.write_text(NTH)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl"], check=True)
    rig.start_redis()
    ends = {}
    for n in range(1, scale.seconds(60, 1000), scale.seconds(3, 1)):
        directory = tmp_path / str(n)
        directory.mkdir()
        relay = Relay(
            directory, n, environment={"LD_PRELOAD": str(library), "FAIL_ALLOCATION": str(n)}, redis_url=rig.redis_address
        )
        relay.expected_dead = True
        try:
            serve_somebody(relay)
            relay.signal(signal.SIGTERM)
            relay.signal(signal.SIGTERM)
        except (OSError, http.client.HTTPException, Closed, AssertionError, TypeError):
            pass  # it was hit meanwhile, and has ended
        patience.until(lambda: not relay.running, "the end")
        code = relay.popen.returncode
        ends[code] = ends.get(code, 0) + 1
    record("F29", scale, "ends by status", str(ends), "", "-6, or 0 if there were fewer")
    assert set(ends) <= {0, -signal.SIGABRT}


# ---- Options

BAD_OPTIONS = {
    "an option that is none": ["--no-such-option", "1"],
    "no number": ["--ttl-seconds", "x"],
    "too small": ["--ttl-seconds", "0"],
    "too large": ["--ttl-seconds", "999999999999"],
    "no address": ["--listen", "nowhere"],
    "no port": ["--listen", "127.0.0.1:99999"],
    "no URL": ["--redis-url", "http://h"],
    "a file that is not there": ["--redis-password-file", "/nonexistent/secret"],
    "a value is missing": ["--listen"],
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_options_that_are_none(name):
    """F44: a line that names the cause, exit status 2, and no port was ever open."""
    begun = time.monotonic()
    ended = subprocess.run([BINARY, *BAD_OPTIONS[name]], capture_output=True, text=True, timeout=patience.SECONDS, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1 and BAD_OPTIONS[name][0] in ended.stderr
    assert "listening" not in ended.stderr
    assert time.monotonic() - begun < patience.SECONDS


def test_a_port_that_is_taken():
    """F44: says so, and ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [BINARY, "--listen", address], capture_output=True, text=True, timeout=patience.SECONDS, check=False
        )
    assert ended.returncode == 1
    assert address in ended.stderr and "in use" in ended.stderr
