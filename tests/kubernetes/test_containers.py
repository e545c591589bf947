"""
The chart's pods as containers of Docker: each with the image, arguments, variables, files, user and rights that its pod
would have, and found by the names of the Services. So they start, find each other, and `helm test` is content.
"""

import http.client
import itertools
import json
import os
import socket
import struct
import sys

import pytest

from chart import ROOT, needs_helm, objects, relay_pod
from harness import patience
from harness.raw import upgrade_request

sys.path.insert(0, str(ROOT / "tests/compose"))

from project import FOLDER, docker, inspect, run, works  # noqa: E402

pytestmark = [
    needs_helm,
    pytest.mark.skipif(not works("docker", "info"), reason="no Docker daemon answers"),
]

IMAGE = "p2p-relay:chart"
numbers = itertools.count(1)


@pytest.fixture(scope="session")
def images():
    run([FOLDER / "images", "debian:13-slim", "redis:8.0", "python:3.13-alpine"])
    docker("build", "-t", IMAGE, ".")


class Pods:
    """All that was made, and the containers of its pods in a network of their own."""

    def __init__(self, directory, made):
        self.directory = directory
        self.made = made
        self.network = f"chart-tests-{os.getpid()}-{next(numbers)}"
        docker("network", "create", self.network)

    def start(self, labels, pod):
        """Returns the container's id."""
        (container,) = pod["containers"]
        security, context = container["securityContext"], pod["securityContext"]
        assert security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
        words = ["--network", self.network, "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        words += ["--user", f"{context['runAsUser']}:{context['runAsGroup']}"]
        words += itertools.chain(*(("--network-alias", name) for name in self.names_of(labels)))
        words += itertools.chain(*(("--env", self.variable(each)) for each in container.get("env", ())))
        for mount in container.get("volumeMounts", ()):
            words += ["--volume", f"{self.volume(pod, mount['name'])}:{mount['mountPath']}:ro"]
        command = container.get("command", []) + container.get("args", [])
        words += ["--entrypoint", command.pop(0)] if "command" in container else []
        return docker("run", "--detach", *words, container["image"], *command).stdout.strip()

    def start_all(self, component):
        """Those of a Deployment."""
        for (kind, _), thing in self.made.items():
            template = thing["spec"]["template"] if kind == "Deployment" else None
            if template and template["metadata"]["labels"]["app.kubernetes.io/component"] == component:
                return [self.start(template["metadata"]["labels"], template["spec"]) for _ in range(thing["spec"]["replicas"])]
        raise AssertionError(f"no Deployment of {component}")

    def names_of(self, labels):
        return [
            name
            for (kind, name), thing in self.made.items()
            if kind == "Service" and thing["spec"]["selector"].items() <= labels.items()
        ]

    def variable(self, variable):
        value = variable.get("value", "")
        if "valueFrom" in variable:
            where = variable["valueFrom"]["secretKeyRef"]
            value = self.made["Secret", where["name"]]["stringData"][where["key"]]
        return f"{variable['name']}={value}"

    def volume(self, pod, name):
        (volume,) = (each for each in pod["volumes"] if each["name"] == name)
        if "secret" in volume:
            files = self.made["Secret", volume["secret"]["secretName"]]["stringData"]
        else:
            files = self.made["ConfigMap", volume["configMap"]["name"]]["data"]
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text)
        folder.chmod(0o755)
        return folder

    def address(self, container):
        return inspect(container)[0]["NetworkSettings"]["Networks"][self.network]["IPAddress"]

    def connect(self, container):
        """A socket that has joined as a peer, and says no more."""
        opened = socket.create_connection((self.address(container), 8080), timeout=patience.SECONDS)
        opened.sendall(upgrade_request())
        presence = b'{"type":"presence","from":"silent","data":{}}'
        opened.sendall(struct.pack(">BB4x", 0x81, 0x80 | len(presence)) + presence)  # masked by zeros
        stream = opened.makefile("rb")
        while (line := stream.readline()) != b"\r\n":
            assert line, "an end in the place of an upgrade"
        patience.until(lambda: b'p2p_relay_peers 1' in self.metrics(container), "it to have joined")
        return opened

    def metrics(self, container):
        connection = http.client.HTTPConnection(self.address(container), 9090, timeout=patience.SECONDS)
        connection.request("GET", "/metrics")
        return connection.getresponse().read()

    def probe(self, container, probe):
        connection = http.client.HTTPConnection(self.address(container), 9090, timeout=patience.SECONDS)
        try:
            connection.request("GET", probe["httpGet"]["path"])
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def remove(self):
        left = docker("ps", "-aq", "--filter", f"network={self.network}").stdout.split()
        if left:
            docker("rm", "-f", *left)
        docker("network", "rm", self.network)


@pytest.fixture
def start_pods(images, tmp_path):
    started = []

    def start(case, **values):
        repository, tag = IMAGE.split(":")
        values.update(image__repository=json.dumps(repository), image__tag=json.dumps(tag))
        started.append(Pods(tmp_path, objects(case, **values)))
        return started[-1]

    tmp_path.parent.chmod(0o755)
    yield start
    for pods in started:
        pods.remove()


def test_the_pods_of_a_trial(start_pods):
    pods = start_pods("trial")
    (redis,) = pods.start_all("redis")
    relays = pods.start_all("relay")
    _, container = relay_pod(pods.made)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        for relay in relays:
            patience.until(lambda: pods.probe(relay, container[probe]), lambda: docker("logs", relay).stderr)

    test = pods.made["Pod", "release-p2p-relay-test"]
    tester = pods.start(test["metadata"]["labels"], test["spec"])
    assert docker("wait", tester).stdout.strip() == "0", docker("logs", tester).stderr
    assert "and one back" in docker("logs", tester).stdout

    assert "NOAUTH" in docker("exec", redis, "redis-cli", "PING").stdout
    assert "NOPERM" in docker(
        *("exec", redis, "redis-cli", "--no-auth-warning", "--user", "relay", "--pass", "secret", "CONFIG", "GET", "*")
    ).stdout


def test_a_pod_ends_before_it_is_killed(start_pods):
    """Of its own, in the time that it has after the preStop hook: with clients that answer no close, and no Redis."""
    pods = start_pods("trial", config__drainSeconds=1)
    (redis,) = pods.start_all("redis")
    relay, _ = pods.start_all("relay")
    pod, container = relay_pod(pods.made)
    patience.until(lambda: pods.probe(relay, container["readinessProbe"]), lambda: docker("logs", relay).stderr)

    silent = pods.connect(relay)
    docker("stop", "--time", "0", redis)
    before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    docker("stop", "--time", pod["terminationGracePeriodSeconds"] - before, relay)
    assert inspect(relay)[0]["State"]["ExitCode"] == 0
    assert '"drained"' in docker("logs", relay).stderr
    silent.close()
