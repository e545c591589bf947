"""Many peers move at the same time: after a node's death, and in a rolling restart."""

import threading
import time

import pytest

from rig import clean, cpu_seconds, record


class Load:
    """The highest share of a core that a process took in any half of a second."""

    def __init__(self, pid):
        self.pid, self.highest = pid, 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self):
        before, at = cpu_seconds(self.pid), time.monotonic()
        while not self.ended.wait(0.5):
            now, then = cpu_seconds(self.pid), time.monotonic()
            self.highest = max(self.highest, (now - before) / (then - at))
            before, at = now, then

    def stop(self):
        self.ended.set()
        self.thread.join()
        return self.highest


def test_a_storm_after_a_death(rig):
    """F31: all peers of a dead node come to the others within 2 s: all are in soon."""
    scale = rig.scale
    storm, meshes = scale.seconds(1000, 10_000), scale.seconds(10, 50)
    rig.start_redis()
    dead, *others = rig.start_nodes(3, ttl_seconds=30)
    for node in others:
        rig.join_group(node.group, scale.seconds(50, 500), node.group, meshes)
    rig.join_group(dead.group, storm, dead.group, meshes)
    rig.all_know_each_other(120)
    for group in (g for g in rig.groups if g.startswith(dead.group)):
        rig.swarm("again", group, 0, 2000, "any")
    rig.swarm("rotation", dead.group, "out")
    load = Load(rig.redis.pid)
    killed = time.monotonic()
    dead.kill()
    rig.swarm.until(lambda c: c["ENDED"] >= storm, "all sockets to end")
    rig.all_know_each_other(60)
    redis_load = load.stop()
    rig.talk(broadcast=1)
    rig.hold(2)
    rig.hush()
    verdict = rig.judge(**{"ttl": 30_000, "from": killed * 1000})
    handshakes = rig.upgrades_since(killed)
    p99 = handshakes[len(handshakes) * 99 // 100]
    in_after = verdict.last_join_us / 1e6 - killed
    record("F31", scale, f"{storm} peers in again, last", in_after, "s", "<= 15")
    record("F31", scale, "their handshakes, p99", p99, "s", "<= 2")
    record("F31", scale, "Redis at most busy", redis_load, "", "<= 0.8")
    record("F31", scale, "offline told", verdict.offline, "", "0")
    clean(verdict)
    assert verdict.offline == 0 and verdict.lost == 0, verdict.story()
    assert in_after <= 15 and p99 <= 2 + scale.spare
    assert redis_load <= 0.8


def test_more_than_fit(rig):
    """F31: who is too many gets 503 with a time to wait, and nobody else notices."""
    rig.start_redis()
    dead, other = rig.start_nodes(2, connections_max=100)
    rig.join_group(other.group, 60, other.group)
    rig.join_group(dead.group, 60, dead.group)
    rig.all_know_each_other()
    rig.swarm("again", dead.group, 0, 200, "any")
    rig.swarm("rotation", dead.group, "out")
    rig.talk(direct=50, broadcast=5)
    dead.kill()
    rig.swarm.until(lambda c: c["in"] >= 40 and c["ENDED"] >= 80, "the rest to be refused", dead.group)
    rig.hold(1)
    rig.hush()
    verdict = rig.judge()
    record("F31", rig.scale, "refused by 503", verdict.codes.get("503", 0), "", "> 0")
    record("F31", rig.scale, "of these with Retry-After", verdict.retry_after, "", "all")
    clean(verdict)
    assert verdict.codes["503"] == verdict.retry_after >= 20, verdict.story()
    assert rig.swarm.count(other.group)["ENDED"] == 0


def restart(rig, node, **options):
    """Drains it, and starts another in its place when it is gone, as a rolling update does."""
    rig.swarm("rotation", node.group, "out")
    node.terminate()
    assert node.wait(options["drain_seconds"] + 20) == 0
    new = rig.spawn_node(type(node), **options)
    new.group = node.group
    rig.introduce(new)
    return new


def test_rolling_restart_of_clients_that_move_first(rig):
    """F32: a client that opens its new connection before it closes the old one misses nothing."""
    scale = rig.scale
    rounds = scale.seconds(1, 10)
    options = {"drain_seconds": scale.seconds(2, 25)}
    rig.start_redis()
    nodes = rig.start_nodes(3, **options)
    rig.populate()
    for node in nodes:
        rig.swarm("drained", node.group, "moves")
    # Each who moves gets a roster of 1,000: with 50 broadcasts a second on top, two cores are too few.
    rig.talk(direct=scale.seconds(300, 200), broadcast=scale.seconds(10, 5))
    for _ in range(rounds):
        nodes = [restart(rig, node, **options) for node in nodes]
    rig.hold(scale.seconds(4, 10))
    rig.hush()
    verdict = rig.judge()
    record("F32", scale, f"{3 * rounds} restarts: lost", verdict.lost, "", "0")
    record("F32", scale, f"{3 * rounds} restarts: twice on one connection", verdict.duplicated, "", "0")
    record("F32", scale, f"{3 * rounds} restarts: out of order", verdict.reordered, "", "0")
    record("F32", scale, f"{3 * rounds} restarts: offline told", verdict.offline, "", "0")
    clean(verdict)
    assert verdict.lost == 0 and verdict.offline == 0, verdict.story()
    assert verdict.ended_OWN >= 2 * scale.peers * rounds


def test_rolling_restart_of_clients_that_come_back_late(rig):
    """F33: who writes to a client that is between two connections is told that it is not there."""
    scale = rig.scale
    options = {"drain_seconds": 2}
    late = scale.seconds((scale.ttl * 1000, scale.ttl * 1200), (25_000, 35_000))
    rig.start_redis()
    nodes = rig.start_nodes(3, **options)
    rig.populate()
    for node in nodes:
        rig.swarm("again", node.group, *late, "any")
    rig.talk()
    for node in nodes:
        restart(rig, node, **options)
    rig.hold(late[1] / 1000)
    rig.all_know_each_other(60)
    rig.hold(1)
    rig.hush()
    verdict = rig.judge()
    answered = verdict.error_PEER_NOT_FOUND["count"] + verdict.error_PEER_UNREACHABLE["count"]
    record("F33", scale, "sends in the gap answered", answered, "", "")
    record("F33", scale, "sends in the gap not answered", verdict.unanswered_silent, "", "0")
    record("F33", scale, "lost just when the connection was closed", verdict.unanswered_at_break, "", "")
    record("F33", scale, "lost and nobody told", verdict.lost_silent, "", "0")
    clean(verdict)
    assert answered > 0 and verdict.codes["1012"] >= 3 * scale.peers, verdict.story()
