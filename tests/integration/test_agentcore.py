"""
The contract of AWS Bedrock AgentCore Runtime, point by point: what the platform asks of a container, as its
developer guide says, and what its SDK and a browser send. Here a process is started as the container is, by
variables alone, and spoken to as the platform does; tests/compose does it with the image.

The rest of the contract: tests/edge/test_pacing.py (frames a second), tests/fault/test_snapshot.py (V2 continues
many from one snapshot), tests/fault/test_many_nodes.py (a node for each of hundreds of clients),
test_node_death.py (a microVM that is gone without a word), test_token_doors.py (tokens).
"""

import json
import socket
import time
import urllib.parse
import uuid

import pytest

from harness import patience
from harness.client import HEADERS, NO_PROXY, Place, connect, fence
from harness.clock import Clock
from harness.raw import RawSocket
from harness.relay import is_sanitized

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
CUSTOM_MESH = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh"
BEARER = "base64UrlBearerAuthorization"
FRAME_BYTES_MAX = 32_000  # of the guide's two numbers, 64 KB and 32 KB, the lower one
FRAMES_PER_SECOND_MAX = 250
TERMINATION_SECONDS = 15
SPARE_SECONDS = 1  # for a busy machine: with 5 s to drain it would be 16
AFTERGLOW_SECONDS = 120


class Session(Place):
    """The way of one client through the platform: to a node of its own, that of its session."""

    def __init__(self, relay, mesh, session=None, **more):
        super().__init__(relay, mesh, **more)
        self.session = session or str(uuid.uuid4())

    def url(self, path="/ws"):
        return self.relay.url + path

    def shown(self):
        headers, protocols = super().shown()
        # A parameter of the query comes as a header too, in lower case.
        return {**headers, SESSION: self.session, CUSTOM_MESH.lower(): self.mesh}, protocols


@pytest.fixture
def runtime(start_runtimes):
    return start_runtimes()[0]


# 1. What must be answered, and by when


def test_it_listens_to_all_addresses_and_knows_nobody_yet(start_runtimes):
    """Healthy at the first /ping, which V2 takes a snapshot at, with nothing connected; Redis may be down."""
    with socket.create_server(("127.0.0.1", 0)) as redis:
        redis.setblocking(False)
        (node,) = start_runtimes(redis_url=f"redis://127.0.0.1:{redis.getsockname()[1]}")
        assert "host=0.0.0.0" in node.log()
        for _ in range(3):
            answer = node.get("/ping")
            assert answer.status == 200 and answer.headers.get_content_type() == "application/json"
            assert answer.json == {"status": "Healthy"}
        with pytest.raises(BlockingIOError):
            redis.accept()
        node.request("POST", "/invocations", body=b"{}")
        redis.settimeout(patience.SECONDS)
        redis.accept()[0].close()


def test_head_is_a_get_without_a_body(runtime):
    head = runtime.request("HEAD", "/ping")
    assert head.status == 200 and head.body == b""
    assert int(head.headers["content-length"]) == len(runtime.get("/ping").body)


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/nothing", 404),
        ("GET", "/ws/shells", 404),
        ("GET", "/invocations", 405),
        ("PUT", "/invocations", 405),
        ("POST", "/ping", 405),
        ("DELETE", "/ping", 405),
    ],
)
def test_nothing_else_is_answered(runtime, method, path, status):
    assert runtime.request(method, path, body=b"{}").status == status


def test_a_query_changes_nothing(runtime):
    assert runtime.get("/ping?qualifier=DEFAULT").status == 200
    assert runtime.request("POST", "/invocations?qualifier=DEFAULT", body=b"{}").status == 200


async def test_invocations(start_runtimes, mesh):
    """JSON, whatever the body is: a status of 4xx or 5xx would be 424 for the caller, without a reason."""
    nodes = start_runtimes(2)
    await Session(nodes[0], mesh).join("alice")
    for body in (b"", b"{}", b'{"prompt":"who is there?"}', b"{not json", b"\xff"):
        answer = nodes[1].request(
            "POST", "/invocations", {SESSION: str(uuid.uuid4()), CUSTOM_MESH: mesh, "WorkloadAccessToken": "t"}, body
        )
        assert answer.status == 200 and answer.headers.get_content_type() == "application/json"
        assert answer.json == {"status": "ok", "peers": ["alice"], "count": 1}


