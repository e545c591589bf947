"""
What happened is counted and logged: who connected, who left and why. Never in there: payloads,
passwords, tokens; and no ids as labels of metrics.
"""

import json
import re

from harness import patience
from harness.client import Place, fence
from harness.raw import RawSocket, upgrade_request
from harness.redis import free_port

SECRET = "s3cr3t-c4n4ry"


async def test_the_format_of_metrics(here):
    """What Prometheus reads: each name with HELP and TYPE once, each sample once."""
    await here.join("alice")
    answer = here.relay.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    samples, described = set(), {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            assert (name, word) not in described and rest
            described[name, word] = rest
            continue
        found = re.fullmatch(r"(\w+)(\{[^}]*\})? (\S+)", line)
        assert found, line
        name = re.sub(r"_(bucket|sum|count)$", "", found[1])
        assert ((found[1], "TYPE") in described) or ((name, "TYPE") in described), line
        assert found[1].startswith("p2p_relay_"), line
        assert (found[1], found[2]) not in samples, line
        samples.add((found[1], found[2]))
        float(found[3])
    assert all((name, "HELP") in described for name, word in described if word == "TYPE")
    assert answer.text.endswith("\n")


async def test_counting(start_relays, mesh):
    one, two = start_relays(2)
    alice, bob = await Place(one, mesh).join("alice"), await Place(two, mesh).join("bob")
    for _ in range(5):
        await alice.send("broadcast", {"n": 1}, turnId="t")
        await alice.send("invented-type", {"n": 1})
    await bob.collect(5, type="broadcast")
    await fence(alice, bob)

    def counted():
        received = "p2p_relay_messages_received_total"
        return (
            one.metric(received, type="broadcast"),
            one.metric(received, type="other"),
            one.metric(received, type="direct"),
            one.metric("p2p_relay_connections"),
            two.metric("p2p_relay_connections"),
        )

    assert counted() == (5, 5, 1, 1, 1)
    assert two.metric("p2p_relay_messages_delivered_total") >= 11
    assert two.metric("p2p_relay_delivery_seconds_count") >= 11
    await alice.close()
    await patience.eventually(lambda: one.metric("p2p_relay_connections") == 0, "the close")


async def test_no_ids_as_labels(start_relays, mesh):
    one, two = start_relays(2)
    alice = await Place(one, mesh).join("alice-by-name", agents=["agent-by-name"])
    await Place(two, mesh).join("bob-by-name")
    await alice.send("type-by-name", {"n": 1})
    await alice.send("direct", to="nobody-by-name")
    await alice.expect_error("peer_not_found")
    for relay in (one, two):
        text = relay.get("/metrics").text
        assert "by-name" not in text and mesh not in text


async def test_no_secrets(start_redis, start_relays, tmp_path, mesh):
    """Payloads, tokens wherever they may be put, and Redis's password: in no log, in no metric."""
    redis = start_redis(tcp=True, options=["--requirepass", SECRET])
    url = f"redis://:{SECRET}@127.0.0.1:{redis.port}"
    one, two = start_relays(2, redis_url=url, log_level="debug")
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET}
    place = Place(one, mesh)
    alice = await place.connect("alice", path=f"/ws?mesh={mesh}&token={SECRET}", headers=headers)
    await alice.announce(note=SECRET)
    bob = await Place(two, mesh).join("bob")
    await alice.send("broadcast", {"payload": SECRET}, turnId=SECRET)
    await bob.expect(type="broadcast")
    await alice.send("direct", {"payload": SECRET}, to="nobody")
    await alice.expect_error("peer_not_found")
    await alice.send("relay-log", {"url": SECRET})
    await alice.send_text('{"broken":"' + SECRET)
    await alice.expect_error("invalid_message")
    for path in (f"/ws?mesh=a/b&token={SECRET}", f"/nothing?token={SECRET}"):
        client = await RawSocket.open(one)
        await client.send(upgrade_request(path, [f"Sec-WebSocket-Protocol: {SECRET}"]))
        await client.receive_head()
        client.close()
    await alice.close()
    await bob.expect(type="presence", from_="alice", data={"status": "offline"})
    redis.kill()
    await patience.eventually(lambda: not one.is_ready(), "the outage to be seen")
    for relay in (one, two):
        assert SECRET not in relay.log(), relay.log()
        assert SECRET not in relay.get("/metrics").text


async def test_log_lines(start_relay, mesh):
    """logfmt: one event per line, with time, level and event."""
    relay = start_relay()
    alice = await Place(relay, mesh).join("alice")
    await alice.close()
    await patience.eventually(lambda: "alice" in relay.log(), relay.log)
    for line in relay.log().splitlines():
        assert re.match(r"time=\d{4}-\d\d-\d\dT\S+Z level=\w+ event=\w+( |$)", line), line


async def test_log_lines_as_json(start_relay, mesh):
    relay = start_relay(log_format="json")
    alice = await Place(relay, mesh).join('al"ice\\')
    await alice.close()
    await patience.eventually(lambda: "ice" in relay.log(), relay.log)
    events = [json.loads(line) for line in relay.log().splitlines()]
    assert all({"time", "level", "event"} <= set(event) for event in events)
    assert any('al"ice\\' in event.values() for event in events)


async def test_a_stranger_writes_no_log_lines(start_relay, mesh):
    """Quotes and line ends in names stay inside of the value."""
    relay = start_relay()
    for name in ('x" event=forged', "u\u2028v", "a=b c"):
        client = await Place(relay, mesh).join(name)
        await client.close()
    client = await RawSocket.open(relay)
    await client.send(upgrade_request("/ws?mesh=a%0aevent=forged", ["User-Agent: x\tevent=forged"]))
    await client.receive_head()
    client.close()
    for line in relay.log().splitlines():
        assert line.startswith("time="), line
        outside = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        assert "forged" not in outside, line


async def test_a_quiet_log(start_relay, mesh):
    """--log-level warn: a busy, healthy node has nothing to say."""
    relay = start_relay(log_level="warn", listen=f"127.0.0.1:{free_port()}")
    alice = await Place(relay, mesh).join("alice")
    await alice.send("direct", to="nobody")
    await alice.expect_error("peer_not_found")
    await alice.close()
    await patience.eventually(lambda: relay.metric("p2p_relay_connections") == 0, "the close")
    assert relay.log() == ""
