#!/usr/bin/python3
"""
What any number of nodes costs: single events are measured, the rest is arithmetic, and some of it is checked.

    scripts/bench scaling [--rounds N] [--write] [--again]

Measures what single events cost, on two nodes; then loads three nodes with 9,000 sockets, and says how far the model
is from that. About a quarter of an hour. CPU time counts, not the clock: other work on the machine makes it longer, and
events dearer, but not wrong.

  --rounds N       how often (default 3); the medians count
  --write          writes docs/scaling.md
  --again          measures nothing: the last time once more
"""

import argparse
import json
import re
import signal
import sys
import time

import costs
import machine
import report
from compare import allow_many_files
from model import Load, change, repeated, steady, storm
from servers import ROOT

RESULTS = ROOT / "build/bench/scaling.json"
PAGE = ROOT / "docs/scaling.md"
RELIABILITY = ROOT / "docs/reliability.md"

LOADS = {
    "idle": dict(mesh_peers=10),
    "chatty": dict(mesh_peers=100, broadcasts=1),
    "direct": dict(mesh_peers=10, directs=1),
}
SHAPES = {
    "3 × 10,000": dict(nodes=3, sockets=10_000),
    "50 × 10,000": dict(nodes=50, sockets=10_000),
    "5,000 × 1": dict(nodes=5_000, sockets=1, probe_seconds=10),
}
CHECKED = {name: Load(nodes=3, sockets=3_000, **load) for name, load in LOADS.items()}
CHECKED_STORM = Load(nodes=3, sockets=3_000, mesh_peers=100)
CHECKED_SECONDS = 30  # a TTL, in which each lease is looked at once
PRESENCE_BYTES = 200
REPEAT_SECONDS = 15


# ---- Checks


def check(load):
    """What the model predicts, as it is on this machine."""
    done = costs.run(
        "meshes",
        load.nodes,
        relay={"ttl_seconds": 30},
        sockets=load.peers,
        mesh_peers=load.mesh_peers,
        heartbeats=int(load.peers / load.beat_seconds),
        broadcasts=int(load.broadcasts * load.meshes),
        directs=int(load.directs * load.peers),
        opening=256,
        seconds=CHECKED_SECONDS,
        warm_up_seconds=3,
    )
    return {
        "node_cpu": done.node() / load.nodes / done.seconds / 1e6,
        "redis_cpu": done.redis / done.seconds / 1e6,
        "to_redis": done.to_redis / done.seconds,
        "from_redis": done.from_redis / done.seconds,
        "node_bytes": load.sockets * (done.node_memory + done.kernel_memory),
        "redis_bytes": done.redis_memory,
    }


def check_storm(load):
    done = costs.run("join", load.nodes, receivers=load.peers, mesh_peers=load.mesh_peers, opening=256)
    return {"nodes": done.node() / 1e6, "redis": done.redis / 1e6}


def measure(rounds):
    say = lambda text: print(text, file=sys.stderr)  # noqa: E731
    medians, taken = costs.measure(rounds, say)
    checks = {"cores": len(machine.cores()[0])}
    for name, load in CHECKED.items():
        say(f"check: {name}")
        checks[name] = check(load)
    say("check: storm")
    checks["storm"] = check_storm(CHECKED_STORM)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.description(),
        "rounds": rounds,
        "costs": medians,
        "taken": taken,
        "checks": checks,
    }


# ---- Tables

WORDS = {
    "idle": "a node to which nobody comes, a second",
    "ping": "a ping and its pong",
    "beat": "a heartbeat",
    "gathered": "a heartbeat in a mesh of a thousand, gathered",
    "publish": "a broadcast: to publish it",
    "hear": "... to a node that hears it",
    "deliver": "... to a socket",
    "direct": "a direct message, both nodes together",
    "join": "a join among hundreds, mesh of 10",
    "told": "... each further peer told of it",
    "leave": "a leave, 10 told of it",
}
MEMORY = {
    "memory.node": "a node without sockets",
    "memory.socket": "a socket with its peer",
    "memory.kernel": "... in the kernel",
    "memory.mesh": "a mesh on a node",
    "memory.entry": "a peer in the roster of a mesh, on each node that has the mesh",
    "redis.peer": "Redis: a peer (key, index, channel)",
    "redis.mesh": "Redis: a mesh (index, channel)",
    "redis.channel": "Redis: a channel to which a node listens",
    "redis.node": "Redis: the two connections of a node",
}


def cost_table(values):
    lines = []
    for event, words in WORDS.items():
        cells = [values.get(f"{event}.{part}", 0) for part in costs.PARTS]
        lines.append([words, *(report.short(cell) if cell else "" for cell in cells)])
    head = ["", "node, alone", "node, busy", "Redis, alone", "Redis, busy", "to Redis", "from Redis"]
    return report.grid(head, lines)


def memory_table(values):
    return report.grid(["", "bytes"], [[words, f"{values[name]:,.0f}"] for name, words in MEMORY.items()])


def percent(part):
    return f"{100 * part:.3g} %" if part < 10 else f"{100 * part:,.0f} %"


def size(number):
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5 or unit == "GB":
            return f"{number:.3g} {unit}"
        number /= 1000