async def test_without_redis(start_redis, start_runtimes, mesh):
    """/ping says nothing of it: the platform would replace all nodes, and no client would be better off."""
    redis = start_redis()
    (node,) = start_runtimes(redis=redis)
    alice = await Session(node, mesh).join("alice")
    redis.freeze()
    first = node.get("/ping").json
    assert first["status"] == "HealthyBusy"
    answer = node.request("POST", "/invocations", {CUSTOM_MESH: mesh}, b"{}")
    assert answer.status == 200 and answer.json["status"] == "degraded"
    assert node.get("/ping").json == first and alice.closed is None
    redis.thaw()


# 2. The clock of /ping: a session that says Healthy for 15 minutes is ended, and one that says "now" each time never


@pytest.mark.skipif(is_sanitized(), reason="libfaketime has to come first, and so has AddressSanitizer")
async def test_busy_while_somebody_is_there_and_two_minutes_more(start_runtimes, mesh, tmp_path):
    clock = Clock(tmp_path / "clock", passes=True)
    (node,) = start_runtimes(environment=clock.environment)

    def ping():
        return node.get("/ping").json

    assert ping() == {"status": "Healthy"}
    before = int(time.time())
    alice = await Session(node, mesh).join("alice")
    busy = ping()
    assert busy["status"] == "HealthyBusy" and isinstance(busy["time_of_last_update"], int)
    assert before <= busy["time_of_last_update"] <= time.time() + 1
    clock.set(20)
    bob = await Session(node, mesh).join("bob")
    assert ping() == busy, "it is busy since the first one came"
    await bob.close()
    await alice.close()
    await patience.eventually(lambda: node.metric("p2p_relay_connections") == 0, "the end of both")
    closed = int(time.time()) + 20
    clock.set(20 + AFTERGLOW_SECONDS - 30)
    assert ping() == busy, "who comes back finds it"
    clock.set(20 + AFTERGLOW_SECONDS + 100)
    idle = ping()
    assert idle["status"] == "Healthy"
    assert 0 <= idle["time_of_last_update"] - (closed + AFTERGLOW_SECONDS) <= 10
    clock.set(20 + AFTERGLOW_SECONDS + 900)
    assert ping() == idle, "the idle timeout counts from the change"
    await Session(node, mesh).join("carol")
    again = ping()
    assert again["status"] == "HealthyBusy" and again["time_of_last_update"] > idle["time_of_last_update"]


# 3. The handshake


async def test_the_handshake_of_the_guide(runtime, mesh):
    """What the platform sends, and the three headers that it wants to see: at once, and not more."""
    client = await RawSocket.upgrade(
        Place(runtime), [f"{SESSION}: {uuid.uuid4()}", f"{CUSTOM_MESH}: {mesh}", "baggage: a=1"], path="/ws?qualifier=DEFAULT"
    )
    names = {line.partition(":")[0].lower() for line in client.head.split("\r\n")[1:] if line}
    assert names == {"connection", "upgrade", "sec-websocket-accept"}
    client.close()


OF_THE_SDK = {
    "generate_ws_connection": {
        "X-Amz-Date": "20260926T120000Z",
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260926/us-west-2/bedrock-agentcore/aws4_request,"
        " SignedHeaders=host;x-amz-date;x-amz-security-token, Signature=" + "0" * 64,
        "X-Amz-Security-Token": "IQoJ" + "x" * 1200,
        "User-Agent": "AgentCoreRuntimeClient/1.0",
    },
    "generate_ws_connection_oauth": {
        "Authorization": "Bearer eyJhbGciOiJub25lIn0.e30.",
        "User-Agent": "OAuth-WebSocket-Client/1.0",
    },
}


