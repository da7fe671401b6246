"""What memories take, their contents in pieces, and their placement against trying everything."""

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest

from zynqfire.board.catalog import load
from zynqfire.hls.cuts import Row, half_words, whole
from zynqfire.hls.memory import (
    Estimate,
    Kind,
    Memory,
    Placed,
    placements,
    rom_files,
    shares,
    total,
)
from zynqfire.hls.passes.placement import few, place, share

BLOCK = {"RAMB18": 0.5, "RAMB36": 1}


def memory(width: int, depth: int, kind: Kind = Kind.WEIGHTS, **more) -> Memory:
    """Return a memory without padding."""
    return Memory(more.pop("layer", "conv"), kind, width, depth, width * depth, **more)


@pytest.mark.parametrize(
    ("width", "depth", "cut", "outside"),
    [
        (7, 40, (), 0),
        (36, 512, (Row(512, 512, 36),), 0),
        (100, 300, (Row(300, 512, 72),), 0),
        (13, 2330, (Row(2048, 2048, 9), Row(282, 0, 0)), 0),
        (13, 9000, whole(13, 9000), 0),
        (1, 1, whole(1, 1), 0),
        (100, 300, (Row(300, 512, 28),), 72),
        (80, 600, (Row(512, 512, 8), Row(88, 0, 0)), 72),
    ],
)
def test_rom_files_hold_the_words(width, depth, cut, outside):
    """The pieces' files, put together again, are the words but for what is in UltraRAM."""
    rng = random.Random(1)
    words = [rng.getrandbits(width) for _ in range(depth)]
    text = "".join(f"{word:x}\n" for word in words)
    placed = Placed(memory(width, depth), cut, "xcup", outside)
    files = rom_files("mem/a.mem", text, placed)
    pieces = placed.pieces
    if len(pieces) <= 1:
        assert list(files) == ["mem/a.mem"]
    else:
        assert list(files) == [f"mem/a.mem.{n:03d}" for n in range(len(pieces))]
    if not cut:
        assert files == {"mem/a.mem": text}
        return
    again = [0] * depth
    for piece, part in zip(pieces, files.values(), strict=True):
        lines = part.split()
        assert len(lines) == piece.words
        for n, line in enumerate(lines):
            assert int(line, 16) < 1 << piece.width
            again[piece.start + n] |= int(line, 16) << piece.low
    assert again == [word >> placed.outside for word in words]


@pytest.mark.parametrize(
    ("request_", "rows"),
    [
        # shallow or narrow: LUTs
        (memory(512, 18), [("LUTROM", 512, 512, 18)]),
        (memory(4, 512), [("LUTROM", 36, 4, 512)]),
        (memory(48, 16, Kind.FIFO), [("LUTRAM", 32, 48, 16)]),
        (memory(20, 60, Kind.WINDOW, copies=3), [("LUTRAM", 84, 20, 60)]),
        # deep and wide: block RAM
        (memory(36, 512, Kind.WINDOW, copies=3), [("RAMB18", 3, 36, 512)]),
        (memory(36, 514, Kind.FIFO), [("RAMB18", 1, 36, 512)]),  # two words in its registers
        # both
        (memory(76, 512), [("RAMB36", 1, 72, 512), ("LUTROM", 36, 4, 512)]),
        (memory(18, 2060), [("RAMB36", 1, 18, 2048), ("LUTROM", 18, 18, 12)]),
        # a module without a block RAM form
        (memory(100, 300, Kind.BIAS, lut_only=True), [("LUTROM", 600, 100, 300)]),
    ],
)
def test_primitives(request_, rows):
    """Each memory goes where it is cheap, and its rows say what it takes."""
    (placed,) = place([request_], load("pynq-z2")).placed
    got = placed.rows()
    assert [(r["primitive"], r["count"], r["width"], r["depth"]) for r in got] == rows
    assert {(r["layer"], r["kind"]) for r in got} == {("conv", request_.kind)}
    assert sum(r["bits"] for r in got) == request_.bits * request_.copies
    assert placed.estimate.bram36 == sum(BLOCK.get(r["primitive"], 0) * r["count"] for r in got)


