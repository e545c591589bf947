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

import json
import os
import resource
import time
from dataclasses import dataclass

from harness import patience
from harness.process import ROOT
from harness.redis import Redis
from harness.relay import Relay
from programs import Proxy, Swarm, judge

FIGURES = ROOT / "build/reports/fault.jsonl"
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

    def seconds(self, short, long):
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

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Rig:
    def __init__(self, directory, seed, scale=SHORT):
        self.directory, self.seed, self.scale = directory, seed, scale
        self.redis = None
        self.nodes = []
        self.mesh = "mesh"
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
        options = {"ttl_seconds": self.scale.ttl, **UNLIMITED, **options}
        started = [self.spawn_node(options) for _ in range(count)]
        for node in started:
            if ready:
                node.wait_ready()
            else:
                node.wait_listening()
            self.swarm("node", node.group, node.address)
        return started

    def spawn_node(self, options, factory=Node, **more):
        number = len(self.nodes)
        way = f"node-{number}"
        if "redis_url" not in options:
            address = self.proxy.forward(way, self.redis_address, f"unix:{self.directory}/{way}")
            options = {**options, "redis_url": address}
        self.nodes.append(factory(self.directory, number, way, **more, **options))
        return self.nodes[-1]

    def populate(self, count=None, nodes=None, wait=True):
        """So many peers on each node, who send signs of life and know each other."""
        for node in nodes or self.nodes:
            self.add_group(node.group, count or self.scale.peers, node.group)
            self.swarm("connect", node.group)
        if wait:
            self.all_know_each_other()

    def add_group(self, name, count, node, mesh=None):
        self.swarm("peers", name, count, node, mesh or self.mesh)
        self.swarm("beat", name, self.scale.beat_ms)

    def all_know_each_other(self, group="*", seconds=patience.SECONDS):
        """All of that group are in, and each sees all others who are in its mesh, if that is one."""

        def settled(counts):
            total = self.swarm.count()["in"]
            return counts["in"] == counts["PEER"] and counts["sees_least"] >= total - 1

        return self.swarm.until(settled, "everybody knows everybody", group, seconds)

    # Running

    def talk(self, direct=None, broadcast=None, group="*", to="*"):
        """Messages a second from now on; by default the scale's."""
        self.swarm("direct", group, to, self.scale.direct if direct is None else direct)
        self.swarm("broadcast", group, self.scale.broadcast if broadcast is None else broadcast)

    def hush(self, group="*", to="*", seconds=10):
        """Nobody says anything more, and what was said has arrived or is lost."""
        self.talk(0, 0, group, to)
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

    # The end

    def logs(self):
        for process in [self.redis, self.proxy, self.swarm, *self.nodes]:
            if process is not None and process.log():
                yield process.name, process.log()

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


def record(row, scale, figure, value, unit, bar):
    """A measured figure, for docs/reliability.md: a line of JSON in build/reports/fault.jsonl."""
    line = {"row": row, "scale": scale.name, "figure": figure, "value": value, "unit": unit, "bar": bar}
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    with open(FIGURES, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
