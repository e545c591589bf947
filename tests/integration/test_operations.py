"""docs/operations.md: it explains what there is, all of it and nothing else, and its commands work as they stand there."""

import os
import re
import shutil
import subprocess

import pytest

from harness import patience
from harness.client import Place, fence
from harness.process import ROOT
from harness.redis import LEAST, RedisError

PAGE = (ROOT / "docs/operations.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def section(heading):
    """What is under it, until the next of its kind or a larger one."""
    level = heading.split()[0]
    return re.search(rf"^{heading}\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def rows(text):
    """The cells of each line of its tables, heads and rules left out."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return [cells for cells in lines if cells[0].startswith("`")]


def quoted(text):
    return re.findall(r"`([^`]+)`", text)


async def test_each_metric_is_explained(start_guarded):
    """A node that asks for tokens has those of tokens, too."""
    (relay,) = start_guarded()
    there = re.findall(r"^# TYPE (\w+) ", relay.get("/metrics").text, re.MULTILINE)
    assert sorted(quoted(row[0])[0] for row in rows(section("## Metrics"))) == sorted(there)
    others = set(re.findall(r"p2p_relay_\w+", PAGE))
    assert others <= set(there)


def test_each_alert_has_its_section():
    rules = (ROOT / "monitoring/alerts.yaml").read_text()
    alerts = re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+labels: {severity: (\w+)}", rules)
    headings = re.findall(r"^### (\w+)\n\n(Critical)?", section("## Alerts"), re.MULTILINE)
    assert [(name, word == "critical") for name, word in alerts] == [(name, bool(word)) for name, word in headings]


def test_each_event_of_the_log_is_explained():
    """With its level."""
    logged = {}
    for path in ROOT.glob("relay/**/*.c"):
        for level, event in re.findall(r'\blog_(debug|info|warn|error)\(\s*"(\w+)"', path.read_text()):
            logged.setdefault(event, set()).add(level)
    explained = {
        event: set(levels.split(", ")) for events, levels, *_ in rows(section("## The log")) for event in quoted(events)
    }
    assert explained == logged


def test_links_lead_to_a_heading():
    for page, anchor in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", PAGE):
        text = (ROOT / "docs" / page).read_text() if page else PAGE
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert anchor in anchors, f"{page}#{anchor}"


def test_options_that_there_are():
    known = (ROOT / "docs/configuration.md").read_text()
    text = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    ours = [word for span in quoted(text) for word in re.findall(r"^--[a-z-]+", span)]
    assert len(ours) > 20
    for option in ours:
        assert f"`{option}`" in known, option


# ---- Commands


@pytest.fixture
def type_in(tmp_path):
    """type_in(block, relay, redis, NAME="value"): in a shell as the page wants it; returns what it shows."""

    def run(block, relay, redis, **environment):
        client = tmp_path / "redis-cli"
        program = shutil.which(redis.cli[0])
        client.write_text(f'#!/bin/sh\nexec {program} -s {redis.socket_path} "$@"\n')
        client.chmod(0o755)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.replace("localhost:8080", f"localhost:{relay.port}")],
            env={**os.environ, **environment, "PATH": f"{tmp_path}:{os.environ['PATH']}", "RELAY_PID": str(relay.pid)},
            capture_output=True,
            text=True,
            timeout=patience.SECONDS,
            check=False,
        )
        assert done.returncode == 0, done
        assert not re.search(r"^(ERR|NOPERM|\(error\))", done.stdout, re.MULTILINE), done
        return done.stdout

    return run


def block(word):
    """The one that has the word in it."""
    (found,) = (text for text in BLOCKS if word in text)
    return found


LOOKS = [block(word) for word in ("ping", " info ", "config set")]
OTHERS = [block(word) for word in ("kill -TERM", "kill -HUP", "SETUSER", "replicaof")]


def test_no_command_is_left_out():
    assert len(LOOKS) == 3 and sorted(LOOKS + OTHERS) == sorted(BLOCKS)


@pytest.mark.parametrize("text", LOOKS)
async def test_looking(start_redis, start_relay, type_in, mesh, text):
    redis = start_redis()
    relay = start_relay(redis=redis)
    alice = await Place(relay, mesh).join("alice")
    await alice.send("broadcast", {})
    await alice.settle()
    shown = type_in(text, relay, redis)
    if "readyz" in text:
        assert shown.startswith('{"status":"ready"}') and shown.endswith("PONG\n")
        assert "p2p_relay_bus_state 3\n" in shown and "p2p_relay_connections 1\n" in shown
    if "client list" in text:
        assert re.search(r"name=p2p-relay:\w+\nomem=0\n", shown) and "cmdstat_evalsha" in shown
    if "config set" in text:
        assert shown.split() == ["OK"] * len(text.splitlines())
    assert relay.is_ready() and alice.closed is None


async def test_a_new_version(start_redis, start_relays, type_in, mesh):
    redis = start_redis()
    old, new = start_relays(2, redis=redis, drain_seconds=2)
    alice, bob = await Place(old, mesh).join("alice"), await Place(new, mesh).join("bob")
    old.expected_dead = True
    type_in(block("kill -TERM"), old, redis)
    await alice.expect(type="drain")
    await alice.expect_close(1012)
    alice = await Place(new, mesh).join("alice")
    await patience.eventually(lambda: not old.running, old.log)
    assert old.popen.returncode == 0 and bob.offlines_of("alice") == []
    await fence(alice, bob)


async def test_the_password_of_redis(start_redis, start_relays, type_in, tmp_path, mesh):
    redis = start_redis(tcp=True)
    redis.call("ACL", "SETUSER", "relay", "on", ">the-old-one", *LEAST)
    path = tmp_path / "password"
    path.write_text("the-old-one")
    nodes = start_relays(2, redis_url=f"redis://relay@{redis.address}", redis_password_file=path)
    alice, bob = await Place(nodes[0], mesh).join("alice"), await Place(nodes[1], mesh).join("bob")
    type_in(block("SETUSER"), nodes[0], redis, PASSWORD_FILE=str(path))
    await fence(alice, bob)
    with pytest.raises(RedisError, match="WRONGPASS"):
        redis.call("AUTH", "relay", "the-old-one")
    assert not any(client.all(type="resync") for client in (alice, bob))
    redis.call("CLIENT", "KILL", "USER", "relay")
    for client in (alice, bob):
        await client.expect(type="resync")
    await fence(alice, bob)


async def test_a_certificate(start_redis, start_relay, type_in, authority):
    redis = start_redis()
    relay = start_relay(redis=redis, tls=authority.issue("listener"))
    type_in(block("kill -HUP"), relay, redis)
    await patience.eventually(lambda: "event=tls_files" in relay.log(), relay.log)
    assert relay.is_ready()


async def test_another_redis(start_redis, start_relay, type_in):
    """That nodes follow a name to where it points then is proven by F40."""
    old, new = start_redis(tcp=True), start_redis(tcp=True)
    relay = start_relay(redis=old)
    type_in(block("replicaof"), relay, old, NEW_HOST=new.host, NEW_PORT=str(new.port))
    await patience.eventually(lambda: "not the master" in relay.log(), relay.log)
    assert not relay.is_ready()
