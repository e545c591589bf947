"""The machine that measures: its cores, what else it does meanwhile, and what it is."""

import os
import pathlib
import platform
import re
import resource
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cores():
    """Those of the servers, and that of the load generator."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[:-1] or mine, mine[-1]


def busy_seconds():
    """Of all cores, since the machine started."""
    user, nice, system, _idle, _wait, interrupt, soft, steal = map(
        int, pathlib.Path("/proc/stat").read_text().split()[1:9]
    )
    return (user + nice + system + interrupt + soft + steal) / TICKS


def cpu_seconds(pids):
    """Of the processes, and of the children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime
    for pid in pids:
        after_name = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(after_name[11]) + int(after_name[12])) / TICKS
    return seconds


def own_bytes(pid):
    """Memory of its own, and its share of what it has in common with others."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", rollup, re.MULTILINE)[1]) * 1024


class Others:
    """How much of the machine others had, who are neither these processes nor children that ended."""

    def __init__(self, pids):
        self.pids = pids
        self.begin = time.monotonic()
        self.others = self.other_seconds()

    def other_seconds(self):
        return busy_seconds() - cpu_seconds(self.pids)

    def percent(self):
        seconds = (time.monotonic() - self.begin) * os.cpu_count()
        return max(0, 100 * (self.other_seconds() - self.others) / seconds)


def description():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())[1]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    processor = model[1] if model else platform.machine()
    return f"{os.cpu_count()} cores ({processor}), {memory:.0f} GiB, {system}, Linux {platform.release()}"
