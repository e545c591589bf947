"""Tokens as real clients show them: pages in a browser, AgentCore's SDK, a gateway that hides the status."""

import base64
import json
import os
import subprocess
import uuid

import pytest

from harness import browser, patience, tokens
from harness.browser import Browser
from harness.client import Place
from harness.raw import RawSocket
from harness.relay import BINARY

chromium = pytest.mark.skipif(not browser.PROGRAM, reason="chromium is not installed")
CLIENT = {"aud": "client"}
NOBODY = 65534


async def script(tab, url, protocols=()):
    """Opens a WebSocket from a page, as the user's application does; gives what comes of it."""
    return await tab.evaluate(
        """new Promise((resolve) => {
            const socket = new WebSocket(%s, %s);
            socket.onclose = (event) => resolve(event.code);
            socket.onopen = () => socket.send(JSON.stringify({type: "capabilities"}));
            socket.onmessage = () => resolve(socket.protocol);
        })"""
        % (json.dumps(url), json.dumps(list(protocols)))
    )


@chromium
async def test_a_page_takes_its_token_from_the_hash(start_guarded, issuer, mesh, tmp_path):
    """The page of the relay itself, as an issuer redirects to it; then the query, by an application."""
    (relay,) = start_guarded()
    host = relay.url.replace("ws:", "http:")
    token = issuer.sign(tokens.cognito_id(issuer.name()))
    program = await Place(relay, mesh, issuer.mint(subject="program", **CLIENT)).join("program")
    async with Browser(tmp_path) as driver:
        tab = await driver.open(f"{host}/?mesh={mesh}#id_token={token}&expires_in=3600")
        await program.expect(type="presence", data={"agents": ["console"]})
        assert token not in await tab.evaluate("location.href")
        place = Place(relay, mesh, token, "query")
        assert await script(tab, place.url()) == ""
        _, protocols = Place(relay, mesh, token, "protocol").shown()
        assert await script(tab, Place(relay, mesh).url(), protocols) == protocols[1]
        assert await script(tab, Place(relay, mesh).url()) == 1006


async def test_the_headers_of_agentcores_client(start_guarded, issuer, mesh):
    """Of generate_ws_connection_oauth(), given to a library that adds its own: some come twice."""
    (relay,) = start_guarded(mesh_by="header")
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{relay.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        f"Authorization: Bearer {issuer.sign(tokens.cognito_access(issuer.name()))}",
        f"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id: {uuid.uuid4()}",
        f"X-Amzn-Bedrock-AgentCore-Runtime-Custom-Mesh: {mesh}",
        "Host: bedrock-agentcore.us-east-1.amazonaws.com",
        "Connection: Upgrade",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        "User-Agent: OAuth-WebSocket-Client/1.0",
    ]
    client = await RawSocket.open(relay)
    await client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    assert (await client.receive_head()).startswith("HTTP/1.1 101")
    client.close()


async def test_two_authorizations(start_guarded, issuer):
    (relay,) = start_guarded()
    lines = [f"Authorization: Bearer {issuer.mint(**CLIENT)}" for _ in range(2)]
    client = await RawSocket.open(relay)
    await client.send(upgrade(relay, *lines))
    assert (await client.receive_head()).startswith("HTTP/1.1 400")
    client.close()


def upgrade(relay, *lines):
    head = [
        "GET /ws HTTP/1.1",
        f"Host: 127.0.0.1:{relay.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *lines,
    ]
    return ("\r\n".join(head) + "\r\n\r\n").encode()


async def test_refused_by_a_close(start_guarded, issuer, mesh):
    """What a gateway would turn into one status for all."""
    (relay,) = start_guarded(refuse_by="close", allowed_scope="relay", connections_per_subject_max=1)
    good = issuer.mint(scope="relay", **CLIENT)
    for token, code, reason in (
        (None, 4401, "a bearer token is needed"),
        ("x.y.z", 4401, "invalid_token"),
        (issuer.mint(**CLIENT), 4403, "insufficient_scope"),
    ):
        client = await Place(relay, mesh, token).connect()
        assert await client.expect_close(code) == reason
    alice = await Place(relay, mesh, good).join("alice")
    second = await Place(relay, mesh, good).connect()
    assert "too many" in await second.expect_close(1013)
    await alice.settle()
    assert relay.metric("p2p_relay_connections") == 1
    assert relay.metric("p2p_relay_connects_total") == 1


async def test_connections_of_a_subject(start_guarded, issuer, mesh):
    (relay,) = start_guarded(connections_per_subject_max=2)
    token = issuer.mint(**CLIENT)
    first = await Place(relay, mesh, token).join("one")
    await Place(relay, mesh, issuer.mint(seconds=60, **CLIENT)).join("two")
    with pytest.raises(Exception, match="429"):
        await Place(relay, mesh, token).connect()
    await Place(relay, mesh, issuer.mint(subject="bob", **CLIENT)).join("bob")
    await first.close()

    async def has_room():
        try:
            return await Place(relay, mesh, token).connect()
        except Exception as refusal:
            assert "429" in str(refusal)
            return None

    await patience.eventually(has_room, "room for another")


async def test_no_token_is_left_anywhere(start_redis, start_guarded, issuer, mesh):
    """Logs, metrics, answers, Redis, the command line."""
    redis = start_redis()
    (relay,) = start_guarded(redis=redis, log_level="debug")
    canary = issuer.mint(nonce="canary", **CLIENT)
    stale = issuer.mint(nonce="canary", seconds=-100, **CLIENT)
    seen = []
    for by in ("header", "protocol", "query"):
        alice = await Place(relay, mesh, canary, by).join("alice")
        for token in (stale, canary):
            await alice.send("auth", {"token": token}, id=by)
            seen.append((await alice.expect(type=lambda type: type in ("auth_response", "error"))).text)
        await alice.close()
        with pytest.raises(Exception) as caught:
            await Place(relay, mesh, stale, by).connect()
        seen.append(str(caught.value))
    place = Place(relay, mesh, stale, "query")
    seen.append(repr(relay.request("POST", place.url("/invocations").removeprefix(relay.url))))
    seen += [relay.log(), relay.get("/metrics").text, json.dumps(redis.call("KEYS", "*"))]
    seen += [json.dumps(redis.call("HGETALL", key)) for key in redis.call("KEYS", "*peer:*")]
    for token in (canary, stale):
        for part in token.split("."):
            assert not [text for text in seen if part in text]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("core_dumps, owner", [("off", 0), ("on", NOBODY)])
def test_nobody_looks_into_its_memory(start_relays, core_dumps, owner):
    """The kernel gives the files of a process that leaves no dumps to root, whoever it runs as."""
    become = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    if subprocess.run([*become, "test", "-x", BINARY]).returncode != 0:
        pytest.skip("the binary is where only its owner can run it")
    (relay,) = start_relays(1, ready=False, wrapper=become, core_dumps=core_dumps)
    assert os.stat(f"/proc/{relay.popen.pid}/environ").st_uid == owner
