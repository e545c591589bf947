"""
A master, its replicas, and sentinels that watch over them. All know each other from the start:
nothing has to be discovered first.
"""

import collections
import secrets

from . import patience
from .redis import Redis, free_port

MASTER = "mymaster"


class Sentinel(Redis):
    name = "redis-sentinel"

    def __init__(self, directory, lines, **options):
        file = directory / "sentinel.conf"  # which it rewrites itself, later
        file.write_text("".join(line + "\n" for line in lines))
        self.mode = (file, "--sentinel")
        super().__init__(directory, **options)


class SentinelSet:
    """
    Who breaks something calls `kill()`, `freeze()`, `thaw()` or `start()` of one of `nodes` or
    `sentinels`. A master that is back, and was replaced meanwhile, stays one for 8 s or more; it
    takes the sentinels 20 s to see that all is well again (`is_whole()`).

    A master that has heard of no replica for 2 s takes no writes.
    """

    def __init__(
        self,
        directory,
        replicas=2,
        sentinels=3,
        down_after_ms=1000,
        tls=None,
        password=None,
        sentinel_password=None,
        server=None,
    ):
        self.directory = directory
        self.down_after_ms = down_after_ms
        self.password, self.sentinel_password = password, sentinel_password
        self.common = {"tcp": True, "tls": tls, "server": server, "start": False}
        self.known = [(secrets.token_hex(20), free_port()) for _ in range(sentinels)]
        self.nodes = []
        for n in range(1 + replicas):
            self.nodes.append(self.make_node(n))
        self.sentinels = [self.make_sentinel(n) for n in range(sentinels)]
        for process in self.nodes + self.sentinels:
            process.launch()
        for process in self.nodes + self.sentinels:
            process.wait_ready()
        patience.until(self.is_whole, self.story)

    def make_node(self, n):
        options = ["--min-replicas-to-write", 1, "--min-replicas-max-lag", 2]
        options += ["--repl-diskless-sync-delay", 0]
        options += ["--tls-replication", "yes"] if self.common["tls"] else []
        options += ["--masterauth", self.password] if self.password else []
        options += ["--replicaof", f"127.0.0.1 {self.nodes[0].port}"] if n > 0 else []
        directory = self.directory / f"node-{n}"
        directory.mkdir()
        return Redis(directory, options=options, password=self.password, **self.common)

    def make_sentinel(self, n):
        directory = self.directory / f"sentinel-{n}"
        directory.mkdir()
        identity, port = self.known[n]
        quorum = len(self.known) // 2 + 1
        lines = [
            f"sentinel myid {identity}",
            f"sentinel monitor {MASTER} 127.0.0.1 {self.nodes[0].port} {quorum}",
            f"sentinel down-after-milliseconds {MASTER} {self.down_after_ms}",
            f"sentinel failover-timeout {MASTER} 3000",
        ]
        for node in self.nodes[1:]:
            lines.append(f"sentinel known-replica {MASTER} 127.0.0.1 {node.port}")
        for other, its_port in self.known[:n] + self.known[n + 1 :]:
            lines.append(f"sentinel known-sentinel {MASTER} 127.0.0.1 {its_port} {other}")
        if self.password:
            lines.append(f"sentinel auth-pass {MASTER} {self.password}")
        if self.sentinel_password:
            lines.append(f"sentinel sentinel-pass {self.sentinel_password}")
        options = ["--tls-replication", "yes"] if self.common["tls"] else []
        return Sentinel(
            directory,
            lines,
            port=port,
            options=options,
            password=self.sentinel_password,
            **self.common,
        )

    @property
    def url(self):
        user = f":{self.password}@" if self.password else ""
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"{self.nodes[0].scheme}+sentinel://{user}{hosts}/{MASTER}"

    # Who is what

    def named(self):
        """The ports of the masters, one for each sentinel that can answer."""
        return [
            int(sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])
            for sentinel in self.sentinels
            if sentinel.is_awake()
        ]

    def master(self):
        """The node that most sentinels name."""
        port = collections.Counter(self.named()).most_common(1)[0][0]
        return next(node for node in self.nodes if node.port == port)

    def replicas(self):
        master = self.master()
        return [node for node in self.nodes if node is not master]

    def is_whole(self):
        """The master has its replicas, and all sentinels see the same and each other."""
        replication = self.master().info("replication")
        return int(replication["min_slaves_good_slaves"]) == len(self.nodes) - 1 and all(
            self.sees_all(sentinel) for sentinel in self.sentinels
        )

    def sees_all(self, sentinel):
        master = pairs(sentinel.call("SENTINEL", "MASTER", MASTER))
        replicas = map(pairs, sentinel.call("SENTINEL", "REPLICAS", MASTER))
        others = map(pairs, sentinel.call("SENTINEL", "SENTINELS", MASTER))
        return (
            master["flags"] == master["role-reported"] == "master"
            and [one["flags"] for one in others] == ["sentinel"] * (len(self.sentinels) - 1)
            and [(one["flags"], one["role-reported"]) for one in replicas]
            == [("slave", "slave")] * (len(self.nodes) - 1)
        )

    def has_switched(self, old):
        """All sentinels name another master than `old`, and it is one."""
        new = self.master()
        return (
            new is not old
            and set(self.named()) == {new.port}
            and new.info("replication")["role"] == "master"
        )

    def wait_switched(self, old):
        """Returns the new master. In a loop: `await eventually(lambda: set.has_switched(old))`."""
        patience.until(lambda: self.has_switched(old), self.story)
        return self.master()

    def failover(self):
        """As planned: the master is well, and told to go."""
        next(s for s in self.sentinels if s.is_awake()).call("SENTINEL", "FAILOVER", MASTER)

    def story(self):
        return "".join(process.story() for process in self.sentinels + self.nodes)

    def stop(self):
        for process in self.sentinels + self.nodes:
            process.stop()


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2]))
