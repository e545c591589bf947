"""
What a path may cost: recorded instructions, in a file per machine, compiler and C library, for each
of them makes other instructions of the same source.
"""

import json
import os
import platform
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "recorded"
SLACK_PERCENT = 3
# Of a path: enough to say where a difference is, and little enough to be read in a diff.
FUNCTIONS_MAX = 40
DIFFERENCES_MAX = 10

RECORD = "/usr/bin/python3 -m pytest tests/budget --record"


def toolchain(binary):
    """ "x86_64-gcc12-glibc2.36": what the binary was compiled by and runs with."""
    text = binary.read_bytes()
    clang = re.search(rb"clang version (\d+)\.", text)  # with it also gcc, of the start-up code
    gcc = re.search(rb"GCC: \([^)]*\) (\d+)\.", text)
    compiler = f"clang{int(clang[1])}" if clang else f"gcc{int(gcc[1])}"
    libc = os.confstr("CS_GNU_LIBC_VERSION").replace(" ", "")
    return f"{platform.machine()}-{compiler}-{libc}"


class Budget:
    def __init__(self, binary):
        self.toolchain = toolchain(binary)
        self.path = FOLDER / f"{self.toolchain}.json"
        self.recorded = json.loads(self.path.read_text()) if self.path.exists() else None

    def record(self, measured):
        """All paths at once: {path: {function: instructions per event}}."""
        self.recorded = {path: summary(functions) for path, functions in measured.items()}
        FOLDER.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.recorded, indent=1) + "\n")

    def complaint(self, path, functions):
        """What is to be said if the path costs more or less than recorded."""
        if path not in self.recorded:
            return f"{path} has no budget; to make one: {RECORD}"
        total, recorded = sum(functions.values()), self.recorded[path]["instructions"]
        percent = 100 * (total - recorded) / recorded
        if abs(percent) <= SLACK_PERCENT:
            return None
        return (
            f"{path}: {total:.0f} instructions, {percent:+.1f} % of the {recorded} recorded for"
            f" {self.toolchain}.\n{self.differences(path, functions)}\n"
            f"If that is what it shall cost: {RECORD}"
        )

    def differences(self, path, functions):
        known = self.recorded[path]["functions"]
        least = min(known.values())  # who is not recorded was not more than that
        changes = {
            name: functions.get(name, 0) - known.get(name, min(functions.get(name, 0), least))
            for name in {*known, *functions}
        }
        names = sorted(changes, key=lambda name: -abs(changes[name]))[:DIFFERENCES_MAX]
        return "\n".join(
            f"{changes[name]:+10.0f} to {functions.get(name, 0):.0f}  {name}" for name in names
        )


def summary(functions):
    most = sorted(functions, key=functions.get, reverse=True)[:FUNCTIONS_MAX]
    return {
        "instructions": round(sum(functions.values())),
        "functions": {name: round(functions[name], 1) for name in most},
    }
