"""Who may open a WebSocket, and what the others are told."""

import json
import socket
import time

import pytest
from client import HANDSHAKE, request, token, upgrade

BEARER = "base64UrlBearerAuthorization"
MESH_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh"


def without(name):
    return {key: value for key, value in HANDSHAKE.items() if key != name}


@pytest.mark.parametrize(
    "status, method, path, headers",
    [
        (404, "GET", "/ws/", HANDSHAKE),
        (404, "GET", "/ping", HANDSHAKE),
        (405, "POST", "/ws", {**HANDSHAKE, "Content-Length": "0"}),
        (405, "HEAD", "/ws", HANDSHAKE),
        (426, "GET", "/ws", without("Sec-WebSocket-Version")),
        (426, "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Version": "8"}),
        (426, "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Version": "130"}),
        (400, "GET", "/ws", without("Sec-WebSocket-Key")),
        (400, "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Key": "short"}),
        (400, "GET", "/ws", {**HANDSHAKE, "Sec-WebSocket-Key": "!GhlIHNhbXBsZSBub25jZQ=="}),
        (400, "GET", "/ws", without("Connection")),
        (400, "GET", "/ws", {**HANDSHAKE, "Connection": "keep-alive"}),
        (400, "GET", "/ws", without("Host")),
        (400, "GET", "/ws?mesh=", HANDSHAKE),
        (400, "GET", "/ws?mesh=a%2fb", HANDSHAKE),
        (400, "GET", "/ws?mesh=" + "a" * 65, HANDSHAKE),
        (400, "GET", "/ws?mesh=a&mesh=b", HANDSHAKE),
        (400, "GET", "/ws", {**HANDSHAKE, MESH_HEADER: "a b"}),
        (426, "GET", "/ws", {"Host": "localhost"}),
    ],
)
def test_refusals_say_why(node, status, method, path, headers):
    got, answer, body = request(node.port, method, path, headers)
    assert got == status
    assert answer["content-type"] == "application/json"
    assert method == "HEAD" or json.loads(body)["error"]
    if status == 405:
        assert answer["allow"] == "GET"
    if status == 426:
        assert answer["upgrade"] == "websocket"
        assert answer.get("sec-websocket-version", "13") == "13"


@pytest.mark.parametrize(
    "headers",
    [
        {**HANDSHAKE, "Connection": "keep-alive, Upgrade"},
        {**HANDSHAKE, "Connection": "keep-alive,upgrade"},
        {**HANDSHAKE, "Upgrade": "WebSocket"},
        {**HANDSHAKE, "Sec-WebSocket-Key": HANDSHAKE["Sec-WebSocket-Key"] + "  \t"},  # RFC 9110 5.5
        {name.lower(): value for name, value in HANDSHAKE.items()},
        {name.upper(): value for name, value in HANDSHAKE.items()},
        {**HANDSHAKE, "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"},
        {**HANDSHAKE, "Origin": "http://localhost", "Cookie": "a=b"},
        # AgentCore's Python client hands the library headers that this adds, too.
        list(HANDSHAKE.items()) + list({**HANDSHAKE, "Sec-WebSocket-Key": "AQIDBAUGBwgJCgsMDQ4PEA=="}.items()),
    ],
)
def test_handshakes_that_are_good(node, headers):
    """F16: compression is not negotiated."""
    with node.client(headers=headers) as client:
        assert client.ask("hello") == "hello"
        assert "sec-websocket-extensions" not in client.headers
        assert "sec-websocket-protocol" not in client.headers


@pytest.mark.parametrize("path", ["/ws", "/", "/ws?x=1", "/?mesh=a"])
def test_paths(node, path):
    node.client(path).close()


def test_other_upgrades_are_plain_http(node):
    headers = {"Host": "localhost", "Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": ""}
    assert request(node.port, path="/ping", headers=headers)[0] == 200


