#!/usr/bin/python3
"""
The relay beside other servers, under the same load: what a message costs, and how long it takes.

    scripts/bench [--rounds N] [--only ROW,..] [--servers NAME,..] [--quick] [--write] [--again]
    scripts/bench workers [--rounds N] [--quick] [--write] [--again]
    scripts/bench SCENARIO [--name value...]
    scripts/bench tokens
    scripts/bench scaling

The first runs every row with every system, in turn and --rounds times over, each time with servers
started afresh, and prints what docs/performance.md says of it. The second does the same with one process of
the relay and with two. The third runs one scenario of the load generator (build/release/tests/bench/bench
says which) with the relay alone, on two nodes. The fourth says how many tokens a node can check, and the
fifth what any number of nodes costs (scripts/bench scaling --help). RELAY_BINARY measures another build.

  --rounds N       how often (default 3)
  --only ROW,..    rows or scenarios, of those below
  --servers NAME,..  systems, of those below
  --quick          one round of a second each: whether all works, not how fast
  --write          writes docs/performance.md and docs/performance.svg
  --again          measures nothing: the last run once more
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time

import drawing
import machine
import report
from rows import BOTH, ROWS, WORKER_ROWS, WORKERS
from servers import REDIS, ROOT, SYSTEMS, NotHere, Relay, first_line

GENERATOR = ROOT / "build/release/tests/bench/bench"
RESULTS = ROOT / "build/bench/results.json"
WORKER_RESULTS = ROOT / "build/bench/workers.json"
PAGE = ROOT / "docs/performance.md"
RUN_SECONDS_MAX = 180


def command(system, scenario):
    """The load generator, told where the system is and which its processes are."""
    words = ["taskset", "-c", machine.cores()[1], GENERATOR, scenario, "--server", system.speech, "--nodes", system.addresses]
    for name, pid in system.processes():
        words += ["--process", f"{name}:{pid}"]
    return [str(word) for word in words]


def generate(system, scenario, options, **how):
    """Runs the load generator with the system."""
    return subprocess.run([*command(system, scenario), *options], text=True, timeout=RUN_SECONDS_MAX, **how)


def flags(options):
    return [str(word) for name, value in options.items() for word in ("--" + name.replace("_", "-"), value)]


def measure(name, row, timing):
    """One figure: what the generator says of it, or why it says nothing."""
    make, nodes = SYSTEMS[name]
    options = flags({**row.options, **timing})
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, make(folder, machine.cores()[0], nodes) as system:
        others = machine.Others([pid for _, pid in system.processes()])
        done = generate(system, row.scenario, [*options, "--json", "yes"], capture_output=True)
        others_percent = others.percent()
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
    result = json.loads(done.stdout)
    result["cpu_percent"] = 100 * sum(result["cpu_seconds"].values()) / result["seconds"]
    result["others_percent"] = others_percent
    return result


def available(names):
    """Those that can be had, with their versions, and why the others can't."""
    versions, missing = {}, {}
    for name in names:
        try:
            versions[name] = SYSTEMS[name][0].version()
        except NotHere as reason:
            missing[name] = str(reason)
            print(f"Without {name}: {reason}", file=sys.stderr)
    return versions, missing


def compare(rows, names, rounds, timing, path=None):
    versions, missing = available(names)
    results = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": machine.description(),
        "redis": first_line(REDIS, "--version").split(" sha=")[0],
        "versions": versions,
        "missing": missing,
        "rounds": rounds,
        "seconds": timing["seconds"],
        "runs": [],
    }
    path = path or RESULTS
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(rounds):
        for row in rows:
            for name in versions:
                if name not in row.systems or number >= row.rounds:
                    continue
                try:
                    result = measure(name, row, timing)
                except (RuntimeError, subprocess.TimeoutExpired) as reason:
                    result = {"failed": str(reason)}
                said = report.brief(row, result)
                print(f"{number + 1}/{rounds} {row.name:24} {name:14} {said}", file=sys.stderr)
                results["runs"].append({"row": row.name, "system": name, "result": result})
                path.write_text(json.dumps(results))
    return results


def listed(text, known, what):
    names = text.split(",") if text else known
    for name in names:
        if name not in known:
            sys.exit(f"there is no {what} {name}; there are {', '.join(dict.fromkeys(known))}")
    return names


def chosen_rows(text):
    names = listed(text, [name for row in ROWS for name in (row.name, row.scenario)], "row or scenario")
    return [row for row in ROWS if row.name in names or row.scenario in names]


def usage():
    """With the rows of each scenario, and the systems."""
    names = {}
    for row in ROWS:
        names.setdefault(row.scenario, []).append(row.name)
    rows = "\n".join(f"  {scenario + ':':8} {' '.join(rows)}" for scenario, rows in names.items())
    return f"{__doc__}\nscenarios and their rows:\n{rows}\nsystems:\n  {' '.join(BOTH)}\n"


def options(words):
    parser = argparse.ArgumentParser(add_help=False)
    for name in ("--help", "--quick", "--write", "--again"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("--only", "--servers"):
        parser.add_argument(name)
    parser.format_usage = usage
    chosen = parser.parse_args(words)
    if chosen.help:
        print(usage())
        sys.exit()
    return chosen


def run(chosen, of_workers, path):
    timing = {"seconds": 1, "warm_up_seconds": 0} if chosen.quick else {"seconds": 3, "warm_up_seconds": 1}
    rounds = 1 if chosen.quick else chosen.rounds
    if of_workers:
        return compare(WORKER_ROWS, WORKERS, rounds, timing, path)
    names = [name for name in SYSTEMS if name in BOTH]
    return compare(chosen_rows(chosen.only), listed(chosen.servers, names, "system"), rounds, timing, path)


def one_scenario(scenario, arguments):
    """The relay alone, for people."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Relay(folder, machine.cores()[0], 2) as system:
        sys.exit(generate(system, scenario, arguments).returncode)


def allow_many_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # and the servers with it
    allow_many_files()
    words = sys.argv[1:]
    of_workers = words[:1] == ["workers"]
    if words and not of_workers and not words[0].startswith("-"):
        one_scenario(words[0], words[1:])

    chosen = options(words[of_workers:])
    path = WORKER_RESULTS if of_workers else RESULTS
    results = json.loads(path.read_text()) if chosen.again else run(chosen, of_workers, path)
    text = report.workers(results, WORKER_ROWS) if of_workers else report.markdown(results, ROWS)
    print(text)
    if chosen.write and of_workers:
        report.write(PAGE, text, report.WORKERS_BEGIN, report.WORKERS_END)
    elif chosen.write:
        report.write(PAGE, text)
        PAGE.with_suffix(".svg").write_text(drawing.draw(results, ROWS))


if __name__ == "__main__":
    main()
