"""A comparison in small, with what is built here: the relay and the raw server."""

import os
import pathlib

import pytest

import compare
import report
import servers
from rows import ROWS

ROW = next(row for row in ROWS if row.name == "direct-1")._replace(options=dict(senders=2, in_flight=1, bytes=200))


def test_in_small(monkeypatch, tmp_path):
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results.json")
    results = compare.compare([ROW], ["relay", "raw"], 1, {"seconds": 1, "warm_up_seconds": 0})

    relay, raw = (run["result"] for run in results["runs"])
    assert set(relay["cpu_seconds"]) == {"redis", "node1", "node2"}
    assert set(raw["cpu_seconds"]) == {"node1"}
    for result in (relay, raw):
        assert not report.faults([result])
        assert result["messages"] > 0
    assert "Direct, 100 pairs" in report.markdown(results, ROWS)


def test_nothing_is_left_of_the_servers(tmp_path):
    with servers.Relay(tmp_path, sorted(os.sched_getaffinity(0)), 2) as system:
        pids = [pid for _, pid in system.processes()]
        assert len(pids) == 3
    assert not [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]


def test_a_server_that_does_not_start_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "RAW", pathlib.Path("/bin/false"))
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results.json")
    results = compare.compare([ROW], ["raw"], 1, {"seconds": 1, "warm_up_seconds": 0})
    assert "node1 ended" in report.faults([results["runs"][0]["result"]])


def test_who_is_not_here_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(servers, "PEERS", tmp_path)
    (tmp_path / "centrifugo").write_text("there is no go\n")
    with pytest.raises(servers.NotHere, match="there is no go"):
        servers.installed("centrifugo", "centrifugo")
    with pytest.raises(servers.NotHere, match="fetch-peers"):
        servers.installed("nats", "nats-server")
