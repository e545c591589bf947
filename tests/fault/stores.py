"""
Redis in its three forms, as the model (model.py) breaks them: what a node is told to connect to, who
holds a mesh, what can happen to it, and when it is whole again.

What happens is a generator: it does something, yields for how many seconds that lasts, and mends it.
"""

import shutil

from harness.cluster import Cluster, mesh_slot
from harness.redis import Redis, RedisError
from harness.sentinel import SentinelSet

KILLED_SECONDS = (0.2, 6.0)
# Frozen so shortly that no lease lapses by it; or so long that every node has noticed by its probe,
# and waits after reconnecting until the others are back. With the TTLs that people use there is
# nothing in between.
FROZEN_BRIEFLY, FROZEN_LONG = (0.2, 0.8), (5.0, 7.0)


def restart(server, seconds):
    server.kill()
    yield seconds
    server.launch()
    while not answers(server):
        yield 0.05


def freeze(server, seconds):
    server.freeze()
    yield seconds
    server.thaw()


def answers(server):
    try:
        return server.answers()
    except (OSError, RedisError):
        return False


def switched(sentinels, old):
    try:
        return sentinels.has_switched(old)
    except (OSError, RedisError):
        return False


def cut_clients(server, kind):
    server.call("CLIENT", "KILL", "TYPE", kind)
    yield 0


def forget_scripts(server):
    server.call("SCRIPT", "FLUSH")
    yield 0


def fill(server, seconds):
    server.call("CONFIG", "SET", "maxmemory", 1)
    yield seconds
    server.call("CONFIG", "SET", "maxmemory", 0)


def demote(server, seconds):
    """A replica, of nobody, that keeps its clients."""
    server.call("REPLICAOF", "127.0.0.1", 1)
    yield seconds
    server.call("REPLICAOF", "NO", "ONE")


class Single:
    """One Redis that keeps what it knows in a file; each node reaches it by a way of the proxy."""

    name = "single"
    node_options = {}

    def __init__(self, rig):
        self.server = rig.start_redis(options=["--appendonly", "yes", "--appendfsync", "everysec"])
        self.servers = [self.server]

    def mesh_names(self):
        return ["red", "green", "blue"]

    def holder(self, _):
        return self.server

    def is_whole(self):
        return self.server.is_awake() and answers(self.server)

    def restart_empty(self, seconds):
        self.server.kill()
        shutil.rmtree(self.server.directory / "appendonlydir")
        yield from restart(self.server, seconds)

    def troubles(self, dice):
        """(name, seconds that it lasts, how to begin it), each as often as it shall be chosen."""
        server = self.server
        killed, brief, long = (
            round(dice.uniform(*bounds), 2) for bounds in (KILLED_SECONDS, FROZEN_BRIEFLY, FROZEN_LONG)
        )
        return [
            ("Redis is killed, back empty", killed, lambda: self.restart_empty(killed)),
            ("Redis is killed, back with its file", killed, lambda: restart(server, killed)),
            ("Redis is frozen", brief, lambda: freeze(server, brief)),
            ("Redis is frozen", long, lambda: freeze(server, long)),
            ("Redis is a replica", killed, lambda: demote(server, killed)),
            ("subscribers are cut off", 0, lambda: cut_clients(server, "pubsub")),
            ("publishers are cut off", 0, lambda: cut_clients(server, "normal")),
            ("scripts are forgotten", 0, lambda: forget_scripts(server)),
            ("Redis is full", killed, lambda: fill(server, killed)),
        ]

    def stop(self):
        """The rig does it."""


