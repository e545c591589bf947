"""
--frames-per-second: a gateway that counts frames never sees more of them in a second than it allows, and what
has to wait is neither lost nor out of order.

When a frame comes here says when it left, or later: two frames may seem nearer to each other than they were sent. So
the time that all took is what is looked at, from below; a slow machine only makes it longer.
"""

import re
import time

import pytest
from client import PING, Closed, frame, request
from harness.process import cpu_seconds

RATE = 40
BURST = RATE // 8


def least_seconds(frames):
    """From the first to the last of so many: a whole bucket goes at once."""
    return (frames - BURST - 1) / RATE


def metric(node, name):
    body = request(node.port, path="/metrics")[2].decode()
    return int(re.search(rf"^{name} (\d+)$", body, re.M)[1])


def test_what_is_too_much_waits(start):
    node = start("--frames-per-second", RATE, "--metrics")
    with node.client() as client:
        begun = time.monotonic()
        client.send("blast 60 100")
        for i in range(60):
            assert client.receive().startswith(f"{i} ")
        assert time.monotonic() - begun >= least_seconds(60)
        assert client.ask("backlog") == "0"
    assert metric(node, "p2p_relay_socket_pauses_total") > 0


def test_fragments_are_frames(start):
    node = start("--frames-per-second", RATE)
    with node.client() as client:
        begun = time.monotonic()
        client.send(f"blast 1 {16384 * 40}")
        assert len(client.receive()) == 16384 * 40
        assert time.monotonic() - begun >= least_seconds(40)


def test_a_burst_is_not_held_back(start):
    node = start("--frames-per-second", RATE, "--metrics")
    with node.client() as client:
        for i in range(BURST):
            client.send(f"{i}")
        assert [client.receive() for _ in range(BURST)] == [f"{i}" for i in range(BURST)]
        assert metric(node, "p2p_relay_socket_pauses_total") == 0


def test_pongs_count(start):
    """They leave at once, and what is queued waits for them, too."""
    node = start("--frames-per-second", RATE)
    with node.client() as client:
        begun = time.monotonic()
        client.send_bytes(b"".join(frame(PING, b"%d" % i) for i in range(50)))
        client.send("after")
        assert client.receive() == "after"
        assert client.pongs == [b"%d" % i for i in range(50)]
        assert time.monotonic() - begun >= least_seconds(51)


def test_the_outbox_has_its_bound(start):
    node = start("--frames-per-second", RATE, "--outbox-bytes-max", 20000)
    with node.client() as client:
        client.send("blast 1000 1000")
        closed = client.closing()
        assert (closed.code, closed.reason) == (4413, "too slow: outbox full")


def test_each_socket_has_its_own_pace(start):
    node = start("--frames-per-second", RATE)
    with node.client() as busy, node.client() as other:
        busy.send("blast 80 100")
        busy.receive()
        assert other.ask("hello") == "hello"
        busy.send("backlog")
        for _ in range(79):
            busy.receive()
        assert int(busy.receive()) > 0, "the other one waited for it"


@pytest.mark.parametrize("how", ["close 1012", "hang up", "reset"])
def test_leaving_while_frames_wait(start, how):
    node = start("--frames-per-second", 1)
    client = node.client()
    client.send("blast 50 100")
    client.receive()
    if how.startswith("close"):
        client.send(how)
        assert client.closing().code == 1012
        client.hang_up()
    else:
        getattr(client, how.replace(" ", "_"))()
    node.stop()


def test_a_close_does_not_wait_for_what_does(start):
    """Nor does that leave at once: the gateway would close then, with a code of its own."""
    node = start("--frames-per-second", RATE)
    with node.client() as client:
        client.send("blast 1000 100")
        client.send("close 4401")
        frames = 0
        with pytest.raises(Closed) as closed:
            while True:
                client.receive()
                frames += 1
        assert closed.value.code == 4401
        assert frames < 500


def test_waiting_costs_next_to_nothing(start):
    """A socket that has something to send, and may not, is no reason to turn the loop."""
    node = start("--frames-per-second", 5, "--outbox-bytes-max", 64 << 20)
    with node.client() as client:
        client.send("blast 1000 1000")
        client.receive()
        before, begun = cpu_seconds(node.process.pid), time.monotonic()
        for _ in range(10):
            client.receive()
        assert time.monotonic() - begun > 1
        assert cpu_seconds(node.process.pid) - before < 0.2 * (time.monotonic() - begun)
