"""Memory contents as text: hexadecimal words, one a line, lane 0 lowest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def hex_lines(words: np.ndarray, bits: int) -> str:
    """Return (depth, lanes) codes as hexadecimal words of `bits` a lane, lane 0 lowest."""
    lanes = words.shape[1]
    digits = -(-lanes * bits // 4)
    unsigned = (words.astype(np.int64) & ((1 << bits) - 1)).astype(np.uint64)
    planes = (unsigned[:, :, None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    packed = np.packbits(planes.reshape(len(words), -1).astype(np.uint8), axis=1, bitorder="little")
    lines = (row[::-1].tobytes().hex()[-digits:] for row in packed)
    return "\n".join(lines) + "\n"


def hex_groups(fields: Iterable[tuple[np.ndarray, int]], groups: int, lanes: int) -> str:
    """Return one word a channel group of per-channel fields, the first field lowest in a lane."""
    word, width_ = 0, 0
    columns = []
    for values, bits in fields:
        columns.append((values.astype(object) & ((1 << bits) - 1), width_))
        width_ += bits
    total = sum(column * (1 << shift) for column, shift in columns)
    digits = -(-lanes * width_ // 4)
    out = []
    for group in total.reshape(groups, lanes):
        word = sum(int(value) << (width_ * lane) for lane, value in enumerate(group))
        out.append(f"{word:0{digits}x}")
    return "\n".join(out) + "\n"