@pytest.mark.parametrize("seed", range(6))
def test_a_placement_is_the_best_of_all(seed):
    """The cost of the solver is that of the best of all combinations, and its bound."""
    rng = random.Random(seed)
    board = replace(load("ultra96"), lut=rng.choice((1500, 6000)), slicem_lut=900, bram36=9, uram=3)
    kinds = (Kind.WEIGHTS, Kind.WEIGHTS, Kind.WINDOW)
    wanted = [
        memory(
            rng.choice((9, 40, 76, 150)),
            rng.randint(100, 2500),
            kind,
            layer=str(n),
            apart=kind is Kind.WEIGHTS,
        )
        for n, kind in enumerate(kinds)
    ]
    best = None
    for options in itertools.product(*(placements(each, board) for each in wanted)):
        cost = total(options)
        luts = cost.lut + cost.lutram
        if luts > board.lut // 2 or cost.lutram > board.slicem_lut:
            continue
        if cost.bram36 > board.bram36 or cost.uram > board.uram:
            continue
        value = share(cost, board)
        best = value if best is None else min(best, value)
    found = place(wanted, board)
    assert best is not None
    assert best * 0.999 <= found.cost <= best * 1.002
    assert found.bound <= found.cost <= found.bound * 1.002
    assert share(total(found.placed), board) == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_two_memories_share_a_block_ram_where_that_is_best(seed):
    """Against all combinations in which those that share are even in number."""
    rng = random.Random(seed)
    board = replace(load("zybo-z7-10"), lut=rng.choice((500, 900)), bram36=4)
    wanted = [
        memory(rng.choice((12, 18, 48, 54)), rng.choice((300, 512, 700)), layer=str(n), apart=True)
        for n in range(3)
    ]
    every = [(*placements(each, board), *shares(each, board)) for each in wanted]
    best = None
    for options in itertools.product(*every):
        halves = Counter(half_words(p.memory.depth) for p in options if p.half)
        cost = total(options)
        good = all(p.block for p in options) and not any(n % 2 for n in halves.values())
        if good and cost.lut <= board.lut // 2 and cost.bram36 <= board.bram36:
            value = share(cost, board)
            best = value if best is None else min(best, value)
    found = place(wanted, board, {each.layer: True for each in wanted})
    if best is None:
        assert found.cost > 1
    else:
        assert found.cost == pytest.approx(best, abs=1e-3)
    assert sum(p.half for p in found.placed) % 2 == 0


def test_what_is_shared_counts_half():
    """A pair of 18 bits of 512 words is one RAMB18; each has a row of half of one."""
    board = replace(load("zybo-z7-10"), lut=300, bram36=1)
    wanted = [memory(18, 512, layer=str(n), apart=True) for n in range(4)]
    placed = place(wanted, board, dict.fromkeys("0123", True)).placed
    assert all(p.half and p.shared == 18 and not p.ultra for p in placed)
    assert total(placed).bram36 == 1
    (row,) = placed[0].rows()
    assert (row["primitive"], row["count"], row["bits"]) == ("RAMB18", 0.5, 18 * 512)


def test_memories_leave_block_ram_when_it_is_short():
    """Only as many as needed go to LUTs."""
    board = load("zybo-z7-10")
    wanted = [memory(360, 512) for _ in range(12)] + [memory(36, 130, Kind.WINDOW, copies=4)]
    placed = place(wanted, board).placed
    assert total(placed).bram36 <= 60
    assert tuple(p.memory for p in placed) == tuple(wanted)
    assert not placed[-1].block
    roomy = place(wanted, replace(board, bram36=120)).placed
    assert all(p.block for p in roomy)


def test_memories_leave_luts_when_they_are_short():
    """Those that are dear in LUTs go to block RAM, although shallow."""
    board = replace(load("zybo-z7-10"), lut=1000)
    wanted = [memory(400, 40, Kind.BIAS), memory(300, 33, Kind.WINDOW)]  # no signature
    placed = place(wanted, board).placed
    assert total(placed).lut + total(placed).lutram <= 500
    busy = place(wanted, replace(board, lut=4000), logic=Estimate(lut=3990)).placed
    assert total(busy).lut + total(busy).lutram <= 10


def test_a_layer_that_counts_on_block_ram_gets_it():
    """And one that counts on LUTs gets those."""
    wanted = [memory(4, 64, layer="a"), memory(72, 512, layer="b")]
    placed = place(wanted, load("pynq-z2"), {"a": True, "b": False}).placed
    assert [each.block for each in placed] == [True, False]


def test_ultra_ram_is_for_weights_where_a_board_has_it():
    """Wide words: the low bits in UltraRAM, what is left of the width elsewhere."""
    board = replace(load("zcu104"), bram36=2)
    wanted = memory(76, 4096, apart=True)
    (placed,) = place([wanted], board).placed
    assert (placed.ultra, placed.outside, placed.estimate.uram) == (1, 72, 1)
    rows = placed.rows()
    assert rows[0] | {"bits": 0} == {
        "layer": "conv",
        "kind": "weights",
        "bits": 0,
        "width": 72,
        "depth": 4096,
        "primitive": "URAM288",
        "count": 1,
    }
    assert sum(row["bits"] for row in rows) == wanted.bits
    assert not any(p.ultra for p in placements(replace(wanted, apart=False), board))
    assert not any(p.ultra for p in placements(wanted, load("zc706")))
    deep = Placed(memory(144, 4097), (), "xcup", 144)
    assert deep.estimate.uram == 4
    assert [(r["count"], r["depth"]) for r in deep.rows()] == [(2, 4096), (2, 1)]


