"""Lets the tests of this folder import the builder of small QONNX models that those of hls have."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "hls"))
