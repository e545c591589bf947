"""
Besides WebSockets the port answers AgentCore (/ping, /invocations), Kubernetes (/livez, /readyz),
people (/) and, for the machine itself, Prometheus (/metrics).
"""

import http.client
import socket
import time

import pytest

from harness import patience
from harness.client import Place
from harness.raw import RawSocket, upgrade_request
from harness.redis import free_port


def is_json(response):
    return response.headers.get_content_type() == "application/json"


def test_ping_before_the_first_socket(start_relay):
    answer = start_relay().get("/ping")
    assert answer.status == 200 and is_json(answer)
    assert answer.json == {"status": "Healthy"}


async def test_ping_is_busy_with_a_socket_open(start_relay, mesh):
    """And says since when; the time is that of the change, not of the question."""
    relay = start_relay()
    client = await Place(relay, mesh).join("alice")
    first = relay.get("/ping").json
    assert first["status"] == "HealthyBusy"
    assert isinstance(first["time_of_last_update"], int)
    assert abs(first["time_of_last_update"] - time.time()) < 60
    await client.close()
    await patience.eventually(lambda: relay.metric("p2p_relay_connections") == 0, "the close")
    assert relay.get("/ping").json == first, "busy for 120 s more"


def test_head(nodes):
    for path in ("/ping", "/livez", "/readyz", "/"):
        whole, head = nodes[0].get(path), nodes[0].request("HEAD", path)
        assert head.status == whole.status == 200 and head.body == b"", path
        assert head.headers.get("content-length") == str(len(whole.body)), path


async def test_invocations_lists_the_mesh(here, elsewhere):
    """Over all nodes, whether or not this one has anybody in the mesh."""
    await here.join("alice")
    await elsewhere.join("bob")
    for place in (here, elsewhere):
        for body in (b"", b"{}", b'{"prompt":"x"}'):
            answer = place.relay.request("POST", f"/invocations?mesh={here.mesh}", body=body)
            assert answer.status == 200 and is_json(answer), answer
            listed = answer.json
            assert listed["status"] == "ok" and listed["count"] == 2
            assert sorted(listed["peers"]) == ["alice", "bob"]


def test_invocations_of_an_empty_mesh(nodes, mesh):
    listed = nodes[0].request("POST", f"/invocations?mesh={mesh}").json
    assert listed == {"status": "ok", "peers": [], "count": 0}


async def test_invocations_escapes_ids(here):
    await here.join('q"\\')
    await here.join("é😀")
    listed = here.relay.request("POST", f"/invocations?mesh={here.mesh}").json
    assert sorted(listed["peers"]) == sorted(['q"\\', "é😀"])


async def test_without_redis(start_redis, start_relays, mesh):
    """Alive and pinging, but not ready; the list is degraded, and nobody waits long for it."""
    redis = start_redis()
    (one,) = start_relays(1, redis=redis)
    await Place(one, mesh).join("alice")
    redis.freeze()
    answer = one.request("POST", f"/invocations?mesh={mesh}", seconds=patience.SECONDS)
    assert answer.status == 200 and answer.json["status"] == "degraded"
    await patience.eventually(lambda: one.get("/readyz").status == 503, "not to be ready")
    assert is_json(one.get("/readyz")) or one.get("/readyz").text
    assert one.get("/livez").status == 200
    assert one.get("/ping").status == 200
    redis.thaw()
    await patience.eventually(one.is_ready, "readiness")


def test_a_relay_that_never_found_redis(start_relays):
    (relay,) = start_relays(1, ready=False, redis_url=f"redis://127.0.0.1:{free_port()}")
    assert relay.get("/readyz").status == 503
    assert relay.get("/livez").status == 200 and relay.get("/ping").status == 200


def test_first_use(start_relays):
    """--bus-connect first-use: ready without Redis, until somebody wants it."""
    url = f"redis://127.0.0.1:{free_port()}"
    (relay,) = start_relays(1, ready=False, redis_url=url, bus_connect="first-use")
    assert relay.get("/readyz").status == 200


def test_the_console(nodes):
    page = nodes[0].get("/")
    assert page.status == 200 and page.headers.get_content_type() == "text/html"
    assert "WebSocket" in page.text
    assert "http://" not in page.text and "https://" not in page.text, "nothing from elsewhere"


@pytest.mark.parametrize("path", ["/nothing", "/ws/x", "/pingx", "/favicon.ico", "/../etc/passwd"])
def test_not_found(nodes, path):
    assert nodes[0].get(path).status == 404


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/ping"),
        ("DELETE", "/livez"),
        ("GET", "/invocations"),
        ("PUT", "/invocations"),
        ("POST", "/"),
        ("POST", "/metrics"),
    ],
)
def test_wrong_method(nodes, method, path):
    answer = nodes[0].request(method, path, body=b"{}")
    assert answer.status == 405, answer


