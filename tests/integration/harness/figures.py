"""What the tests measure, for the table of docs/reliability.md (tests/fault/table.py): a line of JSON each."""

import json

from harness.process import ROOT
from harness.relay import is_sanitized

FILE = ROOT / "build/reports/fault.jsonl"


def record(row, figure, value, unit, bar, scale="short"):
    """Not of a build with sanitizers: it is slower, and larger."""
    if is_sanitized():
        return
    line = {"row": row, "scale": scale, "figure": figure, "value": value, "unit": unit, "bar": bar}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with open(FILE, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
