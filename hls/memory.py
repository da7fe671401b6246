"""On-chip memory: which primitives a memory takes, and which kind of primitive is best for it.

Block RAM is cut by hand, here and in `rtl/zf_rom.sv` and `rtl/zf_ram_block.sv` in the same way: a
memory becomes rows of `row_depth` words, a row becomes columns as wide as a RAMB36 of that depth,
and the rest of the width takes a RAMB18 where that is wide enough, else one more RAMB36. Each
piece is written so that a tool can only infer that primitive; what is counted here is what is
there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from .board import Board

RAMB18_BITS = 18 * 1024
RAMB36_BITS = 36 * 1024
LUT_BITS = 64

# A memory goes to LUTs where that takes no more of them than this for each RAMB18 it saves: a
# quarter of what a full RAMB18 would take.
LUTS_PER_RAMB18 = 64
LUT_SHARE = 0.5  # of the board's LUTs that memories may take


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


class Primitive(StrEnum):
    """What memory is made of; LUTROM and LUTRAM are single LUTs."""

    RAMB18 = "RAMB18"
    RAMB36 = "RAMB36"
    URAM288 = "URAM288"
    LUTROM = "LUTROM"
    LUTRAM = "LUTRAM"


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
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Estimate(*(a + b for a, b in pairs))

    def __mul__(self, copies: int) -> Estimate:
        """Return the resources of `copies` copies."""
        return Estimate(*(getattr(self, f.name) * copies for f in fields(self)))


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

    def words(self, block: bool) -> int:
        """Return the words of the array itself; a FIFO's output registers hold some of them."""
        if self.kind is Kind.FIFO:
            return max(2, self.depth - (2 if block else 1))
        return self.depth


@dataclass(frozen=True)
class Piece:
    """One block RAM of a memory: `words` words from word `start`, `width` bits from bit `low`."""

    primitive: Primitive
    start: int
    words: int
    low: int
    width: int


def row_depth(depth: int) -> int:
    """Return the words that one row of block RAMs holds; beyond 4096 a RAMB36 loses its parity."""
    if depth <= 4096:
        return depth
    for most, words in ((32768, 4096), (65536, 8192), (131072, 16384)):
        if depth <= most:
            return words
    return 32768


def native_width(depth: int) -> int:
    """Return the width of a RAMB36 that is `depth` words deep, 1 to 32768."""
    address = max(9, (depth - 1).bit_length())
    return (32768 if address > 12 else 36864) >> address


def cut(width: int, depth: int) -> tuple[Piece, ...]:
    """Return the block RAMs of a memory, row by row, low bits first."""
    row = row_depth(depth)
    native = native_width(row)
    pieces = []
    for start in range(0, depth, row):
        for low in range(0, width, native):
            bits = min(native, width - low)
            primitive = Primitive.RAMB18 if bits <= native // 2 else Primitive.RAMB36
            pieces.append(Piece(primitive, start, min(row, depth - start), low, bits))
    return tuple(pieces)


