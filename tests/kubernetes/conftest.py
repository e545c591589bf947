"""
Tests of the chart. Without Helm, which scripts/helm builds, most are skipped.

With --write the expected texts in golden/ are written anew: look at what `git diff` then shows.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))


def pytest_addoption(parser):
    parser.addoption("--write", action="store_true", help="write golden/ anew")
