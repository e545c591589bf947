"""What comes before a WebSocket is open, from somebody who means no good."""

import contextlib
import select
import socket
import time

import pytest
from harness import patience
from rig import record
from strangers import HANDSHAKE, TTL_S, Client, Stranger, ended, head, join

READERS_DEADLINE_S = 20


def handshake_p99_ms(node, crowd=()):
    """Of a thousand good handshakes, one after the other; after each, one of the crowd sends a byte."""
    times = []
    for n in range(1000):
        begun = time.monotonic()
        Stranger(node).reset()
        times.append((time.monotonic() - begun) * 1000)
        if crowd:
            crowd[n % len(crowd)].sendall(b"x")
    return sorted(times)[989]


def test_heads_that_never_end(rig, scale):
    """
    F12: clients that send a byte a second, or nothing, are hung up on in time, cost little, and
    whoever has come to stay gets in meanwhile.
    """
    slow, idle, allowed_s = scale.seconds((300, 50, 3), (4500, 500, 10))
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, handshake_seconds_max=allowed_s)
    before_ms = handshake_p99_ms(node)
    resident = node.resident_bytes()
    crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(slow + idle)]
    begun = time.monotonic()
    for tcp in crowd[:slow]:
        tcp.sendall(head("GET", "/ws", HANDSHAKE)[:20])
    Stranger(node).reset()  # who connected before it has been let in
    during_ms = handshake_p99_ms(node, crowd[:slow])
    cost = (node.resident_bytes() - resident) / len(crowd)
    took_s = all_hung_up(crowd, begun + allowed_s + READERS_DEADLINE_S) - begun
    record("F12", scale, "slow and idle connections, all closed after", took_s, "s", "<= 10")
    record("F12", scale, "memory of one", cost / 1024, "KiB", "<= 16")
    record("F12", scale, "handshake of others, p99, before", before_ms, "ms", "")
    record("F12", scale, "handshake of others, p99, meanwhile", during_ms, "ms", "<= 2 times before")
    join(node, "late").hang_up()


def all_hung_up(crowd, deadline):
    """Each sends a byte a second of a name that has no end. Returns when the last was hung up on."""
    left = {tcp.fileno(): tcp for tcp in crowd}
    poll = select.epoll()
    for fd, tcp in left.items():
        tcp.setblocking(False)
        poll.register(fd, select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR)
    next_byte = 0
    while left:
        assert time.monotonic() < deadline, f"{len(left)} are still there"
        if time.monotonic() >= next_byte:
            next_byte = time.monotonic() + 1
            for tcp in left.values():
                with contextlib.suppress(OSError):
                    tcp.send(b"x")
        for fd, _ in poll.poll(0.05, len(left)):
            poll.unregister(fd)
            del left[fd]
    return time.monotonic()


def test_who_never_says_who_it_is(rig, scale):
    """F13: closed in time, and nobody ever hears of it."""
    count = scale.seconds(50, 1000)
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S, join_seconds_max=2)
    observer = join(node, "observer")
    begun = time.monotonic()
    silent = [Stranger(node) for _ in range(count)]
    codes = {each.closing().code for each in silent}
    took_s = time.monotonic() - begun
    assert codes == {4408}
    assert observer.fence() == []
    record("F13", scale, "closed after (2 s are allowed)", took_s, "s", "<= 2 and the time of their connects")
    assert len(Stranger(node).join("another")) == 1  # the observer


def but(**changes):
    """The good handshake with some headers changed, or left out where None."""
    headers = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return head("GET", "/ws", {name: value for name, value in headers.items() if value is not None})


GOOD = head("GET", "/ws", HANDSHAKE)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
SMUGGLED = b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /invocations HTTP/1.1\r\nHost: h\r\n"
JUNK = {
    "version 12": but(Sec_WebSocket_Version="12"),
    "no version": but(Sec_WebSocket_Version=None),
    "a short key": but(Sec_WebSocket_Key="dG9vIHNob3J0"),
    "no key": but(Sec_WebSocket_Key=None),
    "a key that is no base64": but(Sec_WebSocket_Key="****************************"[:22] + "=="),
    "no host": but(Host=None),
    "no connection": but(Connection=None),
    "upgrade to something else": but(Upgrade="irc"),
    "upgrade to HTTP/2": but(Upgrade="h2c", HTTP2_Settings="AAMAAABkAAQCAAAAAAIAAAAA"),
    "POST": GOOD.replace(b"GET", b"POST"),
    "PUT": GOOD.replace(b"GET", b"PUT"),
    "HTTP/1.0": GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.2": GOOD.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP/2": GOOD.replace(b"HTTP/1.1", b"HTTP/2"),
    "no version of HTTP": GOOD.replace(b" HTTP/1.1", b""),
    "another path": GOOD.replace(b"/ws", b"/ws/../etc"),
    "a long head": GOOD[:-2] + b"X: " + b"x" * 40000 + b"\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SMUGGLED,
    "a length and chunks": POST + b"Content-Length: 5\r\n" + CHUNKED + SMUGGLED,
    "chunks and a length": POST + CHUNKED.replace(b"\r\n\r\n0", b"\r\nContent-Length: 5\r\n\r\n0") + SMUGGLED,
    "a length of +5": POST + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
    "a length of 5 5": POST + b"Content-Length: 5 5\r\n\r\nhello" + SMUGGLED,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n",
    "zeros": bytes(4096),
    "CONNECT": b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n",
}