def shape_table(values):
    lines = []
    for shape, nodes in SHAPES.items():
        for name, what in LOADS.items():
            cost = steady(values, Load(**nodes, **what))
            first, times = cost.ends_first
            cpu = [percent(min(part, 1)) for part in (cost.node_cpu, cost.redis_cpu)]
            sizes = map(size, (cost.node_bytes, cost.redis_bytes, cost.to_redis, cost.from_redis))
            lines.append([f"{shape}, {name}", *cpu, *sizes, f"{first}, at {times:.2g} ×"])
    head = ["", "each node", "Redis", "memory of a node", "of Redis", "to Redis, a second", "from Redis", "ends first"]
    return report.grid(head, lines)


def storm_table(values):
    lines = []
    for shape, nodes in SHAPES.items():
        for mesh_peers in (10, 100):
            load = Load(**nodes, mesh_peers=mesh_peers)
            one_node = "the peers of one node", load.sockets, load.nodes - 1
            for who, joins, left in (one_node, ("all", load.peers, load.nodes)):
                if joins == 1:
                    continue
                cost = storm(values, load, joins)
                each, redis = f"{cost.nodes / left:.2g} s", f"{cost.redis:.2g} s"
                lines.append([f"{shape}, meshes of {mesh_peers}: {who}", each, redis, f"{cost.seconds(left):.2g} s"])
    return report.grid(["come back at once", "CPU of each node", "CPU of Redis", "takes at least"], lines)


def large_table(values):
    lines = []
    for peers in (100, 1_000, 5_000):
        nodes, redis = change(values, peers, 3)
        all_join = storm(values, Load(nodes=3, sockets=peers / 3, mesh_peers=peers), peers)
        one = [f"{nodes / 1000:.2g} ms", f"{redis:.0f} µs"]
        every = [f"{all_join.nodes:.2g} s", f"{all_join.redis:.2g} s"]
        lines.append([f"{peers:,}", *one, *every, size(repeated(peers, PRESENCE_BYTES, REPEAT_SECONDS))])
    head = ["peers", "one comes or goes: CPU of the nodes", "of Redis", "all join at once: CPU of the nodes", "of Redis"]
    return report.grid([*head, "repeats, a second, without `events`"], lines)


def compared(title, predicted, measured, show):
    error = f"{100 * (predicted / measured - 1):+.0f} %" if measured else ""
    return [title, show(predicted), show(measured), error]


def check_table(values, checks, reliability):
    lines = []
    for name, load in CHECKED.items():
        cost = steady(values, load, checks["cores"])._asdict()
        cost["node_bytes"] -= values["memory.node"]  # which was there before
        cost["redis_bytes"] -= load.nodes * values["redis.node"]
        for figure, words, show in (
            ("node_cpu", "CPU of each node", percent),
            ("redis_cpu", "CPU of Redis", percent),
            ("to_redis", "to Redis, a second", size),
            ("from_redis", "from Redis, a second", size),
        ):
            lines.append(compared(f"3 × 3,000, {name}: {words}", cost[figure], checks[name][figure], show))
        if name == "idle":
            memory = ("node_bytes", "memory of a node's sockets"), ("redis_bytes", "memory of Redis")
            for figure, words in memory:
                lines.append(compared(f"3 × 3,000, {name}: {words}", cost[figure], checks[name][figure], size))
    together = storm(values, CHECKED_STORM, CHECKED_STORM.peers)
    for part, words in (("nodes", "CPU of all nodes"), ("redis", "CPU of Redis")):
        title = f"9,000 join at once, meshes of 100: {words}"
        lines.append(compared(title, getattr(together, part), checks["storm"][part], "{:.3g} s".format))
    many = steady(values, Load(nodes=500, sockets=1, mesh_peers=500, probe_seconds=10))
    for words, predicted, row in (
        ("all nodes", 500 * many.node_cpu, "their processor time while nobody speaks"),
        ("Redis", many.redis_cpu, "and that of Redis"),
    ):
        measured = float(re.search(rf"^\| F45 \| {row} \| ([\d.]+) %", reliability, re.MULTILINE)[1]) / 100
        lines.append(compared(f"500 × 1, idle (F45): CPU of {words}", predicted, measured, percent))
    return report.grid(["", "predicted", "measured", "error"], lines)


def markdown(results, reliability):
    values = results["costs"]
    return "\n\n".join(
        [
            f"{results['date']}, {results['machine']}. Medians of {results['rounds']} rounds.",
            "### What each thing costs",
            "µs of CPU, and bytes on the way. Messages have 200 bytes.",
            cost_table(values),
            memory_table(values),
            "### What it comes to",
            shape_table(values),
            storm_table(values),
            "### What a large mesh comes to",
            large_table(values),
            "### Predicted and measured",
            check_table(values, results["checks"], reliability),
        ]
    )


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # and the servers with it
    allow_many_files()
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    for name in ("--help", "--write", "--again"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.help:
        print(__doc__)
        return
    if chosen.again:
        results = json.loads(RESULTS.read_text())
    else:
        results = measure(chosen.rounds)
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps(results))
    text = markdown(results, RELIABILITY.read_text())
    print(text)
    if chosen.write:
        report.write(PAGE, text)


if __name__ == "__main__":
    main()
