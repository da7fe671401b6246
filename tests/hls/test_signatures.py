"""What a signature is, and what it notices."""

import itertools
import random

import pytest

from zynqfire.hls import signatures

SHAPES = [(1, 1), (32, 5), (33, 7), (72, 64), (73, 9), (200, 300), (136, 40), (2350, 12)]


def contents(width, depth, seed=1):
    rng = random.Random(seed)
    return [rng.getrandbits(width) for _ in range(depth)]


def by_definition(words, width):
    """Return the signature as zf_signature's header says it, bit by bit."""
    state = 2**32 - 1
    for word in words:
        state *= 2
        if state >> 32:
            state ^= 2**32 + signatures.POLY
        for i in range(width):
            state ^= (word >> i & 1) << (i + i // 32) % 32
    return state


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_the_signature_is_as_defined(width, depth):
    words = contents(width, depth)
    assert signatures.signature(words, width) == by_definition(words, width)


@pytest.mark.parametrize(("width", "depth"), [(72, 64), (200, 60), (1030, 12)])
def test_the_signature_notices(width, depth):
    words = contents(width, depth)
    right, rng = signatures.signature(words, width), random.Random(2)

    def differs(changed):
        return signatures.signature(changed, width) != right

    for _ in range(60):
        at, bit = rng.randrange(depth), rng.randrange(width)
        changed = list(words)
        changed[at] ^= 1 << bit
        assert differs(changed), "one bit"
        changed[at] = rng.getrandbits(width)
        assert differs(changed), "one word"
        for low, size in ((rng.randrange(width), 31), (32 * rng.randrange(width // 32), 32)):
            size = min(size, width - low)
            for wrong in (rng.randrange(1, 1 << size), 1 | 1 << size - 1):
                changed = list(words)
                changed[at] ^= wrong << low
                assert differs(changed), "neighbours"
        other = rng.choice([n for n in range(depth) if n != at])
        changed = list(words)
        changed[at], changed[other] = changed[other], changed[at]
        assert differs(changed), "two words exchanged"
        value = rng.getrandbits(1)
        stuck = [word & ~(1 << bit) | value << bit for word in words]
        assert differs(stuck), "a bit that sticks"
    for column in (72, 36):  # of block RAMs
        for first, second in itertools.combinations(range(width // column), 2):
            changed = []
            for word in words:
                both = (word >> column * first ^ word >> column * second) & (1 << column) - 1
                changed.append(word ^ both << column * first ^ both << column * second)
            assert differs(changed), (column, first, second)
    assert differs(words[1:] + words[:1]), "one address off"
