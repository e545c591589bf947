"""One `up` of compose/compose.yaml, under a name and on ports of its own, and what Docker says of it."""

import http.client
import json
import os
import re
import shlex
import subprocess

from harness import patience
from harness.nomads import Balanced
from harness.process import ROOT
from harness.redis import free_port
from harness.relay import Response

FOLDER = ROOT / "tests/compose"
IMAGE = "p2p-relay:tests"
PLUGINS = {**os.environ, "DOCKER_CONFIG": str(ROOT / "build/docker")}
COMMAND_SECONDS = 600


def run(command, check=True, environment=None, seconds=COMMAND_SECONDS):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment or os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert not check or done.returncode == 0, f"{shlex.join(map(str, command))}:\n{done.stdout}{done.stderr}"
    return done


def docker(*words, check=True, environment=None):
    return run(["docker", *words], check, environment)


def works(*command):
    try:
        return run(command, check=False, environment=PLUGINS).returncode == 0
    except FileNotFoundError:
        return False


def composers():
    """How compose is called on this machine: as of today, and as it was called before."""
    if not works("docker", "info"):
        return []
    run([FOLDER / "plugin"], check=False)
    found = [["docker", "compose"], ["docker-compose"]]
    return [command for command in found if works(*command, "version")]


def inspect(*names, kind="container"):
    return json.loads(docker(kind, "inspect", *names).stdout) if names else []


class Project(Balanced):
    """`relay` and its like are services; a container is what docker inspect says of it."""

    tls = None

    def __init__(self, composer, name):
        self.composer = composer
        self.name = name
        self.port, self.prometheus_port = free_port(), free_port()
        self.options = {"redis_url": name}
        self.environment = {
            **PLUGINS,
            "COMPOSE_PROJECT_NAME": name,
            "RELAY_IMAGE": IMAGE,
            "LISTEN": f"127.0.0.1:{self.port}",
            "PROMETHEUS_LISTEN": f"127.0.0.1:{self.prometheus_port}",
        }

    def compose(self, *words, profiles=()):
        profiles = [word for profile in profiles for word in ("--profile", profile)]
        command = [*self.composer, "-f", "compose/compose.yaml", *profiles, *words]
        return run(command, environment=self.environment)

    def up(self, *words, profiles=()):
        self.compose("up", "-d", *words, profiles=profiles)
        self.wait_healthy()

    def wait_healthy(self):
        patience.until(self.all_healthy, lambda: f"all to be healthy: {self.states()}", 120)

    def down(self):
        self.compose("down", "-v", "--timeout", "0", "--remove-orphans", profiles=("fault", "monitoring"))

    def mend(self):
        """Starts what a test ended or stopped."""
        for container in self.containers():
            if container["State"]["Paused"]:
                docker("unpause", container["Id"])
            elif not container["State"]["Running"] and "password" not in container["Name"]:
                docker("start", container["Id"])
        self.wait_healthy()

    # What is there

    def ids(self, service=None):
        filters = [f"label=com.docker.compose.project={self.name}"]
        filters += [f"label=com.docker.compose.service={service}"] if service else []
        words = [word for each in filters for word in ("--filter", each)]
        return docker("ps", "-aq", "--no-trunc", *words).stdout.split()

    def containers(self, service=None):
        return inspect(*self.ids(service))

    def states(self):
        return {
            container["Name"]: container["State"].get("Health", {}).get("Status", container["State"]["Status"])
            for container in self.containers()
        }

    def all_healthy(self):
        states = self.states()
        return states and set(states.values()) <= {"healthy", "exited", "running"} and "healthy" in states.values()

    def container_of(self, node):
        """Where the relay with this node id runs: its log has the id."""
        for service in ("relay", "relay-far"):
            for id in self.ids(service):
                if re.search(rf"\bnode={node}\b", docker("logs", id).stderr):
                    return id
        raise AssertionError(f"no relay logs that it is node {node}")

    # Its clients

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def request(self, method, path, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=patience.SECONDS)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()
