"""Memories without contents of their own: what a host writes to load them.

UltraRAM has no contents after configuration. `writes` gives the 32-bit pieces that `zf_uram` takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .cuts import URAM_WIDTH

COLUMN = URAM_WIDTH  # bits of a word that one UltraRAM holds
PIECE = 32  # bits of a write


@dataclass(frozen=True)
class Outside:
    """The low bits of an instance's weight words that lie in UltraRAM.

    Attributes
    ----------
    instance : str
        Whose weights; a zf_conv.
    bits : int
        How many bits of each word, from bit 0.
    depth : int
        Words.
    file : str
        Where in the build folder the pieces to load are: a hexadecimal word of 32 bits a line.
    """

    instance: str
    bits: int
    depth: int
    file: str

    @property
    def pieces(self) -> int:
        """Writes that load it."""
        return self.depth * sum(pieces(self.bits))


def pieces(width: int) -> tuple[int, ...]:
    """Return the writes of each column of a word."""
    return tuple(-(-min(COLUMN, width - low) // PIECE) for low in range(0, width, COLUMN))


def writes(words: Sequence[int], width: int) -> list[int]:
    """Return the 32-bit writes that load a memory of these words, in their order.

    Word by word, a word's columns of 72 bits from the low bits, a column's pieces from the low
    bits; what is above the column's bits in its last piece is 0.
    """
    size, parts = -(-width // 8), []
    data = b"".join(word.to_bytes(size, "little") for word in words)
    rows = np.frombuffer(data, np.uint8).reshape(len(words), size)
    bits = np.unpackbits(rows, axis=1, bitorder="little", count=width)
    for low in range(0, width, COLUMN):
        column = bits[:, low : min(low + COLUMN, width)]
        spare = -column.shape[1] % PIECE
        parts.append(np.pad(column, ((0, 0), (0, spare))))
    packed = np.packbits(np.concatenate(parts, axis=1), axis=1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u4").ravel().tolist()


def lines(values: Sequence[int]) -> str:
    """Return writes as text, one a line."""
    return "".join(f"{value:08x}\n" for value in values)
