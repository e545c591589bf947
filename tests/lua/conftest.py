"""Fixtures: one redis-server for all tests, emptied before each."""

import pytest

import mesh
from model import Model
from resp import Link, Server


@pytest.fixture(scope="session")
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def digests(server):
    """Of the scripts with the trace around them."""
    return mesh.load(Link(server), traced=True)


@pytest.fixture(scope="session")
def plain_digests(server):
    """Of the scripts as the relay loads them."""
    return mesh.load(Link(server))


@pytest.fixture
def redis(server):
    link = Link(server)
    link("FLUSHALL")
    yield link
    link.close()


@pytest.fixture
def model(redis):
    """At the end of the test everything that was called has been right."""
    model = Model(redis)
    yield model
    model.read()
    assert not model.wrong


@pytest.fixture
def node(server, digests, model):
    """node() makes another node."""
    nodes = []

    def make():
        nodes.append(mesh.Node(server, digests))
        return nodes[-1]

    yield make
    for made in nodes:
        made.close()


@pytest.fixture
def watch(server, redis):
    watch = mesh.Watch(server)
    yield watch
    watch.stop()


@pytest.fixture
def sweepers(server, digests, model):
    sweepers = mesh.Sweepers(server, digests)
    yield sweepers
    sweepers.stop()
