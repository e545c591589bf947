"""The arithmetic of the model, with costs whose sums are known, and that what is measured is what is meant."""

import pytest

import costs
import model
import report
import scaling
from model import Load

NOTHING = {f"{event}.{part}": 0.0 for event in (*model.EVENTS, "join", "told", "leave") for part in costs.PARTS} | {
    name: 0.0 for name in scaling.MEMORY
} | {"redis.base": 0.0}


def with_costs(**given):
    """with_costs(beat__node=5): all others are nothing."""
    return NOTHING | {name.replace("__", "."): value for name, value in given.items()}


def test_busy_between_alone_and_together():
    def alone(*process):
        return model.busy([process])[0]

    assert alone(0, 0) == 0
    assert alone(0.01, 0.001) == pytest.approx(0.01, rel=0.01)  # little to do: all are alone
    assert alone(0.3, 0.3) == pytest.approx(0.3)  # nothing is shared
    assert alone(9, 1) == pytest.approx(1)  # the end, however dear they are alone
    assert alone(0.9, 0.1) == pytest.approx(0.9 / 1.8)


def test_busy_on_a_core_that_is_shared():
    """Whoever waits for the core finds more to do when it gets it."""
    one, other = model.busy([(0.5, 0.1), (0.3, 0.1)])
    assert one + other == pytest.approx(0.8 / 1.6)
    assert one == pytest.approx(0.5 * 0.5 + 0.5 * 0.1)
    assert model.busy([(0.5, 0.1)], cores=1000)[0] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("nodes, peers, spread", [(1, 100, 1), (3, 1, 1), (3, 100, 3), (2, 2, 1.5), (5000, 10, 9.99)])
def test_on_how_many_nodes_a_mesh_is(nodes, peers, spread):
    assert Load(nodes=nodes, sockets=100, mesh_peers=peers).spread == pytest.approx(spread, rel=0.001)


def test_events_of_a_load():
    load = Load(nodes=2, sockets=500, mesh_peers=100, broadcasts=3, directs=2, ping_seconds=20, probe_seconds=10)
    number = model.counts(load)
    assert number["idle"] == pytest.approx(0.2)
    assert number["ping"] == 50
    assert number["beat"] + number["gathered"] == pytest.approx(100)
    assert number["publish"] == 30
    assert number["hear"] == pytest.approx(60)
    assert number["deliver"] == 30 * 99
    assert number["direct"] == 2000


def test_heartbeats_are_gathered_in_large_meshes_only():
    calls, gathered = model.beats(Load(nodes=3, sockets=1000, mesh_peers=10))
    assert gathered < 0.05 * calls
    calls, _ = model.beats(Load(nodes=3, sockets=10_000, mesh_peers=30_000))
    assert calls == pytest.approx(30, rel=0.02)  # each node, each 100 ms


def test_a_node_has_its_part_and_redis_all():
    values = with_costs(ping__node=100, ping__node_busy=100, direct__redis=50, direct__redis_busy=50, direct__to_redis=400)
    one, four = (model.steady(values, Load(nodes=nodes, sockets=1000, mesh_peers=10, directs=1)) for nodes in (1, 4))
    assert one.node_cpu == four.node_cpu == pytest.approx(1000 / 25 * 100 / 1e6)
    assert four.redis_cpu == pytest.approx(4 * one.redis_cpu) == pytest.approx(4 * 1000 * 50 / 1e6)
    assert four.to_redis == 4 * 1000 * 400
    assert four.ends_first == ("Redis", pytest.approx(5))


def test_who_ends_first_is_who_is_full_when_all_is_busy():
    """A node's events are dear alone, and cheap together: it lasts longer than it seems."""
    values = with_costs(ping__node=1000, ping__node_busy=1, direct__redis=20, direct__redis_busy=20)
    cost = model.steady(values, Load(nodes=2, sockets=5000, mesh_peers=10, directs=1))
    assert cost.node_cpu == pytest.approx(0.2 / (1 + 0.2 - 0.0002))
    assert cost.ends_first == ("Redis", pytest.approx(5))