@pytest.mark.parametrize("name", JUNK)
def test_junk(stranger_node, name):
    """F38: what is no good handshake opens no WebSocket, and no request hides in another's body."""
    with socket.create_connection(("127.0.0.1", stranger_node.port)) as tcp:
        tcp.settimeout(patience.SECONDS)
        try:
            tcp.sendall(JUNK[name])
        except ConnectionError:
            pass
        answer = read_answers(tcp)
    assert b" 101 " not in answer
    assert b'"alive"' not in answer
    assert answer == b"" or answer.split(b" ")[1] in (b"400", b"403", b"404", b"405", b"411", b"413", b"426")
    assert stranger_node.get("/livez").status == 200


def test_good_ones_in_odd_words(stranger_node):
    """F38: a list of upgrades, and a target with a host in it, are as good as any."""
    for request in (but(Upgrade="websocket"), but(Connection="keep-alive, Upgrade")):
        with socket.create_connection(("127.0.0.1", stranger_node.port)) as tcp:
            tcp.sendall(request)
            assert tcp.recv(65536).startswith(b"HTTP/1.1 101 ")


def read_answers(tcp):
    """Until the other side hangs up, or has nothing more to say and keeps the connection."""
    answer = b""
    tcp.settimeout(2)
    try:
        while more := tcp.recv(65536):
            answer += more
    except (ConnectionError, socket.timeout):
        pass
    return answer


@pytest.fixture(scope="module")
def stranger_node(tmp_path_factory):
    from harness.redis import Redis
    from rig import Node

    directory = tmp_path_factory.mktemp("node")
    redis = Redis(directory)
    node = Node(directory, 0, redis_url=redis.url).wait_ready()
    yield node
    node.stop()
    redis.stop()


def leave_at_once(node):
    Client.reset(Stranger(node))


def leave_in_the_handshake(node):
    tcp = socket.create_connection(("127.0.0.1", node.port))
    tcp.sendall(GOOD[:30])
    tcp.close()


def leave_half(node):
    """Says that it has nothing more to say; what it is told it does not read."""
    stranger = Stranger(node)
    stranger.tcp.shutdown(socket.SHUT_WR)
    assert ended(stranger.tcp)
    stranger.hang_up()


def leave_with_unread_bytes(node):
    stranger = Stranger(node)
    stranger.say("capabilities")
    stranger.hang_up()


AT_A_TIME = 20  # who leaves does not wait for the node, and what many hold at once is memory that it keeps
KEPT_BYTES_MAX = 1 << 20  # what the allocator may still touch of that; a leak would be a multiple


def all_gone(node):
    patience.until(lambda: node.metric("p2p_relay_tcp_connections") <= 1, "all to be gone")


def come_and_go(node, leave, count):
    for _ in range(count // AT_A_TIME):
        for _ in range(AT_A_TIME):
            leave(node)
        all_gone(node)


def come_together(node):
    crowd = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(2 * AT_A_TIME)]
    for tcp in crowd:
        tcp.sendall(GOOD[:30])
    patience.until(lambda: node.metric("p2p_relay_tcp_connections") > len(crowd), "all to have come")
    for tcp in crowd:
        tcp.close()
    all_gone(node)


@pytest.mark.plain("AddressSanitizer keeps freed memory for a while")
@pytest.mark.parametrize("leave", [leave_at_once, leave_in_the_handshake, leave_half, leave_with_unread_bytes])
def test_comings_and_goings_leave_nothing(rig, scale, leave):
    """F39: descriptors and memory are as before."""
    count = scale.seconds(5000, 100_000)
    rig.start_redis()
    (node,) = rig.start_nodes(1, ttl_seconds=TTL_S)
    come_together(node)
    come_and_go(node, leave, count // 2)  # what is allocated once
    descriptors, resident = node.descriptors(), node.resident_bytes()
    come_and_go(node, leave, count)
    patience.until(lambda: node.descriptors() <= descriptors, lambda: f"{node.descriptors()} descriptors")
    grown = node.resident_bytes() - resident
    record("F39", scale, f"memory after {count} times {leave.__name__}", grown / resident * 100, "%", "+- 1")
    assert grown < KEPT_BYTES_MAX
