"""
Fixtures. Tests are plain or `async def` functions; the latter run in a loop of their own.

`here` and `there` are a mesh of the test's own on two relays that all tests share; `there` is once
the same node and once the other, so what uses it is promised within a node and across nodes. Tests
that need their own options, or break something, start relays (and a Redis) of their own.
"""

import functools
import itertools
import re

import pytest

from harness import client
from harness.certificates import Authority
from harness.client import Place
from harness.cluster import Cluster
from harness.issuer import Issuer
from harness.redis import Redis, free_port
from harness.relay import BINARY, Relay
from harness.sentinel import SentinelSet

TEST_SECONDS = 180
# No limit that a test could meet by accident; the limits have tests of their own.
UNLIMITED = {"messages_per_second": 0, "bytes_per_second": 0, "presence_repeat_seconds": 0}

relays = []
servers = []
numbers = itertools.count(1)


def pytest_configure():
    if not BINARY.exists():
        raise pytest.UsageError(f"{BINARY} is not there: build it, or set RELAY_BINARY")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return client.run_coroutine(pyfuncitem, TEST_SECONDS)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for relay in relays:
            text = relay.log(getattr(relay, "log_start", 0))
            if text:
                report.sections.append((f"{relay.name} {relay.log_path}", text[-6000:]))
        for server in servers:
            report.sections.append((type(server).__name__, server.story()))


@pytest.fixture(autouse=True)
def watched():
    """A relay that dies, or that a sanitizer complains about, fails the test that did it."""
    for relay in relays:
        relay.log_start = relay.log_size()
    yield
    seen, relays[:] = list(relays), [relay for relay in relays if relay.running]
    for relay in seen:
        relay.check()


def spawn_relays(directory, count, ready=True, **options):
    """Starts them at once, then waits for each to be ready, or only to listen."""
    started = []
    for _ in range(count):
        started.append(Relay(directory, next(numbers), **options))
        relays.append(started[-1])
    for relay in started:
        if ready:
            relay.wait_ready()
        else:
            relay.wait_listening()
    return started


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    """
    The Redis that all share, in which relays may do the least that suffices. Who breaks Redis starts
    one of its own: start_redis().
    """
    server = Redis(tmp_path_factory.mktemp("redis"), least=True)
    yield server
    refused = server.call("ACL", "LOG")
    server.stop()
    assert refused == []


@pytest.fixture(scope="session")
def shared(redis, tmp_path_factory):
    """Fills in what is missing of the shared relays: at first both, later who died of a test."""
    directory = tmp_path_factory.mktemp("relays")
    started = []

    def fill():
        started[:] = [relay for relay in started if relay.running]
        missing = 2 - len(started)
        started.extend(spawn_relays(directory, missing, redis_url=redis.url, **UNLIMITED))
        return started

    yield fill
    for relay in started:
        relay.stop()


@pytest.fixture
def nodes(shared):
    """Two relays on one Redis, shared by all tests: never to be broken."""
    return shared()


@pytest.fixture
def start_server(tmp_path):
    """start_server(Redis, tcp=True): one in a folder of its own, ended with the test."""
    started = []

    def start(kind, **options):
        directory = tmp_path / f"{kind.__name__.lower()}-{len(started)}"
        directory.mkdir()
        started.append(kind(directory, **options))
        servers.append(started[-1])
        return started[-1]

    yield start
    for server in started:
        servers.remove(server)
        server.stop()


@pytest.fixture
def start_redis(start_server):
    return functools.partial(start_server, Redis)


@pytest.fixture
def start_sentinels(start_server):
    return functools.partial(start_server, SentinelSet)


@pytest.fixture
def start_cluster(start_server):
    return functools.partial(start_server, Cluster)


@pytest.fixture(scope="session")
def start_authority(tmp_path_factory):
    return lambda: Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def authority(start_authority):
    """Who issues the certificates of Redis; start_authority() makes one that does not know it."""
    return start_authority()


@pytest.fixture
def issuer(tmp_path):
    """An issuer of tokens of the test's own, which it may break."""
    directory = tmp_path / "issuer"
    directory.mkdir()
    server = Issuer(directory)
    yield server
    server.forget()


@pytest.fixture
def start_guarded(start_relays, issuer):
    """start_guarded(2, mesh_claim="m"): nodes that want tokens of the issuer, for "client"."""

    def start(count=1, **options):
        options = {
            "auth": "jwt",
            "discovery_url": issuer.url(),
            "allowed_client": "client",
            "auth_ca_file": issuer.ca,
            **options,
        }
        return start_relays(count, **options)

    return start


@pytest.fixture
def start_relays(request, tmp_path, start_redis):
    """start_relays(2, ttl_seconds=2) returns ready nodes, by default on the shared Redis."""
    started = []

    def start(count=1, redis=None, **options):
        if "redis_url" not in options:
            options["redis_url"] = (redis or request.getfixturevalue("redis")).url
        more = spawn_relays(tmp_path, count, **{**UNLIMITED, **options})
        started.extend(more)
        return more

    yield start
    for relay in started:
        relay.stop()


@pytest.fixture
def start_relay(start_relays):
    def start(**options):
        return start_relays(1, **options)[0]

    return start


@pytest.fixture
def start_runtimes(start_relays):
    """start_runtimes(2): as AgentCore starts containers, by variables alone, with the limits of the profile."""

    def start(count=1, environment=None, **options):
        options = {"listen": None, **dict.fromkeys(UNLIMITED), **options}
        started = []
        for _ in range(count):
            variables = {"RELAY_PROFILE": "agentcore", "PORT": str(free_port()), **(environment or {})}
            started += start_relays(1, environment=variables, **options)
        return started

    return start


@pytest.fixture
def mesh(request):
    """A name that no other test uses."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:50]
    return f"{words}.{next(numbers)}"


@pytest.fixture
def here(nodes, mesh):
    return Place(nodes[0], mesh)


@pytest.fixture(params=["same node", "other node"])
def there(request, nodes, mesh):
    return Place(nodes[request.param == "other node"], mesh)


@pytest.fixture
def elsewhere(nodes, mesh):
    """Always the other node."""
    return Place(nodes[1], mesh)
