"""What is written to load a memory, and what its signature notices."""

import random

import pytest

from zynqfire.hls import load

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
            state ^= 2**32 + load.POLY
        for i in range(width):
            column, j = divmod(i, 72)
            state ^= (word >> i & 1) << ((j * (2 * (column // 32) + 1) + 9 * column) % 32)
    return state


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


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_the_signature_is_as_defined(width, depth):
    words = contents(width, depth)
    assert load.signature(words, width) == by_definition(words, width)


@pytest.mark.parametrize(("width", "depth"), [(72, 64), (200, 60), (2350, 12)])
def test_the_signature_notices(width, depth):
    words = contents(width, depth)
    right, rng = load.signature(words, width), random.Random(2)

    def differs(changed):
        return load.signature(changed, width) != right

    for _ in range(60):
        at, bit = rng.randrange(depth), rng.randrange(width)
        changed = list(words)
        changed[at] ^= 1 << bit
        assert differs(changed), "one bit"
        changed[at] = rng.getrandbits(width)
        assert differs(changed), "one word"
        low = 72 * rng.randrange(-(-width // 72))
        low += 32 * rng.randrange(-(-min(72, width - low) // 32))
        end = min(low + 32, low // 72 * 72 + 72, width)
        changed = list(words)
        changed[at] ^= rng.randrange(1, 1 << end - low) << low
        assert differs(changed), "one piece"
        other = rng.choice([n for n in range(depth) if n != at])
        changed = list(words)
        changed[at], changed[other] = changed[other], changed[at]
        assert differs(changed), "two words exchanged"
        value = rng.getrandbits(1)
        stuck = [word & ~(1 << bit) | value << bit for word in words]
        assert differs(stuck), "a bit that sticks"
    columns, mask = width // 72, (1 << 72) - 1
    for first in range(columns):
        for second in range(first):
            changed = []
            for word in words:
                both = (word >> 72 * first ^ word >> 72 * second) & mask
                changed.append(word ^ both << 72 * first ^ both << 72 * second)
            assert differs(changed), (first, second)
    assert differs(words[1:] + words[:1]), "one address off"


def test_the_pieces_fold_to_different_bits():
    """32 neighbouring bits of a column, so that no change within a write hides."""
    folds = load.folds(72 * 96)
    for column in folds.reshape(-1, 72):
        for low in range(72 - 32 + 1):
            assert len(set(column[low : low + 32].tolist())) == 32
    orders = {tuple(column.tolist()) for column in folds.reshape(-1, 72)}
    assert len(orders) == 96, "no two columns fold alike"


@pytest.mark.parametrize("low", [0, 3, 12])
def test_words_are_split(low):
    words = contents(12, 20)
    inside, outer = load.split("".join(f"{word:03x}\n" for word in words), 12, low)
    assert bool(inside) == (low < 12)
    again = [int(line, 16) for line in inside.split()] or [0] * 20
    assert [high << low | rest for high, rest in zip(again, outer, strict=True)] == words
