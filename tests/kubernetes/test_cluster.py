"""
The chart on a real Kubernetes (cluster.py), by the commands of docs/deploy-kubernetes.md: peers on different pods
meet, and what docs/reliability.md promises holds while pods are rolled, killed, and scaled away.
"""

import asyncio
import contextlib
import ctypes
import inspect
import itertools
import os
import re
import shlex
import subprocess

import pytest
import yaml

import cluster as clusters
from chart import APIS, CASES, ROOT, needs_helm, render
from harness import client, patience
from harness.client import fence
from harness.nomads import Balanced, nobody_notices

pytestmark = [
    needs_helm,
    pytest.mark.skipif(bool(clusters.why_not()), reason=clusters.why_not() or "it is there"),
]

PAGE = (ROOT / "docs/deploy-kubernetes.md").read_text()
IMAGE = "registry.example.org/p2p-relay:0.1.0"
OTHER_IMAGES = "redis:8.0", "python:3.13-alpine"
NAMES = ("--namespace", "relay")
TTL = 30
TEST_SECONDS = 240

numbers = itertools.count(1)
libc = ctypes.CDLL(None, use_errno=True)


def command(words):
    """The command of the page that begins so."""
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(words):
                return shlex.split(line)
    raise AssertionError(f"docs/deploy-kubernetes.md has no command {words}")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    subprocess.run([ROOT / "tests/compose/images", "debian:13-slim", *OTHER_IMAGES], check=True)
    subprocess.run(["docker", "build", "-q", "-t", IMAGE, "."], cwd=ROOT, check=True)
    cluster = clusters.Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        for image in (IMAGE, *OTHER_IMAGES):
            cluster.load(image)
        yield cluster
    finally:
        cluster.stop()


@contextlib.contextmanager
def network_of(node):
    """This thread, and what it starts, is in the network of a node."""
    with open("/proc/thread-self/ns/net") as own, open(node.network) as other:
        assert libc.setns(other.fileno(), 0) == 0, os.strerror(ctypes.get_errno())
        try:
            yield
        finally:
            assert libc.setns(own.fileno(), 0) == 0, os.strerror(ctypes.get_errno())


class Release(Balanced):
    """What was installed; clients come to it through its Service, from a node."""

    tls = None
    options = {"redis_url": "bundled"}

    def __init__(self, cluster):
        self.cluster = cluster
        (address,) = cluster.get("service", "relay-p2p-relay", *NAMES)["spec"]["clusterIPs"]
        self.url = f"ws://{address}:80"

    def pods(self):
        """Those that do not end, by name."""
        selector = "app.kubernetes.io/component=relay"
        found = self.cluster.get("pods", "--selector", selector, *NAMES)["items"]
        return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def ready_pods(self):
        conditions = {name: pod["status"].get("conditions", []) for name, pod in self.pods().items()}
        return [name for name, all_ in conditions.items() if {"type": "Ready", "status": "True"}.items() <= ready(all_).items()]

    def pod_of(self, node):
        """Its log has the id of the node."""
        for name in self.pods():
            if f'"{node}"' in self.cluster.kubectl("logs", name, *NAMES).stdout:
                return name
        raise AssertionError(f"no pod logs that it is node {node}")


def ready(conditions):
    return next((each for each in conditions if each["type"] == "Ready"), {})


@pytest.fixture(scope="session")
def release(cluster):
    done = cluster.run(*command("helm install relay"), "--timeout", "120s")
    assert "helm --namespace relay test relay" in done.stdout
    yield Release(cluster)
    cluster.run(*command("helm uninstall relay"))
    cluster.kubectl("wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=relay", "--timeout", "90s", *NAMES)
    left = cluster.kubectl("get", "all,secrets,networkpolicies", "-l", "app.kubernetes.io/instance=relay", "-o", "name", *NAMES)
    assert set(left.stdout.split()) <= {"pod/relay-p2p-relay-test"}


@pytest.fixture(autouse=True)
def inside(cluster):
    with network_of(cluster.nodes[0]):
        yield


def run_async(test):
    """As a coroutine with a deadline, in a loop of its own."""

    def run(**arguments):
        client.run(test, TEST_SECONDS, arguments)

    run.__signature__ = inspect.signature(test)
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@pytest.fixture
def mesh(request):
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]


@pytest.mark.parametrize("case", CASES)
def test_the_server_takes_it(cluster, case):
    """Each object, strictly: also those that only the Prometheus operator and the Gateway API know."""
    for path in sorted(APIS.glob("*.yaml")):
        cluster.kubectl("apply", "--server-side", "-f", path)
    cluster.kubectl("wait", "--for", "condition=Established", "crd", "--all", "--timeout", "60s")
    cluster.kubectl("create", "namespace", "relay", check=False)
    made = render(case)
    cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", input=made)


