"""What a requantization adds and shifts, and how wide sums and biases are."""

from __future__ import annotations

import numpy as np

from ..ir import QType, Requantize, Tensor


def conv_shifts(tensor: Tensor, requantize: Requantize | None) -> np.ndarray:
    """Return each channel's right shift, (channels,); none where accumulators leave as they are."""
    channels = tensor.shape[2]
    if requantize is None:
        return np.zeros(channels, dtype=np.int64)
    align = np.array(tensor.align or (0,) * channels, dtype=np.int64)
    return tensor.qtype.frac - requantize.output.qtype.frac - align


def rounding(shifts: np.ndarray) -> np.ndarray:
    """Return what makes each channel's shift round half up, (channels,)."""
    return np.where(shifts > 0, 1 << np.maximum(shifts - 1, 0), 0)


def sum_bits(qtype: QType, half: int) -> int:
    """Return the bits of a signed number for every code and every code plus `half`."""
    return QType.holding(min(qtype.lo, -1), qtype.hi + half, 0).bits


def signed_bits(values: np.ndarray) -> int:
    """Return the bits of a signed number for every one of `values`."""
    return max(int(values.max()).bit_length(), (-1 - int(values.min())).bit_length()) + 1
