"""The manual: it has everything, and no formatter finds fault with it."""

import json
import re
import subprocess

import pytest

from harness.relay import BINARY

SECTIONS = [
    *("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS"),
    *("ENVIRONMENT", "EXIT STATUS", "SIGNALS", "FILES", "SEE ALSO"),
]
# The page is the same whenever it is made.
UNDATED = "missing date"


@pytest.fixture(scope="module")
def page():
    return output(BINARY, "--options=man")


@pytest.fixture(scope="module")
def text(page):
    """As it is read, without the bold, in one line each."""
    shown = output("groff", "-man", "-Tascii", "-P-cbou", "-rLL=10000n", input=page)
    return re.sub(r"[ \t]+", " ", shown)


def output(*command, input=None):
    done = subprocess.run(command, input=input, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


def test_it_has_its_sections(text):
    sections = re.findall(r"^([A-Z][A-Z ]+)$", text, re.M)
    assert sections == SECTIONS


def test_it_has_every_option(text):
    options = json.loads(output(BINARY, "--options=json"))
    assert len(options) > 50
    for option in options:
        for word in (option["help"], f"Default: {option['default']}.", f"Variable: {option['variable']}."):
            assert re.sub(r"\s+", " ", word) in text, option["name"]
        assert re.search(rf"^ *{option['flag']} \S", text, re.M), option["flag"]
    for word in re.findall(r"^  (--\w+)", output(BINARY, "--help").rpartition("Other\n")[2], re.M):
        assert re.search(rf"^ *{word}\b", text, re.M), word


@pytest.mark.parametrize("device", ["ascii", "utf8", "ps"])
def test_groff_has_nothing_to_say(page, device):
    output("groff", "-man", f"-T{device}", "-ww", input=page)


def test_mandoc_has_nothing_to_say(page):
    done = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=page, capture_output=True, text=True)
    assert [line for line in done.stdout.splitlines() if UNDATED not in line] == []
