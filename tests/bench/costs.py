"""What single events cost: each is measured by a load that has many of it and little else, and what else is taken off."""

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from typing import NamedTuple

import machine
from compare import RUN_SECONDS_MAX, command
from model import EVENTS
from servers import HOST, ROOT, Relay, until

sys.path.insert(0, str(ROOT / "tests/integration"))

from harness.process import cpu_seconds  # noqa: E402
from harness.redis import encode  # noqa: E402

PARTS = ("node", "node_busy", "redis", "redis_busy", "to_redis", "from_redis")

SHORT_TTL = 6  # s, and a heartbeat each 2 s: the work of five times as many peers with the default
SHORT_BEAT = 2
SECONDS = 3
MANY_NODES = 48
A_FEW = 200  # messages a second, far from each other
AT_ONCE = 500  # messages that come together


class Redis:
    """Its own counters."""

    def __init__(self, port):
        self.port = port
        self.connection = socket.create_connection((HOST, port))
        self.reader = self.connection.makefile("rb")

    def ask(self, *words):
        self.connection.sendall(encode(words))
        size = int(self.reader.readline()[1:])
        return self.reader.read(size + 2).decode()

    def info(self, section):
        lines = (line.partition(":") for line in self.ask("INFO", section).splitlines())
        return {name: value for name, _, value in lines}

    def wire(self):
        """Bytes that came in and went out; the answer to this comes on top."""
        stats = self.info("stats")
        return int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])

    def subscribers(self):
        return len(self.ask("CLIENT", "LIST", "TYPE", "pubsub").splitlines())

    def memory(self):
        return int(self.info("memory")["used_memory"])

    def channel_bytes(self, count=10_000):
        """Of a channel to which one connection listens."""
        before = self.memory()
        with socket.create_connection((HOST, self.port)) as connection, connection.makefile("rb") as reader:
            names = [f"relay:{{bench-{number:05}}}:broadcast" for number in range(count)]
            connection.sendall(encode(["SUBSCRIBE", *names]))
            for _ in range(6 * count):
                reader.readline()
            return (self.memory() - before) / count


class Run(NamedTuple):
    """What happened while it was measured."""

    seconds: float
    count: int
    cpu: dict  # µs, by process
    to_redis: float  # bytes
    from_redis: float
    redis_memory: float  # bytes grown by since the start
    node_memory: float  # bytes of all nodes' processes per socket, if that was measured
    kernel_memory: float

    def node(self):
        """All of them."""
        return sum(used for name, used in self.cpu.items() if name != "redis")

    @property
    def redis(self):
        return self.cpu["redis"]


@contextlib.contextmanager
def nodes(count, **options):
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with Relay(folder, machine.cores()[0], count, **options) as system:
            yield system


def load(system, scenario, **options):
    """Runs the load generator, and looks at Redis when it says that what is measured begins and ends."""
    redis = Redis(system.redis_port)
    memory, reply = redis.memory(), len(redis.ask("INFO", "stats"))
    words = [*map(str, command(system, scenario)), "--json", "yes", "--marks", "yes"]
    words += [str(word) for name, value in options.items() for word in ("--" + name.replace("_", "-"), value)]
    running = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    give_up = threading.Timer(RUN_SECONDS_MAX, running.kill)
    give_up.start()
    try:
        seen = {}
        for line in running.stdout:
            if line.strip() in ("begin", "end"):
                seen[line.strip()] = (redis.wire(), redis.memory())
            else:
                figures = json.loads(line)
        if running.wait() != 0:
            raise SystemExit(f"{' '.join(words)}: exit {running.returncode}")
    finally:
        give_up.cancel()
        running.kill()
    unit = next(name for name in ("deliveries", "messages", "joins", "leaves", "connects", "sockets") if name in figures)
    asked = reply + 10 + len(redis.ask("INFO", "memory"))  # what these looks put on the way themselves
    (in_before, out_before), _ = seen["begin"]
    (in_after, out_after), _ = seen["end"]
    per_process = figures.get("process_bytes_per_socket", {})
    return Run(
        seconds=figures["seconds"],
        count=figures[unit],
        cpu={name: 1e6 * used for name, used in figures["cpu_seconds"].items()},
        to_redis=in_after - in_before,
        from_redis=out_after - out_before - asked,
        redis_memory=seen["begin"][1] - memory,
        node_memory=sum(size for name, size in per_process.items() if name != "redis"),
        kernel_memory=figures.get("kernel_bytes_per_socket", 0),
    )


