"""Memories without contents of their own: what a host writes to load them, and how it checks that.

UltraRAM has no contents after configuration. `writes` gives the 32-bit pieces that `zf_uram` takes,
`signature` what `zf_signature` makes of the words when the layer reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cuts import URAM_WIDTH

COLUMN = URAM_WIDTH  # bits of a word that one UltraRAM holds
PIECE = 32  # bits of a write
POLY = 0x04C11DB7


@dataclass(frozen=True)
class Outside:
    """The low bits of an instance's weight words that lie in UltraRAM.

    Attributes
    ----------
    instance : str
        Whose weights; a zf_conv.
    bits : int
        How many bits of each word, from bit 0.
    width : int
        Bits of a whole word.
    depth : int
        Words.
    file : str
        Where in the build folder the pieces to load are: a hexadecimal word of 32 bits a line.
    """

    instance: str
    bits: int
    width: int
    depth: int
    file: str

    @property
    def pieces(self) -> int:
        """Writes that load it."""
        return self.depth * sum(pieces(self.bits))


def pieces(width: int) -> tuple[int, ...]:
    """Return the writes of each column of a word."""
    return tuple(-(-min(COLUMN, width - low) // PIECE) for low in range(0, width, COLUMN))


def _bits(words: Sequence[int], width: int) -> np.ndarray:
    """Return words as (words, width) bits, the lowest first."""
    size = -(-width // 8)
    data = b"".join(word.to_bytes(size, "little") for word in words)
    rows = np.frombuffer(data, np.uint8).reshape(len(words), size)
    return np.unpackbits(rows, axis=1, bitorder="little", count=width)


def writes(words: Sequence[int], width: int) -> list[int]:
    """Return the 32-bit writes that load a memory of these words, in their order.

    Word by word, a word's columns of 72 bits from the low bits, a column's pieces from the low
    bits; what is above the column's bits in its last piece is 0.
    """
    bits, parts = _bits(words, width), []
    for low in range(0, width, COLUMN):
        column = bits[:, low : min(low + COLUMN, width)]
        spare = -column.shape[1] % PIECE
        parts.append(np.pad(column, ((0, 0), (0, spare))))
    packed = np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").ravel().tolist()


def folds(width: int) -> np.ndarray:
    """Return for each bit of a word the bit of the signature that it folds to."""
    column, bit = np.divmod(np.arange(width), COLUMN)
    return (bit * (2 * (column // PIECE) + 1) + 9 * column) % PIECE


def signature(words: Sequence[int], width: int) -> int:
    """Return the signature of words read from the first to the last; `zf_signature` says how."""
    bits, place = _bits(words, width), folds(width)
    folded = np.zeros(len(words), np.uint64)
    for k in range(PIECE):
        parity = bits[:, place == k].sum(axis=1, dtype=np.uint64) & np.uint64(1)
        folded |= parity << np.uint64(k)
    state = (1 << PIECE) - 1
    for word in folded.tolist():
        state = ((state << 1) & 0xFFFFFFFF) ^ (POLY if state >> 31 else 0) ^ word
    return state


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


def lines(values: Sequence[int]) -> str:
    """Return writes as text, one a line."""
    return "".join(f"{value:08x}\n" for value in values)
