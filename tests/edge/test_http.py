"""What the main port says to plain HTTP."""

import json
import re
import time

import pytest
from client import BROKEN, HANDSHAKE, connect, head, read_answer, request

HOST = {"Host": "localhost"}


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/ping", 200),
        ("HEAD", "/ping", 200),
        ("GET", "/ping?x=1", 200),
        ("GET", "/livez", 200),
        ("HEAD", "/livez", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/", 200),
        ("HEAD", "/", 200),
        ("GET", "/?mesh=a", 200),
        ("POST", "/invocations", 200),
        ("GET", "/ws", 426),
        ("GET", "/metrics", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "/ping/", 404),
        ("GET", "/Ping", 404),
        ("POST", "/nowhere", 404),
        ("POST", "/ping", 405),
        ("PUT", "/ping", 405),
        ("DELETE", "/", 405),
        ("OPTIONS", "/invocations", 405),
        ("GET", "/invocations", 405),
        ("HEAD", "/invocations", 405),
    ],
)
def test_table(node, method, path, status):
    got, headers, body = request(node.port, method, path, {**HOST, "Content-Length": "0"} if method == "POST" else HOST)
    assert got == status
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    if path.split("?")[0] != "/" or status != 200:
        assert headers["content-type"] == "application/json"
        if method != "HEAD":
            assert isinstance(json.loads(body), dict)
    if status == 405:
        assert method not in headers["allow"].split(", ")
    if method == "HEAD":
        assert int(headers["content-length"]) > 0


def test_head_has_no_body(node):
    for path in ("/ping", "/", "/nowhere", "/invocations"):
        with connect(node.port) as tcp:
            tcp.sendall(head("HEAD", path, {**HOST, "Connection": "close"}))
            answer = b""
            while more := tcp.recv(65536):
                answer += more
            assert answer.endswith(b"\r\n\r\n")


def test_methods_that_are_none_are_hung_up_on(node):
    for line in ("BREW", "CONNECT"):
        answer = request(node.port, line, "/ping")
        assert answer is None or answer[0] == 403


def test_ping_tells_when_the_status_changed(node):
    def ping():
        return json.loads(request(node.port, path="/ping")[2])

    assert ping() == {"status": "Healthy"}
    before = int(time.time())
    client = node.client()
    busy = ping()
    assert busy["status"] == "HealthyBusy"
    assert before <= busy["time_of_last_update"] <= int(time.time())
    time.sleep(1.1)
    client.close()
    with node.client():
        assert ping() == busy
    # Still busy for two minutes, and that is no change.
    assert ping() == busy


def test_readyz_says_why_not(start):
    node = start("--connections-max", 1)
    with node.client() as client:
        status, _, body = request(node.port, path="/readyz")
        assert (status, json.loads(body)) == (503, {"status": "unready", "reason": "full"})
        client.send("unready")
        client.close()
    deadline = time.monotonic() + 5
    while b"full" in (answer := request(node.port, path="/readyz"))[2]:
        assert time.monotonic() < deadline
    assert (answer[0], json.loads(answer[2])) == (503, {"status": "unready", "reason": "as told"})
    assert request(node.port, path="/livez")[0] == 200


def test_livez_names_the_version(node):
    assert json.loads(request(node.port, path="/livez")[2]) == {"status": "alive", "version": "0.0.0-test"}


