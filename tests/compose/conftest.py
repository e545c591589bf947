"""
compose/ as it ships, on a real Docker. Its images, but for the relay's own, are made from Debian's packages
where no registry gives them.
"""

import itertools
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "integration"))

from harness import client, long  # noqa: E402
from project import FOLDER, IMAGE, Project, composers, docker, run, works  # noqa: E402

TEST_SECONDS = 1200  # with a build in between

numbers = itertools.count(1)


def pytest_addoption(parser):
    long.add_option(parser)


def pytest_configure(config):
    long.add_marker(config)


def pytest_collection_modifyitems(config, items):
    if not works("docker", "info"):
        for item in items:
            item.add_marker(pytest.mark.skip(reason="no Docker daemon answers (docker info)"))
    long.deselect(config, items)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return client.run_coroutine(pyfuncitem, TEST_SECONDS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    for project in getattr(item, "funcargs", {}).values():
        if report.failed and isinstance(project, Project):
            for container in project.containers():
                log = docker("logs", "--tail", "40", container["Id"], check=False)
                report.sections.append((container["Name"], log.stdout + log.stderr))


@pytest.fixture(scope="session")
def image():
    """The relay's, built by the Dockerfile, and those of the others."""
    if os.geteuid() != 0 and not works("sudo", "-n", "true"):
        pytest.skip("images are made by root, or with sudo")
    run([FOLDER / "images", "debian:13-slim", "redis:8.0", "haproxy:3.0", "prom/prometheus:v2.53.3"])
    docker("build", "-t", IMAGE, ".")
    return IMAGE


@pytest.fixture(scope="session")
def start_project(image):
    """start_project(composer) is one that is gone after the tests."""
    started = []

    def start(composer):
        started.append(Project(composer, f"relay-tests-{os.getpid()}-{next(numbers)}"))
        return started[-1]

    yield start
    for project in started:
        project.down()


@pytest.fixture(scope="session", params=composers(), ids=" ".join)
def composer(request):
    return request.param


@pytest.fixture(scope="session")
def shared(start_project):
    project = start_project(composers()[0])
    project.up(profiles=["fault"])
    return project


@pytest.fixture
def project(shared):
    """The one in which things break, with all that is in it running."""
    shared.mend()
    return shared


@pytest.fixture
def mesh(request):
    """A name that no other test uses."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
