"""
A Redis Cluster that knows itself from the start: each node finds in its file who the others are.
"""

import binascii
import itertools
import secrets
import subprocess

from . import patience
from .redis import Redis, free_port

SLOTS = 16384


def key_slot(name):
    """Of a key or a channel: of what is between its first { and the next }, if that is anything."""
    start = name.find("{")
    end = name.find("}", start + 1)
    tag = name[start + 1 : end] if start >= 0 and end > start + 1 else name
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


def mesh_slot(mesh):
    """Of all keys and channels of a mesh."""
    return key_slot("{%s}" % mesh)


class Node(Redis):
    """`id` is its name in the Cluster."""

    def __init__(self, directory, options=(), **more):
        self.id = secrets.token_hex(20)
        self.bus_port = free_port()
        cluster = ["--cluster-enabled", "yes", "--cluster-port", self.bus_port]
        super().__init__(directory, tcp=True, options=cluster + list(options), **more)


class Cluster:
    """
    `nodes` are the masters, and behind them their replicas in the same order; who is what changes
    with each failover. Who breaks something calls `kill()`, `freeze()`, `thaw()` or `start()` of a
    node. A shard that is down does not keep the others from working.
    """

    def __init__(
        self,
        directory,
        shards=3,
        replicas=1,
        node_timeout_ms=1500,
        tls=None,
        server=None,
        options=(),
    ):
        self.shards = shards
        self.tls = tls
        options = [
            *("--cluster-node-timeout", node_timeout_ms, "--cluster-require-full-coverage", "no"),
            *("--cluster-allow-replica-migration", "no", "--repl-diskless-sync-delay", 0),
            *(("--tls-cluster", "yes", "--tls-replication", "yes") if tls else ()),
            *options,
        ]
        self.nodes = []
        for n in range(shards * (1 + replicas)):
            place = directory / f"node-{n}"
            place.mkdir()
            self.nodes.append(Node(place, tls=tls, server=server, options=options, start=False))
        for node in self.nodes:
            (node.directory / "nodes.conf").write_text(self.knowledge(node))
            node.launch()
        for node in self.nodes:
            node.wait_ready()
        self.wait_ok()

    def knowledge(self, me):
        """What a node writes into its file when it stops."""
        lines = []
        for n, node in enumerate(self.nodes):
            shard = n % self.shards
            master = self.nodes[shard]
            first, end = (SLOTS * edge // self.shards for edge in (shard, shard + 1))
            role = "slave " + master.id if node is not master else "master -"
            slots = f" {first}-{end - 1}" if node is master else ""
            lines.append(
                f"{node.id} 127.0.0.1:{node.port}@{node.bus_port} "
                f"{'myself,' if node is me else ''}{role} 0 0 {shard + 1} connected{slots}\n"
            )
        return "".join(lines) + f"vars currentEpoch {self.shards} lastVoteEpoch 0\n"

    @property
    def url(self):
        """All nodes are seeds."""
        return self.url_of(self.nodes)

    def url_of(self, seeds, user=""):
        scheme = self.nodes[0].scheme
        return f"{scheme}+cluster://{user}" + ",".join(node.address for node in seeds)

    # Who is what

    def awake(self):
        return [node for node in self.nodes if node.is_awake()]

    def owner_seen_by(self, node, slot):
        for first, last, (_, _, id, *_), *_ in node.call("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(one for one in self.nodes if one.id == id)
        return None

    def owner(self, slot):
        """The slot's master; None as long as the nodes that are awake do not agree on it."""
        seen = {self.owner_seen_by(node, slot) for node in self.awake()}
        return seen.pop() if len(seen) == 1 else None

    def wait_owner(self, slot, but=None):
        """Returns it when it is another than that. In a loop: `eventually()` with `owner()`."""

        def other():
            owner = self.owner(slot)
            return owner if owner is not but else None

        return patience.until(other, self.story)

    def masters(self):
        return [n for n in self.awake() if n.info("replication")["role"] == "master"]

    def replica_of(self, master):
        for node in self.awake():
            replication = node.info("replication")
            if replication["role"] == "slave" and int(replication["master_port"]) == master.port:
                return node
        return None

    def mesh_of(self, owner, name):
        """A name for a mesh that lives on that master."""
        return next(
            mesh
            for mesh in (f"{name}.{n}" for n in itertools.count())
            if self.owner_seen_by(owner, mesh_slot(mesh)) is owner
        )

    def is_ok(self):
        """All nodes that are awake say so, agree on who has what, and have their master."""
        nodes = self.awake()
        maps = {str(sorted(node.call("CLUSTER", "SLOTS"))) for node in nodes}
        return len(maps) == 1 and all(
            "cluster_state:ok" in node.call("CLUSTER", "INFO")
            and node.info("replication").get("master_link_status", "up") == "up"
            for node in nodes
        )

    def wait_ok(self):
        patience.until(self.is_ok, self.story)

    def story(self):
        return "".join(node.story() for node in self.nodes)

    # Changing it

    def migration(self, slot, target):
        return Migration(self, slot, target)

    def reshard(self, source, target, slots):
        """As an operator does it: moves the first slots of `source`, in a process of its own."""
        return subprocess.Popen(
            [*source.cli, "--cluster", "reshard", source.address]
            + ["--cluster-from", source.id, "--cluster-to", target.id]
            + ["--cluster-slots", str(slots), "--cluster-yes"],
            stdin=subprocess.DEVNULL,
            stdout=open(source.directory / "reshard.log", "wb"),
            stderr=subprocess.STDOUT,
        )

    def failover(self, replica, *how):
        """As planned, or with `FORCE` or `TAKEOVER` also without the master's help."""
        replica.call("CLUSTER", "FAILOVER", *how)

    def stop(self):
        for node in self.nodes:
            node.stop()


class Migration:
    """
    A slot on its way to another master: `begin()`, `move()` as often as wanted, `finish()`. In
    between its keys are on both sides.
    """

    def __init__(self, cluster, slot, target):
        self.cluster, self.slot, self.target = cluster, slot, target
        self.source = cluster.owner(slot)

    def begin(self):
        self.target.call("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.source.id)
        self.source.call("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.target.id)

    def move(self, keys=1):
        """Returns how many there were to be moved."""
        names = self.source.call("CLUSTER", "GETKEYSINSLOT", self.slot, keys)
        for name in names:
            self.source.call("MIGRATE", "127.0.0.1", self.target.port, name, 0, 5000)
        return len(names)

    def finish(self):
        while self.move(100):
            pass
        others = [n for n in self.cluster.masters() if n not in (self.target, self.source)]
        for node in (self.target, self.source, *others):
            node.call("CLUSTER", "SETSLOT", self.slot, "NODE", self.target.id)

    def run(self):
        self.begin()
        self.finish()
