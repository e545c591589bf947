"""
monitoring/ on a real Prometheus, which scrapes real relays: each query of the board gives something, the
alerts are rules that Prometheus takes, and each fires when it should.
"""

import json
import re
import urllib.parse

import pytest

from harness import patience
from harness.process import ROOT
from project import Project, composers, docker

BOARD = json.loads((ROOT / "monitoring/dashboard.json").read_text())
TARGETS = [
    (panel["title"], target["expr"])
    for panel in BOARD["panels"]
    for target in panel.get("targets", [])
]
VARIABLES = {"$instance": ".*", "$__rate_interval": "30s"}


@pytest.fixture(scope="module")
def monitored(start_project):
    project = start_project(composers()[0])
    project.up("relay", "redis", "balancer")
    project.compose("up", "-d", "prometheus", profiles=["monitoring"])
    project.wait_healthy()
    return project


def ask(project, path, **parameters):
    query = urllib.parse.urlencode(parameters)
    answer = project.request("GET", f"/api/v1/{path}?{query}", port=project.prometheus_port)
    assert answer.status == 200, answer
    return answer.json["data"]


def filled(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression


async def test_the_board(monitored, mesh):
    """Every query finds samples once somebody talked; those that leave out zeros may find none."""
    assert len(TARGETS) > 30
    one, two, three = await monitored.join_on(mesh, "peer", 3)
    one.beat(0.2, "broadcast", data={"say": "all"})
    await one.send("direct", to="nobody")
    await patience.eventually(
        lambda: len([t for t in ask(monitored, "targets")["activeTargets"] if t["health"] == "up"]) == 3,
        "all relays to be scraped",
        60,
    )
    await patience.eventually(
        lambda: ask(monitored, "query", query="sum(rate(p2p_relay_messages_delivered_total[30s]))")["result"],
        "two samples of each",
        60,
    )
    for title, expression in TARGETS:
        found = ask(monitored, "query", query=filled(expression))["result"]
        assert found or expression.endswith("> 0"), f"{title}: {expression}"
    delivered = ask(monitored, "query", query=filled("sum(p2p_relay_connections)"))["result"]
    assert float(delivered[0]["value"][1]) == 3


def test_the_board_names_what_there_is(monitored):
    """A metric that is misspelled behind "> 0" would never be missed."""
    known = {name for name in ask(monitored, "label/__name__/values") if name.startswith("p2p_relay_")}
    alerts = (ROOT / "monitoring/alerts.yaml").read_text()
    for text in (*(expression for _, expression in TARGETS), alerts):
        assert set(re.findall(r"\bp2p_relay_\w+", text)) <= known


def test_prometheus_takes_the_alerts(monitored):
    (group,) = ask(monitored, "rules")["groups"]
    wanted = re.findall(r"- alert: (\w+)", (ROOT / "monitoring/alerts.yaml").read_text())
    assert [rule["name"] for rule in group["rules"]] == wanted
    patience.until(
        lambda: all(rule["health"] == "ok" for group in ask(monitored, "rules")["groups"] for rule in group["rules"]),
        "all rules to be evaluated",
    )


def test_each_alert_fires_when_it_should(image):
    """tests/compose/alerts.yaml says when."""
    tested = set(re.findall(r'alertname="(\w+)"', (ROOT / "tests/compose/alerts.yaml").read_text()))
    assert tested == set(re.findall(r"- alert: (\w+)", (ROOT / "monitoring/alerts.yaml").read_text()))
    done = docker(
        "run", "--rm", "-v", f"{ROOT}:/repository:ro", "-w", "/repository/tests/compose",
        "--entrypoint", "promtool", "prom/prometheus:v2.53.3", "test", "rules", "alerts.yaml",
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
async def test_an_alert_for_real(monitored, mesh):
    """Redis is gone, and after a while somebody is told."""
    docker("pause", *monitored.ids("redis"))
    try:
        await patience.eventually(
            lambda: {"RelayWithoutRedis"} <= {
                alert["labels"]["alertname"]
                for alert in ask(monitored, "alerts")["alerts"]
                if alert["state"] == "firing"
            },
            "the alert to fire",
            90,
        )
    finally:
        docker("unpause", *monitored.ids("redis"))
