"""A node whose instructions callgrind counts, and what it says they were spent on."""

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

from harness.relay import Relay

PROGRAM = shutil.which("valgrind")
NAME = re.compile(r"^(\w+)=\((\d+)\)(?: (.*))?$")
SUFFIXES = re.compile(r"(\.(constprop|isra|part|cold)(\.\d+)*)+$")  # gcc's, of copies of a function


class CountedRelay(Relay):
    def __init__(self, directory, **options):
        self.directory = directory
        self.vgdb_prefix = f"--vgdb-prefix={directory}/vgdb"
        self.dumps = 0
        output = f"--callgrind-out-file={directory}/callgrind.out"
        wrapper = [PROGRAM, "--tool=callgrind", output, self.vgdb_prefix]
        super().__init__(
            directory,
            "counted",
            # The clock that libevent takes by itself goes in steps of a few milliseconds, and it
            # looks at a timer of less again and again until the next one.
            environment={"EVENT_PRECISE_TIMER": "1"},
            wrapper=wrapper,
            core_dumps="on",  # else nobody may look into the process, vgdb neither
            **options,
        )

    def start_counting(self):
        self.tell("zero")

    def stop_counting(self):
        """The instructions since, per function, without those of what the function called."""
        self.tell("dump")
        self.dumps += 1
        return read_profile(self.directory / f"callgrind.out.{self.dumps}")

    def tell(self, command):
        done = subprocess.run(
            ["vgdb", self.vgdb_prefix, f"--pid={self.pid}", command], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def read_profile(path):
    """Format: https://valgrind.org/docs/manual/cl-format.html"""
    names, instructions = {}, Counter()
    function = library = ""
    is_call = False  # the next line is what a call cost, which the function called has too
    for line in path.read_text().splitlines():
        if line.startswith("calls="):
            is_call = True
        elif match := NAME.match(line):
            kind, number, name = match.groups()
            name = names.setdefault((kind[-2:], number), name)  # "cfn" names functions as "fn" does
            function = name if kind == "fn" else function
            library = name if kind == "ob" else library
        elif line and line[0] in "0123456789+-*":
            if not is_call:
                instructions[readable(function, library)] += int(line.split()[1])
            is_call = False
        elif line.startswith("totals:"):
            assert instructions.total() == int(line.split()[1]), f"{path} was misread"
    return instructions


def readable(function, library):
    """Functions of which the library does not say the name are one."""
    if function.startswith("0x"):
        return "in " + Path(library).name
    return SUFFIXES.sub("", function)
