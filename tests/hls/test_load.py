"""What is written to load a memory."""

import random

import pytest

from zynqfire.hls import load

SHAPES = [(1, 1), (32, 5), (33, 7), (72, 64), (73, 9), (200, 300), (136, 40), (2350, 12)]


def contents(width, depth, seed=1):
    rng = random.Random(seed)
    return [rng.getrandbits(width) for _ in range(depth)]


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_pieces_make_up_the_words(width, depth):
    words = contents(width, depth)
    pieces = load.writes(words, width)
    assert len(pieces) == depth * sum(load.pieces(width)) and max(pieces) < 2**32
    left = iter(pieces)
    for word in words:
        again = 0
        for column, count in enumerate(load.pieces(width)):
            for part in range(count):
                again |= next(left) << (72 * column + 32 * part)
        assert again == word
