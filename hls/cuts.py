"""How a memory is cut into block RAMs and LUTs.

A memory of `depth` words of `width` bits is cut into rows of words, and each row into block RAMs
for its low bits and LUTs for the others: a depth of 2,330 as 2,048 words in block RAM and 282 in
LUTs, a width of 258 as 252 bits in 512 x 36 RAMB18s and 6 bits in LUTs. `rtl/zf_block.sv` is the
same cut by hand: each of its pieces can only be inferred as the primitive that is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

RAMB18_BITS = 18 * 1024
RAMB36_BITS = 36 * 1024
URAM_BITS = 288 * 1024
URAM_WIDTH, URAM_DEPTH = 72, 4096
LUT_BITS = 64

# Words of half a RAMB18 with two ports, and the most bits of them
HALVES = {512: 18, 1024: 9, 2048: 4}
DEPTHS = (32768, 16384, 8192, 4096, 2048, 1024, 512)  # of a RAMB36, by its width
PIECES = 999  # of a cut: zf_block numbers their files with three digits
ROWS = 8  # of a cut: the fields of zf_block's Cut
_FIELD = 64  # bits of a row in Cut: words, log2 of the depth, bits in block RAM
_WORDS, _DEEP = 24, 8


class Primitive(StrEnum):
    """What memory is made of; LUTROM and LUTRAM are single LUTs."""

    RAMB18 = "RAMB18"
    RAMB36 = "RAMB36"
    URAM288 = "URAM288"
    LUTROM = "LUTROM"
    LUTRAM = "LUTRAM"


@dataclass(frozen=True)
class Row:
    """Words next to each other: the low `block` bits in block RAM `deep` words deep, 0 for none."""

    words: int
    deep: int
    block: int


Cut = tuple[Row, ...]  # no row: all in LUTs, by the module's own form


@dataclass(frozen=True)
class Piece:
    """A rectangle of a memory: `words` words from word `start`, `width` bits from bit `low`.

    `primitive` is RAMB18 or RAMB36, one of them, or None for LUTs.
    """

    primitive: Primitive | None
    start: int
    words: int
    low: int
    width: int
    deep: int = 0


def native(deep: int) -> int:
    """Return the width of a RAMB36 `deep` words deep; beyond 4096 it loses its parity."""
    return (32768 if deep > 4096 else 36864) // deep


def halves(bits: int, deep: int) -> int:
    """Return the block RAMs, in RAMB18, for `bits` bits of words `deep` deep."""
    whole, rest = divmod(bits, native(deep))
    return 2 * whole + (rest > 0) + (rest > native(deep) // 2)


def pieces(cut: Cut, width: int) -> tuple[Piece, ...]:
    """Return the pieces of a memory, row by row, low bits first, as zf_block numbers its files."""
    found, start = [], 0
    for row in cut:
        if row.deep:
            column = native(row.deep)
            for low in range(0, row.block, column):
                bits = min(column, row.block - low)
                primitive = Primitive.RAMB18 if bits <= column // 2 else Primitive.RAMB36
                found.append(Piece(primitive, start, row.words, low, bits, row.deep))
        if row.block < width:
            found.append(Piece(None, start, row.words, row.block, width - row.block))
        start += row.words
    return tuple(found)


def row_luts(rows: int) -> int:
    """Return the LUTs a bit that choose among the rows of a cut: one for four."""
    return -(-max(0, rows - 1) // 3)


def half_words(words: int) -> int:
    """Return how many words half of a shared RAMB18 has for a memory of `words`; 0: too many."""
    return next((most for most in HALVES if words <= most), 0)


def encode(cut: Cut) -> int:
    """Return the parameter Cut of zf_block; 0 for LUTs."""
    value = 0
    for index, row in enumerate(cut):
        deep = row.deep.bit_length() - 1 if row.deep else 0
        field = row.words | deep << _WORDS | row.block << _WORDS + _DEEP
        value |= field << _FIELD * index
    return value


def whole(width: int, depth: int) -> Cut:
    """Return the plainest cut: block RAM only, rows as deep as they can be without loss."""
    deep = next(d for d in (*reversed(DEPTHS[3:]), 0) if depth <= d or not d)
    if deep:
        return (Row(depth, deep, width),)
    deep = next(d for d in reversed(DEPTHS) if depth <= ROWS * d)
    full, rest = divmod(depth, deep)
    return (Row(deep, deep, width),) * full + ((Row(rest, deep, width),) if rest else ())


@cache
def splits(depth: int) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Return the ways to cut a depth into rows of (words, depth of the block RAMs; 0 for LUTs).

    Each row but the last is as many words as its block RAMs are deep, and none is deeper than the
    one before: the low bits of an address are the address within a row.
    """
    found = (split for split in _splits(depth, DEPTHS[0], ROWS) if any(deep for _, deep in split))
    return tuple(dict.fromkeys(found))


def _splits(depth: int, most: int, rows: int) -> Iterator[tuple[tuple[int, int], ...]]:
    if rows == 0:
        return
    yield ((depth, 0),)
    fit = [deep for deep in DEPTHS if depth <= deep <= most]
    if fit:
        yield ((depth, fit[-1]),)
    for deep in DEPTHS:
        if deep > min(most, depth):
            continue
        full, rest = divmod(depth, deep)
        if not rest:
            if full <= rows:
                yield ((deep, deep),) * full
        elif full < rows:
            for tail in _splits(rest, deep, rows - full):
                yield ((deep, deep),) * full + tail


def fronts(
    width: int, depth: int, luts: Callable[[int, int], int]
) -> tuple[tuple[Cut, int, int], ...]:
    """Return the cuts of a memory that no other one beats in block RAM and LUTs.

    Parameters
    ----------
    width, depth : int
        Of the memory.
    luts : callable
        From bits and words of a table to its LUTs.

    Returns
    -------
    tuple of (Cut, int, int)
        With the block RAMs in RAMB18 and the LUTs, fewest block RAMs first.

    """
    best: dict[int, tuple[int, Cut]] = {}
    for split in splits(depth):
        for cut, blocks, need in _columns(split, width, luts):
            need += width * row_luts(len(cut))
            if blocks not in best or need < best[blocks][0]:
                best[blocks] = need, cut
    kept: list[tuple[Cut, int, int]] = []
    for blocks in sorted(best):
        need, cut = best[blocks]
        if blocks // 2 > PIECES - ROWS and len(pieces(cut, width)) > PIECES:
            continue
        if not kept or need < kept[-1][2]:
            kept.append((cut, blocks, need))
    return tuple(kept)


def _columns(split, width, luts) -> Iterator[tuple[Cut, int, int]]:
    """Return how the rows of a split may be shared between block RAM and LUTs."""
    partial: dict[int, tuple[int, Cut]] = {0: (0, ())}
    index = 0
    while index < len(split):
        words, deep = split[index]
        copies = split.count((words, deep))  # neighbours, cut alike
        options = []
        if not deep:
            options.append((Row(words, 0, 0), 0, luts(width, words)))
        else:
            column = native(deep)
            for bits in {width, width - width % column, width - width % max(1, column // 2)}:
                if bits:
                    left = luts(width - bits, words) if bits < width else 0
                    options.append((Row(words, deep, bits), halves(bits, deep), left))
        after: dict[int, tuple[int, Cut]] = {}
        for blocks, (need, cut) in partial.items():
            for row, more, left in options:
                key, cost = blocks + copies * more, need + copies * left
                if key not in after or cost < after[key][0]:
                    after[key] = cost, cut + (row,) * copies
        partial = after
        index += copies
    for blocks, (need, cut) in partial.items():
        yield cut, blocks, need
