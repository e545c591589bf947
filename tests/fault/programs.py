"""The programs of the rig, each driven by lines: a command in, an answer out."""

import collections
import json
import os
import selectors
import struct
import subprocess
import time

from harness import patience
from harness.process import ROOT, Process, die_with_parent

FOLDER = ROOT / os.environ.get("FAULT_PROGRAMS", "build/release/tests/fault")


class Refused(Exception):
    """The program answered with an error."""


class Program(Process):
    def spawn(self, command, environment=None):
        log = open(self.log_path, "ab")
        self.popen = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **(environment or {})},
            preexec_fn=die_with_parent,
        )
        log.close()
        os.set_blocking(self.popen.stdout.fileno(), False)
        self.answers = b""

    def __call__(self, *words):
        """Runs a command; returns the words of the answer after "ok"."""
        self.popen.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        self.popen.stdin.flush()
        verdict, _, answer = self.read_line(words).partition(" ")
        if verdict != "ok":
            raise Refused(f"{' '.join(map(str, words))}: {answer}")
        return answer

    def read_line(self, words):
        end = time.monotonic() + patience.SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self.popen.stdout, selectors.EVENT_READ)
            while b"\n" not in self.answers:
                if not selector.select(max(0, end - time.monotonic())):
                    raise AssertionError(f"{self.name} did not answer to {words}\n{self.log()}")
                some = os.read(self.popen.stdout.fileno(), 65536)
                assert some, f"{self.name} ended at {words}:\n{self.log()[-4000:]}"
                self.answers += some
        line, _, self.answers = self.answers.partition(b"\n")
        return line.decode()

    def figures(self, *words):
        """The answer as numbers by name: "joined=3 open=4"."""
        return {name: int(value) for name, _, value in (w.partition("=") for w in self(*words).split())}

    def stop(self):
        """Its input ends, and so does it."""
        if self.running:
            self.popen.stdin.close()
            assert self.wait() == 0, self.log()[-4000:]


class Proxy(Program):
    """
    Many forwardings, each with a name. README.md has the commands; those used most have methods:

        address = proxy.forward("redis", redis_address)
        proxy("set", "redis", "both", "delay", 100)
        proxy.heal("redis")
    """

    name = "proxy"

    def __init__(self, directory, seed=1):
        super().__init__(directory / "proxy.log")
        self.spawn([FOLDER / "proxy"])
        self("seed", seed)

    def forward(self, name, target, listen="127.0.0.1:0"):
        """Returns the address that leads to the target: "127.0.0.1:PORT" or "unix:PATH"."""
        return self("listen", name, listen, target)

    def heal(self, name):
        self("set", name, "both", "pass")
        self("accept", name, "open")

    def count(self, name):
        return self.figures("count", name)


class Swarm(Program):
    """The peers. README.md has the commands: swarm("peers", "a", 100, "node-1", "mesh")."""

    name = "swarm"

    def __init__(self, directory, seed=1):
        super().__init__(directory / "swarm.log")
        self.journal = directory / "journal"
        self.spawn([FOLDER / "swarm", self.journal, seed])

    def count(self, group="*"):
        return self.figures("count", group)

    def until(self, condition, what, group="*", seconds=patience.SECONDS):
        """Until the condition is true of the counts; returns them."""
        end = time.monotonic() + seconds
        while True:
            counts = self.count(group)
            if condition(counts):
                return counts
            assert time.monotonic() < end, f"{what} not within {seconds} s: {counts}"
            time.sleep(0.02)


class Verdict(dict):
    """What the judge found, by name; what is not right comes with examples."""

    def __getattr__(self, name):
        return self[name]

    def story(self):
        """What is not nothing."""
        told = {n: v for n, v in self.items() if v and not (isinstance(v, dict) and v.get("count") == 0)}
        return "\n".join(f"{name}: {value}" for name, value in told.items())


# What journal.h calls them, in its order.
KINDS = (
    "PEER OPENED UPGRADED JOINED LEFT VANISHED ENDED AWAY BACK SENT_DIRECT SENT_BROADCAST GOT_DIRECT"
    " GOT_BROADCAST GOT_ONLINE GOT_OFFLINE GOT_ERROR GOT_RESYNC GOT_DRAIN GOT_STRANGE CHANGED GREETED"
).split()
ENDINGS = "REFUSED STATUS CLOSED EOF RESET OWN BROKEN".split()
RECORD = struct.Struct("<QIIIHBB")
Record = collections.namedtuple("Record", "time_us peer other number visit kind code")


def read_journal(journal, *kinds):
    """The records of these kinds, for what the judge has no figure."""
    wanted = {KINDS.index(kind) for kind in kinds}
    with open(journal, "rb") as file:
        for record in map(Record._make, RECORD.iter_unpack(file.read())):
            if record.kind in wanted:
                yield record


def judge(journal, **ms):
    """judge(path, ttl=3000): README.md has the rules that can be set, all in milliseconds."""
    words = [word for name, value in ms.items() for word in ("--" + name.replace("_", "-"), int(value))]
    done = subprocess.run(
        [str(word) for word in [FOLDER / "judge", journal, *words]], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return Verdict(json.loads(done.stdout))
