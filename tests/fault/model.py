#!/usr/bin/python3
"""
A world that goes wrong by chance, and the question whether it comes right again.

    /usr/bin/python3 tests/fault/model.py --minutes 60 --seed 7 [--redis single|sentinel|cluster]

Three nodes and 100 peers in three meshes, in chapters of a few rounds. In a round the peers talk, come,
go, move and announce, while nodes, Redis and the ways between them break. Then all is mended, and within
REST_SECONDS every peer, every node (by what a new peer is told, and POST /invocations) and Redis must
agree on who is there and what they announced last. At the end of a chapter all leave, nothing may be
left of them in Redis, in queues or descriptors, and the judge reads what every peer did and heard.

What happens follows from the seed and the number of the chapter alone: --chapter replays one.
"""

import argparse
import heapq
import itertools
import json
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

from harness import patience  # noqa: E402
from harness.redis import RedisError, free_port  # noqa: E402
from programs import Swarm  # noqa: E402
from rig import Node, Rig, Scale, clean, within_memory  # noqa: E402
from stores import FORMS  # noqa: E402

SCALE = Scale("model", peers=0, ttl=3, beat_ms=750, direct=150, broadcast=4)
TTL = SCALE.ttl
PEERS, GROUP_SIZES = 100, (1, 9)
ROUND_SECONDS = 6
# The node's backoff (5), a join that waits for it (5), suspects (5/3 TTL), a sweep (2), what the peers
# wait before they try again (2), and as much again for a machine that others use, too.
REST_SECONDS = 40
GONE_SECONDS = 4 * TTL + 3
RESIDENT_GROWTH_MAX = 24 << 20  # outboxes, and the queue to Redis twice, at their fullest stay with the allocator
DESCRIPTORS_GROWTH_MAX = 5
JUDGE = {
    "due": 25_000,  # an outage, its discovery, the backoff, and those who are suspect after it
    "away": 12_000,
    "told": 30_000,
    "slack": 3000,
}


class Group:
    """Peers that do things together."""

    def __init__(self, name, count, mesh, tabs):
        self.name, self.count, self.mesh, self.tabs = name, count, mesh, tabs
        self.first = 0
        self.present = False

    def __str__(self):
        tabs = ", two tabs" if self.tabs else ""
        return f"{self.name} (p{self.first}..p{self.first + self.count - 1} in {self.mesh}{tabs})"

    @property
    def peers(self):
        return range(self.first, self.first + self.count)


class Member(Node):
    """A node at a port of its own, which peers reach by a way of the proxy, and that can be started again."""

    def answers(self):
        try:
            return self.is_ready()
        except OSError:
            return False


