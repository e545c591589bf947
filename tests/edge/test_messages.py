"""Messages in and out, in all the shapes that RFC 6455 allows, and in some that it does not."""

import random
import time

import pytest
from client import BINARY, BROKEN, CLOSE, CONTINUATION, PING, PONG, TEXT, Closed, frame, text

MIB = 1 << 20


@pytest.mark.parametrize("size", [0, 1, 125, 126, 16384, 16385, 65535, 65536, 65537, 131072, 300000, MIB])
def test_sizes(node, size):
    message = "".join(random.choices("abcdefgh", k=size))
    with node.client() as client:
        assert client.ask(message) == message


def test_long_messages_leave_in_fragments(node):
    with node.client() as client:
        client.send("y" * 40000)
        frames = [client.receive_frame() for _ in range(3)]
        assert [(opcode, fin, len(payload)) for opcode, fin, payload in frames] == [
            (TEXT, False, 16384),
            (CONTINUATION, False, 16384),
            (CONTINUATION, True, 40000 - 2 * 16384),
        ]


def test_fragments_with_pings_between(node):
    message = "".join(random.choices("abcdefgh", k=MIB)).encode()
    with node.client() as client:
        for chunk in range(0, MIB, 65536):
            client.send_bytes(
                frame(CONTINUATION if chunk else TEXT, message[chunk : chunk + 65536], fin=chunk + 65536 == MIB)
            )
            client.send_bytes(frame(PING, b"p%d" % chunk))
        assert client.receive_bytes() == message
        assert client.ask("after") == "after"
        # lws holds one pong at a time and drops further pings, as the RFC allows.
        assert client.pongs and client.pongs[0] == b"p0"


def test_empty_fragments(node):
    with node.client() as client:
        client.send_bytes(frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"ab", fin=False))
        client.send_bytes(frame(CONTINUATION, b"", fin=False) + frame(CONTINUATION, b"", fin=True))
        assert client.receive() == "ab"
        client.send_bytes(frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=True))
        assert client.receive() == ""


def test_byte_by_byte(node):
    with node.client() as client:
        for byte in text("hello") + frame(PING, b"x") + text("y" * 200):
            client.send_bytes(bytes([byte]))
            time.sleep(0.0005)
        assert client.receive() == "hello"
        assert client.receive() == "y" * 200
        assert client.pongs == [b"x"]


def test_many_in_one_write(node):
    with node.client() as client:
        client.send_bytes(b"".join(text(f"message {i}") for i in range(5000)))
        for i in range(5000):
            assert client.receive() == f"message {i}"


def test_handshake_and_messages_in_one_write(node):
    from client import HANDSHAKE, connect, head, read_answer

    with connect(node.port) as tcp:
        stream = tcp.makefile("rb")
        tcp.sendall(head("GET", "/ws", HANDSHAKE) + text("one") + text("two"))
        assert read_answer(stream)[0] == 101
        assert stream.read(10) == b"\x81\x03one\x81\x03two"


def test_all_get_it(node):
    clients = [node.client() for _ in range(50)]
    clients[0].send("all hello")
    assert [client.receive() for client in clients] == ["hello"] * 50
    for client in clients:
        client.hang_up()


def test_what_is_no_utf8_is_for_the_mesh_to_refuse(node):
    with node.client() as client:
        client.send_bytes(frame(TEXT, b"\xff\xfe"))
        assert client.receive_bytes() == b"\xff\xfe"


