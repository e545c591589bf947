"""The model (model.py) for a moment, always the same way and never the same way; with --all for minutes."""

import random

import pytest

from model import Model, form_of
from stores import FORMS


@pytest.fixture
def run(tmp_path):
    """run(seed, form, chapters=1): a failing run prints what happened, and how to see it again."""
    started = []

    def run(seed, form, **how_long):
        started.append(Model(tmp_path, seed, form))
        started[-1].run(**how_long)

    yield run
    for model in started:
        model.stop()


def test_the_same_as_always(run):
    run(seed=1, form="single", chapters=1, rounds=1)


def test_by_chance(run):
    seed = random.SystemRandom().randrange(1 << 32)
    run(seed, form_of(seed), chapters=1, rounds=2)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS)
def test_for_minutes(run, form):
    run(random.SystemRandom().randrange(1 << 32), form, seconds=180)
