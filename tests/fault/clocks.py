"""A clock that is wrong: libfaketime shifts what a node believes the time of day to be. Time itself passes as ever."""

import pathlib

import pytest

LIBRARIES = list(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


class Clock:
    """rig.start_nodes(1, environment=clock.environment); then clock.set(3600), at any time."""

    def __init__(self, path, shift=0):
        if not LIBRARIES:
            pytest.skip("no libfaketime here")
        self.path = path
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
            "DONT_FAKE_MONOTONIC": "1",  # nor does who sets the clock move that one
        }
