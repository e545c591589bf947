"""What the runs come to, on figures whose answer is known; and that the pages name what there is."""

import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

import compare
import drawing
import report
from rows import BOTH, ROWS, WORKER_ROWS, WORKERS, Figure, Row
from servers import ROOT, SYSTEMS

COST = Figure("per_cpu_second", "deliveries/CPU-s", wanted={"nats": 2, "raw": 0.5})
DELAY = Figure("p50_ms", "ms", lower=True)
FANOUT = Row("fanout", "Fan-out", "fanout", {}, (COST,))
LATENCY = Row("latency", "Direct", "direct", {}, (DELAY, Figure("p99_ms", "ms", lower=True)))


def runs(row, system, *results):
    return [{"row": row.name, "system": system, "result": {"others_percent": 25, **result}} for result in results]


def costs(*values, **more):
    clean = {"gaps": 0, "duplicates": 0, "errors": 0, "cpu_seconds": {"redis": 1, "node1": 1, "node2": 1}}
    return [{"per_cpu_second": value, **clean, **more} for value in values]


def results(*groups):
    return {
        "date": "2026-01-02",
        "machine": "a machine",
        "redis": "Redis 7",
        "versions": {"relay": "p2p-relay 1", "relay-1": "p2p-relay 1"},
        "missing": {},
        "rounds": 3,
        "seconds": 3,
        "runs": [run for group in groups for run in group],
    }


