"""A clock that is wrong: libfaketime shifts what a node believes the time of day to be."""

import pathlib

import pytest

LIBRARIES = list(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class Clock:
    """
    start_relays(1, environment=clock.environment); then clock.set(3600), at any time.

    Time itself passes as ever, unless it `passes` when the clock is set: then so much has gone by.
    """

    def __init__(self, path, shift=0, passes=False):
        if not LIBRARIES:
            pytest.skip("no libfaketime here")
        self.path = path
        self.passes = passes
        self.set(shift)

    def set(self, shift):
        """So many seconds ahead of the true time from now on; less than 0: behind."""
        self.shift = shift
        new = self.path.with_suffix(".new")
        new.write_text(f"{shift:+d}")
        new.rename(self.path)

    @property
    def environment(self):
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "" if self.passes else "1",  # nor does who sets the clock move that one
        }