def nobody(count):
    """Nodes to which nobody comes. Returns the run, the memory of one, and that of its connections in Redis."""
    with nodes(count) as system:
        redis = Redis(system.redis_port)
        pids = dict(system.processes())
        reply = len(redis.ask("INFO", "stats"))
        before, cpu, begin = redis.wire(), {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
        time.sleep(SECONDS)
        cpu = {name: 1e6 * (cpu_seconds(pid) - cpu[name]) for name, pid in pids.items()}
        took, after = time.monotonic() - begin, redis.wire()
        connections = [line for line in redis.ask("CLIENT", "LIST").splitlines() if "name=p2p-relay" in line]
        buffers = sum(int(line.partition("tot-mem=")[2].split()[0]) for line in connections)
        memory = statistics.mean(machine.own_bytes(pid) for name, pid in pids.items() if name != "redis")
        run = Run(took, count, cpu, after[0] - before[0], after[1] - before[1] - reply, 0, memory, 0)
        return run, memory, buffers / count


@contextlib.contextmanager
def listeners(system, count):
    """As many more nodes, as far as Redis can see: connections that have subscribed to the mesh."""
    redis = Redis(system.redis_port)
    before = redis.subscribers()
    connections = [socket.create_connection((HOST, system.redis_port)) for _ in range(count)]
    ended = threading.Event()

    def read():
        while not ended.wait(0.02):
            for connection in connections:
                with contextlib.suppress(BlockingIOError):
                    connection.recv(1 << 20)

    reader = threading.Thread(target=read, daemon=True)
    try:
        reader.start()
        for connection in connections:
            connection.setblocking(False)
            connection.sendall(encode(["SUBSCRIBE", "relay:{default}:broadcast"]))
        until(lambda: redis.subscribers() == before + count, "the listeners")
        yield
    finally:
        ended.set()
        reader.join()
        for connection in connections:
            connection.close()


def run(scenario, count=2, more=0, relay=None, **options):
    """So many nodes, maybe with more listeners, under a load."""
    with nodes(count, **(relay or {})) as system, listeners(system, more):
        return load(system, scenario, **options)


class Measurement:
    """One run of each load, and the costs that come of it."""

    def __init__(self, say, sockets=2000, joins=1000):
        self.say, self.sockets, self.joins = say, sockets, joins
        self.costs = {f"{event}.{what}": 0.0 for event in EVENTS for what in PARTS}

    def set(self, name, **parts):
        """What is less than nothing is noise."""
        self.costs.update({f"{name}.{part}": max(0.0, value) for part, value in parts.items()})

    def set_event(self, name, alone, together=None):
        """Each as per() gives it."""
        self.set(name, **dict(zip(("node", "redis", "to_redis", "from_redis"), alone)))
        if together:
            self.set(name, node_busy=together[0], redis_busy=together[1])

    def own(self, run, count=2):
        """Without what nodes and Redis do anyway: µs of all nodes, of Redis; bytes to and from it."""
        idle = count * run.seconds
        return (
            run.node() - idle * self.costs["idle.node"],
            run.redis - idle * self.costs["idle.redis"] - run.seconds * self.costs["redis.base"],
            run.to_redis - idle * self.costs["idle.to_redis"],
            run.from_redis - idle * self.costs["idle.from_redis"],
        )

    def per(self, run, events, count=2):
        return [value / events for value in self.own(run, count)]

    def meshes(self, mesh_peers=10, count=2, relay=None, **options):
        options = {"sockets": self.sockets, "seconds": SECONDS, "warm_up_seconds": 1, **options}
        return run("meshes", count, relay=relay, mesh_peers=mesh_peers, **options)

    def all(self):
        for part in (self.nodes_alone, self.sockets_at_rest, self.heartbeats, self.messages, self.joining, self.memory):
            self.say(part.__name__.replace("_", " "))
            part()
        return self.costs

    def nodes_alone(self):
        (two, memory, buffers), (eight, _, _) = nobody(2), nobody(8)
        per_node = (eight.redis / eight.seconds - two.redis / two.seconds) / 6
        seconds = 8 * eight.seconds
        self.set("redis", base=two.redis / two.seconds - 2 * per_node, node=buffers)
        self.set(
            "idle",
            node=eight.node() / seconds,
            node_busy=eight.node() / seconds,
            redis=per_node,
            redis_busy=per_node,
            to_redis=eight.to_redis / seconds,
            from_redis=eight.from_redis / seconds,
        )
        self.set("memory", node=memory)

    def sockets_at_rest(self):
        still, pinged = self.meshes(), self.meshes(relay={"ping_seconds": 1})
        pings = self.sockets * (pinged.seconds - still.seconds / 25)
        cost = (self.own(pinged)[0] - self.own(still)[0]) / pings
        self.set("ping", node=cost, node_busy=cost)

    def heartbeats(self):
        rate = self.sockets // SHORT_BEAT
        # For a TTL, in which each lease is looked at once.
        beating = {"heartbeats": rate, "relay": {"ttl_seconds": SHORT_TTL}, "seconds": SHORT_TTL}
        apart, together = self.meshes(**beating), self.meshes(burst=AT_ONCE, **beating)
        gathered = self.meshes(mesh_peers=self.sockets, **beating)
        beats = rate * SHORT_TTL
        self.set_event("beat", self.per(apart, beats), self.per(together, beats))
        alone = self.per(gathered, beats)
        self.set_event("gathered", alone, [min(alone[0], self.costs["beat.node_busy"]), alone[1]])

    def broadcasting(self, suffix, at_once):
        """Meshes of 10 and of 100 on one node differ in deliveries. At once: one in each mesh."""

        def each(mesh_peers):
            burst = self.sockets // mesh_peers if at_once else 1
            done = self.meshes(mesh_peers, count=1, broadcasts=A_FEW, burst=burst)
            return self.per(done, A_FEW * SECONDS, count=1)

        ten, hundred = each(10), each(100)
        deliver = max(0, (hundred[0] - ten[0]) / 90)
        # The delivery in what listening() found: alone it is a write of its own, busy all that are under way share one.
        hear = self.costs["hear.node" + suffix] - (0 if at_once else deliver)
        self.set("deliver", **{"node" + suffix: deliver})
        self.set("hear", **{"node" + suffix: hear})
        self.set("publish", **{"node" + suffix: ten[0] - hear - 9 * deliver})
        return ten

    def listening(self, **options):
        """A node that hears a broadcast and has one socket for it: itself, and what one more of it costs Redis."""
        options = dict(senders=1, receivers=1, seconds=SECONDS, warm_up_seconds=1, **options)
        few, many = (run("fanout", more=more, **options) for more in (0, MANY_NODES))
        node = (few.cpu["node2"] - few.seconds * self.costs["idle.node"]) / few.count
        redis = (self.own(many)[1] / many.count - self.own(few)[1] / few.count) / MANY_NODES
        return node, redis, self.own(few)[3] / few.count / 2

    def messages(self):
        (node, redis, from_redis), (node_busy, redis_busy, _) = self.listening(rate=A_FEW), self.listening(window=32)
        self.set("hear", node=node, node_busy=node_busy, redis=redis, redis_busy=redis_busy, from_redis=from_redis)
        ten, ten_busy = self.broadcasting("", at_once=False), self.broadcasting("_busy", at_once=True)
        self.set(
            "publish",
            redis=ten[1] - self.costs["hear.redis"],
            redis_busy=ten_busy[1] - self.costs["hear.redis_busy"],
            to_redis=ten[2],
            from_redis=ten[3] - self.costs["hear.from_redis"],
        )
        few, many = self.meshes(directs=A_FEW), self.meshes(directs=4 * AT_ONCE, burst=AT_ONCE)
        self.set_event("direct", self.per(few, A_FEW * SECONDS), self.per(many, 4 * AT_ONCE * SECONDS))

    def joining(self):
        ten, large = (run("join", receivers=self.joins, mesh_peers=peers) for peers in (10, self.joins))
        self.set_event("join", self.per(ten, self.joins))
        self.set("told", node=(self.own(large)[0] - self.own(ten)[0]) / self.joins / (self.joins - 10))
        left = run("leave", receivers=self.joins, mesh_peers=20, rate=A_FEW)
        self.set_event("leave", self.per(left, left.count))

    def memory(self):
        """One node with meshes of one and of a hundred, and two nodes that both know the hundred."""
        single, shared, across = (self.meshes(mesh_peers, count) for mesh_peers, count in ((1, 1), (100, 1), (100, 2)))
        entry = max(0, across.node_memory - shared.node_memory)
        mesh = max(0, (single.node_memory - shared.node_memory) / (1 - 1 / 100))
        own = shared.node_memory - entry - mesh / 100
        self.set("memory", entry=entry, mesh=mesh, socket=own, kernel=across.kernel_memory)
        mesh = max(0, (single.redis_memory - shared.redis_memory) / self.sockets / (1 - 1 / 100))
        self.set("redis", mesh=mesh, peer=shared.redis_memory / self.sockets - mesh / 100)
        with nodes(1) as system:
            redis = Redis(system.redis_port)
            self.set("redis", channel=float(redis.channel_bytes()))


def measure(rounds, say, **sizes):
    """Each round's costs, and the medians of all."""
    taken = []
    for number in range(rounds):
        taken.append(Measurement(lambda text, number=number: say(f"{number + 1}/{rounds} {text}"), **sizes).all())
    return {name: statistics.median(costs[name] for costs in taken) for name in taken[0]}, taken