def halves(width: int, depth: int) -> int:
    """Return the block RAMs of a memory in RAMB18: what `cut` has, counted."""
    row = row_depth(depth)
    native = native_width(row)
    whole, rest = divmod(width, native)
    return -(-depth // row) * (2 * whole + (rest > 0) + (rest > native // 2))


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
    """A memory and where it went."""

    memory: Memory
    block: bool
    family: str

    @property
    def estimate(self) -> Estimate:
        """The resources of all copies."""
        memory = self.memory
        words = memory.words(self.block)
        if self.block:
            return Estimate(bram36=halves(memory.width, words) / 2 * memory.copies)
        if memory.kind.rom:
            return Estimate(lut=rom_luts(memory.width, words, memory.split)) * memory.copies
        return ram_luts(memory.width, words, self.family) * memory.copies

    def rows(self) -> list[dict[str, int | str]]:
        """Return the rows of `budget` for this memory, one for each primitive and shape."""
        memory = self.memory
        words = memory.words(self.block)
        base = {"layer": memory.layer, "kind": str(memory.kind)}
        if not self.block:
            primitive = Primitive.LUTROM if memory.kind.rom else Primitive.LUTRAM
            estimate = self.estimate
            return [
                base
                | {
                    "bits": memory.bits * memory.copies,
                    "width": memory.width,
                    "depth": memory.depth,
                    "primitive": str(primitive),
                    "count": estimate.lut if memory.kind.rom else estimate.lutram,
                }
            ]
        groups: dict[tuple[Primitive, int], list[Piece]] = {}
        for piece in cut(memory.width, words):
            groups.setdefault((piece.primitive, piece.words), []).append(piece)
        padded = memory.width * words
        rows, left = [], memory.bits
        for (primitive, depth), pieces in groups.items():
            stored = sum(piece.width for piece in pieces) * depth
            share = left if len(rows) == len(groups) - 1 else memory.bits * stored // padded
            left -= share
            starts = len({piece.start for piece in pieces})
            rows.append(
                base
                | {
                    "bits": share * memory.copies,
                    "width": sum(piece.width for piece in pieces) // starts,
                    "depth": depth,
                    "primitive": str(primitive),
                    "count": len(pieces) * memory.copies,
                }
            )
        return rows


def place(
    memories: Sequence[Memory], board: Board, weights: Mapping[str, bool] | None = None
) -> tuple[Placed, ...]:
    """Decide between block RAM and LUTs for each memory, in the order given.

    `weights` says for layers whether theirs are in block RAM: the folding counts on it.

    A memory goes to LUTs where they are cheap for the block RAM saved; where the board's block RAM
    does not suffice, the next cheapest follow as long as memories leave half of the LUTs, and
    where LUTs do not suffice, the dearest go to block RAM. What still does not fit is the caller's
    to refuse.
    """
    luts = [Placed(memory, False, board.family) for memory in memories]
    blocks = [Placed(memory, True, board.family) for memory in memories]
    price = [
        math.inf if memory.lut_only else _luts(lut.estimate) / (2 * block.estimate.bram36)
        for memory, lut, block in zip(memories, luts, blocks, strict=True)
    ]
    fixed = [
        (weights or {}).get(memory.layer) if memory.kind is Kind.WEIGHTS else None
        for memory in memories
    ]
    in_block = [
        (not memory.lut_only and cost > LUTS_PER_RAMB18) if wish is None else wish
        for memory, cost, wish in zip(memories, price, fixed, strict=True)
    ]
    order = sorted(
        (i for i, m in enumerate(memories) if not m.lut_only and fixed[i] is None),
        key=price.__getitem__,
    )
    total = sum(
        (blocks[i].estimate if b else luts[i].estimate for i, b in enumerate(in_block)), Estimate()
    )
    for i in order:  # cheapest first, out of block RAM
        wider = total + blocks[i].estimate * -1 + luts[i].estimate
        if total.bram36 > board.bram36 and in_block[i] and _in_luts(wider, board):
            in_block[i], total = False, wider
    for i in reversed(order):  # dearest first, out of LUTs
        other = total + luts[i].estimate * -1 + blocks[i].estimate
        if not _in_luts(total, board) and not in_block[i] and other.bram36 <= board.bram36:
            in_block[i], total = True, other
    return tuple(blocks[i] if b else luts[i] for i, b in enumerate(in_block))


def total(placed: Iterable[Placed]) -> Estimate:
    """Return the resources of all memories together."""
    return sum((each.estimate for each in placed), Estimate())


def rom_files(path: str, text: str, width: int, block: bool) -> dict[str, str]:
    """Return the files that a zf_rom reads: `text`, one hexadecimal word a line, cut to its pieces.

    Parameters
    ----------
    path : str
        The module's InitFile.
    text : str
        All words, in order.
    width : int
        Bits of a word.
    block : bool
        Whether the ROM is in block RAM.

    """
    if not block:
        return {path: text}
    words = [int(line, 16) for line in text.split()]
    pieces = cut(width, len(words))
    if len(pieces) == 1:
        return {path: text}
    files = {}
    for number, piece in enumerate(pieces):
        mask, digits = (1 << piece.width) - 1, -(-piece.width // 4)
        part = words[piece.start : piece.start + piece.words]
        lines = (f"{word >> piece.low & mask:0{digits}x}" for word in part)
        files[f"{path}.{number:03d}"] = "\n".join(lines) + "\n"
    return files


def _luts(estimate: Estimate) -> int:
    return estimate.lut + estimate.lutram


def _in_luts(estimate: Estimate, board: Board) -> bool:
    return _luts(estimate) <= LUT_SHARE * board.lut and estimate.lutram <= board.slicem_lut
