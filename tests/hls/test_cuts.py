"""Cuts of memories against the primitives' aspect ratios, and against trying every other."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zynqfire.hls.cuts import (
    ROWS,
    Primitive,
    Row,
    encode,
    fronts,
    halves,
    pieces,
    row_luts,
    whole,
)
from zynqfire.hls.memory import rom_luts

# depth: widest RAMB18, widest RAMB36 of that depth with one write and one read port
ASPECTS = {
    512: (36, 72),
    1024: (18, 36),
    2048: (9, 18),
    4096: (4, 9),
    8192: (2, 4),
    16384: (1, 2),
    32768: (0, 1),
}


def check(cut, width, depth):
    """Assert that the pieces of a cut hold every bit once and fit their primitives."""
    assert len(cut) <= ROWS
    held = 0
    corners = set()
    for piece in pieces(cut, width):
        if piece.primitive:
            half, full = ASPECTS[piece.deep]
            assert piece.width <= (half if piece.primitive is Primitive.RAMB18 else full)
            assert piece.words <= piece.deep
        assert piece.width >= 1 and piece.words >= 1
        assert piece.low + piece.width <= width and piece.start + piece.words <= depth
        corners.add((piece.start, piece.low))
        held += piece.width * piece.words
    assert held == width * depth
    assert len(corners) == len(pieces(cut, width))
    # an address within a row is the low bits of the address
    start, before = 0, 1 << 40
    for row in cut:
        span = row.deep or 1 << (row.words - 1).bit_length()
        assert start % span == 0 and span <= before
        assert row is cut[-1] or row.words == row.deep
        start, before = start + row.words, row.deep


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 2048), st.integers(1, 5000))
def test_no_cut_loses_overlaps_or_doubles_a_word(width, depth):
    """Every cut on the front, and the plain one."""
    for cut, blocks, luts in fronts(width, depth, rom_luts):
        check(cut, width, depth)
        assert blocks == sum(
            1 + (piece.primitive is Primitive.RAMB36)
            for piece in pieces(cut, width)
            if piece.primitive
        )
        tables = sum(
            rom_luts(piece.width, piece.words)
            for piece in pieces(cut, width)
            if piece.primitive is None
        )
        assert luts == tables + width * row_luts(len(cut))
    check(whole(width, depth), width, depth)


@pytest.mark.parametrize("deep", ASPECTS)
@pytest.mark.parametrize("bits", [1, 2, 4, 5, 8, 9, 10, 18, 19, 36, 37, 40, 72, 73, 100, 512])
def test_a_row_takes_the_fewest_block_rams(bits, deep):
    """No mixture of columns takes less."""
    half, full = ASPECTS[deep]
    best = {0: 0}
    for width in range(1, bits + 1):
        options = [best[max(0, width - full)] + 2]
        if half:
            options.append(best[max(0, width - half)] + 1)
        best[width] = min(options)
    assert halves(bits, deep) == best[bits]


def every_cut(width, depth, most=1 << 15, rows=3):
    """Yield every legal cut of up to three rows, with any bits in block RAM."""
    for deep, (_, full) in ASPECTS.items():
        if deep > most or deep > 4096 or not full:
            continue
        for bits in range(1, width + 1):
            if depth <= deep:
                yield (Row(depth, deep, bits),)
            elif rows > 1:
                for rest in every_cut(width, depth - deep, deep, rows - 1):
                    yield (Row(deep, deep, bits), *rest)
    if rows < 3 and 1 << (depth - 1).bit_length() <= most:
        yield (Row(depth, 0, 0),)


def cost(cut, width):
    """Return the RAMB18 and LUTs of a cut."""
    blocks = sum(halves(row.block, row.deep) for row in cut if row.deep)
    left = sum(rom_luts(width - row.block, row.words) for row in cut if row.block < width)
    return blocks, left + width * row_luts(len(cut))


@pytest.mark.parametrize(
    ("width", "depth"), [(5, 700), (12, 540), (20, 1100), (9, 2330), (38, 513), (7, 3000)]
)
def test_no_cut_is_better_than_those_found(width, depth):
    """Of all cuts of up to three rows none has fewer block RAMs without more LUTs."""
    front = [(blocks, luts) for _, blocks, luts in fronts(width, depth, rom_luts)]
    assert front == sorted(front) and all(a[1] > b[1] for a, b in itertools.pairwise(front))
    tried = {cost(cut, width) for cut in every_cut(width, depth)}
    for blocks, luts in tried:
        assert any(b <= blocks and have <= luts for b, have in front), (blocks, luts)


@pytest.mark.parametrize(
    ("width", "depth", "wanted"),
    [
        # a depth of 2,330 as 2,048 in block RAM and the rest in LUTs
        (18, 2330, (Row(2048, 2048, 18), Row(282, 0, 0))),
        # 256 bits as 252 in block RAM and the rest in LUTs
        (256, 512, (Row(512, 512, 252),)),
        # three quarters of 2,048 words as two rows
        (36, 1536, (Row(1024, 1024, 36), Row(512, 512, 36))),
        # several depths
        (36, 3600, (Row(2048, 2048, 36), Row(1024, 1024, 36), Row(512, 512, 36), Row(16, 0, 0))),
    ],
)
def test_what_is_found(width, depth, wanted):
    """Shapes are mixed where that saves."""
    assert wanted in [cut for cut, _, _ in fronts(width, depth, rom_luts)]


def test_the_parameter_of_zf_block():
    """Words, the depth's logarithm and the bits in block RAM, 64 bits a row."""
    assert encode(()) == 0
    assert encode((Row(300, 512, 8),)) == 8 << 32 | 9 << 24 | 300
    assert encode((Row(512, 512, 8), Row(5, 0, 0))) == 5 << 64 | 8 << 32 | 9 << 24 | 512
