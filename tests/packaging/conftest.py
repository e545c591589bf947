"""
What is installed, and how it lives as a service of systemd: the package of the release build, on hosts of its own
that are containers.
"""

import os
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "integration"), str(TESTS / "compose")]

import host as hosts  # noqa: E402
from harness import client, long  # noqa: E402
from harness.process import ROOT  # noqa: E402
from project import run, works  # noqa: E402

TEST_SECONDS = 300


def pytest_addoption(parser):
    long.add_option(parser)


def pytest_configure(config):
    long.add_marker(config)


def pytest_collection_modifyitems(config, items):
    long.deselect(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return client.run_coroutine(pyfuncitem, TEST_SECONDS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    for host in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(host, hosts.Host):
            report.sections.append((host.id[:12], host.story()))


@pytest.fixture(scope="session")
def package():
    """The package, made as docs/deploy-bare-metal.md says."""
    (made,) = run(["scripts/package"]).stdout.split()
    return ROOT / made


@pytest.fixture(scope="session")
def image():
    if not works("docker", "info"):
        pytest.skip("no Docker daemon answers (docker info)")
    if os.geteuid() != 0 and not works("sudo", "-n", "true"):
        pytest.skip("images are made by root, or with sudo")
    return hosts.image()


@pytest.fixture(scope="session")
def start_host(image, package):
    """start_host() has booted, and has the package in /root, not installed."""
    started = []

    def start(*options):
        started.append(hosts.Host(image, *options))
        host = started[-1]
        if not host.boot():
            pytest.skip(f"systemd does not boot in a container here: {host.story().strip()[-300:]}")
        host.copy(package)
        return host

    yield start
    for host in started:
        host.remove()


@pytest.fixture(scope="session")
def host(start_host, package):
    """One that all tests share, with the relay installed; each configures it anew."""
    host = start_host()
    host.sh(f"apt-get -qq install -y --no-install-recommends ./{package.name} >/dev/null")
    return host


@pytest.fixture
def mesh(request):
    """A name that no other test uses."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
