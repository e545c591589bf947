"""The proxy of the rig does what it is told to: a fault that is not there proves nothing."""

import socket
import threading

import pytest

from harness import patience
from programs import Proxy, Refused

SHORT = 0.2  # s in which nothing comes that would come at once


class Echo:
    """A server that says what it hears, on any number of connections."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.connections = []
        self.ended = 0
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        try:
            while some := connection.recv(65536):
                connection.sendall(some)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        self.ended += 1


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.listener.close()


@pytest.fixture
def proxy(tmp_path):
    program = Proxy(tmp_path, seed=7)
    yield program
    program.stop()


@pytest.fixture
def connect(proxy, echo):
    address = proxy.forward("echo", echo.address)
    opened = []

    def connect():
        host, _, port = address.rpartition(":")
        opened.append(socket.create_connection((host, int(port)), timeout=patience.SECONDS))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def say(connection, data=b"hello"):
    connection.sendall(data)
    return hear(connection, len(data))


def hear(connection, size):
    data = b""
    while len(data) < size:
        some = connection.recv(size - len(data))
        assert some, f"the end after {data[-100:]}"
        data += some
    return data


def is_silent(connection):
    connection.settimeout(SHORT)
    try:
        connection.recv(1)
    except socket.timeout:
        return True
    finally:
        connection.settimeout(patience.SECONDS)
    return False


def test_passes_everything_in_order(connect, proxy):
    connection = connect()
    data = bytes(range(256)) * 20000
    threading.Thread(target=connection.sendall, args=[data]).start()
    assert hear(connection, len(data)) == data
    connection.shutdown(socket.SHUT_WR)
    assert connection.recv(1) == b""
    patience.until(lambda: proxy.count("echo")["connections"] == 0, "the connection to end")
    assert proxy.count("echo")["up"] == proxy.count("echo")["down"] == len(data)


def test_unix_sockets(proxy, echo, tmp_path):
    inner = proxy.forward("inner", echo.address, f"unix:{tmp_path}/inner")
    outer = proxy.forward("outer", inner, f"unix:{tmp_path}/outer")
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(outer.removeprefix("unix:"))
    assert say(connection) == b"hello"
    connection.close()


def test_delays(connect, proxy):
    connection = connect()
    proxy("set", "echo", "up", "delay", 300)
    connection.sendall(b"a")
    assert is_silent(connection)
    connection.sendall(b"b")
    assert hear(connection, 2) == b"ab"
    proxy.heal("echo")
    assert say(connection) == b"hello"


def test_throttles(connect, proxy):
    """A tenth of a second's worth has come before all of it has."""
    connection = connect()
    proxy("set", "echo", "down", "throttle", 10000)
    connection.sendall(b"x" * 10000)
    hear(connection, 1000)
    assert proxy.count("echo")["down"] < 10000
    proxy.heal("echo")
    hear(connection, 9000)


def test_drops(connect, proxy):
    connection = connect()
    assert say(connection) == b"hello"
    proxy("set", "echo", "up", "drop")
    connection.sendall(b"lost")
    assert is_silent(connection)
    proxy.heal("echo")
    assert say(connection) == b"hello"


def test_stops_and_goes_on(connect, proxy):
    connection = connect()
    proxy("set", "echo", "both", "stop")
    connection.sendall(b"late")
    assert is_silent(connection)
    proxy.heal("echo")
    assert hear(connection, 4) == b"late"


@pytest.mark.parametrize("mode", ["drop", "stop"])
def test_hides_the_end_while_broken(connect, proxy, echo, mode):
    """And resets what is left of it when it works again."""
    connection = connect()
    assert say(connection) == b"hello"
    proxy("set", "echo", "both", mode)
    connection.close()
    other = connect()
    other.sendall(b"x")
    assert is_silent(other)
    assert echo.ended == 0
    proxy.heal("echo")
    patience.until(lambda: echo.ended == 1, "the end to be passed on")


def test_cuts(connect, proxy, echo):
    connection = connect()
    assert say(connection) == b"hello"
    proxy("cut", "echo", "end")
    assert connection.recv(1) == b""
    connection = connect()
    assert say(connection) == b"hello"
    proxy("cut", "echo", "reset")
    with pytest.raises(ConnectionResetError):
        connection.recv(1)
    patience.until(lambda: echo.ended == 2, "both ends")
    assert say(connect()) == b"hello"


def test_refuses_and_opens_again(connect, proxy):
    kept = connect()
    assert say(kept) == b"hello"
    proxy("accept", "echo", "refuse")
    with pytest.raises(ConnectionRefusedError):
        connect()
    assert say(kept) == b"hello"
    proxy("accept", "echo", "open")
    assert say(connect()) == b"hello"


def test_holds(connect, proxy, echo):
    """Accepted, and nobody is there."""
    proxy("accept", "echo", "hold")
    connection = connect()
    connection.sendall(b"hello")
    assert is_silent(connection)
    assert not echo.connections
    proxy("accept", "echo", "open")
    assert say(connect()) == b"hello"


def test_flips_a_bit(connect, proxy):
    connection = connect()
    assert say(connection, b"abc") == b"abc"
    proxy("set", "echo", "up", "flip", 4)
    assert say(connection, b"abc") == b"abc"
    assert say(connection, b"abc") == b"acc"
    assert say(connection, b"abcabc") == b"abcabc"


def test_corrupts_by_the_seed(connect, proxy):
    data = bytes(10000)
    results = []
    for _ in range(2):
        proxy("seed", 42)
        proxy("set", "echo", "up", "corrupt", 1000)
        results.append(say(connect(), data))
        proxy.heal("echo")
    assert results[0] == results[1] and 1 <= 10000 - results[0].count(0) <= 40
    assert say(connect(), data) == data


def test_says_what_is_wrong(proxy):
    for words in ["fly", "set nobody both pass", "listen a b", "listen a 127.0.0.1:0 elsewhere"]:
        with pytest.raises(Refused):
            proxy(*words.split())


def test_an_unreachable_target(proxy):
    """As a network would: accepted, then reset."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen: once it is free, the port may be anybody's
        address = proxy.forward("gone", "127.0.0.1:%d" % nobody.getsockname()[1])
        host, _, port = address.rpartition(":")
        with pytest.raises(ConnectionResetError):
            socket.create_connection((host, int(port)), timeout=patience.SECONDS).recv(1)


def test_many_connections_at_once(connect, proxy):
    connections = [connect() for _ in range(300)]
    for n, connection in enumerate(connections):
        connection.sendall(b"%04d" % n)
    for n, connection in enumerate(connections):
        assert hear(connection, 4) == b"%04d" % n
    assert proxy.count("echo")["connections"] == 300