@pytest.mark.parametrize("function", OF_THE_SDK)
async def test_headers_that_come_twice(runtime, mesh, function):
    """The SDK hands out a handshake's headers, and the library that gets them adds its own."""
    headers = {
        "Host": "bedrock-agentcore.us-west-2.amazonaws.com",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAECAwQFBgcICQoLDA0ODw==",  # not the library's
        SESSION: str(uuid.uuid4()),
        CUSTOM_MESH: mesh,
        **OF_THE_SDK[function],
    }
    async with connect(runtime.url + "/ws", open_timeout=patience.SECONDS, **{HEADERS: headers}, **NO_PROXY) as client:
        await client.send('{"type":"capabilities"}')
        relay = json.loads(await client.recv())["data"]["relay"]
        assert relay["mesh"] == mesh
    assert "AKIA" not in runtime.log() and "eyJ" not in runtime.log()


async def test_a_presigned_url(runtime, mesh):
    """Of a browser of which AWS's signature says who it is: over a kilobyte of query, which is in no log."""
    query = urllib.parse.urlencode(
        {
            "qualifier": "DEFAULT",
            CUSTOM_MESH: mesh,
            SESSION: str(uuid.uuid4()),
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": "AKIA/20260926/us-west-2/bedrock-agentcore/aws4_request",
            "X-Amz-Date": "20260926T120000Z",
            "X-Amz-Expires": "300",
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Security-Token": "IQoJ" + "x" * 1500,
            "X-Amz-Signature": "0" * 64,
        }
    )
    client = await Session(runtime, mesh).connect("browser", path="/ws?" + query)
    await client.settle()
    assert "x" * 100 not in runtime.log() and "0" * 64 not in runtime.log() and "AKIA" not in runtime.log()


async def test_of_a_browsers_subprotocols_that_without_the_token(runtime, mesh):
    place = Session(runtime, mesh, token="eyJhbGciOiJub25lIn0.e30." * 100, by="protocol")
    client = await place.join("page")
    assert client.websocket.subprotocol == BEARER


async def test_a_session_id_is_no_identity(start_guarded, issuer, mesh):
    """Anybody who may call the runtime may name any session."""
    (node,) = start_guarded(1, profile="agentcore")
    session = str(uuid.uuid4())
    alice, mallory = (issuer.mint(subject=subject, aud="client") for subject in ("alice", "mallory"))
    await Session(node, mesh, session, token=alice).join("alice")
    intruder = await Session(node, mesh, session, token=mallory).connect("alice")
    await intruder.announce()
    await intruder.expect_error("id_taken")
    stranger = await Session(node, mesh, session).connect("alice")
    await stranger.expect_close(4401)


async def test_the_mesh_by_a_custom_header_alone(runtime, mesh):
    """The platform lets no other query through; where somebody else does, it names no mesh."""
    client = await Session(runtime, mesh).connect("carol", path="/ws?mesh=another")
    assert (await client.settle())["data"]["relay"]["mesh"] == mesh


# 4. Frames: at most 32,000 bytes each, at most 200 a second


async def test_large_messages_are_small_frames(start_runtimes, mesh):
    """A message may have 64 KiB; both ways it goes in fragments, from one node to the other."""
    one, other = start_runtimes(2)
    alice = await Session(one, mesh).join("alice")
    bob = await RawSocket.upgrade(Place(other), [f"{CUSTOM_MESH}: {mesh}"])
    await bob.send_text('{"type":"presence","from":"bob"}')
    await alice.expect(type="presence", from_="bob")
    text = json.dumps({"type": "direct", "to": "bob", "data": "x" * 65_000})
    await alice.websocket.send([text[at : at + 20_000] for at in range(0, len(text), 20_000)])
    sizes = []
    while sum(sizes) < 65_000:
        sizes = []
        while True:
            frame = await bob.receive_frame()
            sizes.append(len(frame.payload))
            assert len(frame.payload) + 10 <= FRAME_BYTES_MAX
            if frame.fin:
                break
    assert len(sizes) > 2
    bob.close()
    await alice.send("direct", "x" * 70_000, to="bob")
    await alice.expect_close(1009)


