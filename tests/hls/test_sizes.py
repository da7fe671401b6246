"""Sizes of the parts of a convolution unit."""

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.hls.ir import QType
from zynqfire.hls.memory import LUT_BITS
from zynqfire.hls.passes.folding import legal
from zynqfire.hls.passes.geometry import Window
from zynqfire.hls.passes.sizes import ring, sizes


@pytest.mark.parametrize(
    ("places", "deep", "shares", "kept"),
    [
        (10, 1, 1, 16),
        (10, 3, 1, 10),  # 32 words have no room for one more
        (10, 3, 4, 20),  # 3 of them in each of four memories: 9 words, of 16
        (6, 1, 2, 8),
        (100, 1, 1, 100),  # more than LUTs hold for nothing
    ],
)
def test_a_ring_has_the_pixels_that_fit_its_memories(places, deep, shares, kept):
    assert ring(places, deep, shares) == kept


@pytest.mark.parametrize("channels", [6, 9])
def test_memories_that_share_pixels_are_full_each(channels):
    """As many pixels in each, and no room for another where LUTs cost the same."""
    codes = QType(4, False, 4)
    build = Builder(np.random.default_rng(0), (8, 8, channels), codes)
    build.convolution("conv", build.operations[0].output, 8, (1, 1), (1, 1), (0,) * 4)
    op = build.operations[-1]
    window = Window.of(op, (8, 8, channels))
    seen = set()
    for fold in legal(op):
        size, deep = sizes(op, fold, codes, window), channels // fold.lanes
        assert size.places % fold.pixels == 0
        assert size.bank_depth * fold.pixels == size.places * deep
        assert size.places >= window.places(fold.pixels)
        if size.bank_depth < LUT_BITS:
            assert size.bank_depth + deep > 1 << (size.bank_depth - 1).bit_length()
        seen.add((fold.pixels, deep))
    assert (4, channels) in seen