async def test_both_paths_upgrade(here):
    """ws://localhost:8080 must work as well as /ws."""
    bob = await here.join("bob")
    for path in ("/", "/ws", ""):
        client = await here.connect(f"by {path}", path=path or "/")
        await client.announce()
        await bob.expect(type="presence", from_=client.id)


async def test_ws_without_an_upgrade(nodes):
    answer = nodes[0].get("/ws")
    assert answer.status in (400, 404, 426), answer


def variant(**changes):
    lines = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAECAwQFBgcICQoLDA0ODw==",
        "Sec-WebSocket-Version": "13",
    }
    lines.update({name.replace("_", "-"): value for name, value in changes.items()})
    rest = [f"{name}: {value}" for name, value in lines.items() if value is not None]
    return ("\r\n".join(["GET /ws HTTP/1.1", *rest]) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"Sec_WebSocket_Version": "12"},
        {"Sec_WebSocket_Version": None},
        {"Sec_WebSocket_Key": None},
        {"Upgrade": "h2c"},
    ],
    ids=["version 12", "no version", "no key", "h2c"],
)
async def test_a_handshake_that_is_none(here, changes):
    client = await RawSocket.open(here.relay)
    await client.send(variant(**changes))
    answer = await client.receive_end()
    assert not answer.startswith(b"HTTP/1.1 101"), answer
    client.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "upgrade"},
        {"Host": "relay.example:8080"},
    ],
    ids=["case", "list", "lower case", "another host"],
)
async def test_a_handshake_in_other_words(here, changes):
    client = await RawSocket.open(here.relay)
    await client.send(variant(**changes))
    assert (await client.receive_head()).startswith("HTTP/1.1 101 ")
    client.close()


async def test_the_answer_to_a_handshake(here):
    """No extension and no subprotocol, whatever is offered."""
    client = await RawSocket.open(here.relay)
    await client.send(
        upgrade_request(
            "/ws", ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]
        )
    )
    head = (await client.receive_head()).lower()
    assert head.startswith("http/1.1 101 ")
    assert "sec-websocket-accept: " in head and "sec-websocket-extensions" not in head
    assert "sec-websocket-protocol" not in head
    client.close()


async def test_a_refused_handshake_says_why(here):
    """A status and a JSON body."""
    headers = dict(line.split(": ") for line in variant().decode().split("\r\n")[2:-2])
    answer = here.relay.get("/ws?mesh=a/b", headers=headers)
    assert answer.status == 400 and is_json(answer) and isinstance(answer.json, dict)


async def test_requests_after_each_other_on_one_connection(nodes):
    connection = http.client.HTTPConnection("127.0.0.1", nodes[0].port, timeout=patience.SECONDS)
    for _ in range(3):
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def test_the_admin_port(start_relay):
    """--admin-listen takes /metrics off the clients' port."""
    port = free_port()
    relay = start_relay(admin_listen=f"127.0.0.1:{port}")
    assert relay.get("/metrics").status == 404
    main, relay.port = relay.port, port
    assert "p2p_relay_connections" in relay.get("/metrics").text
    assert relay.get("/livez").status == 200 and relay.get("/readyz").status == 200
    assert relay.get("/ping").status == 404 and relay.get("/ws").status == 404
    assert relay.request("POST", "/metrics").status == 405
    relay.port = main


async def test_both_ports_agree_on_readiness(start_relay, mesh):
    port = free_port()
    relay = start_relay(admin_listen=f"127.0.0.1:{port}", connections_max=1)
    client = await Place(relay, mesh).join("the only one")
    main = relay.port
    for relay.port in (main, port):
        answer = relay.get("/readyz")
        assert answer.status == 503 and "full" in answer.text, answer
    relay.port = main
    await client.close()
    await patience.eventually(relay.is_ready, "room again")


def test_metrics_for_this_machine_alone(start_relay):
    """On the clients' port others than loopback get nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            address = probe.getsockname()[0]
        except OSError:
            pytest.skip("this machine has no address but loopback")
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    relay = start_relay(listen="0.0.0.0:0", auth="none")
    assert relay.get("/metrics").status == 200
    connection = http.client.HTTPConnection(address, relay.port, timeout=patience.SECONDS)
    connection.request("GET", "/metrics")
    assert connection.getresponse().status in (403, 404)
    connection.close()


JUNK = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x00" * 64,
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"G" * 5000,
    b"*1\r\n$4\r\nPING\r\n",
    b"GET http://x/ws HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
async def test_junk(here, junk):
    """Nothing that a stranger sends keeps others from being served."""
    client = await RawSocket.open(here.relay)
    await client.send(junk)
    alice = await here.join("alice")
    await alice.settle()
    client.close()
