"""
A host of its own for tests: a container whose process 1 is systemd, as on a machine that was installed.

It has all rights in its container but that over the machine's limits, which this machine may lack itself.
"""

import re

from harness import patience
from harness.nomads import Balanced
from harness.process import ROOT
from project import docker, inspect, run

FOLDER = ROOT / "tests/packaging"
SERVICE = "p2p-relay"
RIGHTS = (
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--cgroupns", "private"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--tmpfs", "/run:exec", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),
)
SCRIPT = "cd /root; export DEBIAN_FRONTEND=noninteractive EDITOR=true;"


def debian():
    """The release of Debian that this machine is, and that its packages are for: 12."""
    return re.search(r'^VERSION_ID="?(\d+)', open("/etc/os-release").read(), re.M)[1]


def image():
    name = f"p2p-relay-tests:debian-{debian()}-host"
    run([ROOT / "tests/compose/images", f"debian:{debian()}-slim"])
    docker("build", "-t", name, "--build-arg", f"DEBIAN={debian()}", FOLDER)
    return name


class Host(Balanced):
    tls = None

    def __init__(self, image, *options):
        words = ("-e", "container=docker", "--add-host", "redis.internal:127.0.0.1", *options, image)
        self.id = docker("run", "-d", *RIGHTS, *words).stdout.strip()
        self.port = 8080
        self.options = {"redis_url": self.id}

    def boot(self):
        """Returns whether it could."""
        states = ("running", "degraded")
        try:
            patience.until(lambda: self.systemctl("is-system-running").stdout.strip() in states or not self.is_up(), "")
        except AssertionError:
            return False
        return self.is_up()

    def is_up(self):
        return inspect(self.id)[0]["State"]["Running"]

    def story(self):
        journal = self.sh("journalctl -b --no-pager | tail -n 60", check=False).stdout
        return journal or docker("logs", "--tail", "20", self.id, check=False).stdout

    def remove(self):
        docker("rm", "-f", self.id)

    def sh(self, script, check=True):
        return docker("exec", self.id, "bash", "-euc", SCRIPT + script, check=check)

    def systemctl(self, *words, check=False):
        return docker("exec", self.id, "systemctl", *words, check=check)

    def copy(self, file, to="/root/"):
        docker("cp", file, f"{self.id}:{to}")

    def write(self, path, text):
        self.sh(f"mkdir -p {path.rpartition('/')[0]}; cat >{path} <<'END-OF-FILE'\n{text}\nEND-OF-FILE")

    # The relay on it

    def configure(self, drop_in="", **options):
        """With these options alone, and with that in the unit; it is stopped."""
        self.systemctl("kill", "--kill-who", "main", "-s", "TERM", SERVICE)
        self.systemctl("stop", SERVICE)  # the second time it means now
        self.systemctl("reset-failed", SERVICE)
        options = {"listen": f"0.0.0.0:{self.port}", "auth": "none", **options}
        lines = (f"RELAY_{name.upper()}={value}" for name, value in options.items())
        self.write("/etc/p2p-relay/p2p-relay.env", "\n".join(lines))
        self.write(f"/etc/systemd/system/{SERVICE}.service.d/tests.conf", f"[Service]\n{drop_in}")
        self.systemctl("daemon-reload", check=True)

    def start(self, drop_in="", **options):
        self.configure(drop_in, **options)
        self.systemctl("start", SERVICE, check=True)

    def shown(self, name):
        return self.systemctl("show", "-P", name, SERVICE, check=True).stdout.strip()

    @property
    def pid(self):
        return int(self.shown("MainPID"))

    def pids(self):
        """Of all its processes."""
        groups = f"find /sys/fs/cgroup -path '*/{SERVICE}.service/cgroup.procs'"
        return self.sh(f"cat $({groups} | head -n 1)").stdout.split()

    def log(self):
        return self.sh(f"journalctl -u {SERVICE} --no-pager -o cat").stdout

    # Its clients

    @property
    def address(self):
        return inspect(self.id)[0]["NetworkSettings"]["IPAddress"]

    @property
    def url(self):
        return f"{'wss' if self.tls else 'ws'}://{self.address}:{self.port}"


async def meet(one, two):
    for sender, receiver in ((one, two), (two, one)):
        await sender.send("direct", {"say": "you"}, to=receiver.id)
        await receiver.expect(type="direct", from_=sender.id, data={"say": "you"})
