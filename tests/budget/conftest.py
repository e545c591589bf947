"""
Fixtures of the instruction budget. What runs a relay or a Redis is shared with tests/integration.

--record makes what is measured the budget; --profile N shows N functions of each path.
"""

import asyncio
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))

import pytest  # noqa: E402

from harness.redis import Redis  # noqa: E402
from harness.relay import BINARY  # noqa: E402
import callgrind  # noqa: E402
import paths  # noqa: E402
from budget import RECORD, Budget  # noqa: E402

measured = {}


def pytest_addoption(parser):
    parser.addoption("--record", action="store_true", help="what is measured becomes the budget")
    parser.addoption("--profile", type=int, default=0, help="so many functions of each path")


def pytest_configure():
    if not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} is not there: build it, or set RELAY_BINARY")
    if not callgrind.PROGRAM:
        raise pytest.UsageError("valgrind is not there")


@pytest.fixture(scope="session")
def budget():
    return Budget(BINARY)


@pytest.fixture(scope="session")
def functions_of(request, budget, tmp_path_factory):
    """{path: {function: instructions per event}}"""
    record = request.config.getoption("--record")
    if budget.recorded is None and not record:
        pytest.skip(f"no budget for {budget.toolchain}; to make one: {RECORD}")
    redis = Redis(tmp_path_factory.mktemp("redis"))
    world = paths.World(tmp_path_factory.mktemp("relays"), redis)
    try:
        measured.update(asyncio.run(paths.measure(world)))
    finally:
        world.stop()
        redis.stop()
    if record:
        budget.record(measured)
    return measured


def pytest_terminal_summary(terminalreporter, config):
    if measured:
        terminalreporter.section("instructions per event")
    for path, functions in measured.items():
        total = sum(functions.values())
        terminalreporter.line(f"{total:9.0f}  {path}: {paths.PATHS[path]}")
        most = sorted(functions, key=functions.get, reverse=True)
        for name in most[: config.getoption("--profile")]:
            share = 100 * functions[name] / total
            terminalreporter.line(f"{functions[name]:15.1f} {share:5.1f} %  {name}")
