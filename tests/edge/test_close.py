"""How connections end, and that they do."""

import json
import signal
import time

import pytest
from client import CLOSE, PING, PONG, TEXT, Client, connect, frame, head


def state(node):
    with node.client() as client:
        return json.loads(client.ask("state"))


def wait_for(condition, seconds=8):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("code", [1001, 1007, 1008, 1012, 1013, 4408, 4429])
def test_by_the_mesh(node, code):
    with node.client() as client:
        client.send(f"close {code}")
        closed = client.closing()
        assert (closed.code, closed.reason) == (code, "as told")
    assert any(f"code={code} reason=\"as told\"" in line for line in node.stop())


def test_what_was_said_before_arrives(node):
    with node.client() as client:
        client.send("blast 100 1000")
        client.send("close now 4429")
        for _ in range(100):
            client.receive()
        assert client.receive() == "last words"
        assert client.closing().code == 4429


def test_by_the_client(node):
    for code, reason in [(1000, ""), (1001, "bye"), (4000, "x" * 100)]:
        assert node.client().close(code, reason).code == code
    client = node.client()
    client.send_bytes(frame(CLOSE))
    assert client.closing().code == 1005
    assert state(node)["connections"] == 1
    log = "\n".join(node.stop())
    assert "code=1001 reason=bye" in log
    assert "code=1005" in log


def test_both_at_once(node):
    with node.client() as client:
        client.send_bytes(frame(CLOSE, b"\x03\xe8") + frame(1, b"too late"))
        assert client.closing().code == 1000
    with node.client() as client:
        client.send("close 4408")
        client.send_bytes(frame(CLOSE, b"\x03\xe8"))
        assert client.closing().code in (1000, 4408)


@pytest.mark.parametrize("code, patience", [(1008, 3), (4408, 0)], ids=["any", "was silent before"])
def test_who_does_not_answer_a_close_is_cut(node, code, patience):
    descriptors = node.descriptors()
    client = node.client()
    client.send(f"close {code}")
    assert client.receive_frame()[0] == CLOSE
    begun = time.monotonic()
    wait_for(lambda: node.descriptors() == descriptors, 12)
    assert time.monotonic() - begun > patience
    client.hang_up()


def test_a_thousand_resets_leave_nothing(node):
    descriptors = node.descriptors()
    for _ in range(10):
        clients = [node.client() for _ in range(100)]
        for i, client in enumerate(clients):
            if i % 2:
                client.send("all hello")
            client.reset()
    wait_for(lambda: node.descriptors() == descriptors)
    assert state(node)["connections"] == 1
    assert sum("code=1006" in line for line in node.stop()) >= 900


def test_resets_in_the_handshake_leave_nothing(node):
    descriptors = node.descriptors()
    for i in range(300):
        tcp = connect(node.port)
        tcp.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"[: i % 50])
        tcp.close()
    wait_for(lambda: node.descriptors() == descriptors)


class TestPings:
    def test_pongs_reach_the_mesh(self, start):
        node = start("--ping-seconds", 1, "--pong-seconds-max", 2)
        with node.client() as client:
            for _ in range(3):
                opcode, _, payload = client.receive_frame()
                assert opcode == PING
                client.send_bytes(frame(PONG, payload))
            assert json.loads(client.ask("state"))["pongs"] == 3

    def test_who_does_not_answer_is_closed(self, start):
        node = start("--ping-seconds", 1, "--pong-seconds-max", 2)
        client = node.client()
        client.answers_pings = False
        begun = time.monotonic()
        closed = client.closing()
        assert (closed.code, closed.reason) == (4408, "no pong")
        assert 1.5 < time.monotonic() - begun < 20

    def test_who_sends_is_alive(self, start):
        """A pong may be stuck behind a long message, or behind what the client has not read yet."""
        node = start("--ping-seconds", 1, "--pong-seconds-max", 2)
        client = node.client()
        client.answers_pings = False
        for _ in range(8):
            time.sleep(0.5)
            assert client.ask("alive") == "alive"
        client.hang_up()

    def test_unasked_pongs_are_welcome(self, node):
        with node.client() as client:
            client.send_bytes(frame(PONG, b"x") + frame(PONG))
            assert client.ask("hello") == "hello"

    def test_who_pings_is_alive(self, start):
        node = start("--ping-seconds", 1, "--pong-seconds-max", 2)
        with node.client() as client:
            for _ in range(5):
                while (opcode := client.receive_frame()[0]) != PING:
                    assert opcode == PONG
                client.send_bytes(frame(PING, b"and you?"))
            assert json.loads(client.ask("state"))["pongs"] == 0

    @pytest.mark.parametrize("opcode, size", [(PING, 125), (PONG, 0)])
    def test_floods_are_ended(self, node, opcode, size):
        """A ping costs a write past all queues. 100 in a second are borne with."""
        nuisance = frame(opcode, b"x" * size)
        with node.client() as client:
            client.send_bytes(nuisance * 100)
            assert client.ask("hello") == "hello"
            assert len(client.pongs) == (100 if opcode == PING else 0)
            client.send_bytes(nuisance * 1000)
            closed = client.closing()
            assert (closed.code, closed.reason) == (4429, "too many pings or pongs")

    def test_who_goes_on_flooding_is_not_read(self, node):
        nuisance, sent = frame(PING, b"x" * 125) * 500, 0
        with node.client() as client:
            client.tcp.settimeout(0.5)
            with pytest.raises((TimeoutError, ConnectionError)):
                while True:
                    client.send_bytes(nuisance)
                    sent += len(nuisance)
        assert sent < 64 << 20  # what the kernel takes


def test_an_idle_node_sleeps(start):
    """No timer runs for nobody: an idle microVM must cost next to nothing."""
    node = start()

    def switches():
        with open(f"/proc/{node.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("voluntary")).split()[1])

    def sleeps(switches_max):
        """Sooner or later: what it was asked for before takes its time on a busy machine."""
        for _ in range(5):
            before = switches()
            time.sleep(2)
            if switches() - before <= switches_max:
                return True
        return False

    assert sleeps(2)
    with node.client():
        assert sleeps(3)
    assert sleeps(2)


def test_the_end_in_the_middle_of_everything(start):
    """Without a drain: all is cut, nothing is lost or freed twice (the sanitizer watches)."""
    node = start("--outbox-bytes-max", 64 << 20)
    clients = [node.client(receive_buffer=4096) for _ in range(40)]
    for i, client in enumerate(clients):
        if i % 4 == 0:
            client.send("blast 100 100000")
        elif i % 4 == 1:
            client.send("close 4408")
        elif i % 4 == 2:
            client.send_bytes(frame(TEXT, b"half a message", fin=False))
        else:
            client.send("pause 60000")
    half = connect(node.port)
    half.sendall(b"GET /ws HTTP/1.1\r\n")
    asking = connect(node.port)
    asking.sendall(head("POST", "/invocations?mesh=slow", {"Host": "x", "Content-Length": "0"}))
    time.sleep(0.1)
    node.signal(signal.SIGINT)
    node.wait()
    for client in clients:
        client.hang_up()


def test_many(node):
    """Connections come and go in numbers."""
    clients = [Client(node.port) for _ in range(1500)]
    clients[0].send("all x")
    assert all(client.receive() == "x" for client in clients)
    for client in clients:
        client.hang_up()
    wait_for(lambda: state(node)["connections"] == 1)
