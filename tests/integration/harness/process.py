"""A child process with its log in a file, which does not outlive the tests."""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

from . import patience

ROOT = pathlib.Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cpu_seconds(pid):
    """Of all its threads, to the nanosecond: its clock, as of clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def stat_after_name(pid):
    """The fields of proc_pid_stat(5) from the third on, the state; the name before may hold anything."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()


class Process:
    """Started, frozen, thawed, killed; never waited for without a deadline."""

    name = "process"

    def __init__(self, log_path):
        self.log_path = log_path
        self.popen = None

    def spawn(self, command, environment=None):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                preexec_fn=die_with_parent,
            )

    @property
    def pid(self):
        return self.popen.pid

    @property
    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def log(self, start=0):
        with open(self.log_path, "rb") as log:
            log.seek(start)
            return log.read().decode("utf-8", "replace")

    def log_size(self):
        return os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0

    def story(self):
        """The end of its log."""
        return f"{self.log_path}:\n{self.log()[-2000:]}\n"

    def signal(self, number):
        self.popen.send_signal(number)

    def freeze(self):
        self.signal(signal.SIGSTOP)
        patience.until(lambda: self.state() == "T", "the process to stop")

    def thaw(self):
        self.signal(signal.SIGCONT)

    def is_awake(self):
        return self.running and self.state() != "T"

    def state(self):
        return stat_after_name(self.pid)[0]

    def kill(self):
        """As a power cut: nothing is said to anybody."""
        if self.running:
            self.signal(signal.SIGKILL)
        self.popen.wait(patience.SECONDS)

    def wait(self, seconds=patience.SECONDS):
        """Returns the exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} still runs after {seconds} s; its log:\n{self.log()[-4000:]}"
            ) from None
