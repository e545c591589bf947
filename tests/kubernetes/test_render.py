"""What the chart makes: as a whole, as the API sees it, and what matters by itself."""

import json
import re
import subprocess
import textwrap

import pytest
import yaml

import apis
from chart import CASES, CHART, ROOT, helm, needs_helm, objects, only, relay_pod, render
from harness.redis import free_port
from harness.relay import BINARY

pytestmark = needs_helm
ALL = pytest.mark.parametrize("case", CASES)


@ALL
def test_as_a_whole(case, request):
    """Whatever changes shows in the difference of golden/; --write takes it over."""
    path = ROOT / "tests/kubernetes/golden" / f"{case}.yaml"
    made = without_files(re.sub(r"[ \t]+$", "", render(case), flags=re.MULTILINE))
    if request.config.getoption("--write"):
        path.write_text(made)
    assert made == path.read_text()


def without_files(made):
    """What the chart takes from files as it is would only be said twice."""
    for path in (CHART / "files").iterdir():
        for indent in ("  ", "    "):
            text = textwrap.indent(path.read_text().rstrip("\n"), indent)
            made = made.replace(text, f"{indent}(files/{path.name})")
    return made


@ALL
def test_lint(case):
    helm("lint", "--strict", CHART, "--values", CASES[case])


@ALL
def test_the_api_knows_every_member(case):
    for thing in objects(case).values():
        apis.check(thing)


def test_a_member_that_the_api_does_not_know():
    for thing in objects("production").values():
        thing.setdefault("spec", {})["colour"] = "red"
        with pytest.raises(apis.jsonschema.ValidationError):
            apis.check(thing)


@ALL
def test_selectors_find_their_pods(case):
    made = objects(case)
    deployments = [thing for (kind, _), thing in made.items() if kind == "Deployment"]
    labels = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in deployments]
    for deployment in deployments:
        assert found(deployment["spec"]["selector"]["matchLabels"], labels) == 1
    for (kind, _), thing in made.items():
        if kind == "Service":
            assert found(thing["spec"]["selector"], labels) == 1
        if kind in ("NetworkPolicy", "PodDisruptionBudget"):
            selector = thing["spec"].get("selector") or thing["spec"]["podSelector"]
            assert found(selector["matchLabels"], labels) == 1


def found(selector, labels):
    return sum(selector.items() <= each.items() for each in labels)


@ALL
def test_pods_may_do_little(case):
    pods = [thing["spec"]["template"]["spec"] for (kind, _), thing in objects(case).items() if kind == "Deployment"]
    pods += [thing["spec"] for (kind, _), thing in objects(case).items() if kind == "Pod"]
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == 65532
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@pytest.mark.parametrize("before, drain, grace", [(5, 25, 45), (20, 60, 95), (0, 0, 15)])
def test_the_end_of_a_pod(before, drain, grace):
    """Newcomers until all know, clients over the drain, and what the relay still owes Redis."""
    pod, container = relay_pod(objects(preStopSeconds=before, config__drainSeconds=drain))
    assert pod["terminationGracePeriodSeconds"] == grace
    assert variables(container)["RELAY_DRAIN_SECONDS"] == str(drain)
    assert container.get("lifecycle") == ({"preStop": {"sleep": {"seconds": before}}} if before else None)


def variables(container):
    return {variable["name"]: variable.get("value") for variable in container["env"]}


@ALL
def test_variables_are_options(case):
    options = json.loads(subprocess.run([BINARY, "--options=json"], check=True, capture_output=True).stdout)
    known = {option["variable"] for option in options}
    _, container = relay_pod(objects(case))
    assert {name for name in variables(container) if name.startswith("RELAY_")} <= known


