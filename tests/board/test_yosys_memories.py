"""Yosys infers exactly the primitives that `hls.memory` counts, over a spread of shapes."""

from collections import Counter
from pathlib import Path

import pytest
from yosys_memories import BEFORE, elaborate, memory, write

from zynqfire.board import resources
from zynqfire.board.catalog import load
from zynqfire.hls.cuts import Row, whole
from zynqfire.hls.memory import Kind, Placed
from zynqfire.hls.passes.placement import few
from zynqfire.rtl_tb.pieces import MIXED, depth

BOARDS = {"xc7": load("pynq-z2"), "xcup": load("ultra96")}
SHAPES = [  # kind, width, words of the memory, 1 to 5,000 by 1 to 2,048 bits
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((5, 4), (36, 512), (37, 512), (72, 100))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((73, 300), (18, 1024), (19, 700))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((9, 2048), (12, 1100), (100, 1152))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((4, 4096), (7, 2400), (14, 5000))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((1, 5000), (256, 2330), (48, 540))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((2048, 130), (384, 4032), (1, 40))],
    (Kind.WEIGHTS, 3, 33000),
    *[(Kind.WINDOW, width, depth) for width, depth in ((5, 2), (72, 512), (12, 1100), (40, 700))],
    *[(Kind.WINDOW, width, depth) for width, depth in ((7, 2400), (10, 5000), (64, 540))],
    *[(Kind.FIFO, width, depth) for width, depth in ((8, 2), (30, 514), (36, 515), (9, 2051))],
]
LUTS = [
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((5, 1), (16, 40), (7, 64), (3, 200))],
    *[(Kind.WINDOW, width, depth) for width, depth in ((8, 16), (20, 60), (32, 100), (7, 130))],
    *[(Kind.FIFO, width, depth) for width, depth in ((12, 2), (32, 16), (9, 65), (5, 66))],
]


def placed(family: str) -> list[Placed]:
    """Return memories plainly cut, and as the solver would; every kind of row and column."""
    found = []
    for kind, width, words in SHAPES:
        wanted = memory(kind, width, words)
        found.append(Placed(wanted, whole(width, wanted.words(True)), family))
        found += [p for p in few(wanted, BOARDS[family]) if p.block]
    for width, cut in MIXED.values():
        found.append(Placed(memory(Kind.WEIGHTS, width, depth(cut)), cut, family))
    return list(dict.fromkeys(found))


def inferred(all_placed: list[Placed], folder: Path, flow: str) -> list[Counter]:
    """Return the cells that Yosys makes of each memory, in one run, with random contents."""
    write(all_placed, folder)
    modules, types = elaborate(folder, flow)

    def cells(module: str) -> Counter:
        found = Counter()
        for cell in modules[module]["cells"].values():
            below = modules.get(cell["type"])
            inside = below is not None and not below["attributes"].keys() & {"blackbox", "whitebox"}
            found += cells(cell["type"]) if inside else Counter([cell["type"]])
        return found

    return [cells(types[f"m{n}"]) for n in range(len(all_placed))]


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_block_ram_is_what_is_counted(family, tmp_path):
    """RAMB18 and RAMB36, each memory."""
    drop = "setparam -set INIT 1'x t:$mem_v2 a:rom_style=block %i"  # minutes of conversion
    flow = f"{BEFORE}\n{drop}\nsynth_xilinx -family {family} -run map_memory:map_ffram"
    wanted = placed(family)[:: 1 if family == "xc7" else 4]
    for one, cells in zip(wanted, inferred(wanted, tmp_path, flow), strict=True):
        counts = Counter()
        for row in one.rows():
            if row["primitive"].startswith("RAMB"):
                counts[row["primitive"]] += row["count"]
        found = {name[:6]: number for name, number in cells.items() if name.startswith("RAM")}
        found = {name: number for name, number in found.items() if name.startswith("RAMB")}
        assert found == dict(counts), one


def test_contents_do_not_change_the_count(tmp_path):
    """The same with the contents left in."""
    wanted = [
        Placed(memory(Kind.WEIGHTS, *shape), whole(*shape), "xc7")
        for shape in ((100, 300), (12, 1100))
    ]
    flow = f"{BEFORE}\nsynth_xilinx -family xc7 -run map_memory:map_ffram"
    found = inferred(wanted, tmp_path, flow)
    assert [(cells["RAMB18E1"], cells["RAMB36E1"]) for cells in found] == [(1, 1), (0, 1)]


def test_luts_are_what_is_estimated(tmp_path):
    """LUT RAM exactly, ROMs no more than estimated and no less than a quarter below."""
    run = "synth_xilinx -family xc7 -nodsp -noiopad -noclkbuf -run begin:"
    wanted = [Placed(memory(*shape), (), "xc7") for shape in LUTS]
    wanted += [
        Placed(memory(Kind.WEIGHTS, 40, 602), (Row(512, 512, 36), Row(90, 0, 0)), "xc7"),
        Placed(memory(Kind.WINDOW, 40, 602), (Row(512, 512, 36), Row(90, 0, 0)), "xc7"),
    ]
    for one, cells in zip(wanted, inferred(wanted, tmp_path, run), strict=True):
        estimate, counted = one.estimate, resources.count(cells)
        assert counted.bram36 == estimate.bram36, one
        assert counted.lutram == estimate.lutram, one
        if one.memory.kind is Kind.WEIGHTS:
            assert 0.75 * estimate.lut - 5 <= counted.lut <= estimate.lut + 6, one
