"""
A Redis, nodes, peers on them, a proxy between any two, and what is done to them.

    rig.start_redis()
    rig.start_nodes(3, ttl_seconds=3)       # each with a way to Redis of its own: rig.proxy
    rig.populate(50)                        # peers on each node, in a group named as the node
    rig.talk(direct=300, broadcast=10)      # a second
    rig.nodes[0].kill()
    rig.hush()
    verdict = rig.judge()
"""

import os
import re
import resource
import threading
import time
from collections import defaultdict
from dataclasses import dataclass

from harness import figures, patience
from harness.process import cpu_seconds, stat_after_name
from harness.redis import Redis
from harness.relay import Relay, is_sanitized
from programs import KINDS, Proxy, Swarm, judge, read_journal

PEERS_COME_AND_GO = re.compile(r"\bevent=(joined|left|connection_\w+)\b")
UNLIMITED = {"messages_per_second": 0, "bytes_per_second": 0, "presence_repeat_seconds": 0}


@dataclass(frozen=True)
class Scale:
    """How large a run is. The short ones are for every change, the long ones have the table's numbers."""

    name: str
    peers: int  # on each of three nodes
    ttl: int  # s
    beat_ms: int
    direct: int  # a second, of all together
    broadcast: int

    @property
    def spare(self):
        """Seconds that a small machine needs for what has piled up, on top of what is promised."""
        return self.seconds(0.5, 4)

    def seconds(self, short, long):
        """Or any other number."""
        return short if self.name == "short" else long


SHORT = Scale("short", peers=50, ttl=3, beat_ms=750, direct=300, broadcast=10)
LONG = Scale("long", peers=334, ttl=30, beat_ms=10_000, direct=1000, broadcast=50)


class Node(Relay):
    """A relay in the rig; knows by which way of the proxy it reaches Redis."""

    def __init__(self, directory, number, way=None, environment=None, **options):
        super().__init__(directory, number, environment, **options)
        self.way = way
        self.group = f"node-{number}"

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ready_reason(self):
        return self.get("/readyz").text

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def limit(self, what, value):
        """setrlimit(2) on the running process: node.limit(resource.RLIMIT_NOFILE, 256)."""
        resource.prlimit(self.pid, what, (value, value))

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def page_faults(self):
        return int(stat_after_name(self.pid)[7])  # minflt

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Readiness:
    """Asks nodes at short intervals whether they are ready, and remembers since when."""

    INTERVAL = 0.02  # s

    def __init__(self, nodes):
        self.changes = {node: [] for node in nodes}  # (time, ready), the first is the state at first
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.watch, args=[n], daemon=True) for n in nodes]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def watch(self, node):
        changes = self.changes[node]
        while not self.ended.wait(self.INTERVAL):
            try:
                ready = node.is_ready()
            except OSError:
                ready = False
            if not changes or changes[-1][1] != ready:
                changes.append((time.monotonic(), ready))

    def last_to_be(self, ready, since, seconds=patience.SECONDS):
        """Waits until all nodes are (not) ready; returns how long after `since` the last one was."""

        def moments():
            found = []
            for changes in self.changes.values():
                if not changes or changes[-1][1] != ready:
                    return None
                found.append(max(0, changes[-1][0] - since))
            return found

        what = "ready" if ready else "not ready"
        return max(patience.until(moments, lambda: f"all {what}: {self.changes}", seconds))


