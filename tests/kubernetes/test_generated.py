"""What is made of something else, and kept in the repository, is what would be made now."""

import subprocess

import pytest
import yaml

from chart import CHART, ROOT, needs_helm
from harness.redis import LEAST
from harness.relay import BINARY


@pytest.mark.parametrize(
    "name",
    ["values.schema.json", "files/alerts.yaml", "files/dashboard.json", pytest.param("README.md", marks=needs_helm)],
)
def test_what_scripts_chart_writes(tmp_path, name):
    subprocess.run([ROOT / "scripts/chart", tmp_path], check=True)
    assert (tmp_path / name).read_text() == (CHART / name).read_text(), f"scripts/chart writes {name} anew"


def test_the_version():
    told = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True).stdout
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == told.split()[-1]


def test_the_user_in_redis():
    """What docs/reliability.md says of the user that the relay needs."""
    assert (CHART / "files/users.acl").read_text().split()[4:] == LEAST
