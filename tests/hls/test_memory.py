"""Memory geometry against the primitives' aspect ratios, placement against the board's limits."""

import random
from dataclasses import replace

import pytest

from zynqfire.board.catalog import load
from zynqfire.hls.memory import (
    Estimate,
    Kind,
    Memory,
    Primitive,
    cut,
    place,
    rom_files,
    row_depth,
    total,
)

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
SHAPES = [
    (width, depth)
    for width in (1, 4, 5, 8, 9, 10, 18, 19, 36, 37, 40, 72, 73, 100, 512, 2048)
    for depth in (1, 2, 100, 512, 513, 1024, 1152, 2048, 2304, 4096, 4097, 9216, 40000, 300000)
]


def widest(depth: int) -> tuple[int, int]:
    """Return the widest RAMB18 and RAMB36 that hold `depth` words."""
    return next(widths for most, widths in ASPECTS.items() if depth <= most)


def fewest_halves(width: int, depth: int) -> int:
    """Return the least block RAM, in RAMB18, for `width` columns of one row; by trying all."""
    half, full = widest(depth)
    best = {0: 0}
    for bits in range(1, width + 1):
        options = [best[max(0, bits - full)] + 2]
        if half:
            options.append(best[max(0, bits - half)] + 1)
        best[bits] = min(options)
    return best[width]


def halves(width: int, depth: int) -> int:
    """Return what `cut` takes, in RAMB18."""
    return sum(1 + (piece.primitive is Primitive.RAMB36) for piece in cut(width, depth))


@pytest.mark.parametrize(("width", "depth"), SHAPES)
def test_pieces_hold_every_bit_once(width, depth):
    """Pieces fit their primitives, do not overlap and lose nothing."""
    pieces = cut(width, depth)
    bits = 0
    for piece in pieces:
        half, full = widest(row_depth(depth))
        assert 1 <= piece.width <= (half if piece.primitive is Primitive.RAMB18 else full)
        assert 1 <= piece.words <= 32768
        assert piece.low + piece.width <= width
        assert piece.start + piece.words <= depth
        bits += piece.width * piece.words
    corners = {(piece.start, piece.low) for piece in pieces}
    assert len(corners) == len(pieces)
    assert bits == width * depth


@pytest.mark.parametrize(("width", "depth"), [s for s in SHAPES if s[1] <= 4096])
def test_a_row_takes_the_fewest_block_rams(width, depth):
    """No mixture of columns takes less."""
    assert halves(width, depth) == fewest_halves(width, depth)


@pytest.mark.parametrize(("width", "depth"), [(7, 40), (36, 512), (100, 300), (13, 9000), (1, 1)])
def test_rom_files_hold_the_words(width, depth):
    """The pieces' files, put together again, are the words."""
    rng = random.Random(1)
    words = [rng.getrandbits(width) for _ in range(depth)]
    text = "".join(f"{word:x}\n" for word in words)
    files = rom_files("mem/a.mem", text, width, True)
    pieces = cut(width, depth)
    names = [f"mem/a.mem.{n:03d}" for n in range(len(pieces))]
    assert list(files) == (names if len(pieces) > 1 else ["mem/a.mem"])
    again = [0] * depth
    for piece, part in zip(pieces, files.values(), strict=True):
        lines = part.split()
        assert len(lines) == piece.words
        for n, line in enumerate(lines):
            assert int(line, 16) < 1 << piece.width
            again[piece.start + n] |= int(line, 16) << piece.low
    assert again == words
    assert rom_files("mem/a.mem", text, width, False) == {"mem/a.mem": text}


def memory(width: int, depth: int, kind: Kind = Kind.WEIGHTS, **more) -> Memory:
    """Return a memory without padding."""
    return Memory("conv", kind, width, depth, width * depth, **more)


@pytest.mark.parametrize(
    ("request_", "rows"),
    [
        # shallow or narrow: LUTs
        (memory(512, 18), [("LUTROM", 512, 512, 18)]),
        (memory(4, 512), [("LUTROM", 36, 4, 512)]),
        (memory(48, 16, Kind.FIFO), [("LUTRAM", 32, 48, 16)]),
        (memory(20, 60, Kind.WINDOW, copies=3), [("LUTRAM", 84, 20, 60)]),
        # deep and wide: block RAM
        (memory(100, 300), [("RAMB36", 1, 72, 300), ("RAMB18", 1, 28, 300)]),
        (memory(36, 512, Kind.WINDOW, copies=3), [("RAMB18", 3, 36, 512)]),
        (memory(36, 514, Kind.FIFO), [("RAMB18", 1, 36, 512)]),  # two words in its registers
        (
            memory(13, 5000),
            [
                ("RAMB36", 1, 9, 4096),
                ("RAMB18", 1, 4, 4096),
                ("RAMB36", 1, 9, 904),
                ("RAMB18", 1, 4, 904),
            ],
        ),
        # a module without a block RAM form
        (memory(100, 300, Kind.BIAS, lut_only=True), [("LUTROM", 600, 100, 300)]),
    ],
)
def test_primitives(request_, rows):
    """Each memory goes where it is cheap, and its rows say what it takes."""
    (placed,) = place([request_], load("pynq-z2"))
    got = placed.rows()
    assert [(r["primitive"], r["count"], r["width"], r["depth"]) for r in got] == rows
    assert {(r["layer"], r["kind"]) for r in got} == {("conv", request_.kind)}
    assert sum(r["bits"] for r in got) == request_.bits * request_.copies
    block = {"RAMB18": 0.5, "RAMB36": 1}
    assert placed.estimate.bram36 == sum(block.get(r["primitive"], 0) * r["count"] for r in got)


def test_memories_leave_block_ram_when_it_is_short():
    """The cheapest in LUTs go first, and only as many as needed."""
    board = load("zybo-z7-10")
    wanted = [memory(360, 512) for _ in range(12)] + [memory(36, 130, Kind.WINDOW, copies=4)]
    placed = place(wanted, board)
    assert total(placed).bram36 == 60
    assert [p.block for p in placed] == [True] * 12 + [False]
    assert tuple(p.memory for p in placed) == tuple(wanted)
    roomy = place(wanted, replace(board, bram36=62))
    assert all(p.block for p in roomy)


def test_memories_leave_luts_when_they_are_short():
    """The dearest in LUTs go to block RAM, although shallow."""
    board = replace(load("zybo-z7-10"), lut=1000)
    wanted = [memory(400, 40), memory(300, 33, Kind.WINDOW)]
    placed = place(wanted, board)
    assert [p.block for p in placed] == [False, True]
    assert total(placed).lut + total(placed).lutram <= 500


def test_what_does_not_fit_is_still_placed():
    """Refusing is the caller's."""
    board = replace(load("zybo-z7-10"), lut=100, slicem_lut=50, bram36=1)
    assert total(place([memory(512, 512)], board)).bram36 > 1


def test_a_ram_needs_a_lut_that_can_be_one():
    """LUT RAM is bounded by the SLICEM LUTs, not by all LUTs."""
    board = replace(load("pynq-z2"), slicem_lut=100)
    windows = [memory(64, 32, Kind.WINDOW) for _ in range(5)]
    placed = place(windows, board)
    assert total(placed).lutram <= 100
    assert sum(p.block for p in placed) == 3


def test_estimates_add_up():
    """Sums and multiples, field by field."""
    assert Estimate(lut=3, bram36=0.5) * 2 + Estimate(lut=1, dsp=4) == Estimate(
        lut=7, bram36=1.0, dsp=4
    )