class TestBreaches:
    def ends(self, node, raw, code, **more):
        client = node.client(**more)
        try:
            client.send_bytes(raw)
        except BROKEN:
            pass
        assert client.closing().code == code

    def test_binary(self, node):
        self.ends(node, frame(BINARY, b"x"), 1003)
        self.ends(node, frame(BINARY, b"x" * 200000), 1003)

    def test_too_large(self, start):
        node = start("--message-bytes-max", 100000)
        with node.client() as client:
            assert client.ask("x" * 100000) == "x" * 100000
        self.ends(node, text("x" * 100001), 1009)
        # As soon as it is known: from what the frame declares, be it ten gigabytes ...
        self.ends(node, frame(TEXT, b"x" * 1000, length=10 << 30), 1009)
        self.ends(node, frame(TEXT, b"x", length=(1 << 63) - 1), 1009)
        # ... or from what has come so far.
        self.ends(node, frame(TEXT, b"x" * 60000, fin=False) + frame(CONTINUATION, b"x" * 40001, fin=False), 1009)
        self.ends(node, frame(TEXT, b"x" * 60000, fin=False) + frame(CONTINUATION, b"x", length=50000, fin=False), 1009)

    def test_not_finished_in_time(self, start):
        node = start("--fragment-seconds-max", 1)
        client = node.client()
        client.send_bytes(frame(TEXT, b"x", fin=False))
        begun = time.monotonic()
        for _ in range(3):
            time.sleep(0.3)
            client.send_bytes(frame(CONTINUATION, b"x", fin=False))
        assert client.closing().code == 1008
        assert time.monotonic() - begun < 20
        # A frame that is declared and never comes is the same.
        client = node.client()
        client.send_bytes(frame(TEXT, b"x", length=10))
        assert client.closing().code == 1008

    def test_protocol_errors(self, node):
        self.ends(node, frame(TEXT, b"x", masked=False), 1002)
        self.ends(node, frame(TEXT, b"x", rsv=4), 1002)
        self.ends(node, frame(TEXT, b"x", rsv=1), 1002)
        self.ends(node, frame(3, b"x"), 1002)
        self.ends(node, frame(CONTINUATION, b"x"), 1002)
        self.ends(node, frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"), 1002)
        assert any("code=1002" in line for line in node.stop())

    def test_long_control_frames(self, node):
        self.ends(node, frame(PING, b"x" * 126), 1002)


class TestFlowControl:
    """The fake mesh aborts if it is called while it has said stop."""

    def test_pipelined(self, node):
        with node.client() as client:
            client.send_bytes(b"".join([text("pause 300")] + [text(f"m{i}") for i in range(2000)]))
            begun = time.monotonic()
            assert client.receive() == "m0"
            assert time.monotonic() - begun > 0.2
            for i in range(1, 2000):
                assert client.receive() == f"m{i}"

    def test_again_and_again(self, node):
        with node.client() as client:
            client.send_bytes(b"".join(text("pause 5") + text(f"m{i}") for i in range(100)))
            for i in range(100):
                assert client.receive() == f"m{i}"

    def test_large_messages(self, node):
        large = "z" * 200000
        with node.client() as client:
            client.send_bytes(text("pause 100") + text(large) + text("pause 100") + text(large) + text("end"))
            assert client.receive() == large
            assert client.receive() == large
            assert client.receive() == "end"

    def test_holds_the_sender_back(self, node):
        with node.client() as client:
            client.send("pause 1500")
            client.tcp.settimeout(0.5)
            before = node.rss_bytes()
            sent = 0
            raw = text("w" * 100000)
            with pytest.raises(TimeoutError):
                while sent < 1 << 30:
                    client.tcp.sendall(raw)
                    sent += len(raw)
            assert sent < 64 << 20
            assert node.rss_bytes() - before < 8 << 20

    def test_does_not_hide_a_close_by_the_mesh(self, node):
        with node.client() as client:
            client.send_bytes(text("close now 4408") + text("never answered") * 10)
            assert client.receive() == "last words"
            assert client.closing().code == 4408

    def test_deadlines_do_not_run(self, start):
        node = start("--fragment-seconds-max", 1, "--ping-seconds", 1, "--pong-seconds-max", 1)
        with node.client() as client:
            client.send_bytes(text("pause 3000") + frame(TEXT, b"a", fin=False))
            client.send_bytes(frame(CONTINUATION, b"b"))
            begun = time.monotonic()
            assert client.receive() == "ab"
            assert time.monotonic() - begun > 2.5


def test_random_frames_never_hurt(node):
    """Whatever comes, the node answers, closes, or hangs up."""
    generator = random.Random(7)
    for _ in range(150):
        client = node.client()
        client.tcp.settimeout(0.2)
        raw = bytearray()
        for _ in range(generator.randrange(1, 6)):
            raw += frame(
                generator.choice([TEXT, TEXT, CONTINUATION, PING, PONG, CLOSE, BINARY, generator.randrange(16)]),
                generator.randbytes(generator.choice([0, 1, 2, 10, 125, 126, 1000])),
                fin=generator.random() < 0.7,
                masked=generator.random() < 0.95,
            )
        for _ in range(generator.choice([0, 0, 1, 3])):
            raw[generator.randrange(len(raw))] ^= 1 << generator.randrange(8)
        try:
            client.send_bytes(bytes(raw))
            client.closing()
        except (Closed, TimeoutError, *BROKEN, UnicodeDecodeError):
            pass
        client.hang_up()
    with node.client() as client:
        assert client.ask("alive") == "alive"