class Model:
    def __init__(self, directory, seed, form="single", log=print):
        self.seed, self.log = seed, log
        self.begin = self.chapter_begin = time.monotonic()
        self.history = []
        self.rig = Rig(directory, seed, SCALE)
        self.store = FORMS[form](self.rig)
        self.proxy = self.rig.proxy
        for n in range(3):
            self.start_node(n)
        self.elder = self.rig.nodes[0]  # never killed: what grows is seen in it
        self.descriptors = {}
        self.resident = []  # (seconds, bytes) of the elder when nobody is there
        self.rested = []  # seconds it took

    # The nodes

    def start_node(self, n):
        node = self.rig.start_node(
            Member,
            listen=f"127.0.0.1:{free_port()}",
            drain_seconds=2,
            message_bytes_max=65536,
            outbox_bytes_max=262144,
            bus_queue_bytes=4 << 20,
            **self.store.node_options,
        )
        node.front = f"front-{n}"
        node.front_address = self.proxy.forward(node.front, node.address)
        if "redis_url" in self.store.node_options:
            node.way = None

    def restart_node(self, n):
        old = self.rig.nodes[n]
        node = self.rig.nodes[n] = Member(self.rig.directory, n, old.way, **old.options)
        node.port, node.front, node.front_address = old.port, old.front, old.front_address
        self.descriptors.pop(n, None)
        while not node.answers():
            assert node.running, node.log()[-4000:]
            yield 0.05

    # What befalls nodes. Generators: they yield how many seconds to wait.

    def node_killed(self, n, seconds):
        self.rig.nodes[n].kill()
        yield seconds
        yield from self.restart_node(n)

    def node_drained(self, n, seconds):
        node = self.rig.nodes[n]
        self.swarm("rotation", node.group, "out")
        node.terminate()
        end = time.monotonic() + 2 + 3 + 5  # the drain, the leaves, and what may hold them up
        while node.running:
            assert time.monotonic() < end, f"{node.name} does not end:\n{node.log()[-4000:]}"
            yield 0.05
        assert node.popen.returncode == 0, node.log()[-4000:]
        yield seconds
        yield from self.restart_node(n)
        self.swarm("rotation", node.group, "in")

    def node_frozen(self, n, seconds):
        node = self.rig.nodes[n]
        if seconds > 1:
            self.swarm("trouble", node.group, "on")
        node.freeze()
        yield seconds
        node.thaw()
        self.swarm("trouble", node.group, "off")

    def way_troubled(self, n, way, seconds, *how):
        node = self.rig.nodes[n]
        self.swarm("trouble", node.group, "on")
        self.proxy("set", way, *how)
        yield seconds
        if "drop" in how:  # TCP never goes on after a hole
            self.proxy("cut", way, "reset")
        self.proxy.heal(way)
        self.swarm("trouble", node.group, "off")

    def way_refused(self, n, way, seconds, how):
        node = self.rig.nodes[n]
        self.swarm("trouble", node.group, "on")
        self.proxy("accept", way, how)
        self.proxy("cut", way, "reset")
        yield seconds
        self.proxy("cut", way, "reset")  # those that nobody will ever answer
        self.proxy.heal(way)
        self.swarm("trouble", node.group, "off")

    def way_cut(self, way, how):
        self.proxy("cut", way, how)
        yield 0

    def node_trouble(self, dice, n):
        node = self.rig.nodes[n]
        soon, brief, long = dice.uniform(0.1, 5), dice.uniform(0.2, 0.9), dice.uniform(TTL + 0.5, TTL + 3)
        soon, brief, long = round(soon, 2), round(brief, 2), round(long, 2)
        end, down = dice.choice(["reset", "end"]), dice.choice(["refuse", "hold"])
        direction = dice.choice(["up", "down", "both", "both"])
        mode = dice.choice(
            [["drop"], ["stop"], ["delay", dice.choice([50, 300, 1000])], ["throttle", dice.choice([3000, 30000])]]
        )
        choices = [
            (f"node {n} is frozen", brief, lambda: self.node_frozen(n, brief)),
            (f"node {n} is frozen", long, lambda: self.node_frozen(n, long)),
        ]
        if n > 0:
            choices += 3 * [(f"node {n} is killed", soon, lambda: self.node_killed(n, soon))]
            choices += 2 * [(f"node {n} is drained", soon, lambda: self.node_drained(n, soon))]
        for name, way in (("Redis", node.way), ("clients", node.front)):
            if way is None:
                continue
            between = f"between node {n} and its {name}"
            how = (direction, *mode)
            choices += 2 * [
                (f"{between}: {' '.join(map(str, how))}", soon, lambda w=way: self.way_troubled(n, w, soon, *how))
            ]
            choices += [
                (f"{between}: cut, then {down}", soon, lambda w=way: self.way_refused(n, w, soon, down)),
                (f"{between}: cut by {end}", 0, lambda w=way: self.way_cut(w, end)),
            ]
        return dice.choice(choices)

    # What the peers do

    def comes_back(self, group, seconds):
        if seconds is None:
            return
        yield seconds
        self.swarm("connect", group.name)
        group.present = True

    def goes(self, group, how, seconds):
        group.present = False
        self.swarm(how, group.name)
        yield from self.comes_back(group, seconds)

    def vanishes(self, group, seconds):
        group.present = False
        self.swarm("vanish", group.name)
        yield seconds
        self.swarm("reset", group.name)
        yield from self.comes_back(group, 0)

    def goes_elsewhere(self, group, node, how):
        self.swarm("home", group.name, node.group)
        self.swarm(how, group.name)
        self.swarm("connect", group.name)
        group.present = True
        yield 0

    def moves(self, group):
        self.swarm("move", group.name)
        yield 0

    def changes(self, group, times, seconds):
        for _ in range(times):
            self.swarm("change", group.name)
            yield seconds

    def reads_slowly(self, group, bytes_per_second, seconds, flood):
        self.swarm("away", group.name)
        self.swarm("read", group.name, bytes_per_second)
        self.swarm("direct", "*", group.name, flood, 50_000)
        yield seconds
        self.swarm("direct", "*", group.name, 0)
        self.swarm("read", group.name, "all")
        self.swarm("back", group.name)

    def shouts(self, group, seconds):
        self.swarm("broadcast", group.name, 30, 8000)
        yield seconds
        self.swarm("broadcast", group.name, 0)

    def peers_event(self, dice, group):
        seconds = dice.choice([None, 0, round(dice.uniform(0, 2), 2), round(dice.uniform(TTL, TTL + 2), 2)])
        while_slow, speed = round(dice.uniform(0.5, 3), 2), dice.choice([0, 1000, 50000])
        flood = dice.choice([0, 0, 600])
        how, node = dice.choice(["close", "reset"]), dice.choice(self.rig.nodes)
        times, pause = dice.randint(1, 6), dice.choice([0, 0.02, 0.3])
        gone = round(dice.uniform(0.5, TTL + 2), 2)
        choices = [
            ("leave", lambda: self.goes(group, "leave", seconds)),
            ("close", lambda: self.goes(group, "close", seconds)),
            ("are reset", lambda: self.goes(group, "reset", seconds)),
            (f"vanish for {gone} s", lambda: self.vanishes(group, gone)),
            (f"{how} and go to {node.group}", lambda: self.goes_elsewhere(group, node, how)),
            ("move", lambda: self.moves(group)),
            (f"announce {times} times each {pause} s", lambda: self.changes(group, times, pause)),
            (
                f"read {speed} B/s for {while_slow} s of {flood} large ones a second",
                lambda: self.reads_slowly(group, speed, while_slow, flood),
            ),
            ("shout", lambda: self.shouts(group, 1)),
        ]
        what, begin = dice.choice(choices)
        back = "" if seconds is None or "leave close are reset".find(what) < 0 else f", back in {seconds} s"
        return f"{group} {what}{back}", begin

    # A round

    def plan(self, dice):
        """(when, what, how to begin it): at most one thing for each node, for Redis, and each group."""
        events = []
        for subject in dice.sample([0, 1, 2, "redis"], dice.choice([0, 1, 1, 2, 2, 3])):
            if subject == "redis":
                what, seconds, begin = dice.choice(self.store.troubles(dice))
            else:
                what, seconds, begin = self.node_trouble(dice, subject)
            at = dice.uniform(0, max(1, ROUND_SECONDS - seconds))
            events.append((at, f"{what}{f', for {seconds} s' if seconds else ''}", begin))
        for group in dice.sample(self.groups, dice.randint(3, 12)):
            events.append((dice.uniform(0, ROUND_SECONDS - 1), *self.peers_event(dice, group)))
        return sorted(events, key=lambda event: event[0])

    def tell(self, what):
        self.history.append((time.monotonic() - self.chapter_begin, what))

    def live(self, events):
        """Begins each event at its time, and carries on what goes on, until nothing does."""
        start = time.monotonic()
        number = itertools.count()
        queue = [(start + at, next(number), what, begin) for at, what, begin in events]
        heapq.heapify(queue)
        while queue:
            at, _, what, going = heapq.heappop(queue)
            time.sleep(max(0, at - time.monotonic()))
            if callable(going):
                self.tell(what)
                going = going()
            for seconds in going:
                heapq.heappush(queue, (time.monotonic() + seconds, next(number), what, going))
                break
            else:
                self.tell(f"    ({what}: over)")

    # Rest

    def settled(self, dice):
        """Until all agree; then also with a newcomer on each node in each mesh, and after they went."""
        self.tell("rest")
        start = time.monotonic()
        patience.until(self.store.is_whole, "Redis to be whole", 90)
        whole = time.monotonic()
        self.agreed()
        for probe in self.probes:
            self.swarm("connect", probe.name)
            probe.present = True
        self.agreed()
        for probe in self.probes:
            self.swarm(dice.choice(["leave", "close"]), probe.name)
            probe.present = False
        self.agreed()
        self.rested.append(time.monotonic() - whole)
        self.tell(f"all agree, {whole - start:.1f} s until Redis was whole, then {self.rested[-1]:.1f} s")

    def agreed(self):
        end = time.monotonic() + REST_SECONDS
        while reason := self.disagreement():
            assert time.monotonic() < end, f"no agreement within {REST_SECONDS} s: {reason}"
            time.sleep(0.1)

    def disagreement(self):
        """What is not yet as it should be; None when all agree."""
        connections, versions = {}, {}
        for name, node, version, seen in self.views():
            connections.setdefault(name, []).append((node, seen))
            versions[name] = version
        for group in self.groups + self.probes:
            for peer in group.peers:
                found, wanted = len(connections.get(peer, [])), (1 + group.tabs) * group.present
                if found != wanted:
                    return f"p{peer} has {found} connections and wants {wanted}"
        for mesh in self.store.mesh_names():
            if reason := self.mesh_disagreement(mesh, connections, versions):
                return f"mesh {mesh}: {reason}"
        return self.leftovers()

    def views(self):
        """(peer, node, version announced, {other: version seen}) of each connection that is in."""
        for word in self.swarm("views", "*").split():
            who, _, seen = word.partition("=")
            who, node, version = who.replace("@", ":").split(":")
            others = (pair.split(":") for pair in seen.split(",") if pair)
            yield int(who[1:].partition(".")[0]), node, int(version), {int(a): int(b) for a, b in others}

    def mesh_disagreement(self, mesh, connections, versions):
        present = [g for g in self.groups + self.probes if g.mesh == mesh and g.present]
        members = [peer for group in present for peer in group.peers]
        try:
            roster, reason = self.redis_roster(mesh, members, connections)
        except (OSError, RedisError) as error:
            return f"Redis: {error}"
        if reason:
            return reason
        for group in present:
            for peer in group.peers:
                # Which of two tabs announced last is not for us to know: they wait for a quarter of a
                # second, each by itself. All must agree on one of them.
                if roster[peer] != versions[peer] and not group.tabs:
                    return f"p{peer} announced {versions[peer]}, Redis has {roster[peer]}"
        for peer in members:
            others = {other: version for other, version in roster.items() if other != peer}
            for node, seen in connections[peer]:
                if seen != others:
                    return f"p{peer} on {node} sees wrongly {difference(seen, others)}"
        names = {f"p{peer}" for peer in members}
        for node in self.rig.nodes:
            said = node.request("POST", f"/invocations?mesh={mesh}", body="").json
            if said["status"] != "ok" or set(said["peers"]) != names:
                return f"{node.group} answers {said['status']}, {set(said['peers']) ^ names}"
        return None

    def redis_roster(self, mesh, members, connections):
        """The version that Redis has of each; and what is wrong with the index, and with leases."""
        redis = self.store.holder(mesh)
        roster, names = {}, {f"p{peer}" for peer in members}
        index = set(redis.call("ZRANGE", f"relay:{{{mesh}}}:peers", 0, -1))
        if index != names:
            return roster, f"the index of Redis differs by {index ^ names}"
        seconds, micros = redis.call("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        for peer in members:
            fields = redis.call("HGETALL", f"relay:{{{mesh}}}:peer:p{peer}")
            fields = dict(zip(fields[::2], fields[1::2]))
            leases = [f for f, value in fields.items() if f.startswith("n:") and int(value) > now]
            nodes = {node for node, _ in connections[peer]}
            if "presence" not in fields or len(leases) != len(nodes):
                return roster, f"p{peer} is on {nodes}, Redis has {fields}"
            roster[peer] = json.loads(fields["presence"])["data"].get("v", 0)
        return roster, None

    def leftovers(self):
        """What a node at rest still owes or holds."""
        open_here = 0
        for node in self.rig.nodes:
            for name in ("leaves_owed", "bus_queue_bytes", "joins_waiting"):
                if node.metric(f"p2p_relay_{name}"):
                    return f"{node.group} has {name} {node.metric(f'p2p_relay_{name}')}"
            open_here += node.metric("p2p_relay_connections")
        if open_here != self.swarm.count()["open"]:
            return f"the nodes have {open_here} connections, the peers {self.swarm.count()['open']}"
        return None

    # A chapter

    def begin_chapter(self, number, dice):
        self.history.clear()
        self.chapter_begin = time.monotonic()
        self.tell(f"chapter {number}")
        directory = self.rig.directory / f"chapter-{number}"
        directory.mkdir()
        self.rig.swarm.stop()
        self.swarm = self.rig.swarm = Swarm(directory, dice.randrange(1 << 32))
        for node in self.rig.nodes:
            self.swarm("node", node.group, node.front_address)
        self.groups, self.probes = [], []
        left = PEERS
        while left > 0:
            count = min(left, dice.randint(*GROUP_SIZES))
            self.add_group(dice, f"g{len(self.groups)}", count)
            left -= count
        for mesh, node in itertools.product(self.store.mesh_names(), self.rig.nodes):
            probe = Group(f"probe-{mesh}-{node.group}", 1, mesh, tabs=0)
            probe.first = int(self.swarm("peers", probe.name, 1, node.group, mesh))
            self.swarm("beat", probe.name, SCALE.beat_ms)
            self.swarm("again", probe.name, 100, 200)
            self.probes.append(probe)

    def add_group(self, dice, name, count):
        homes = [node.group for node in self.rig.nodes] + ["any"]
        group = Group(name, count, dice.choice(self.store.mesh_names()), tabs=int(dice.random() < 0.25))
        group.first = int(self.swarm("peers", name, count, dice.choice(homes), group.mesh))
        if group.tabs:
            self.swarm("tabs", name, dice.choice(homes))
        self.swarm("beat", name, SCALE.beat_ms, *dice.choice([[], ["presence"]]))
        self.swarm("again", name, 100, dice.choice([200, 1500]), *dice.choice([[], ["any"]]))
        self.swarm("drained", name, dice.choice(["moves", "stays"]))
        self.swarm("receive-buffer", name, dice.choice([0, 262144]))
        self.groups.append(group)

    def chapter(self, number, rounds):
        dice = random.Random(f"{self.seed} {number}")
        self.begin_chapter(number, dice)
        for group in self.groups:
            group.present = dice.random() < 0.9
            if group.present:
                self.swarm("connect", group.name)
        for _ in range(rounds):
            self.rig.talk()
            self.live(self.plan(dice))
            self.rig.hush()
            self.settled(dice)
        self.end_chapter()
        verdict = self.rig.judge(**JUDGE)
        verdict.pop("changes")
        clean(verdict)
        self.log(
            f"chapter {number}: {verdict.sent_direct + verdict.sent_broadcast} sent, {verdict.delivered} delivered,"
            f" {verdict.lost} lost and told, {verdict.offline} told offline, rest at most {max(self.rested):.1f} s,"
            f" elder {self.resident[-1][1] / 1e6:.2f} MB, closed with {verdict.codes}"
        )
        shutil.rmtree(self.rig.directory / f"chapter-{number}")

    def end_chapter(self):
        """All leave, and nothing stays of them."""
        for group in self.groups + self.probes:
            self.swarm("close", group.name)
            group.present = False
        self.agreed()
        patience.until(self.is_forgotten, lambda: f"no keys: {self.keys()}", GONE_SECONDS)
        for n, node in enumerate(self.rig.nodes):
            assert "event=node_cloned" not in node.log(), f"{node.name} takes itself for a twin"
            before = self.descriptors.setdefault(n, node.descriptors())
            patience.until(
                lambda n=node, b=before: abs(n.descriptors() - b) <= DESCRIPTORS_GROWTH_MAX,
                lambda n=node, b=before: f"{n.name} had {b} descriptors and has {n.descriptors()}",
            )
        self.resident.append((time.monotonic() - self.begin, self.elder.resident_bytes()))
        grown = self.resident[-1][1] - self.resident[0][1]
        assert within_memory(grown, RESIDENT_GROWTH_MAX), f"the elder has grown by {grown} bytes: {self.resident}"

    def keys(self):
        return {key for server in self.store.servers for key in server.call("KEYS", "*")}

    def is_forgotten(self):
        return not self.keys()

    def slope(self, after_seconds=3600):
        """How much the elder grows, in % an hour, after the first one; None before there is enough to say."""
        points = [(at / 3600, bytes) for at, bytes in self.resident if at >= after_seconds]
        if len(points) < 10 or points[-1][0] - points[0][0] < 0.5:
            return None
        mean_x, mean_y = (sum(values) / len(points) for values in zip(*points))
        spread = sum((x - mean_x) ** 2 for x, _ in points)
        return 100 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread / mean_y

    # The whole

    def run(self, seconds=None, chapters=None, first=1, rounds=4):
        for number in itertools.count(first):
            if chapters is not None and number >= first + chapters:
                break
            if seconds is not None and time.monotonic() - self.begin > seconds:
                break
            try:
                self.chapter(number, rounds)
            except BaseException:
                self.log(self.story(number))
                raise
        slope = self.slope()
        assert slope is None or slope <= 1, f"the elder grows by {slope:.2f} % an hour"
        return slope

    def story(self, number):
        lines = [f"{at:9.3f}  {what}" for at, what in self.history]
        again = f"/usr/bin/python3 tests/fault/model.py --seed {self.seed} --chapter {number}"
        return "\n".join(
            ["", *lines, f"files: {self.rig.directory}", f"again: {again} --redis {self.store.name} --chapters 1"]
        )

    def stop(self):
        for node in self.rig.nodes:
            node.thaw()
            self.proxy.heal(node.front)
            if node.way is not None:
                self.proxy.heal(node.way)
        self.rig.stop()
        self.store.stop()


def difference(found, wanted):
    """{peer: (found, wanted)} where they are not the same; None = not there."""
    return {
        f"p{peer}": (found.get(peer), wanted.get(peer))
        for peer in sorted(found.keys() | wanted.keys())
        if found.get(peer) != wanted.get(peer)
    }


def form_of(seed):
    return sorted(FORMS)[seed % len(FORMS)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--redis", choices=FORMS, help="if not given, the seed decides")
    parser.add_argument("--chapter", type=int, default=1, help="the first one")
    parser.add_argument("--chapters", type=int, help="how many")
    parser.add_argument("--rounds", type=int, default=4, help="in a chapter")
    arguments = parser.parse_args()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="model-"))
    form = arguments.redis or form_of(arguments.seed)
    print(f"seed {arguments.seed}, Redis: {form}, files: {directory}", flush=True)
    model = Model(directory, arguments.seed, form, log=lambda line: print(line, flush=True))
    seconds = None if arguments.minutes is None else arguments.minutes * 60
    slope = model.run(seconds, arguments.chapters, arguments.chapter, arguments.rounds)
    model.stop()
    shutil.rmtree(directory)
    print("clean" if slope is None else f"clean; memory {slope:+.2f} % an hour")


if __name__ == "__main__":
    main()
