"""The commands and values that docs/deploy-kubernetes.md and the chart's README tell people to use."""

import re
import shlex

import pytest
import yaml

import apis
from chart import CASES, CHART, ROOT, helm, needs_helm

pytestmark = needs_helm

PAGES = {path.name: path.read_text() for path in (ROOT / "docs/deploy-kubernetes.md", CHART / "README.md")}
PAGE = PAGES["deploy-kubernetes.md"]


def commands(text):
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            yield shlex.split(line)


INSTALLS = [words for text in PAGES.values() for words in commands(text) if words[:2] in (["helm", "install"], ["helm", "upgrade"])]
# Values of which `auth` and `redis` are not said again are for a release that has them.
VALUES = [block for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S) if "rules:" not in block]
OF_THE_CLUSTER = {"--create-namespace", "--wait", "--install"}


@pytest.mark.parametrize("words", INSTALLS, ids=" ".join)
def test_what_would_be_installed(tmp_path, words):
    (tmp_path / "relay.yaml").write_text(VALUES[0])
    name, chart, *options = [word for word in words[2:] if word not in OF_THE_CLUSTER]
    options = [str(tmp_path / word) if word == "relay.yaml" else word for word in options]
    assert ROOT / chart == CHART
    for thing in yaml.safe_load_all(helm("template", name, CHART, *options)):
        apis.check(thing)
        assert thing["metadata"]["name"].startswith("relay-p2p-relay")


def test_there_are_such_commands():
    assert len(INSTALLS) == 3


@pytest.mark.parametrize("values", VALUES[1:])
def test_other_values(tmp_path, values):
    (tmp_path / "values.yaml").write_text(values)
    helm("template", "relay", CHART, "--values", CASES["default"], "--values", tmp_path / "values.yaml")


def test_names_that_the_page_says():
    """Every object that a command names is one that is made."""
    made = helm("template", "relay", CHART, "--values", CASES["default"])
    names = {f"{thing['kind'].lower()}/{thing['metadata']['name']}" for thing in yaml.safe_load_all(made)}
    said = set(re.findall(r"\b(?:service|deployment)/[a-z0-9-]+", PAGE))
    assert said and said <= names