class TestInvocations:
    PEERS = {"status": "ok", "peers": ["ann", 'b"ob'], "count": 2}

    def test_with_a_body(self, node):
        status, _, body = request(
            node.port, "POST", "/invocations", {**HOST, "Content-Length": "9"}, b'{"a": "b"'
        )
        assert (status, json.loads(body)) == (200, self.PEERS)

    def test_without_length_ends_the_connection(self, node):
        status, headers, body = request(node.port, "POST", "/invocations")
        assert (status, json.loads(body)) == (200, self.PEERS)
        assert headers["connection"] == "close"

    def test_degraded(self, node):
        _, _, body = request(node.port, "POST", "/invocations?mesh=lost", {**HOST, "Content-Length": "0"})
        assert json.loads(body) == {"status": "degraded", "peers": [], "count": 0}

    def test_bad_mesh(self, node):
        assert request(node.port, "POST", "/invocations?mesh=a%20b", {**HOST, "Content-Length": "0"})[0] == 400

    def test_body_in_pieces_and_several_on_one_connection(self, node):
        with connect(node.port) as tcp:
            stream = tcp.makefile("rb")
            for _ in range(3):
                tcp.sendall(head("POST", "/invocations", {**HOST, "Content-Length": "200000"}))
                for _ in range(4):
                    tcp.sendall(b"x" * 50000)
                    time.sleep(0.01)
                assert json.loads(read_answer(stream)[2]) == self.PEERS
            tcp.sendall(head("GET", "/ping", HOST))
            assert read_answer(stream)[0] == 200

    def test_who_leaves_early_costs_nothing(self, node):
        before = node.descriptors()
        for _ in range(20):
            with connect(node.port) as tcp:
                tcp.sendall(head("POST", "/invocations?mesh=slow", {**HOST, "Content-Length": "0"}))
                time.sleep(0.005)
        time.sleep(0.5)
        assert node.descriptors() == before
        assert request(node.port, "POST", "/invocations", {**HOST, "Content-Length": "0"})[0] == 200

    def test_chunked(self, node):
        answer = request(node.port, "POST", "/invocations", {**HOST, "Transfer-Encoding": "chunked"}, b"0\r\n\r\n")
        assert answer[0] == 411

    @pytest.mark.parametrize("length, status", [("1048577", 413), ("-1", 400), ("1x", 400), ("99999999999999999999", 400)])
    def test_bad_length(self, node, length, status):
        assert request(node.port, "POST", "/invocations", {**HOST, "Content-Length": length})[0] == status

    def test_bounded(self, node):
        waiting = [connect(node.port) for _ in range(256)]
        for tcp in waiting:
            tcp.sendall(head("POST", "/invocations?mesh=slow", {**HOST, "Content-Length": "0"}))
        time.sleep(0.1)
        assert request(node.port, "POST", "/invocations", {**HOST, "Content-Length": "0"})[0] == 503
        assert all(read_answer(tcp.makefile("rb"))[0] == 200 for tcp in waiting)
        for tcp in waiting:
            tcp.close()


def test_pipelined_requests(node):
    with connect(node.port) as tcp:
        stream = tcp.makefile("rb")
        tcp.sendall(head("GET", "/ping", HOST) * 5 + head("HEAD", "/livez", HOST) + head("GET", "/nowhere", HOST))
        for _ in range(5):
            assert read_answer(stream)[0] == 200
        assert read_answer(stream, "HEAD")[0] == 200
        assert read_answer(stream)[0] == 404


def test_upgrade_after_other_requests_on_the_same_connection(node):
    with connect(node.port) as tcp:
        stream = tcp.makefile("rb")
        tcp.sendall(head("GET", "/ping", HOST))
        assert read_answer(stream)[0] == 200
        tcp.sendall(head("GET", "/ws", HANDSHAKE))
        assert read_answer(stream)[0] == 101


def test_slow_heads_are_cut_off(start):
    node = start("--handshake-seconds", 1)
    silent, half = connect(node.port), connect(node.port)
    half.sendall(b"GET /ws HTTP/1.1\r\nHost: localh")
    begun = time.monotonic()
    assert silent.recv(1) == b""
    assert half.recv(1) == b""
    assert 0.5 < time.monotonic() - begun < 20


def test_huge_heads_are_hung_up_on(node):
    assert request(node.port, "GET", "/ping", {**HOST, "X-Long": "y" * 20000})[0] == 200
    try:
        assert request(node.port, "GET", "/ping", {**HOST, "X-Long": "y" * 40000}) is None
    except BROKEN:
        pass


def test_header_whose_name_begins_like_another(start):
    """Stock lws takes what follows for a part of the name, and so never sees the next header."""
    node = start("--metrics")
    for name in ("X", "X-Forwarded", "Sec", "Content"):
        headers = {**HOST, name: "1", "X-Forwarded-For": "1.2.3.4"}
        assert request(node.port, path="/metrics", headers=headers)[0] == 404


def test_metrics_for_this_machine_only(start):
    node = start("--metrics")
    node.client().close()
    status, headers, body = request(node.port, path="/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b"\np2p_relay_connects_total 1\n" in body
    assert b'\np2p_relay_closes_total{code="1000"} 1\n' in body
    for proxied in ("X-Forwarded-For", "Forwarded", "Via"):
        assert request(node.port, path="/metrics", headers={**HOST, proxied: "for=1.2.3.4"})[0] == 404


def test_console(node):
    _, headers, body = request(node.port)
    page = body.decode()
    assert headers["content-type"] == "text/html; charset=utf-8"
    (nonce,) = set(re.findall('nonce="([^"]*)"', page))
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"script-src 'nonce-{nonce}'" in policy
    assert f"style-src 'nonce-{nonce}'" in policy
    assert "{{" not in page
    assert nonce not in request(node.port)[2].decode()
    # Nothing from elsewhere, no handlers or styles that the policy would stop.
    assert not re.search(r"https?://|\son\w+=|\sstyle=|innerHTML|src=", page)
    assert len(body) < 15000
