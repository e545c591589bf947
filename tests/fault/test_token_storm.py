"""Thousands come back at once, each with a token that has to be verified: the loop goes on turning."""

import threading
import time

from harness.issuer import Issuer
from rig import clean, record


class Pings:
    """Asks /ping all the time; the slowest answer."""

    def __init__(self, node):
        self.node = node
        self.slowest = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            begun = time.monotonic()
            assert self.node.get("/ping").status == 200
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.slowest


def mint(issuer, path, count):
    """One for each peer: none has been seen before by the node that they go to."""
    tokens = [issuer.mint(subject=f"s{n}", aud="client") for n in range(count)]
    path.write_text("".join(f"{token}\n" for token in tokens))
    return path


def test_a_storm_with_tokens(rig, tmp_path):
    scale = rig.scale
    storm, meshes = scale.seconds(1000, 10_000), scale.seconds(10, 50)
    folder = tmp_path / "issuer"
    folder.mkdir()
    issuer = Issuer(folder, keys=("RS256",))
    tokens = mint(issuer, tmp_path / "tokens", storm)
    rig.start_redis()
    guard = {
        "auth": "jwt",
        "discovery_url": issuer.url(),
        "auth_ca_file": issuer.ca,
        "allowed_client": "client",
    }
    dead, other = rig.start_nodes(2, ttl_seconds=30, **guard)
    rig.join_group(dead.group, storm, dead.group, meshes, tokens=tokens)
    rig.all_know_each_other(120)
    for group in (g for g in rig.groups if g.startswith(dead.group)):
        rig.swarm("again", group, 0, 2000, "any")
    rig.swarm("rotation", dead.group, "out")
    pings = Pings(other)
    killed = time.monotonic()
    dead.kill()
    rig.swarm.until(lambda c: c["ENDED"] >= storm, "all sockets to end")
    rig.all_know_each_other(120)
    slowest = pings.stop()
    rig.hush()
    verdict = rig.judge(**{"ttl": 30_000, "from": killed * 1000})
    joins = rig.joins_since(killed)
    verified = other.metric("p2p_relay_token_checks_total", result="none")
    record("tokens", scale, f"{storm} peers in again, 99 %", joins[len(joins) * 99 // 100], "s", "")
    record("tokens", scale, "slowest answer of /ping meanwhile", slowest * 1000, "ms", "")
    record("tokens", scale, "tokens verified", verified, "", "")
    clean(verdict)
    issuer.forget()
    assert verdict.offline == 0
    assert len(joins) >= storm and verified >= storm
