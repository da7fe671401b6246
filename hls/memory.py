"""On-chip memories: what a layer asks for, the ways to place that, and what each takes.

Which way is taken is decided for all memories together, by `hls.passes.placement`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import add

from .board import Board
from .cuts import (
    HALVES,
    LUT_BITS,
    URAM_DEPTH,
    URAM_WIDTH,
    Cut,
    Piece,
    Primitive,
    Row,
    fronts,
    half_words,
    halves,
    native,
    pieces,
    row_luts,
)

WRAP = 4096  # words up to which a FIFO in block RAM takes a power of two (zf_fifo)
# Share of a board's LUTs and flip-flops that a design may take; what is left is for routing and for
# what the formulas miss
ROOM = 0.85
LUT_SHARE = 0.5  # of a board's LUTs that memories may take
ROW_LUTS = 6  # that tell a row from the one before by its address


class Kind(StrEnum):
    """What a memory holds."""

    WEIGHTS = "weights"
    BIAS = "bias"
    WINDOW = "window"
    FIFO = "fifo"

    @property
    def rom(self) -> bool:
        """Whether the contents never change."""
        return self in (Kind.WEIGHTS, Kind.BIAS)


@dataclass(frozen=True)
class Estimate:
    """Resources; add them up with ``+`` or ``sum(parts, Estimate())``.

    `lut` counts LUTs as logic and as ROM; those as RAM and as shift registers are `lutram` and
    `srl`. A RAMB18 is half a `bram36`.
    """

    lut: int = 0
    lutram: int = 0
    srl: int = 0
    ff: int = 0
    carry: int = 0
    bram36: float = 0
    uram: int = 0
    dsp: int = 0

    def __add__(self, other: Estimate) -> Estimate:
        """Return the sum, field by field."""
        return Estimate(*map(add, self.values, other.values))

    def __mul__(self, copies: int) -> Estimate:
        """Return the resources of `copies` copies."""
        return self if copies == 1 else Estimate(*(copies * value for value in self.values))

    @property
    def values(self) -> tuple[float, ...]:
        """The fields, in order."""
        return (
            *(self.lut, self.lutram, self.srl, self.ff, self.carry),
            *(self.bram36, self.uram, self.dsp),
        )


@dataclass(frozen=True)
class Memory:
    """A memory that a layer asks for: `copies` times `depth` words of `width` bits.

    Attributes
    ----------
    layer : str
        Whose it is.
    bits : int
        What one copy holds, padding apart.
    lut_only : bool
        True where the module has no block RAM form.
    apart : bool
        Whether its module takes the low bits of words from outside.
    table : Memory, optional
        What is asked for where all of it is in LUTs, if that is another.
    split : bool
        Whether few words beyond a power of two have a table of their own (zf_weights).

    """

    layer: str
    kind: Kind
    width: int
    depth: int
    bits: int
    copies: int = 1
    lut_only: bool = False
    split: bool = False
    apart: bool = False
    table: Memory | None = None

    def words(self, block: bool) -> int:
        """Return the words of the array itself.

        A FIFO's output registers hold some; in block RAM its addresses wrap at a power of two.
        """
        if self.kind is not Kind.FIFO:
            return self.depth
        words = max(2, self.depth - (2 if block else 1))
        return 1 << (words - 1).bit_length() if block and words <= WRAP else words


def different(width: int, depth: int) -> int:
    """Return the different columns of a ROM: of few words not all can be."""
    return min(width, 1 << min(depth, 16))


def rom_luts(width: int, depth: int, split: bool = False) -> int:
    """Return the LUTs of a ROM in LUTs, estimated.

    A LUT has 64 words and wide multiplexers join four.
    """
    low = 1 << (depth - 1).bit_length() >> 1
    if split and depth > LUT_BITS and 2 * (depth - low) <= low:
        rest = depth - low
        return rom_luts(width, low) + (-(-width // 2) if rest <= 32 else rom_luts(width, rest))
    if depth <= 8:
        return different(width, depth)
    filled = 1 << max(0, (-(-depth // LUT_BITS) - 1).bit_length())  # a multiplexer joins pairs
    wide = -(-depth // 256)
    tables = filled if wide == 1 else -(-depth // LUT_BITS)
    return width * (tables + -(-(wide - 1) // 3))


SIGNATURE = Estimate(lut=42, ff=72)  # of a zf_signature of narrow words


def signature(width: int) -> Estimate:
    """Return the resources of a zf_signature of words of `width` bits, estimated."""
    fold = 0 if width <= 4 * 32 else width // 4 - 4  # up to four pieces join the state for nothing
    return SIGNATURE + Estimate(lut=fold)


def ram_luts(width: int, depth: int, family: str) -> Estimate:
    """Return the LUTs of a RAM in LUTs with one write and one read port, estimated."""
    # RAM32M or RAM32M16, and RAM64M or RAM64M8, half as wide: whatever takes fewer LUTs
    luts, bits = (8, 14) if family == "xcup" else (4, 6)
    options = []
    for words, lanes in ((64, bits // 2), (32, bits)):
        deep = -(-depth // words)
        select = width * -(-(deep - 1) // 3) + (deep if deep > 1 else 0)
        options.append(Estimate(lut=select, lutram=luts * -(-width // lanes) * deep))
    return min(options, key=lambda option: option.lutram)


@dataclass(frozen=True)
class Placed:
    """A memory and where it went.

    Attributes
    ----------
    cut : Cut
        How it is cut into block RAM and LUTs; none: its module's form in LUTs.
    outside : int
        The low bits of its words that are outside the layer's own memory.
    half : bool
        Whether those are in half of a RAMB18, which another memory shares, else in UltraRAM.

    """

    memory: Memory
    cut: Cut
    family: str
    outside: int = 0
    half: bool = False

    @property
    def block(self) -> bool:
        """Whether it is, at least in part, in block RAM or UltraRAM."""
        return bool(self.cut or self.outside)

    @property
    def ultra(self) -> int:
        """Columns of UltraRAM."""
        return 0 if self.half else -(-self.outside // URAM_WIDTH)

    @property
    def shared(self) -> int:
        """The low bits of its words in half of a RAMB18."""
        return self.outside if self.half else 0

    @property
    def signed(self) -> bool:
        """Whether the core makes a signature of what is in it."""
        return self.block and self.memory.kind is Kind.WEIGHTS

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What its own memory is cut into."""
        return pieces(self.cut, self.memory.width - self.outside)

    @property
    def estimate(self) -> Estimate:
        """The resources of all copies, and of the signature."""
        memory = self.memory
        words = memory.words(self.block)
        if not self.block:
            return self._table(memory.width, words, memory.split) * memory.copies
        width = memory.width - self.outside
        ultra = self.ultra * -(-words // URAM_DEPTH)
        lut = width * row_luts(len(self.cut)) + ROW_LUTS * max(0, len(self.cut) - 1)
        lutram = ff = 0
        blocks = 0.5 * self.half
        for row in self.cut:
            blocks += halves(row.block, row.deep) if row.deep else 0
            if left := width - row.block:
                table = self._table(left, row.words)
                lut, lutram, ff = lut + table.lut, lutram + table.lutram, ff + left
        cost = Estimate(lut, lutram, ff=ff, bram36=blocks / 2, uram=ultra) * memory.copies
        return cost + signature(memory.width) if self.signed else cost

    def _table(self, width: int, words: int, split: bool = False) -> Estimate:
        if self.memory.kind.rom:
            return Estimate(lut=rom_luts(width, words, split))
        return ram_luts(width, words, self.family)

    def rows(self) -> list[dict[str, int | str]]:
        """Return the rows of `budget` for this memory, one for each primitive and shape."""
        memory = self.memory
        rom, words = memory.kind.rom, memory.words(self.block)
        in_luts = Primitive.LUTROM if rom else Primitive.LUTRAM
        shapes: dict[tuple[Primitive, int], list[float]] = {}  # bits of a word, count, stored bits

        def add(primitive: Primitive, deep: int, width: int, count: float) -> None:
            shape = shapes.setdefault((primitive, deep), [0, 0, 0])
            shape[0], shape[1] = shape[0] + width, shape[1] + count
            shape[2] += width * deep

        if not self.block:
            cost = self._table(memory.width, words, memory.split)
            add(in_luts, memory.depth, memory.width, cost.lut if rom else cost.lutram)
        for start in range(0, words if self.ultra else 0, URAM_DEPTH):
            add(Primitive.URAM288, min(URAM_DEPTH, words - start), self.outside, self.ultra)
        if self.half:
            add(Primitive.RAMB18, memory.depth, self.outside, 0.5)
        for piece in self.pieces if self.block else ():
            if piece.primitive is None:
                cost = self._table(piece.width, piece.words)
                add(in_luts, piece.words, piece.width, cost.lut if rom else cost.lutram)
            else:
                add(piece.primitive, piece.words, piece.width, 1)
        padded = sum(stored for _, _, stored in shapes.values())
        rows, left = [], memory.bits
        for (primitive, deep), (_, count, stored) in shapes.items():
            share = left if len(rows) == len(shapes) - 1 else memory.bits * stored // padded
            left -= share
            rows.append(
                {
                    "layer": memory.layer,
                    "kind": str(memory.kind),
                    "bits": share * memory.copies,
                    "width": stored // deep,
                    "depth": deep,
                    "primitive": str(primitive),
                    "count": count * memory.copies,
                }
            )
        return rows


def placements(memory: Memory, board: Board) -> tuple[Placed, ...]:
    """Return the ways to place a memory, none worse than another in LUTs, block RAM and UltraRAM.

    UltraRAM is for weights; the words' low bits go there, what is left is cut as any memory.
    """
    found = [Placed(memory.table or memory, (), board.family)]
    if memory.lut_only:
        return tuple(found)
    words = memory.words(True)
    found += [Placed(memory, cut, board.family) for cut in _cuts(memory, memory.width, board)]
    if memory.apart and board.uram:
        columns, rest = divmod(memory.width, URAM_WIDTH)
        if rest:
            found.append(Placed(memory, (), board.family, memory.width))
        if columns and rest:
            found += [
                Placed(memory, cut, board.family, columns * URAM_WIDTH)
                for cut in (*_cuts(memory, rest, board), (Row(words, 0, 0),))
            ]
        elif columns:
            found.append(Placed(memory, (), board.family, memory.width))
    return tuple(found)


def shares(memory: Memory, board: Board) -> list[Placed]:
    """Return the ways to place a memory with what its RAMB18s leave in half of one."""
    most = half_words(memory.depth)
    if not memory.apart or not most:
        return []
    rest = memory.width % (native(most) // 2)
    if not 0 < rest <= HALVES[most]:
        return []
    left = memory.width - rest
    cuts = _cuts(memory, left, board) if left else [()]
    return [Placed(memory, cut, board.family, rest, half=True) for cut in cuts]


def _cuts(memory: Memory, width: int, board: Board) -> list[Cut]:
    words = memory.words(True)
    return [cut for cut, _, _ in _fronts(width, words, memory.kind.rom, board.family)]


@cache
def _fronts(width: int, words: int, rom: bool, family: str):
    def luts(bits: int, depth: int) -> int:
        if rom:
            return rom_luts(bits, depth)
        cost = ram_luts(bits, depth, family)
        return cost.lut + cost.lutram

    return fronts(width, words, luts)


def total(placed: Iterable[Placed]) -> Estimate:
    """Return the resources of all memories together."""
    return sum((each.estimate for each in placed), Estimate())


def rom_files(path: str, text: str, placed: Placed) -> dict[str, str]:
    """Return the files of a ROM: `text`, one hexadecimal word a line, cut to its pieces.

    The bits outside the layer's own memory are left out.
    """
    parts = placed.pieces
    if not placed.block or (len(parts) == 1 and not placed.outside):
        return {path: text}
    words = [int(line, 16) >> placed.outside for line in text.split()]
    files = {}
    for number, piece in enumerate(parts):
        mask, digits = (1 << piece.width) - 1, -(-piece.width // 4)
        part = words[piece.start : piece.start + piece.words]
        lines = (f"{word >> piece.low & mask:0{digits}x}" for word in part)
        name = f"{path}.{number:03d}" if len(parts) > 1 else path
        files[name] = "\n".join(lines) + "\n"
    return files
