"""The unit, as systemd reads it."""

import re
import shutil

import pytest

from harness.process import ROOT
from project import run

UNIT = ROOT / "packaging/p2p-relay.service"
EXPOSURE_MAX = 2.0  # of 10

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """As on a host that has the program, which systemd looks for in its own folders alone."""
    unit = tmp_path_factory.mktemp("unit") / UNIT.name
    unit.write_text(UNIT.read_text().replace("ExecStart=p2p-relay", f"ExecStart={ROOT}/build/release/p2p-relay"))
    return unit


def test_systemd_understands_it(installed):
    done = run(["systemd-analyze", "verify", "--man=no", installed], check=False)
    assert done.returncode == 0 and done.stderr == "", done


def test_it_is_locked(installed):
    done = run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", installed], check=False)
    exposure = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)[1])
    assert done.returncode == 0 and exposure < EXPOSURE_MAX, done.stdout


def test_a_drain_fits_into_the_end():
    """The default one, without a word of the relay; the seconds on top are those of main.c."""
    drain = int(re.search(r'OPTION\(drain_seconds.*?"(\d+)"', (ROOT / "relay/ops/options.def").read_text(), re.S)[1])
    more = int(re.search(r"#define END_SECONDS_MAX (\d+)", (ROOT / "relay/main.c").read_text())[1])
    assert f"\nTimeoutStopSec={drain + more}\n" in UNIT.read_text()


def test_it_may_hold_as_many_connections_as_there_can_be():
    most = int(re.search(r"OPTION\(connections_max, NUMBER, RANGE\(1, (\d+)\)", (ROOT / "relay/ops/options.def").read_text())[1])
    assert int(re.search(r"^LimitNOFILE=(\d+)$", UNIT.read_text(), re.M)[1]) > most