def cells(text, begin):
    """The words of the first line of a table that begins so, without its head."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {begin}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def part(text, heading):
    return text.partition(f"### {heading}\n")[2].partition("\n### ")[0]


def test_median_and_spread():
    assert report.Cell(costs(1_470_000, 900, 2_000_000), COST).text == "1.47 M (900–2.00 M)"
    assert report.Cell(costs(100, 300), COST).text == "200 (100–300)"
    assert report.Cell(costs(7), COST).text == "7.00"
    assert report.Cell([], COST).text == "–"


@pytest.mark.parametrize(
    "number, text",
    [(0, "0"), (0.0421, "0.042"), (0.9996, "1.00"), (9.996, "10.0"), (999.4, "999"), (999.6, "1.00 k"), (1e6, "1.00 M")],
)
def test_three_digits_that_count(number, text):
    assert report.short(number) == text


def test_better_is_above_one_in_both_directions():
    assert report.Cell(costs(300), COST).times(report.Cell(costs(100), COST)) == 3
    assert report.Cell([{"p50_ms": 0.5}], DELAY).times(report.Cell([{"p50_ms": 2}], DELAY)) == 4


@pytest.mark.parametrize("fault", report.FAULTS)
def test_one_fault_in_one_run_makes_it_wrong(fault):
    ours = runs(FANOUT, "relay", *costs(500, 600), *costs(700, **{fault: 1}))
    text = report.markdown(results(ours, runs(FANOUT, "nats", *costs(100, 100, 100))), [FANOUT])
    assert cells(part(text, "Across two nodes"), "Fan-out")[0] == "wrong"
    assert cells(part(text, "How far ahead"), "Fan-out")[1] == "–"
    assert f"- Fan-out, relay: 1 {fault}" in text


def test_a_run_without_a_result_makes_it_wrong():
    cell = report.Cell([*costs(500), {"failed": "no upgrade"}], COST)
    assert cell.text == "wrong"
    assert cell.faults == "no upgrade"


def test_tables():
    text = report.markdown(
        results(
            runs(FANOUT, "relay", *costs(900, 1000, 1100)),
            runs(FANOUT, "nats", *costs(400, 500, 600)),
            runs(FANOUT, "raw", *costs(1500, 2500, 2600)),
            runs(FANOUT, "relay-1", *costs(50)),
        ),
        [FANOUT],
    )
    assert cells(part(text, "Across two nodes"), "Fan-out") == [
        "1.00 k (900–1.10 k)", "500 (400–600)", "–", "–", "2.50 k (1.50 k–2.60 k)",
    ]  # fmt: skip
    assert cells(part(text, "How far ahead"), "Fan-out") == ["", "2.00 ≥ 2", "–", "–", "**0.400 < 0.5**"]
    assert cells(part(text, "With one node"), "Fan-out")[0] == "50.0"
    assert "other work took 25 % of the machine" in text


@pytest.mark.parametrize(
    "reached, wanted, lower, text",
    [
        (2.5, 2, False, "2.50 ≥ 2"),
        (0.5, 0.75, False, "**0.500 < 0.75**"),
        (9000, 10_000, True, "9.00 k ≤ 10,000"),
        (11_000, 10_000, True, "**11.0 k > 10,000**"),
        (3, None, False, "3.00"),
        (None, 2, False, "–"),
    ],
)
def test_targets(reached, wanted, lower, text):
    assert report.compared(reached, wanted, lower) == text


def test_what_the_time_is_spent_on():
    busy = {"cpu_seconds": {"redis": 0.5, "node1": 0.5, "node2": 1.0}}
    text = report.markdown(results(runs(FANOUT, "relay", *costs(250_000, **busy))), [FANOUT])
    assert cells(part(text, "What p2p-relay's time is spent on"), "Fan-out: deliveries") == ["1.00", "2.00", "1.00"]


def test_a_system_that_is_not_here_is_told():
    said = results(runs(FANOUT, "relay", *costs(1)))
    said["missing"]["centrifugo"] = "there is no go"
    assert "- centrifugo is left out: there is no go" in report.markdown(said, [FANOUT])


def test_rows_are_of_systems_that_there_are():
    assert set(BOTH + WORKERS) == set(SYSTEMS)
    for row in ROWS + WORKER_ROWS:
        assert set(row.systems) <= set(SYSTEMS)
        for figure in row.figures:
            assert set(figure.wanted) <= set(row.systems)


def test_one_process_and_two():
    row = FANOUT._replace(systems=WORKERS)
    one = {"cpu_seconds": {"redis": 2, "node1": 2.25}, "seconds": 3}
    two = {"cpu_seconds": {"redis": 2, "node1": 0, "node1-worker0": 1.2, "node1-worker1": 1.0}, "seconds": 3}
    said = results(runs(row, "relay-1", *costs(1000, **one)), runs(row, "relay-2w", *costs(900, **two)))
    assert cells(report.workers(said, [row]), "Fan-out") == ["1.00 k", "900", "0.90", "0.75", "0.40"]
    said = results(runs(row, "relay-1", *costs(1000, **one)), runs(row, "relay-2w", *costs(900, gaps=1, **two)))
    assert cells(report.workers(said, [row]), "Fan-out") == ["1.00 k", "wrong", "", "", ""]


def test_drawing_is_xml_with_a_bar_for_each_figure():
    said = results(
        runs(FANOUT, "relay", *costs(900)),
        runs(FANOUT, "nats", *costs(450)),
        runs(FANOUT, "nchan", *costs(450, gaps=1)),
        runs(LATENCY, "relay", {"p50_ms": 0.1, "p99_ms": 1}),
    )
    root = xml.fromstring(drawing.draw(said, [FANOUT, LATENCY]))
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width")) for bar in root.iter(f"{space}rect")]
    assert len(widths) == 4
    assert widths[1] == pytest.approx(widths[0] / 2, abs=0.1)
    assert {text.text for text in root.iter(f"{space}text")} >= {"Fan-out", "wrong", "900", "0.100"}


def test_each_part_of_the_page_has_a_place(tmp_path):
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs/performance.md").read_text())
    report.write(page, "of workers", report.WORKERS_BEGIN, report.WORKERS_END)
    report.write(page, "of servers")
    assert "of workers" in page.read_text() and "of servers" in page.read_text()


def test_the_page_has_a_place_and_keeps_its_words(tmp_path):
    page = tmp_path / "page.md"
    page.write_text((ROOT / "docs/performance.md").read_text() + "after\n")
    before = page.read_text()
    report.write(page, "one")
    report.write(page, "| two |")
    head, _, tail = page.read_text().partition(f"{report.BEGIN}\n\n| two |\n\n{report.END}")
    assert before.startswith(head) and tail == "\nafter\n" and "one" not in tail


def test_the_pages_name_commands_that_exist():
    """Each `scripts/bench ...` of the documentation, with names that there are."""
    usage = subprocess.check_output([sys.executable, compare.__file__, "--help"], text=True)
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/performance.md", "docs/scaling.md")]
    commands = [match for page in pages for match in re.findall(r"scripts/bench\b([^`\n#]*)", page.read_text())]
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command)
        for option, value in zip(words, [*words[1:], None]):
            if option.startswith("--"):
                assert option in usage
            if option in ("--only", "--servers"):
                assert set(value.split(",")) <= set(re.findall(r"[\w-]+", usage))