class Rig:
    def __init__(self, directory, seed, scale=SHORT):
        self.directory, self.seed, self.scale = directory, seed, scale
        self.redis = None
        self.nodes = []
        self.groups = {}  # the mesh of each
        self.keeps_journal = False  # for whoever looks for the cause of a failure
        self.proxy = Proxy(directory, seed)
        self.swarm = Swarm(directory, seed)

    # Building

    def start_redis(self, tcp=False, options=(), **more):
        directory = self.directory / "redis"
        directory.mkdir()
        self.redis = Redis(directory, tcp=tcp, options=options, **more)
        return self.redis

    @property
    def redis_address(self):
        return f"unix:{self.redis.socket_path}"

    def start_nodes(self, count, ready=True, **options):
        """Each reaches Redis by a way of the proxy that has its name, unless redis_url says else."""
        started = [self.spawn_node(Node, **options) for _ in range(count)]
        for node in started:
            self.introduce(node, ready)
        return started

    def start_node(self, factory=Node, *arguments, ready=True, **options):
        """One, perhaps of another class, whose first arguments are these."""
        node = self.spawn_node(factory, *arguments, **options)
        self.introduce(node, ready)
        return node

    def spawn_node(self, factory, *arguments, **options):
        number = len(self.nodes)
        way = f"node-{number}"
        options = {"ttl_seconds": self.scale.ttl, **UNLIMITED, **options}
        if "redis_url" not in options:
            listen = f"unix:{self.directory}/{way}"
            options["redis_url"] = self.proxy.forward(way, self.redis_address, listen)
        self.nodes.append(factory(*arguments, self.directory, number, way, **options))
        return self.nodes[-1]

    def introduce(self, node, ready=True):
        if ready:
            node.wait_ready()
        else:
            node.wait_listening()
        self.swarm("node", node.group, node.address)

    def populate(self, count=None, nodes=None, meshes=1, seconds=patience.SECONDS):
        """So many peers on each node, spread over meshes, who send signs of life and know each other."""
        for node in nodes or self.nodes:
            self.join_group(node.group, count or self.scale.peers, node.group, meshes)
        self.all_know_each_other(seconds)

    def join_group(self, name, count, home="any", meshes=1, tokens=None):
        """A group per mesh, whose peers come in: NAME, or NAME.0, NAME.1, ...; `tokens` is a file."""
        for mesh in range(meshes):
            group = name if meshes == 1 else f"{name}.{mesh}"
            self.groups[group] = f"mesh-{mesh}"
            self.swarm("peers", group, count // meshes, home, f"mesh-{mesh}")
            self.swarm("beat", group, self.scale.beat_ms)
            if tokens:
                self.swarm("tokens", group, tokens)
            self.swarm("connect", group)

    def all_know_each_other(self, seconds=patience.SECONDS):
        """All who are to be in are in, and each sees all others who are in its mesh."""

        def strangers():
            counts = {group: self.swarm.count(group) for group in self.groups}
            total = defaultdict(int)
            for group, mesh in self.groups.items():
                total[mesh] += counts[group]["in"]
            return {
                group: (counts[group]["in"], counts[group]["sees_least"], total[mesh])
                for group, mesh in self.groups.items()
                if counts[group]["in"] < counts[group]["PEER"]
                or counts[group]["sees_least"] < total[mesh] - 1
            }

        patience.until(lambda: not strangers(), lambda: f"all know all: {strangers()}", seconds)

    # Running

    def talk(self, direct=None, broadcast=None, group="*", to="*"):
        """Messages a second from now on; by default the scale's."""
        self.swarm("direct", group, to, self.scale.direct if direct is None else direct)
        self.swarm("broadcast", group, self.scale.broadcast if broadcast is None else broadcast)

    def hush(self, seconds=10):
        """Nobody says anything more, and what was said has arrived or is lost."""
        self.swarm("hush")
        self.settle(seconds)

    def settle(self, seconds=10):
        """Until for a second nothing has come; at most so long."""
        end, before, since = time.monotonic() + seconds, None, 0
        while time.monotonic() < end:
            counts = self.swarm.count()
            news = [counts[k] for k in ("GOT_DIRECT", "GOT_BROADCAST", "GOT_ERROR", "GOT_RESYNC")]
            if news != before:
                before, since = news, time.monotonic()
            if time.monotonic() - since > 1:
                return
            time.sleep(0.05)

    def hold(self, seconds):
        """The run goes on so long: what is measured is what happens in it."""
        time.sleep(seconds)

    def judge(self, **rules):
        self.swarm("flush")
        return judge(self.swarm.journal, **{"ttl": self.scale.ttl * 1000, **rules})

    def upgrades_since(self, since):
        """How long the handshakes took that were begun since then, sorted, in seconds."""
        opened, took = {}, []
        for at in read_journal(self.swarm.journal, "OPENED", "UPGRADED"):
            if KINDS[at.kind] == "OPENED":
                opened[at.peer, at.visit] = at.time_us
            elif opened[at.peer, at.visit] >= since * 1e6:
                took.append((at.time_us - opened[at.peer, at.visit]) / 1e6)
        return sorted(took)

    def joins_since(self, since):
        """When peers were in again, in seconds after then."""
        records = read_journal(self.swarm.journal, "JOINED")
        return sorted(at.time_us / 1e6 - since for at in records if at.time_us >= since * 1e6)

    def latency_p99_ms(self, group, since, until):
        """Of broadcasts sent between these times (s, time.monotonic()), as far as they have come to that group."""
        number, members, sent, took = list(self.groups).index(group), set(), {}, []
        for at in read_journal(self.swarm.journal, "PEER", "SENT_BROADCAST", "GOT_BROADCAST"):
            if KINDS[at.kind] == "PEER" and at.number == number:
                members.add(at.peer)
            elif KINDS[at.kind] == "SENT_BROADCAST" and since * 1e6 <= at.time_us <= until * 1e6:
                sent[at.peer, at.number] = at.time_us
            elif KINDS[at.kind] == "GOT_BROADCAST" and at.peer in members and (at.other, at.number) in sent:
                took.append(at.time_us - sent[at.other, at.number])
        return sorted(took)[len(took) * 99 // 100] / 1000

    # The end

    def logs(self):
        for process in [self.redis, self.proxy, self.swarm, *self.nodes]:
            lines = process.log().splitlines() if process is not None else []
            told = [line for line in lines if not PEERS_COME_AND_GO.search(line)]
            if told:
                yield process.name, "\n".join(told)

    def stop(self):
        self.swarm.stop()
        for node in self.nodes:
            node.stop()
        self.proxy.stop()
        if self.redis is not None:
            self.redis.thaw()
            self.redis.stop()


def clean(verdict, **allowed):
    """
    What no fault excuses: nothing forged, twice, or out of order, nobody told something false, and
    nothing lost of which nobody was told. `allowed` are names that may be other than 0 in this run.
    """
    never = (
        "forged duplicated reordered lost_silent unanswered_silent false_offline double_online"
        " double_offline missing_offline missing_online strange"
    ).split()
    found = {name: verdict[name] for name in never if verdict[name] and not allowed.get(name)}
    assert not found, f"{found}\n{verdict.story()}"


def oldest(verdict):
    """The age of the oldest delivery, in seconds."""
    return max(verdict.direct["max_ms"], verdict.broadcast["max_ms"]) / 1000


def within_memory(growth, bound):
    """Whether a node has grown by no more than that; which AddressSanitizer, that keeps what is freed, hides."""
    return is_sanitized() or growth <= bound


def record(row, scale, figure, value, unit, bar):
    figures.record(row, figure, value, unit, bar, scale.name)