def test_three_pods_on_two_machines(release):
    pods = release.pods()
    assert len(release.ready_pods()) == 3
    assert {pod["spec"]["nodeName"] for pod in pods.values()} == {"node1", "node2"}


def test_helm_test(release):
    done = release.cluster.run(*command("helm test relay"))
    assert "and one back" in done.stdout


@run_async
async def test_peers_on_different_pods_meet(release, mesh):
    one, two, three = await release.join_on(mesh, "peer", 3)
    await one.send("broadcast", {"say": "all"})
    for other in (two, three):
        await other.expect(type="broadcast", from_=one.id, data={"say": "all"})
        await other.send("direct", {"say": "you"}, to=one.id)
        await one.expect(type="direct", from_=other.id)


@run_async
async def test_a_pod_is_killed(release, mesh):
    dying, *others = await release.join_on(mesh, "peer", 3)
    name = release.pod_of(dying.node)
    await asyncio.to_thread(release.cluster.kubectl, "delete", "pod", name, "--grace-period=0", "--force", *NAMES)
    await dying.reader
    assert dying.closed[0] == 1006
    for other in others:
        await other.expect(type="presence", from_=dying.id, data={"status": "offline"}, deadline=TTL + 30)
    await fence(*others)
    for other in others:
        assert len(other.offlines_of(dying.id)) == 1
    await patience.eventually(lambda: len(release.ready_pods()) == 3, "a new pod", 60)


@run_async
async def test_a_roll_while_they_talk(release, mesh):
    before = set(release.pods())
    upgrade = [*command("helm install relay"), "--set", "podAnnotations.roll=again", "--set", "config.drainSeconds=5"]
    upgrade[1:2] = ["upgrade"]

    def roll():
        release.cluster.run(*upgrade, "--timeout", "180s")
        gone = [f"pod/{name}" for name in before]
        release.cluster.kubectl("wait", "--for=delete", *gone, "--timeout", "120s", *NAMES)

    await nobody_notices(release, mesh, asyncio.to_thread(roll))
    assert not before & set(release.pods())


@run_async
async def test_scaled_up_and_down_while_they_talk(release, mesh):
    def scale(count):
        words = command("kubectl scale")
        words[words.index("--replicas") + 1] = str(count)
        release.cluster.run(*words)
        patience.until(lambda: len(release.pods()) == len(release.ready_pods()) == count, f"{count} pods", 120)

    await asyncio.to_thread(scale, 5)
    await release.join_on("others", "early", 5)
    old = Release(release.cluster)

    def down():
        scale(3)
        selector = "app.kubernetes.io/component=relay"
        patience.until(
            lambda: len(old.cluster.get("pods", "--selector", selector, *NAMES)["items"]) == 3, "three pods", 120
        )

    await nobody_notices(release, mesh, asyncio.to_thread(down))


def test_a_pod_ends_before_its_time_is_over(release):
    """With clients, by itself, and with all said to Redis: nobody has to kill it."""
    name = next(iter(release.pods()))
    words = release.cluster.command("kubectl", "logs", "--follow", name, *NAMES)
    log = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
    release.cluster.kubectl("delete", "pod", name, *NAMES)
    told, _ = log.communicate(timeout=patience.SECONDS)
    assert re.search('"event": ?"stopped"', told.splitlines()[-1]), told[-2000:]


@pytest.mark.parametrize(
    "namespace, port, name, answers",
    [
        ("default", 8080, "relay-p2p-relay-pods.relay", True),
        ("default", 9090, "relay-p2p-relay-pods.relay", False),
        ("monitoring", 9090, "relay-p2p-relay-pods.relay", True),
        ("monitoring", 6379, "relay-p2p-relay-redis.relay", False),
    ],
)
def test_who_may_reach_what(release, namespace, port, name, answers):
    cluster = release.cluster
    cluster.kubectl("create", "namespace", namespace, check=False)
    pod = f"guest-{next(numbers)}"
    program = f"import socket; socket.create_connection(('{name}', {port}), timeout=5)"
    guest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "guest", "image": OTHER_IMAGES[1], "command": ["python3", "-c", program]}],
        },
    }
    cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump(guest))
    phase = patience.until(
        lambda: (cluster.get("pod", pod, "-n", namespace)["status"]["phase"] in ("Succeeded", "Failed"))
        and cluster.get("pod", pod, "-n", namespace)["status"]["phase"],
        "the guest to be done",
        60,
    )
    assert phase == ("Succeeded" if answers else "Failed")
