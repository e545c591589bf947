"""
The load generator is right: with servers that are, it finds no fault, and counts what there is to
count; of those that are not it tells.
"""

import json
import math
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402

from harness import patience  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.redis import Redis  # noqa: E402
from harness.relay import BINARY, SANITIZERS, Relay  # noqa: E402

FOLDER = BINARY.parent / "tests/bench"
UNLIMITED = {"messages_per_second": 0, "bytes_per_second": 0, "ttl_seconds": 3600}
RUN_SECONDS = 60
SHORT = {"seconds": 1, "warm_up_seconds": 0}
MEMBERS = {"scenario", "server", "seconds", "cpu_seconds", "generator_cpu_seconds", "gaps", "duplicates", "errors"}


class Raw(Process):
    def __init__(self, directory, **options):
        super().__init__(directory / "raw.log")
        self.spawn([FOLDER / "bench_raw", *flags(options)], SANITIZERS)
        self.port = patience.until(self.find_port, "bench_raw")

    def find_port(self):
        found = re.search(r"listening on (\d+)", self.log())
        return found and found[1]


class System:
    """One that is to be loaded: what bench calls it, and its processes."""

    def __init__(self, server, *nodes, others=()):
        self.server, self.nodes, self.processes = server, nodes, [*nodes, *others]

    def start(self, scenario, **options):
        words = [FOLDER / "bench", scenario, "--server", self.server, "--json", "yes"]
        words += ["--nodes", ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)]
        for number, process in enumerate(self.processes):
            words += ["--process", f"process{number}:{process.pid}"]
        words += flags({**SHORT, **options})
        return subprocess.Popen(
            [str(word) for word in words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **SANITIZERS},
        )

    def run(self, scenario, **options):
        bench = self.start(scenario, **options)
        try:
            out, told = bench.communicate(timeout=RUN_SECONDS)
        finally:
            bench.kill()
        assert bench.returncode == 0, told
        figures = json.loads(out, parse_constant=pytest.fail)
        assert figures.keys() >= MEMBERS
        assert (figures["scenario"], figures["server"]) == (scenario, self.server)
        assert figures["cpu_seconds"].keys() == {f"process{i}" for i in range(len(self.processes))}
        return figures

    def counted(self, metric, **labels):
        return sum(node.metric(metric, **labels) for node in self.nodes)

    def run_well(self, scenario, **options):
        figures = self.run(scenario, **options)
        assert (figures["gaps"], figures["duplicates"], figures["errors"]) == (0, 0, 0)
        return figures


def flags(options):
    return [word for name, value in options.items() for word in ("--" + name.replace("_", "-"), value)]


@pytest.fixture
def start_raw(tmp_path):
    started = []

    def start(**options):
        started.append(Raw(tmp_path, **options))
        return System("raw", started[-1])

    yield start
    for raw in started:
        raw.kill()


def start_relay(folder, number, redis_url):
    """Into whose memory the generator may look."""
    return Relay(folder, number, redis_url=redis_url, core_dumps="on", **UNLIMITED)


@pytest.fixture
def ours(tmp_path):
    redis = Redis(tmp_path)
    relays = [start_relay(tmp_path, number, redis.url) for number in (1, 2)]
    for relay in relays:
        relay.wait_ready()
    yield System("relay", *relays, others=[redis])
    for relay in relays:
        relay.stop()
    redis.stop()


@pytest.fixture(params=["relay", "raw"])
def system(request):
    return request.getfixturevalue("ours") if request.param == "relay" else request.getfixturevalue("start_raw")()


def test_closed_loops_go_as_fast_as_it_goes(system):
    figures = system.run_well("fanout", senders=2, receivers=10, window=4)
    assert figures["deliveries"] > 0
    assert figures["per_second"] == pytest.approx(figures["deliveries"] / figures["seconds"], rel=0.01)
    assert "p50_ms" not in figures

    figures = system.run_well("direct", senders=3, in_flight=2, bytes=3000)
    assert figures["messages"] > 0