@ALL
def test_the_relay_takes_its_variables(case, tmp_path):
    """The binary itself, with what the container would have; the files are where the test put them."""
    _, container = relay_pod(objects(case))
    given = {name: value for name, value in variables(container).items() if name.startswith("RELAY_")}
    url = objects(case).get(("Secret", "release-p2p-relay"), {}).get("stringData", {}).get("redis-url")
    given["RELAY_REDIS_URL"] = url or ("rediss://redis" if "RELAY_REDIS_CA_FILE" in given else "redis://redis")
    for name in given:
        if name.endswith("_FILE"):
            given[name] = str(tmp_path / "missing")
    given.update(RELAY_LISTEN=f"127.0.0.1:{free_port()}", RELAY_ADMIN_LISTEN=f"127.0.0.1:{free_port()}")
    running = subprocess.Popen([BINARY], env=given, stderr=subprocess.PIPE, text=True)
    try:
        # The files are looked at after the options.
        told = next((line for line in running.stderr if re.search("listening|must be a readable file", line)), None)
    finally:
        running.kill()
        running.wait()
        running.stderr.close()
    assert told


def test_numbers_and_lists_in_variables():
    _, container = relay_pod(objects("production"))
    given = variables(container)
    assert given["RELAY_BYTES_PER_SECOND"] == "10000000"
    assert given["RELAY_ALLOWED_CLIENT"] == "page agent"
    assert given["RELAY_REQUIRED_CLAIM"] == "team=red\nteam=dark blue"
    assert given["RELAY_CORE_DUMPS"] == "off"


def test_probes_ask_three_questions():
    _, container = relay_pod(objects())
    paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}


def test_a_roll_takes_no_node_away():
    deployment = only("Deployment", objects())
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@pytest.mark.parametrize(
    "case, secret, key",
    [
        ("default", "release-p2p-relay", "redis-url"),
        ("trial", "release-p2p-relay-redis", "redis-url"),
        ("production", "redis", "url"),
        ("gateway", "relay", "redis-url"),
    ],
)
def test_where_redis_is(case, secret, key):
    """Never in the Deployment itself, which many may read."""
    made = objects(case)
    _, container = relay_pod(made)
    (variable,) = (each for each in container["env"] if each["name"] == "RELAY_REDIS_URL")
    assert variable["valueFrom"]["secretKeyRef"] == {"name": secret, "key": key}
    if case != "production":
        assert key in made["Secret", secret]["stringData"]


def test_a_new_url_of_redis_rolls_the_pods():
    first, second = (
        only("Deployment", objects(redis__url=json.dumps(url)))["spec"]["template"]["metadata"]["annotations"]
        for url in ("redis://a", "redis://b")
    )
    assert first != second


def test_the_ports_that_a_policy_opens():
    policy = only("NetworkPolicy", objects("production"))["spec"]
    clients, metrics = policy["ingress"]
    assert clients == {"ports": [{"port": "http"}]}
    assert metrics["ports"] == [{"port": "admin"}] and metrics["from"]
    opened = [port["port"] for rule in policy["egress"] for port in rule["ports"]]
    assert opened == [53, 53, 6380, 443]


def test_a_name_that_is_short_enough():
    for _, name in objects(release="r" * 53):
        assert len(name) <= 63


def test_one_node_has_no_budget():
    assert not [kind for kind, _ in objects("single") if kind in ("PodDisruptionBudget", "NetworkPolicy")]


def test_scaling_sets_no_replicas():
    """Else each upgrade would undo what the autoscaler did."""
    assert "replicas" not in only("Deployment", objects("production"))["spec"]


def test_timeouts_of_an_ingress():
    annotations = only("Ingress", objects("production"))["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-send-timeout"] == "3600"
    assert annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "86400"  # the user's own


def test_the_bundled_redis_has_the_prefix_of_the_relay():
    made = objects("trial", config__redisPrefix='"other:"')
    acl = made["Secret", "release-p2p-relay-redis"]["stringData"]["users.acl"]
    assert "~other:* &other:*" in acl and "relay:" not in acl


def test_alerts_are_those_of_compose():
    spec = only("PrometheusRule", objects("production"))["spec"]
    assert spec == yaml.safe_load((ROOT / "monitoring/alerts.yaml").read_text())


def test_the_dashboard_is_that_of_compose():
    made = objects("production")
    (dashboard,) = (thing for (kind, name), thing in made.items() if name.endswith("-dashboard"))
    (text,) = dashboard["data"].values()
    assert json.loads(text) == json.loads((ROOT / "monitoring/dashboard.json").read_text())
