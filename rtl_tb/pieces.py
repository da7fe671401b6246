"""Block RAM in pieces: the cuts that benches use, and that a memory of the library is cut so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import cocotb
from cocotb.triggers import RisingEdge

from ..hls.cuts import Cut, Row, encode, pieces, whole
from ..hls.memory import Kind, Memory, Placed
from .cases import Case, Part
from .simulator import sized

# Where the cut changes: a word more, a bit more
SHAPES = (
    *((1, 1), (72, 512), (73, 513), (36, 1024), (18, 2048), (19, 2049), (9, 4096), (10, 4097)),
    *((9, 32768), (4, 32769), (5, 65536), (2, 65537), (3, 131072), (1, 131073)),
)
# Rows and columns of several depths, with and without LUTs beside and below them
MIXED = {
    "rest": (20, (Row(1024, 1024, 20), Row(37, 0, 0))),
    "rest_of_one": (5, (Row(512, 512, 5), Row(1, 0, 0))),
    "beside": (39, (Row(700, 1024, 36),)),
    "steps": (40, (Row(2048, 2048, 36), Row(1024, 1024, 40), Row(512, 512, 36), Row(90, 0, 0))),
    "equal": (7, (Row(512, 512, 7),) * 3 + (Row(300, 512, 7),)),
    "eight": (3, (Row(512, 512, 3),) * 7 + (Row(511, 512, 2),)),
    "luts_only": (6, (Row(100, 0, 0),)),
    "narrow": (2, (Row(16384, 16384, 1), Row(4096, 4096, 2), Row(5, 0, 0))),
}
CUTS: dict[str, tuple[int, Cut]] = {
    f"w{width}_d{depth}": (width, whole(width, depth)) for width, depth in SHAPES
} | MIXED
PUBLIC = ("*memory",)  # what `check` looks at


def depth(cut: Cut) -> int:
    """Return the words of a cut."""
    return sum(row.words for row in cut)


def parameter(cut: Cut) -> str:
    """Return the parameter Cut of a module."""
    return sized(encode(cut), 512)


def plain(width: int, words: int, block: int) -> str:
    """Return the parameter Cut of a memory in LUTs, or, plainly cut, in block RAM."""
    return parameter(whole(width, words) if block else ())


def rom(width: int, words: int, block: int) -> Placed:
    """Return the placement of a ROM with that cut."""
    memory = Memory("", Kind.WEIGHTS, width, words, width * words)
    return Placed(memory, whole(width, words) if block else (), "xc7")


def cases(
    ports: dict[str, tuple[bool, bool]], cuts: dict[str, tuple[int, Cut]] = CUTS, **parameters
) -> dict[str, Case]:
    """Return a case for each of `cuts`; `ports` tells which are addresses and which are words."""
    return {
        name: Case(
            {"Width": width, "Depth": depth(cut), "Cut": parameter(cut), **parameters},
            {
                port: max(1, (depth(cut) - 1).bit_length()) if address else width if word else 1
                for port, (address, word) in ports.items()
            },
            reset=False,
        )
        for name, (width, cut) in cuts.items()
    }


def check(dut, path: str, width: int, cut: Cut) -> None:
    """Compare the block RAMs below `path` with `hls.cuts.pieces`: how many, how deep, how wide."""
    found = []
    for row in range(len(cut)):
        for column in count():
            where = f"{path}.g_row[{row}].g_block.g_column[{column}]"
            memory = _find(dut, f"{where}.g_rom.memory", f"{where}.g_ram.memory")
            if memory is None:
                break
            found.append((row, len(memory), len(memory[0])))
    starts = [sum(row.words for row in cut[:n]) for n in range(len(cut))]
    assert found == [
        (starts.index(piece.start), piece.deep, piece.width)
        for piece in pieces(cut, width)
        if piece.primitive
    ]


def _find(dut, *paths: str):
    """Return the first of `paths` that is there."""
    for path in paths:
        try:
            return getattr(dut, path)
        except AttributeError:
            continue
    return None


def split(text: str, width: int, low: int) -> tuple[str, list[int]]:
    """Return memory contents without the `low` low bits of each word, and those.

    Parameters
    ----------
    text : str
        All words of `width` bits, hexadecimal, one a line.
    width, low : int
        Bits of a word, and how many of them lie elsewhere; where all do, no text is left.
    """
    words = [int(line, 16) for line in text.split()]
    digits = -(-(width - low) // 4)
    inside = "".join(f"{word >> low:0{digits}x}\n" for word in words) if low < width else ""
    return inside, [word & ((1 << low) - 1) for word in words]


class Watch:
    """Compares what a unit shows of its weights with `words`: in order, each two cycles later.

    It begins with a reset.

    Attributes
    ----------
    steps : int
        Words that the unit has taken.
    """

    def __init__(self, part: Part, words: Sequence[int]):
        self.part, self.words, self.steps = part, words, 0
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        due: list[int | None] = [None, None]
        while not int(self.part.rst_i.value):
            await RisingEdge(self.part.clk_i)
        while True:
            await RisingEdge(self.part.clk_i)
            names = ("rom_addr_o", "rom_step_o", "rom_data_o", "rst_i")
            address, step, data, reset = self.part.read(*names)
            if reset:
                due, self.steps = [None, None], 0
                continue
            word = due.pop(0)
            assert word is None or data == word
            due.append(self.words[address] if step else None)
            if step:
                assert address == self.steps % len(self.words)
                self.steps += 1
