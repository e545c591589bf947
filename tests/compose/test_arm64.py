"""
The image for arm64, cross-compiled by the same Dockerfile. Its unit tests run under qemu, or as they are
where this machine is one.
"""

import pytest

from harness.process import ROOT
from project import PLUGINS, composers, docker, inspect, run

PLATFORM = "linux/arm64"
UNIT_TEST_SECONDS = 1500


@pytest.fixture(scope="module")
def build(image):
    """build("image", ...) is by BuildKit: builders without it build for their own architecture only."""
    composers()  # with compose comes buildx
    if docker("buildx", "version", check=False, environment=PLUGINS).returncode != 0:
        pytest.skip("docker buildx is not here")

    def build(name, *options):
        command = ("buildx", "build", "--load", "--platform", PLATFORM, "-t", name, *options, ".")
        docker(*command, environment=PLUGINS)
        return name

    return build


def test_it_is_what_it_says(build, image, tmp_path):
    name = build("p2p-relay:tests-arm64")
    (arm64,), (native,) = inspect(name, kind="image"), inspect(image, kind="image")
    assert (arm64["Os"], arm64["Architecture"]) == ("linux", "arm64")
    assert arm64["Config"]["Healthcheck"] == native["Config"]["Healthcheck"]
    assert arm64["Size"] < 20_000_000
    container = docker("create", "--platform", PLATFORM, name).stdout.strip()
    docker("cp", f"{container}:/p2p-relay", tmp_path)
    docker("rm", container)
    header = (tmp_path / "p2p-relay").read_bytes()[:20]
    assert header[:5] == b"\x7fELF\x02" and header[18:20] == b"\xb7\x00"  # 64 bits, AArch64


@pytest.mark.long
def test_its_unit_tests(build):
    stage = build("p2p-relay:tests-arm64-build", "--target", "build")
    done = run(
        ["docker", "run", "--rm", "-v", f"{ROOT}:/repository:ro", stage, "/repository/tests/compose/units"],
        check=False,
        seconds=UNIT_TEST_SECONDS,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "100% tests passed" in done.stdout