def test_memory():
    values = with_costs(
        memory__node=1000, memory__socket=10, memory__kernel=5, memory__mesh=100, memory__entry=1,
        redis__peer=7, redis__mesh=50, redis__channel=3, redis__node=11,
    )  # fmt: skip
    cost = model.steady(values, Load(nodes=2, sockets=200, mesh_peers=100))
    assert cost.node_bytes == pytest.approx(1000 + 200 * 15 + 4 * (100 + 100))  # each node has all four meshes
    assert cost.redis_bytes == pytest.approx(400 * 7 + 4 * (50 + 2 * 3) + 2 * 11)


def test_a_storm():
    values = with_costs(join__node=100, told__node=2, join__redis=30, hear__node_busy=4, hear__redis_busy=5)
    small = model.storm(values, Load(nodes=2, sockets=1000, mesh_peers=10), 500)
    assert small.redis == pytest.approx(500 * 30 / 1e6, rel=0.01)
    load = Load(nodes=5, sockets=1000, mesh_peers=1000)
    large = model.storm(values, load, 500)
    assert large.nodes == pytest.approx(500 * (100 + 990 * 2 + 3 * 4) / 1e6)
    assert large.redis == pytest.approx(500 * (30 + 3 * 5) / 1e6)
    assert large.seconds(4) == pytest.approx(large.nodes / 4)
    assert small.seconds(1000) == small.redis


def test_one_change_is_linear_and_all_of_them_are_not():
    values = with_costs(leave__node=50, deliver__node=5, leave__redis=20, hear__redis=1, hear__node=2)
    assert model.change(values, 1011, 3) == (pytest.approx(50 + 1000 * 5 + 2), pytest.approx(21))
    assert model.repeated(101, 200, 20) == pytest.approx(101 * 100 * 10)


def test_tables():
    values = with_costs(ping__node=10, beat__node=20, beat__redis=30, beat__to_redis=300, redis__peer=900, memory__socket=4000)
    checked = dict(node_cpu=0.01, redis_cpu=0.02, to_redis=1000, from_redis=0, node_bytes=1e6, redis_bytes=1e6)
    checks = {name: checked for name in scaling.CHECKED} | {"storm": {"nodes": 1, "redis": 0.1}, "cores": 1}
    results = dict(date="2026-01-02", machine="a machine", rounds=3, costs=values, checks=checks)
    text = scaling.markdown(results, scaling.RELIABILITY.read_text())
    assert "| a heartbeat " in text and "| 5,000 × 1, direct" in text and "500 × 1, idle (F45)" in text
    assert "nan" not in text and "inf" not in text


def test_errors_and_sizes():
    assert scaling.compared("x", 12, 10, str) == ["x", "12", "10", "+20 %"]
    assert [scaling.size(number) for number in (7, 1234, 5.6e7, 2.5e10)] == ["7 B", "1.23 kB", "56 MB", "25 GB"]
    assert [scaling.percent(part) for part in (0.001234, 0.5)] == ["0.123 %", "50 %"]


def test_the_page_has_a_place():
    text = scaling.PAGE.read_text()
    assert report.BEGIN in text and report.END in text


# ---- In small, with what is built here


def test_messages_on_the_way_to_redis():
    """What the generator says and what Redis has counted between its marks belong together."""
    done = costs.run("meshes", sockets=40, mesh_peers=2, directs=200, seconds=2, warm_up_seconds=0)
    assert done.count == 40
    assert set(done.cpu) == {"redis", "node1", "node2"}
    assert 200 * 2 * 200 < done.to_redis < 3 * 200 * 2 * 200
    assert 200 * 2 * 200 < done.from_redis < 3 * 200 * 2 * 200


def test_more_listeners_cost_redis_more_bytes():
    few, many = (
        costs.run("fanout", more=more, senders=1, receivers=1, rate=100, seconds=1, warm_up_seconds=0) for more in (0, 10)
    )
    assert many.from_redis > 3 * few.from_redis > 0


def test_nodes_to_which_nobody_comes():
    done, memory, buffers = costs.nobody(2)
    assert done.node() > 0 and done.redis > 0 and done.to_redis > 0
    assert memory > 500_000 and buffers > 1000
