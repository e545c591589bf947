"""The image: what is in it, how it behaves as a process, and from how little it is built."""

import re
import shutil
import tarfile

import pytest

from harness import patience
from harness.process import ROOT
from project import docker, inspect

MEGABYTE = 1_000_000
VERSION = re.search(r"project\(p2p-relay VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]
LOCKED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "32")


@pytest.fixture
def start(image):
    """start("-e", "RELAY_AUTH=none"): a container of the image, with no right that it can do without."""
    started = []

    def start(*options, arguments=()):
        started.append(docker("run", "-d", *LOCKED, *options, image, *arguments).stdout.strip())
        return started[-1]

    yield start
    for container in started:
        docker("rm", "-f", container)


def health(container):
    return inspect(container)[0]["State"]["Health"]["Status"]


def healthy(container):
    patience.until(lambda: health(container) == "healthy", lambda: f"it to be healthy: {health(container)}", 60)


def test_small_and_labelled(image):
    (facts,) = inspect(image, kind="image")
    config = facts["Config"]
    assert facts["Size"] < 20 * MEGABYTE
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    assert config["Labels"]["org.opencontainers.image.title"] == "p2p-relay"
    assert config["StopSignal"] == "SIGTERM"
    assert docker("run", "--rm", image, "--version").stdout == f"p2p-relay {VERSION}\n"


def test_it_holds_no_more_than_it_must(image, tmp_path):
    container = docker("create", image).stdout.strip()
    docker("export", "-o", tmp_path / "image.tar", container)
    docker("rm", container)
    with tarfile.open(tmp_path / "image.tar") as tar:
        files = [member for member in tar if member.isfile() and member.size > 0]
    names = {member.name.rsplit("/", 1)[-1] for member in files}
    programs = {name for name in names if ".so" not in name}
    assert programs == {"p2p-relay", "ca-certificates.crt"}, programs
    assert not [member.name for member in files if member.mode & 0o6022], "setuid, or writable by others"


def test_its_life(start):
    """Healthy without Redis, which is not its fault; and gone at once when told, with nobody to wait for."""
    container = start("-e", "RELAY_AUTH=none", "-e", "RELAY_REDIS_URL=redis://127.0.0.1:1")
    healthy(container)
    docker("stop", "-t", "20", container)
    assert inspect(container)[0]["State"]["ExitCode"] == 0


def test_it_opens_to_nobody_by_mistake(start):
    container = start()
    patience.until(lambda: inspect(container)[0]["State"]["Status"] == "exited", "it to refuse")
    assert inspect(container)[0]["State"]["ExitCode"] == 2
    assert "RELAY_LISTEN lets other machines in" in docker("logs", container).stderr


def test_agentcore_wants_no_further_word(start):
    healthy(start(arguments=("--profile", "agentcore")))


def test_frozen_is_unhealthy(start):
    container = start(
        *("-e", "RELAY_AUTH=none", "-e", "RELAY_ADMIN_LISTEN=127.0.0.1:9090"),
        *("--health-interval", "1s", "--health-retries", "1", "--health-start-period", "0s"),
    )
    healthy(container)
    docker("kill", "-s", "STOP", container)
    patience.until(lambda: health(container) == "unhealthy", "it to be unhealthy", 60)
    docker("kill", "-s", "CONT", container)
    healthy(container)


def test_it_has_the_certificates_of_the_world(start, image, tmp_path):
    """Where OpenSSL is told to look for them."""
    (facts,) = inspect(image, kind="image")
    (variable,) = [text for text in facts["Config"]["Env"] if text.startswith("SSL_CERT_FILE=")]
    docker("cp", f"{start()}:{variable.partition('=')[2]}", tmp_path / "found.crt")
    assert (tmp_path / "found.crt").read_text().count("BEGIN CERTIFICATE") > 100


LACKING = ("build", "docs", "tests")  # and *.so: what AgentCore's CodeBuild leaves out


def test_it_is_built_from_what_others_send(image, tmp_path):
    """Without what AgentCore's toolkit leaves out, and without .dockerignore, too."""
    context = tmp_path / "context"
    skip = shutil.ignore_patterns(*LACKING, ".*", "*.so", "__pycache__")
    shutil.copytree(ROOT, context, ignore=skip)
    name = f"{image}-context"
    docker("build", "-t", name, context)
    assert docker("run", "--rm", name, "--version").stdout == f"p2p-relay {VERSION}\n"
    docker("rmi", name)