async def test_frames_are_counted_from_outside(start_runtimes, mesh):
    """More than the platform lets through comes later, in order, and nobody is closed for it."""
    one, other = start_runtimes(2, messages_per_second=0)
    alice, bob = await Session(one, mesh).join("alice"), await Session(other, mesh).join("bob")
    count = 600
    begun = time.monotonic()
    for n in range(count):
        await alice.send("broadcast", {"n": n}, turnId="t")
    got = await bob.collect(count, type="broadcast")
    seconds = time.monotonic() - begun
    assert [message["data"]["n"] for message in got] == list(range(count))
    assert count / FRAMES_PER_SECOND_MAX < seconds, f"{count} in {seconds} s"
    assert other.metric("p2p_relay_socket_pauses_total") > 0
    assert alice.closed is None and bob.closed is None


# 5. The end of a connection, and of a node


async def test_the_platform_cuts_after_an_hour(start_runtimes, mesh):
    """
    Abruptly, and the next connection is to another node. Who waits for the cut is offline in between, once; who
    moves before it never is.
    """
    nodes = start_runtimes(4)
    observer = await Session(nodes[0], mesh).join("observer")
    waits, moves = await Session(nodes[1], mesh).join("waits"), await Session(nodes[2], mesh).join("moves")
    moved = await Session(nodes[3], mesh).join("moves")
    for client in (waits, moves):
        client.vanish()
    await observer.expect(type="presence", from_="waits", data={"status": "offline"})
    back = await Session(nodes[3], mesh).join("waits")
    for client in (back, moved):
        await fence(client, observer)
        await fence(observer, client)
    heard = [message["data"]["status"] for message in observer.presences_of("waits")]
    assert heard == ["online", "offline", "online"]
    assert observer.offlines_of("moves") == []


async def test_it_ends_in_time(start_runtimes, mesh):
    """The client is told, and is on another node before anybody hears that it left this one."""
    one, other = start_runtimes(2)
    alice, observer = await Session(one, mesh).join("alice"), await Session(other, mesh).join("observer")
    one.terminate()
    await alice.expect(type="drain", from_="relay")
    await alice.expect_close(1012)
    back = await Session(other, mesh).join("alice")
    assert one.wait(TERMINATION_SECONDS) == 0
    await fence(back, observer)
    assert observer.offlines_of("alice") == []


async def test_it_ends_in_time_whoever_does_not_answer(start_redis, start_runtimes, mesh):
    """Neither the client nor Redis."""
    redis = start_redis()
    (one,) = start_runtimes(redis=redis)
    alice = await Session(one, mesh).join("alice")
    deaf = await RawSocket.upgrade(Place(one), [f"{CUSTOM_MESH}: {mesh}"])
    await deaf.send_text('{"type":"presence","from":"deaf"}')
    await alice.expect(type="presence", from_="deaf")
    redis.freeze()
    one.terminate()
    assert one.wait(TERMINATION_SECONDS + SPARE_SECONDS) == 0
    await alice.expect_close(1012)
    deaf.close()
    redis.thaw()


async def test_a_node_for_each_client(start_runtimes, mesh):
    """They meet in Redis alone."""
    nodes = start_runtimes(6)
    clients = [await Session(node, mesh).join(f"vm-{n}", agents=[f"a{n}"]) for n, node in enumerate(nodes)]
    for n, client in enumerate(clients):
        await client.send("direct", {"n": n}, to=f"a{(n + 1) % 6}")
        await client.send("broadcast", {"n": n}, turnId="t")
    for n, client in enumerate(clients):
        await client.expect(type="direct", data={"n": (n - 1) % 6})
        await client.collect(5, type="broadcast")
        assert nodes[n].get("/ping").json["status"] == "HealthyBusy"
    assert nodes[0].request("POST", "/invocations", {CUSTOM_MESH: mesh}, b"{}").json["count"] == 6
