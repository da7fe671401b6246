"""Lets the tests of this folder import what is beside them, and the models of those of hls."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "hls"), str(Path(__file__).parent)]
