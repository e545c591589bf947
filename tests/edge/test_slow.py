"""A slow reader costs itself its socket, and nobody else anything."""

import re
import time

import pytest
from client import Client, Closed

SMALL = {"receive_buffer": 4096}


def connections(node):
    import json

    with node.client() as client:
        return json.loads(client.ask("state"))["connections"] - 1


def test_order_and_integrity_through_a_full_socket(start):
    """More than the kernel takes at once: lws copies a rest, the outbox keeps what is behind it."""
    node = start("--outbox-bytes-max", 64 << 20)
    for count, size in [(20000, 100), (300, 20000), (20, 1 << 20)]:
        with node.client(**SMALL) as client:
            client.send(f"blast {count} {size}")
            client.send("end")
            time.sleep(0.3)
            for i in range(count):
                message = client.receive()
                assert len(message) == size
                assert message.startswith(f"{i} ")
            assert client.receive() == "end"


def test_pings_are_answered_in_the_middle(start):
    from client import PING, frame

    node = start("--outbox-bytes-max", 64 << 20)
    with node.client(**SMALL) as client:
        client.send("blast 200 100000")
        client.send_bytes(frame(PING, b"now"))
        for _ in range(200):
            assert len(client.receive()) == 100000
        assert client.ask("end") == "end"
        assert client.pongs == [b"now"]


def test_who_does_not_read_is_closed(start):
    node = start("--outbox-bytes-max", 1 << 20)
    slow = node.client(**SMALL)
    others = [node.client() for _ in range(10)]
    slow.send("blast 20000 1000")
    for other in others:
        assert other.ask("hello") == "hello"
    deadline = time.monotonic() + 5
    while connections(node) > 10:
        assert time.monotonic() < deadline
    # It reads at last: what was under way, and then why.
    closed = slow.closing()
    assert (closed.code, closed.reason) == (4413, "too slow: outbox full")
    for other in others:
        assert other.ask("hello") == "hello"
        other.hang_up()
    assert any("code=4413" in line for line in node.stop())


def test_who_never_reads_is_cut(start):
    node = start("--outbox-bytes-max", 100000)
    descriptors = node.descriptors()
    slow = [node.client(**SMALL) for _ in range(20)]
    for client in slow:
        client.send("blast 20000 1000")
    begun = time.monotonic()
    while node.descriptors() > descriptors:
        assert time.monotonic() - begun < 40
        time.sleep(0.1)
    assert time.monotonic() - begun > 3
    for client in slow:
        client.hang_up()


def test_exempt_bytes_do_not_count(start):
    node = start("--outbox-bytes-max", 10000)
    with node.client(**SMALL) as client:
        client.send("exempt 30 1000000")
        client.send("small")
        for _ in range(30):
            assert len(client.receive()) == 1000000
        assert client.receive() == "small"
        client.send("blast 1 20000")
        assert client.closing().code == 4413


def test_backlog_is_told(start):
    node = start("--outbox-bytes-max", 32 << 20, "--metrics")
    with node.client(**SMALL) as client:
        assert client.ask("backlog") == "0"
        client.send("blast 200 100000")
        client.send("backlog")
        time.sleep(0.2)
        for _ in range(200):
            client.receive()
        assert 1_000_000 < int(client.receive()) < 21_000_000
        from client import request

        body = request(node.port, path="/metrics")[2].decode()
        assert int(re.search(r"^p2p_relay_outbox_high_water_bytes (\d+)$", body, re.M)[1]) > 1_000_000


def test_memory_of_a_fan_out_is_shared(start):
    """200 slow sockets with 8 MB each in their outboxes are references to the same 8 MB."""
    node = start("--outbox-bytes-max", 16 << 20)
    slow = [node.client(**SMALL) for _ in range(200)]
    talker = node.client()
    before = node.rss_bytes()
    for i in range(80):
        talker.send("all " + "m" * 100000)
        assert talker.receive() == "m" * 100000
    grown = node.rss_bytes() - before
    # The kernel keeps what it took; lws a rest of at most 64 KiB for each.
    assert grown < 100 << 20
    for client in slow:
        client.hang_up()
    talker.hang_up()


@pytest.mark.parametrize("how", ["hang_up", "reset"])
def test_leaving_with_a_full_outbox(start, how):
    node = start("--outbox-bytes-max", 64 << 20)
    descriptors = node.descriptors()
    for _ in range(30):
        client = Client(node.port, **SMALL)
        client.send("blast 100 100000")
        client.receive()
        getattr(client, how)()
    deadline = time.monotonic() + 10
    while node.descriptors() > descriptors:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with node.client() as client, pytest.raises(Closed):
        client.send("close 1008")
        client.receive()
