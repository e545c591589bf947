"""Where a request is from: which pages may connect, and whose address counts."""

import json
import re
import time

import pytest
from client import HANDSHAKE, Client, request, upgrade

PROXY = {"X-Forwarded-For": "192.0.2.7"}


def ask(node, *headers):
    """The status of an upgrade with these headers, pairs."""
    return upgrade(node.port, headers=[*HANDSHAKE.items(), *headers])


class TestOrigin:
    @pytest.mark.parametrize(
        "origin, status",
        [
            ("http://localhost", 101),
            ("HTTP://LOCALHOST:80", 101),
            ("http://localhost:8080", 403),
            ("https://localhost", 101),  # a proxy may have ended TLS
            ("http://example.org", 403),
            ("http://localhost.example.org", 403),
            ("http://localhost@example.org", 403),
            ("null", 403),
            ("", 403),
            ("http://localhost/", 403),
            ("x" * 20000, 403),
        ],
    )
    def test_of_the_same_host_by_default(self, node, origin, status):
        assert ask(node, ("Origin", origin))[0] == status

    def test_refusals_say_why_and_are_counted(self, start):
        node = start("--metrics")
        status, headers, body = ask(node, ("Origin", "http://example.org"))
        assert (status, json.loads(body)) == (403, {"error": "not from a page of this origin"})
        assert headers["content-type"] == "application/json"
        metrics = request(node.port, path="/metrics")[2]
        assert b'\np2p_relay_upgrade_refusals_total{status="403"} 1\n' in metrics
        (line,) = [line for line in node.stop() if "upgrade_refused" in line]
        assert "status=403" in line and "address=127.0.0.1" in line and "example.org" not in line

    def test_allowed(self, start):
        node = start("--allowed-origins", "https://app.example.org https://*.example.net")
        for origin in ("https://app.example.org", "https://a.b.example.net"):
            assert ask(node, ("Origin", origin))[0] == 101
        for origin in ("http://app.example.org", "https://example.net", "http://localhost"):
            assert ask(node, ("Origin", origin))[0] == 403
        assert ask(node)[0] == 101  # no page

    def test_any(self, start):
        node = start("--allowed-origins", "*")
        for origin in ("https://example.org", "null", ""):
            assert ask(node, ("Origin", origin))[0] == 101

    @pytest.mark.parametrize("origins", ["same", "*"])
    def test_not_two_of_them(self, start, origins):
        node = start("--allowed-origins", origins)
        for second in ("http://localhost", "http://example.org"):
            assert ask(node, ("Origin", "http://localhost"), ("Origin", second))[0] == 403
        assert ask(node, ("Origin", "http://example.org"), ("Origin", "http://localhost"))[0] == 403

    def test_is_no_matter_of_plain_http(self, node):
        headers = {"Host": "localhost", "Origin": "http://example.org"}
        assert request(node.port, path="/ping", headers=headers)[0] == 200


class TestAddress:
    """It is in the log when something is refused: so these ask for what does not exist."""

    def of(self, start, trusted, *headers):
        node = start(*(["--trusted-proxies", trusted] if trusted else []))
        upgrade(node.port, "/nowhere", [*HANDSHAKE.items(), *headers])
        (line,) = [line for line in node.stop() if "upgrade_refused" in line]
        return re.search(r"\baddress=(\S+)", line)[1]

    @pytest.mark.parametrize(
        "values, address",
        [
            ([], "127.0.0.1"),
            (["192.0.2.7"], "192.0.2.7"),
            (["198.51.100.1, 192.0.2.7"], "192.0.2.7"),  # the first is hearsay
            (["192.0.2.7, 10.1.2.3"], "192.0.2.7"),  # a proxy before the proxy
            (["192.0.2.7 ,\t10.1.2.3,127.0.0.1"], "192.0.2.7"),
            (["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (["198.51.100.1", "192.0.2.7, 10.1.2.3"], "192.0.2.7"),
            (["192.0.2.7", "10.1.2.3"], "192.0.2.7"),
            (["192.0.2.7:4711"], "192.0.2.7"),
            (["2001:DB8:0::1"], "2001:db8::1"),
            (["[2001:db8::1]:4711"], "2001:db8::1"),
            (["[2001:db8::1]"], "2001:db8::1"),
            (["::ffff:192.0.2.7"], "192.0.2.7"),
            (["192.0.2.7, unknown, 10.1.2.3"], "10.1.2.3"),
            (["192.0.2.7, unknown"], "127.0.0.1"),
            (["192.0.2.7,"], "127.0.0.1"),
            ([","], "127.0.0.1"),
            ([""], "127.0.0.1"),
            (["192.0.2.7, 1.2.3.4.5"], "127.0.0.1"),
            (["192.0.2.7, 192.0.2.8 192.0.2.9"], "127.0.0.1"),
            (["[", "]"], "127.0.0.1"),
            (["x" * 20000], "127.0.0.1"),
            (["10.0.0.1, " * 2500 + "10.0.0.2"], "10.0.0.1"),
        ],
    )
    def test_behind_trusted_proxies(self, start, values, address):
        headers = [("X-Forwarded-For", value) for value in values]
        assert self.of(start, "127.0.0.0/8 10.0.0.0/8", *headers) == address

    def test_nobody_else_is_believed(self, start):
        for trusted in (None, "10.0.0.0/8"):
            assert self.of(start, trusted, *PROXY.items()) == "127.0.0.1"

    def test_is_told_when_a_connection_opens(self, start):
        node = start("--trusted-proxies", "127.0.0.1")
        node.client(headers={**HANDSHAKE, **PROXY}).close()
        assert any("connection_opened" in line and "address=192.0.2.7" in line for line in node.stop())


class TestConnectionsPerAddress:
    def test_one_too_many(self, start):
        node = start("--connections-per-address-max", 2)
        clients = [node.client() for _ in range(2)]
        status, headers, body = ask(node)
        assert (status, json.loads(body)) == (429, {"error": "too many connections from this address"})
        assert int(headers["retry-after"]) > 0
        assert request(node.port, path="/ping")[0] == 200
        clients[0].close()
        deadline = time.monotonic() + 5
        while (status := ask(node)[0]) != 101:
            assert status == 429 and time.monotonic() < deadline
        clients[1].hang_up()

    def test_of_clients_not_of_their_proxy(self, start):
        node = start("--connections-per-address-max", 1, "--trusted-proxies", "127.0.0.1")

        def open_as(address):
            return node.client(headers={**HANDSHAKE, "X-Forwarded-For": address})

        def status_of(address):
            return ask(node, ("X-Forwarded-For", address))[0]

        clients = [open_as(a) for a in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1")]
        assert status_of("192.0.2.1") == 429
        assert status_of("::ffff:192.0.2.1") == 429
        assert status_of("2001:db8:0:1:ffff::1") == 429  # a /64 is one client
        assert status_of("192.0.2.3") == 101
        for client in clients:
            client.hang_up()

    def test_refused_upgrades_leave_no_trace(self, start):
        """Nor does who resets the connection before it has the answer."""
        node = start("--connections-per-address-max", 2)
        for _ in range(20):
            assert upgrade(node.port, "/ws?mesh=!")[0] == 400
            Client(node.port).reset()
        deadline = time.monotonic() + 5
        clients = []
        while len(clients) < 2:
            try:
                clients.append(node.client())
            except AssertionError:
                assert time.monotonic() < deadline
        assert ask(node)[0] == 429
        for client in clients:
            client.hang_up()
