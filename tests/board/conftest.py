"""Lets the tests of this folder import what is beside them, and the models of those of hls."""

import os
import sys
from pathlib import Path

import pytest

from zynqfire.rtl_tb import simulator

sys.path[:0] = [str(Path(__file__).parents[1] / "hls"), str(Path(__file__).parent)]


@pytest.fixture(scope="module", autouse=True)
def one_library_for_all():
    """Keep what is built where the next test, whose build is the same elsewhere, finds it."""
    with pytest.MonkeyPatch.context() as patch:
        kept = os.environ.get(simulator.CACHE) or Path("build", "sim").absolute()
        patch.setenv(simulator.CACHE, str(kept))
        yield