def test_what_does_not_fit_is_still_placed():
    """Refusing is the caller's."""
    board = replace(load("zybo-z7-10"), lut=100, slicem_lut=50, bram36=1)
    assert total(place([memory(512, 512)], board).placed).bram36 > 1


def test_ultra_ram_is_bounded():
    """What is over the board's goes elsewhere."""
    board = replace(load("zcu104"), uram=2, bram36=100)
    placed = place([memory(72, 4096, layer=str(n), apart=True) for n in range(5)], board).placed
    assert total(placed).uram <= 2
    assert total(place([p.memory for p in placed], load("zcu104")).placed).uram > 2


def test_memories_leave_half_of_the_luts_and_what_the_logic_takes():
    """Half of all for memory; 85 % for both; of LUT RAM what the logic's shift registers leave."""
    board = replace(load("zybo-z7-10"), lut=2000, slicem_lut=1000, bram36=40)
    roms = [memory(9, 700, Kind.BIAS, layer=str(n)) for n in range(12)]  # no signature
    assert 0 < total(place(roms, replace(board, bram36=2)).placed).lut <= 1000
    tight = place(roms, board, logic=Estimate(lut=1300)).placed
    assert total(tight).lut <= 0.85 * 2000 - 1300
    windows = [memory(30, 32, Kind.WINDOW, layer=str(n)) for n in range(20)]
    free = total(place(windows, board).placed).lutram
    assert (
        total(place(windows, board, logic=Estimate(srl=1000 - free // 2)).placed).lutram
        <= free // 2
    )


def test_only_memories_of_one_depth_class_share():
    """One of 512 words and one of 1,024 do not, however small the board."""
    board = replace(load("zybo-z7-10"), lut=100, bram36=1)
    wanted = [memory(18, 512, layer="0", apart=True), memory(9, 1024, layer="1", apart=True)]
    placed = place(wanted, board, {"0": True, "1": True}).placed
    assert not any(p.half for p in placed)


@pytest.mark.parametrize(
    ("width", "depth", "rest"), [(19, 512, 0), (54, 512, 18), (23, 1024, 5), (14, 1024, 0)]
)
def test_what_is_shared_fits_half_a_block_ram(width, depth, rest):
    """At most 18 bits of 512 words, 9 of 1,024: what whole RAMB18s leave of a word."""
    found = shares(memory(width, depth, apart=True), load("pynq-z2"))
    assert {p.shared for p in found} == ({rest} if rest else set())


@pytest.mark.parametrize(
    ("depth", "words"),
    [(4098, 4096), (4099, 4097), (2051, 4096), (3, 2), (600, 1024), (9000, 8998)],
)
def test_a_fifo_in_block_ram_is_as_deep_as_zf_fifo_makes_it(depth, words):
    """Two words are in its registers; up to 4,096 its addresses wrap at a power of two."""
    assert memory(8, depth, Kind.FIFO).words(True) == words


def test_no_cut_has_more_pieces_than_files_have_numbers():
    """Three digits."""
    for placed in placements(memory(1104, 32769), load("zcu111")):
        assert len(placed.pieces) <= 999


def test_a_placement_that_does_not_fit_has_no_bound():
    """Its cost is still the share of the board."""
    board = replace(load("zybo-z7-10"), lut=100, slicem_lut=50, bram36=1)
    found = place([memory(512, 512)], board)
    assert found.bound is None
    assert found.cost == pytest.approx(share(total(found.placed), board))


def test_a_ram_needs_a_lut_that_can_be_one():
    """LUT RAM is bounded by the SLICEM LUTs, not by all LUTs."""
    board = replace(load("pynq-z2"), slicem_lut=100)
    windows = [memory(64, 32, Kind.WINDOW) for _ in range(5)]
    placed = place(windows, board).placed
    assert total(placed).lutram <= 100
    assert total(place(windows, load("pynq-z2")).placed).lutram > 100


def test_few_are_among_all():
    """What the folding chooses from is legal, LUTs alone first."""
    board = load("zcu104")
    wanted = memory(300, 1000, apart=True)
    some = few(wanted, board)
    assert some[0].cut == () and len(some) <= 7
    every = {(p.cut, p.outside) for p in placements(wanted, board)}
    assert {(p.cut, p.outside) for p in some} <= every


def test_estimates_add_up():
    """Sums and multiples, field by field."""
    assert Estimate(lut=3, bram36=0.5) * 2 + Estimate(lut=1, dsp=4) == Estimate(
        lut=7, bram36=1.0, dsp=4
    )
