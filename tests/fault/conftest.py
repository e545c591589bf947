"""
Fixtures of the fault rig. What runs a relay or a Redis is shared with tests/integration.

Tests that take `rig` run twice: short, and with the numbers of docs/reliability.md if pytest got --all.
A failing run prints its seed; FAULT_SEED replays it.
"""

import os
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402

from harness import long  # noqa: E402
from harness.relay import BINARY, is_sanitized  # noqa: E402
from programs import FOLDER  # noqa: E402
from rig import LONG, SHORT, Rig  # noqa: E402


def pytest_addoption(parser):
    long.add_option(parser)


def pytest_configure(config):
    long.add_marker(config)
    config.addinivalue_line("markers", "plain(reason): not with sanitizers")
    for program in (BINARY, FOLDER / "swarm"):
        if not program.exists():
            raise pytest.UsageError(f"{program} is not there: build it")


def pytest_collection_modifyitems(config, items):
    if is_sanitized():
        for item in items:
            if mark := item.get_closest_marker("plain"):
                item.add_marker(pytest.mark.skip(reason=mark.args[0]))
    long.deselect(config, items)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    rig = getattr(item, "funcargs", {}).get("rig")
    if report.failed and rig is not None:
        rig.keeps_journal = True
        command = f"FAULT_SEED={rig.seed} /usr/bin/python3 -m pytest '{item.nodeid}' --all"
        report.sections.append(("again with the same seed", command))
        report.sections.append(("the journal of the peers", str(rig.swarm.journal)))
        for name, log in rig.logs():
            report.sections.append((name, log[-6000:]))


@pytest.fixture(params=[pytest.param(SHORT, id="short"), pytest.param(LONG, id="long", marks=pytest.mark.long)])
def scale(request):
    return request.param


@pytest.fixture
def rig(tmp_path, scale):
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1 << 32))
    rig = Rig(tmp_path, seed, scale)
    yield rig
    rig.stop()
    if not rig.keeps_journal:
        rig.swarm.journal.unlink()
