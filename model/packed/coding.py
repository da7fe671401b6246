"""How the integers of a tensor are written: the smallest of raw, Huffman, and sparse with Huffman.

Sparse is Deep Compression's relative index (Han et al. 2016, section 2): only what differs from
the base, the most frequent symbol, is written, each with the number of base symbols before it.
A gap has `gap_bits` bits; where it is too long, a base symbol is written as if it differed. Values
and gaps have a Huffman code each (section 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import huffman
from .zfz import HUFFMAN, RAW, SPARSE, SPARSE_HUFFMAN

WIDEST = 8  # bits of a symbol that gets a Huffman code
GAPS = range(1, 9)


@dataclass(frozen=True)
class Coded:
    """A tensor as written: what the table says of its symbols, and their bits.

    `width` bits hold a symbol, code - `low`; `gap_bits` and `entries` are 0 unless sparse.
    """

    coding: int
    width: int
    low: int
    parameters: bytes
    stream: bytes
    gap_bits: int = 0
    entries: int = 0

    @property
    def size(self) -> int:
        """Return the bytes, code tables included."""
        return len(self.parameters) + len(self.stream)


def coded(codes: np.ndarray) -> Coded:
    """Return the integers `codes`, flat and at least one, in their smallest coding."""
    low = int(codes.min())
    width = max(1, (int(codes.max()) - low).bit_length())
    symbols = codes.astype(np.int64) - low
    found = [Coded(RAW, width, low, b"", _packed(symbols, width))]
    if width <= WIDEST:
        found += [_huffman(symbols, width, low), _sparse(symbols, width, low)]
    return min(found, key=lambda one: one.size)  # the simplest of equally small ones


def relative(places: np.ndarray, size: int, gap_bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the gaps of all entries, and which entries are `places` and not filled in.

    An entry stands `gap` symbols behind the one before it. The symbols behind the last entry are
    fewer than a gap can skip, so that a reader can tell how much a file may unpack to.
    """
    stride = 1 << gap_bits
    before = np.diff(np.append(places, size), prepend=-1) - 1  # the last one is the tail
    fillers = before // stride
    ends = np.cumsum(fillers + 1)
    gaps = np.full(int(ends[-1]), stride - 1, np.int64)
    gaps[ends - 1] = before % stride
    real = np.zeros(len(gaps), bool)
    real[ends - 1] = True
    return gaps[:-1], real[:-1]


def _packed(symbols: np.ndarray, width: int) -> bytes:
    bits = symbols[:, None] >> np.arange(width)[::-1] & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def _nibbles(lengths: np.ndarray) -> bytes:
    even = np.append(lengths, np.zeros(len(lengths) % 2, np.int64))
    return (even[::2] | even[1::2] << 4).astype(np.uint8).tobytes()


def _huffman(symbols: np.ndarray, width: int, low: int) -> Coded:
    lengths = huffman.lengths(np.bincount(symbols, minlength=1 << width))
    return Coded(HUFFMAN, width, low, _nibbles(lengths), huffman.encoded(symbols, lengths))


def _sparse(symbols: np.ndarray, width: int, low: int) -> Coded:
    counts = np.bincount(symbols, minlength=1 << width)
    base = int(np.argmax(counts))
    places = np.flatnonzero(symbols != base)

    def least(gap_bits: int) -> tuple[int, int, np.ndarray, np.ndarray]:
        gaps, _ = relative(places, len(symbols), gap_bits)
        gap_counts = np.bincount(gaps, minlength=1 << gap_bits)
        values = np.where(np.arange(1 << width) == base, len(gaps) - len(places), counts)
        lengths = huffman.lengths(values), huffman.lengths(gap_counts)
        bits = values @ lengths[0] + gap_counts @ lengths[1] + (4 << gap_bits)
        return int(bits), gap_bits, *lengths

    _, gap_bits, value_lengths, gap_lengths = min(map(least, GAPS), key=lambda one: one[:2])
    gaps, real = relative(places, len(symbols), gap_bits)
    values = np.full(len(gaps), base)
    values[real] = symbols[places]
    stream = huffman.encoded(values, value_lengths)
    numbers = SPARSE.pack(gap_bits, base, len(gaps), len(stream))
    stream += huffman.encoded(gaps, gap_lengths)
    tables = _nibbles(value_lengths) + _nibbles(gap_lengths)
    return Coded(SPARSE_HUFFMAN, width, low, numbers + tables, stream, gap_bits, len(gaps))