class TestSubprotocols:
    @pytest.mark.parametrize("offer", ["chat", "chat, superchat", "a,b,c", f"{BEARER}.{'x' * 40}", "base64UrlBearer"])
    def test_unknown_ones_are_not_answered(self, node, offer):
        with node.client(headers={**HANDSHAKE, "Sec-WebSocket-Protocol": offer}) as client:
            assert "sec-websocket-protocol" not in client.headers
            assert client.ask("hello") == "hello"

    @pytest.mark.parametrize("size", [40, 700, 6000, 12000])
    @pytest.mark.parametrize("form", ["{token}, {name}", "{name}, {token}", "chat,{token},{name}"])
    def test_bearer_is_answered_without_the_token(self, node, size, form):
        offer = form.format(token=f"{BEARER}.{token(size)}", name=BEARER)
        with node.client(headers={**HANDSHAKE, "Sec-WebSocket-Protocol": offer}) as client:
            assert client.headers["sec-websocket-protocol"] == BEARER
            assert client.ask("hello") == "hello"

    def test_in_two_headers(self, node):
        headers = [
            *HANDSHAKE.items(),
            ("Sec-WebSocket-Protocol", f"{BEARER}.{token(100)}"),
            ("Sec-WebSocket-Protocol", BEARER),
        ]
        with node.client(headers=headers) as client:
            assert client.headers["sec-websocket-protocol"] == BEARER

    def test_tokens_are_not_logged(self, node):
        secret = token(60)
        offer = {**HANDSHAKE, "Sec-WebSocket-Protocol": f"{BEARER}.{secret}, {BEARER}"}
        node.client(f"/ws?token={secret}", headers=offer).close()
        node.client(f"/ws?token={secret}", headers={**HANDSHAKE, "Authorization": f"Bearer {secret}"}).close()
        upgrade(node.port, f"/ws?mesh=!&token={secret}", offer)
        upgrade(node.port, f"/nowhere/{secret}", offer)
        request(node.port, path=f"/{secret}", headers={"Host": "x", "Authorization": secret, "X-Long": "y" * 40000})
        assert secret not in "\n".join(node.stop())


class TestMesh:
    def mesh(self, node, path="/ws", header=None, name=MESH_HEADER):
        headers = HANDSHAKE if header is None else {**HANDSHAKE, name: header}
        with node.client(path, headers=headers) as client:
            return client.ask("mesh")

    def test_chosen(self, node):
        assert self.mesh(node) == "default"
        assert self.mesh(node, "/ws?mesh=a.b-C_1") == "a.b-C_1"
        assert self.mesh(node, "/?x=y&mesh=" + "a" * 64) == "a" * 64
        assert self.mesh(node, header="h") == "h"
        assert self.mesh(node, header="  h ") == "h"
        assert self.mesh(node, header="h", name=MESH_HEADER.lower()) == "h"
        assert self.mesh(node, "/ws?mesh=q", header="h") == "h"
        assert self.mesh(node, "/ws?xmesh=q&meshx=r") == "default"

    def test_not_hidden_by_long_arguments(self, node):
        assert self.mesh(node, f"/ws?token={'t' * 8000}&mesh=q&more={'u' * 8000}") == "q"


def test_a_full_node_says_so_and_takes_the_next_when_one_leaves(start):
    node = start("--connections-max", 3)
    clients = [node.client() for _ in range(3)]
    status, headers, body = upgrade(node.port)
    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert "full" in json.loads(body)["error"]
    assert request(node.port, path="/ping")[0] == 200
    clients[0].close()
    deadline = time.monotonic() + 5
    while upgrade(node.port)[0] != 101:
        assert time.monotonic() < deadline


def has_ipv6():
    """Containers often have none, not even a loopback address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
def test_listening_on_ipv6(start):
    for host in ("::1", "[::1]"):
        assert start("--host", host).port > 0


def test_a_taken_port_is_named(node):
    import subprocess

    from conftest import program

    for options, complaint in [
        (["--port", str(node.port)], f"can't listen on 127.0.0.1:{node.port}: bind: Address already in use"),
        (["--host", "localhost"], "can't listen on localhost:0: not a numeric address and a port"),
        (["--host", "192.0.2.1"], "can't listen on 192.0.2.1:0: bind: Cannot assign requested address"),
    ]:
        second = subprocess.run([program(), *options], capture_output=True, text=True, timeout=10)
        assert second.returncode == 1
        assert second.stderr.splitlines()[-1] == complaint
