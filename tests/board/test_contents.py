"""What Yosys's netlist holds is what was written: every word, read back through its nets."""

from pathlib import Path

import numpy as np
import pytest
from yosys_memories import CELLS, FLOW, contents, elaborate, memory, write

from zynqfire.board.contents import words
from zynqfire.hls.cuts import whole
from zynqfire.hls.memory import Kind, Placed
from zynqfire.rtl_tb.pieces import MIXED, depth

CUTS = {  # by family: as MIXED says, or plain; every ratio of a RAMB36 and of a RAMB18
    ("xc7", "mixed"): list(MIXED.values()),
    ("xc7", "plain"): [
        *((72, 512), (36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16384), (1, 32768)),
        *((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192)),
        *((71, 511), (37, 500), (73, 300), (19, 1023), (5, 2047), (12, 1100), (1, 513)),
    ],
    ("xcup", "some"): [
        *(MIXED["steps"], MIXED["eight"]),
        *((72, 512), (36, 1024), (4, 8192), (36, 512), (9, 2048), (73, 300)),
    ],
}
# A bit of a file of `steps`: the file, its line and bit, and the word and bit of the memory
FLIPS = (
    *(("000", 2047, 17, 2047, 17), ("001", 0, 0, 0, 18), ("002", 5, 3, 5, 39)),
    *(("003", 1000, 35, 3048, 35), ("004", 1023, 3, 3071, 39), ("005", 0, 35, 3072, 35)),
    *(("006", 511, 0, 3583, 36), ("007", 89, 39, 3673, 39)),
)


def placed(family: str, kind: str) -> list[Placed]:
    """Return the memories of one run."""
    cuts = [
        (width, whole(width, cut) if isinstance(cut, int) else cut)
        for width, cut in CUTS[family, kind]
    ]
    return [Placed(memory(Kind.WEIGHTS, width, depth(cut)), cut, family) for width, cut in cuts]


def as_bits(text: str, width: int) -> np.ndarray:
    """Return hexadecimal words as (words, bits), bit 0 first."""
    return np.array([[int(line, 16) >> n & 1 for n in range(width)] for line in text.split()])


def flip(file: Path, line: int, bit: int) -> None:
    """Flip a bit of a memory file."""
    lines = file.read_text().split()
    lines[line] = f"{int(lines[line], 16) ^ 1 << bit:x}"
    file.write_text("\n".join(lines) + "\n")


def read_back(wanted: list[Placed], folder: Path, damage=lambda: None) -> list[set]:
    """Return where what is read differs from what was written, as (word, bit), each memory."""
    write(wanted, folder)
    damage()
    modules, types = elaborate(folder, f"{CELLS}\n{FLOW.format(family=wanted[0].family)}")
    found = []
    for n, one in enumerate(wanted):
        expected = as_bits(contents(n, one), one.memory.width)
        read = words(modules, types[f"m{n}"], one.memory.depth)
        assert read.shape == expected.shape
        found.append({tuple(place) for place in np.argwhere(read != expected).tolist()})
    return found


@pytest.mark.parametrize(
    ("family", "kind"),
    [pytest.param(*key, marks=[pytest.mark.long] * (key[0] == "xcup")) for key in CUTS],
)
def test_words_read_back_are_the_words_written(family, kind, tmp_path):
    """Block RAM and LUTs, all words and bits."""
    wanted = placed(family, kind)
    assert read_back(wanted, tmp_path) == [set()] * len(wanted)


def test_flipped_bits_of_files_are_flipped_in_those_words_alone(tmp_path):
    """One bit of one piece, and one bit of each piece."""
    width, cut = MIXED["steps"]
    one = Placed(memory(Kind.WEIGHTS, width, depth(cut)), cut, "xc7")

    def damage():
        flip(tmp_path / "m0.mem.001", 7, 4)
        for number, line, bit, _, _ in FLIPS:
            flip(tmp_path / f"m1.mem.{number}", line, bit)

    flipped = {(word, bit) for *_, word, bit in FLIPS}
    assert read_back([one] * 3, tmp_path, damage) == [{(7, 22)}, flipped, set()]