class Sentinels:
    name = "sentinel"

    def __init__(self, rig):
        directory = rig.directory / "redis"
        directory.mkdir()
        self.set = SentinelSet(directory)
        self.servers = self.set.nodes
        self.node_options = {"redis_url": self.set.url}

    def mesh_names(self):
        return ["red", "green", "blue"]

    def holder(self, _):
        return self.set.master()

    def is_whole(self):
        return all(map(answers, self.set.nodes + self.set.sentinels)) and self.set.is_whole()

    def failover(self):
        self.set.failover()
        yield 0

    def restart_master(self, seconds):
        """It knows nothing of what became of it meanwhile, so there must be another when it is back."""
        old = self.set.master()
        old.kill()
        yield seconds
        while not switched(self.set, old):
            yield 0.1
        yield from restart(old, 0)

    def freeze_master(self, seconds):
        yield from freeze(self.set.master(), seconds)

    def troubles(self, dice):
        killed, brief, long = (
            round(dice.uniform(*bounds), 2) for bounds in (KILLED_SECONDS, FROZEN_BRIEFLY, FROZEN_LONG)
        )
        sentinel, replica = dice.choice(self.set.sentinels), dice.randrange(2)
        return [
            ("the master is killed", killed, lambda: self.restart_master(killed)),
            ("the master is frozen", brief, lambda: self.freeze_master(brief)),
            ("the master is frozen", long, lambda: self.freeze_master(long)),
            ("a planned failover", 0, self.failover),
            ("a sentinel is killed", killed, lambda: restart(sentinel, killed)),
            ("a replica is killed", killed, lambda: restart(self.set.replicas()[replica], killed)),
            ("subscribers are cut off", 0, lambda: cut_clients(self.set.master(), "pubsub")),
            ("scripts are forgotten", 0, lambda: forget_scripts(self.set.master())),
        ]

    def stop(self):
        for server in self.set.nodes + self.set.sentinels:
            server.thaw() if server.running else None
        self.set.stop()


class Shards:
    name = "cluster"

    def __init__(self, rig):
        directory = rig.directory / "redis"
        directory.mkdir()
        self.cluster = Cluster(directory)
        self.servers = self.cluster.nodes
        self.node_options = {"redis_url": self.cluster.url}
        owners = self.cluster.nodes[:3]
        self.meshes = [self.cluster.mesh_of(owner, name) for owner, name in zip(owners, ("red", "green", "blue"))]

    def mesh_names(self):
        return self.meshes

    def holder(self, mesh):
        return self.cluster.wait_owner(mesh_slot(mesh))

    def is_whole(self):
        return all(map(answers, self.servers)) and self.cluster.is_ok()

    def failover(self, mesh):
        replica = self.cluster.replica_of(self.holder(mesh))
        if replica is not None:
            self.cluster.failover(replica)
        yield 0

    def migrate(self, mesh, steps, seconds):
        slot = mesh_slot(mesh)
        owner = self.holder(mesh)
        target = next(node for node in self.cluster.masters() if node is not owner)
        migration = self.cluster.migration(slot, target)
        migration.begin()
        for _ in range(steps):
            yield seconds / steps
            migration.move(5)
        migration.finish()

    def reshard(self, mesh, slots):
        owner = self.holder(mesh)
        target = next(node for node in self.cluster.masters() if node is not owner)
        moving = self.cluster.reshard(owner, target, slots)
        while moving.poll() is None:
            yield 0.1

    def troubles(self, dice):
        killed, brief, long = (
            round(dice.uniform(*bounds), 2) for bounds in (KILLED_SECONDS, FROZEN_BRIEFLY, FROZEN_LONG)
        )
        mesh, steps, seconds = dice.choice(self.meshes), dice.randint(1, 5), round(dice.uniform(0.1, 2), 2)
        holder = self.holder
        return [
            ("a master is killed", killed, lambda: restart(holder(mesh), killed)),
            ("a master is frozen", brief, lambda: freeze(holder(mesh), brief)),
            ("a master is frozen", long, lambda: freeze(holder(mesh), long)),
            ("a planned failover", 0, lambda: self.failover(mesh)),
            ("a slot migrates", seconds, lambda: self.migrate(mesh, steps, seconds)),
            ("a slot migrates", seconds, lambda: self.migrate(mesh, steps, seconds)),
            ("slots are moved", 0, lambda: self.reshard(mesh, 20)),
            ("subscribers are cut off", 0, lambda: cut_clients(holder(mesh), "pubsub")),
            ("publishers are cut off", 0, lambda: cut_clients(holder(mesh), "normal")),
            ("scripts are forgotten", 0, lambda: forget_scripts(holder(mesh))),
        ]

    def stop(self):
        for server in self.servers:
            server.thaw() if server.running else None
        self.cluster.stop()


FORMS = {form.name: form for form in (Single, Sentinels, Shards)}
