"""
What the runs of compare.py come to: medians, spread, ratios and targets, as tables.

A figure counts only if every message came, once and in order: one gap in one run, and the cell is "wrong".
"""

import statistics

from rows import BOTH, ONE_NODE, TITLES, TWO_NODES, WORKERS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
WORKERS_BEGIN, WORKERS_END = "<!-- workers: begin -->", "<!-- workers: end -->"
FAULTS = ("gaps", "duplicates", "errors")


class Cell:
    """All runs of one row with one system, seen through one figure."""

    def __init__(self, results, figure):
        self.figure = figure
        self.values = [result[figure.key] for result in results if figure.key in result]
        self.faults = faults(results)

    @property
    def right(self):
        return bool(self.values) and not self.faults

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def text(self):
        if not self.right:
            return "wrong" if self.faults else "–"
        spread = f" ({short(min(self.values))}–{short(max(self.values))})" if len(self.values) > 1 else ""
        return short(self.median) + spread

    def times(self, other):
        """How many times better this is than the other, or None."""
        if not (self.right and other.right and self.median and other.median):
            return None
        ratio = self.median / other.median
        return 1 / ratio if self.figure.lower else ratio


def faults(results):
    """What went wrong in the runs, or nothing."""
    said = [result["failed"] for result in results if "failed" in result]
    for fault in FAULTS:
        total = sum(result.get(fault, 0) for result in results)
        if total:
            said.append(f"{total} {fault}")
    return "; ".join(said)


def short(number):
    """At most three digits that count: 1.47 M, 38.6 k, 0.123."""
    if number == 0:
        return "0"
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if number >= 0.9995 * size:
            number /= size
            break
    else:
        letter = ""
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    if not letter and number < 0.9995:
        digits = 3
    return f"{number:.{digits}f}{letter}"


def brief(row, result):
    """One run, while the others are still to come."""
    said = [f"{short(result[figure.key])} {figure.label}" for figure in row.figures if figure.key in result]
    return ", ".join(filter(None, [*said, faults([result])]))


class Table:
    """The runs by row and system."""

    def __init__(self, results, rows):
        self.runs = results["runs"]
        self.rows = [row for row in rows if any(run["row"] == row.name for run in self.runs)]

    def of(self, row, system):
        return [run["result"] for run in self.runs if run["row"] == row and run["system"] == system]

    def cell(self, row, figure, system):
        return Cell(self.of(row.name, system), figure)

    def lines(self, systems):
        """What there is to say: each row and figure of which one of the systems has a run."""
        for row in self.rows:
            if any(self.of(row.name, system) for system in systems if system != "raw"):
                for figure in row.figures:
                    yield row, figure


def title(row, figure):
    return f"{row.title}: {figure.label}"


def grid(head, lines):
    """A table of Markdown that is a table without it, too."""
    widths = [max(map(len, column)) for column in zip(head, *lines)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in [head, rule, *lines]
    )


def medians(table, systems):
    lines = [
        [title(row, figure), *(table.cell(row, figure, system).text for system in systems)]
        for row, figure in table.lines(systems)
    ]
    return grid(["", *(TITLES[system.removesuffix("-1")] for system in systems)], lines)


def compared(reached, wanted, lower=False):
    """With the target, if there is one: "2.21 ≥ 2"; one that is missed is bold."""
    text = "–" if reached is None else short(reached)
    if reached is None or wanted is None:
        return text
    enough = reached <= wanted if lower else reached >= wanted
    sign = {(True, False): "≥", (False, False): "<", (True, True): "≤", (False, True): ">"}[enough, lower]
    text = f"{text} {sign} {wanted:,}"
    return text if enough else f"**{text}**"


