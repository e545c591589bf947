"""The chart, rendered by Helm as `helm install` would."""

import pathlib
import subprocess

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm/p2p-relay"
HELM = ROOT / "build/bin/helm"
HELM_DOCS = ROOT / "build/bin/helm-docs"
APIS = ROOT / "build/kubernetes"
CASES = {path.stem: path for path in sorted((ROOT / "tests/kubernetes/values").glob("*.yaml"))}

needs_helm = pytest.mark.skipif(not HELM.exists(), reason="no Helm here: scripts/helm builds it, with Go")


class Refused(Exception):
    """By Helm, whose words are the argument."""


def helm(*words):
    done = subprocess.run([HELM, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stderr)
    return done.stdout


def render(case="default", release="release", **values):
    """The text of all that is made. values: what --set-json says, with __ for a dot."""
    words = ["template", release, CHART, "--namespace", "relay", "--values", CASES[case]]
    for name, value in values.items():
        words += ["--set-json", f"{name.replace('__', '.')}={value}"]
    return helm(*words)


def objects(*arguments, **values):
    """All that is made, by kind and by what the name has after the release's."""
    made = (thing for thing in yaml.safe_load_all(render(*arguments, **values)) if thing)
    return {(thing["kind"], thing["metadata"]["name"]): thing for thing in made}


def only(kind, made):
    (found,) = (thing for (of, _), thing in made.items() if of == kind)
    return found


def relay_pod(made):
    """The pod that the relay's Deployment makes, and the container in it."""
    deployments = [thing for (kind, name), thing in made.items() if kind == "Deployment" and not name.endswith("-redis")]
    (deployment,) = deployments
    pod = deployment["spec"]["template"]["spec"]
    return pod, pod["containers"][0]
