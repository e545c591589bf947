"""Fixtures of the fault rig; what runs a relay or a Redis is shared with tests/integration."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "integration"))