def ahead(table):
    """How many times better the relay is than each of the others, and should be."""
    lines = []
    for row, figure in table.lines(TWO_NODES):
        ours = table.cell(row, figure, "relay")
        line = [title(row, figure), ""]
        if "relay" in figure.wanted:
            line[1] = compared(ours.median if ours.right else None, figure.wanted["relay"], figure.lower)
        for other in TWO_NODES[1:]:
            line.append(compared(ours.times(table.cell(row, figure, other)), figure.wanted.get(other)))
        lines.append(line)
    others = [TITLES[other] for other in TWO_NODES[1:]]
    return grid(["p2p-relay, how many times better than", "itself", *others], lines)


def microseconds(result, process):
    """Of the process's CPU time, for each of what was counted."""
    seconds = result["cpu_seconds"]
    return 1e6 / result["per_cpu_second"] * seconds[process] / sum(seconds.values())


def spent(table):
    """What the relay's share of the work is, and what is Redis's."""
    processes = ("node1", "node2", "redis")
    lines = []
    for row, figure in table.lines(("relay",)):
        runs = [result for result in table.of(row.name, "relay") if result.get("per_cpu_second")]
        if figure.key == "per_cpu_second" and runs:
            parts = [statistics.median(microseconds(result, process) for result in runs) for process in processes]
            lines.append([title(row, figure).replace("/CPU-s", ""), *map(short, parts)])
    return grid(["µs of CPU each", "first node", "second node", "Redis"], lines) if lines else ""


def others(results):
    """How much of the machine was not ours, at the median of the runs."""
    shares = [run["result"]["others_percent"] for run in results["runs"] if "others_percent" in run["result"]]
    return f"{statistics.median(shares):.0f} %" if shares else "an unknown part"


def circumstances(results):
    versions = ", ".join(dict.fromkeys([*results["versions"].values(), results["redis"]]))
    return (
        f"{results['date']}, {results['machine']}. {versions}. {results['rounds']} rounds of"
        f" {results['seconds']} s, medians (least–most); other work took {others(results)} of the machine."
    )


def busiest(runs):
    """The CPU of that process of the relay that has most to do, of a core."""
    cpu = [max(used for name, used in run["cpu_seconds"].items() if name != "redis") / run["seconds"] for run in runs]
    return statistics.median(cpu)


def workers(results, rows):
    """One process beside two: what a CPU second is worth, Redis's included, and how full the fullest process is."""
    table, lines = Table(results, rows), []
    for row, figure in table.lines(WORKERS):
        one, two = (table.cell(row, figure, system) for system in WORKERS)
        line = [title(row, figure), one.text, two.text]
        if one.right and two.right:
            shares = [f"{busiest(table.of(row.name, system)):.2f}" for system in WORKERS]
            line += [f"{two.times(one):.2f}", *shares]
        lines.append(line + [""] * (6 - len(line)))
    head = ["", "one process", "two workers", "of it", "busiest process of one, of a core", "of two"]
    return "\n\n".join([circumstances(results), grid(head, lines), *exceptions(table, results)])


def markdown(results, rows):
    table = Table(results, rows)
    parts = [
        circumstances(results),
        "### Across two nodes",
        medians(table, TWO_NODES),
        "### How far ahead",
        ahead(table),
    ]
    if any(True for _ in table.lines(ONE_NODE)):
        parts += ["### With one node", medians(table, ONE_NODE)]
    if spent(table):
        parts += ["### What p2p-relay's time is spent on", spent(table)]
    parts += exceptions(table, results)
    return "\n\n".join(parts)


def exceptions(table, results):
    """What is wrong, and who is not here."""
    lines = [f"- {name} is left out: {reason}" for name, reason in results["missing"].items()]
    for row in table.rows:
        for system in dict.fromkeys(BOTH + WORKERS):
            said = faults(table.of(row.name, system))
            if said:
                lines.append(f"- {row.title}, {system}: {said}")
    return ["### What went wrong, or is not here", "\n".join(lines)] if lines else []


def write(path, text, begin=BEGIN, end=END):
    """Puts the text between the marks of the page."""
    before, _, rest = path.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path} has no place for it between {begin} and {end}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
