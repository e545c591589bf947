#!/usr/bin/python3
"""
The table of docs/reliability.md: what `scripts/test` (with --all) has measured into
build/reports/fault.jsonl, the last figure of each kind, the long form where it was run.

    /usr/bin/python3 tests/fault/table.py [FILE...]          prints it
    /usr/bin/python3 tests/fault/table.py --write [FILE...]  puts it into docs/reliability.md
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/reliability.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def figures(files):
    """By row and figure; a long form is better than a short one, a later one than an earlier."""
    found = {}
    for file in files:
        for line in file.read_text().splitlines():
            one = json.loads(line)
            key = (one["row"], one["figure"])
            if key not in found or one["scale"] == "long" or found[key]["scale"] != "long":
                found[key] = one
    return [found[key] for key in sorted(found, key=lambda key: place(key[0]))]


def place(row):
    """F1, F2, ... F44, and what has no number."""
    return int(row[1:]) if row[1:].isdigit() else 100


def number(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"


def table(lines):
    rows = ["| row | measured | | bar | form |", "|---|---|---|---|---|"]
    for one in lines:
        value = f"{number(one['value'])} {one['unit']}".strip()
        rows.append(f"| {one['row']} | {one['figure']} | {value} | {one['bar']} | {one['scale']} |")
    return "\n".join(rows) + "\n"


def main(words):
    write = "--write" in words
    files = [pathlib.Path(word) for word in words if word != "--write"]
    text = table(figures(files or [ROOT / "build/reports/fault.jsonl"]))
    if not write:
        print(text, end="")
        return
    page = PAGE.read_text()
    PAGE.write_text(re.sub(f"(?s){BEGIN}.*{END}", lambda _: BEGIN + text + END, page))


if __name__ == "__main__":
    main(sys.argv[1:])
