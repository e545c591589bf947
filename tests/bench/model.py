"""
What a number of nodes costs under a load: arithmetic on what single events cost.

An event has two costs. *Alone*, it wakes a process that sleeps, which then sleeps again. *Busy*, it comes with many
others, and shares waking up, reading and writing with them. If events come at random, those that come while the core is
busy wait for each other: with events that cost the part a of the time if all are alone, and b if all are busy, a core is
busy for U = (1 - U) a + U b of it, which is a / (1 + a - b): nearly a when there is little to do, and all of the time when
b is 1.

Costs are a dict, made by costs.py: "beat.node_busy" is µs of CPU, "beat.to_redis" bytes, "memory.socket" bytes.
"""

from typing import NamedTuple

CORE = 1e6  # µs of CPU that a thread has in a second
GATHERED_PER_SECOND = 10  # calls by which a node refreshes the leases of one mesh, at most
NETWORK_BYTES = 1.25e9  # a second: 10 Gbit/s

# What single events cost: a second of a node to which nobody comes; a ping and its pong; a heartbeat, and one that is
# gathered with others of its mesh; a broadcast: published, heard by a node, delivered to a socket; a direct message.
EVENTS = ("idle", "ping", "beat", "gathered", "publish", "hear", "deliver", "direct")


class Load(NamedTuple):
    """So many nodes with so many sockets each, in meshes of that many peers, and what they do."""

    nodes: int
    sockets: int  # on each node
    mesh_peers: int
    beat_seconds: float = 10
    ping_seconds: float = 25
    probe_seconds: float = 1
    broadcasts: float = 0  # a second, in each mesh
    directs: float = 0  # a second, of each peer

    @property
    def peers(self):
        return self.nodes * self.sockets

    @property
    def meshes(self):
        return self.peers / self.mesh_peers

    @property
    def spread(self):
        """On how many nodes a mesh has peers, if chance decides where each of them is."""
        return self.nodes * (1 - (1 - 1 / self.nodes) ** self.mesh_peers)


def busy(processes, cores=1):
    """
    The part of a core that each of the processes takes that share some cores; processes as (all alone, all busy). 1 or
    more is too much.
    """
    alone, together = (sum(part) / cores for part in zip(*processes))
    core = min(1, alone / (1 + alone - together))
    return [(1 - core) * a + core * b for a, b in processes]


class Steady(NamedTuple):
    """While nobody comes or goes."""

    node_cpu: float  # of a core
    redis_cpu: float
    node_limit: float  # what it would be if all events came together: at 1 it ends
    redis_limit: float
    node_bytes: float  # memory, the kernel's part included
    redis_bytes: float
    to_redis: float  # bytes a second, of all nodes together
    from_redis: float

    @property
    def ends_first(self):
        """What is used up before all else, and how many times the load that is."""
        used = {
            "node": self.node_limit,
            "Redis": self.redis_limit,
            "network": max(self.to_redis, self.from_redis) / NETWORK_BYTES,
        }
        what = max(used, key=used.get)
        return what, 1 / used[what]


def beats(load):
    """Heartbeats a second, of all nodes: those that are a call of their own, and those gathered with such a one."""
    total = load.peers / load.beat_seconds
    calls = total / (1 + total / (load.meshes * load.spread) / GATHERED_PER_SECOND)
    return calls, total - calls


def counts(load):
    """Events a second, of all nodes together."""
    calls, gathered = beats(load)
    broadcasts = load.broadcasts * load.meshes
    return {
        "idle": load.nodes / load.probe_seconds,
        "ping": load.peers / load.ping_seconds,
        "beat": calls,
        "gathered": gathered,
        "publish": broadcasts,
        "hear": broadcasts * load.spread,
        "deliver": broadcasts * (load.mesh_peers - 1),
        "direct": load.directs * load.peers,
    }


def steady(costs, load, cores=0):
    """Each process has a core of its own; or all share that many."""
    number = counts(load)

    def total(what):
        return sum(number[event] * costs[f"{event}.{what}"] for event in EVENTS)

    base = costs["redis.base"]
    node = total("node") / load.nodes / CORE, total("node_busy") / load.nodes / CORE
    redis = (base + total("redis")) / CORE, (base + total("redis_busy")) / CORE
    if cores:
        node_cpu, *_, redis_cpu = busy([node] * load.nodes + [redis], cores)
    else:
        (node_cpu,), (redis_cpu,) = busy([node]), busy([redis])
    return Steady(
        node_cpu=node_cpu,
        redis_cpu=redis_cpu,
        node_limit=node[1],
        redis_limit=redis[1],
        node_bytes=node_bytes(costs, load),
        redis_bytes=redis_bytes(costs, load),
        to_redis=total("to_redis"),
        from_redis=total("from_redis"),
    )


def node_bytes(costs, load):
    meshes = load.meshes * load.spread / load.nodes
    return (
        costs["memory.node"]
        + load.sockets * (costs["memory.socket"] + costs["memory.kernel"])
        + meshes * (costs["memory.mesh"] + load.mesh_peers * costs["memory.entry"])
    )


def redis_bytes(costs, load):
    return (
        load.peers * costs["redis.peer"]
        + load.meshes * (costs["redis.mesh"] + load.spread * costs["redis.channel"])
        + load.nodes * costs["redis.node"]
    )


class Storm(NamedTuple):
    """CPU seconds: of all nodes together, and of Redis."""

    nodes: float
    redis: float

    def seconds(self, nodes):
        """That it takes at least, if that many nodes share it evenly and do nothing else."""
        return max(self.nodes / nodes, self.redis)


def storm(costs, load, joins):
    """So many peers join at once. A join was measured in a mesh of 10 on two nodes: what is more comes on top."""
    more_told, more_nodes = load.mesh_peers - 10, load.spread - 2
    return Storm(
        nodes=joins * (costs["join.node"] + more_told * costs["told.node"] + more_nodes * costs["hear.node_busy"]) / CORE,
        redis=joins * (costs["join.redis"] + more_nodes * costs["hear.redis_busy"]) / CORE,
    )


def change(costs, peers, nodes):
    """
    One peer of a large mesh comes, goes or changes, and all others are told: µs of all nodes together, and of Redis. A
    leave was measured with 10 who stay, on two nodes.
    """
    return (
        costs["leave.node"] + (peers - 1 - 10) * costs["deliver.node"] + (nodes - 2) * costs["hear.node"],
        costs["leave.redis"] + (nodes - 2) * costs["hear.redis"],
    )


def repeated(peers, presence_bytes, repeat_seconds):
    """Bytes a second, of all nodes together, to clients that did not accept events: each gets the whole roster."""
    return peers * (peers - 1) * presence_bytes / repeat_seconds