def test_open_loops_keep_the_rate(system):
    figures = system.run_well("fanout", senders=2, receivers=10, rate=100)
    assert 0 < figures["deliveries"] <= 101 * 11  # a sender hears the other
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]

    figures = system.run_well("direct", senders=3, rate=100)
    assert 0 < figures["messages"] <= 101 * 2
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]


def test_all_join_connect_and_stay(system):
    assert system.run_well("join", receivers=30, opening=4)["joins"] == 30
    assert system.run_well("connect", sockets=50)["connects"] == 50
    figures = system.run_well("meshes", sockets=25)
    assert figures["sockets"] == 25
    assert figures["process_bytes_per_socket"].keys() == figures["cpu_seconds"].keys()


@pytest.mark.parametrize("burst", [1, 10])
def test_what_is_said_in_meshes_comes_once(ours, burst):
    rates = {"heartbeat": 45, "broadcast": 15, "direct": 25}  # a second, and that is how long it takes
    options = {f"{type}s": rate for type, rate in rates.items()}
    assert ours.run_well("meshes", sockets=24, mesh_peers=8, burst=burst, **options)["sockets"] == 24
    for type, rate in rates.items():
        said = ours.counted("p2p_relay_messages_received_total", type=type)
        assert 0 <= said - burst * math.ceil(rate / burst) <= (burst == 1)
    assert ours.counted("p2p_relay_messages_delivered_total") == 7 * ours.counted(
        "p2p_relay_messages_received_total", type="broadcast"
    ) + ours.counted("p2p_relay_messages_received_total", type="direct")


def test_meshes_of_their_own(ours):
    """Who joins knows those of the own mesh only, and they hear when one leaves."""
    assert ours.run_well("join", receivers=24, mesh_peers=8)["joins"] == 24
    assert ours.run_well("leave", receivers=24, mesh_peers=8, rate=100)["leaves"] == 12
    assert ours.counted("p2p_relay_connects_total") == 48


def test_three_nodes(ours, tmp_path):
    third = start_relay(tmp_path, 3, ours.nodes[0].options["redis_url"]).wait_ready()
    system = System("relay", *ours.nodes, third)
    try:
        assert system.run_well("meshes", sockets=30, mesh_peers=3, broadcasts=30)["sockets"] == 30
        assert [node.metric("p2p_relay_connects_total") for node in system.nodes] == [10] * 3
    finally:
        third.stop()


def test_marks_say_when_it_is_measured(ours):
    words = ours.start("direct", senders=1, marks="yes")
    out, told = words.communicate(timeout=RUN_SECONDS)
    assert out.splitlines()[:2] == ["begin", "end"], told
    assert json.loads(out.splitlines()[2])["messages"] > 0


@pytest.mark.parametrize("scenario", ["fanout", "direct"])
def test_what_is_lost_is_a_gap(start_raw, scenario):
    figures = start_raw(drop_every=50).run(scenario, senders=2, receivers=3, rate=1000)
    assert figures["gaps"] > 0
    assert figures["duplicates"] == 0


@pytest.mark.parametrize("scenario", ["fanout", "direct"])
def test_what_comes_twice_is_a_duplicate(start_raw, scenario):
    figures = start_raw(repeat_every=50).run(scenario, senders=2, receivers=3)
    assert figures["duplicates"] > 0
    assert figures["gaps"] == 0


def test_nothing_wrong_is_forgiven_to_our_own(ours):
    bench = ours.start("fanout", receivers=5, seconds=RUN_SECONDS)
    patience.until(lambda: ours.nodes[1].metric("p2p_relay_connections") == 5, "the receivers")
    ours.nodes[1].kill()
    _, told = bench.communicate(timeout=RUN_SECONDS)
    assert bench.returncode == 1
    assert "lost" in told
