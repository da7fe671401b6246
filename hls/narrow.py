"""Weights and biases from values to codes: narrow again where hls4ml needed them wide.

`zynqfire.hls.layout` writes per-channel scales as one scale with wider weights, whose trailing
zeros show the channel's own. Each channel is shifted back just as far as the widest one needs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .. import Refusal

MAX_BITS = 8


@dataclass(frozen=True, eq=False)
class Weights:
    """Codes (M, KH, KW, C) of `bits` bits, value = code * 2**-frac."""

    codes: np.ndarray
    bits: int
    frac: int


def weights(layer: str, values: np.ndarray, bits: int, frac: int, lo: int, hi: int) -> Weights:
    """Return the codes of weights; all must lie on the grid of their type."""
    return Weights(codes(layer, "weights", values, frac, lo, hi), bits, frac)


def codes(layer: str, what: str, values: np.ndarray, frac: int, lo: int, hi: int) -> np.ndarray:
    """Return parameters as codes from `lo` to `hi` with `frac` fraction bits."""
    found = _codes(values, frac)
    if found is None or found.min() < lo or found.max() > hi:
        raise Refusal(
            f"layer {layer}: {what} must be multiples of 2^{-frac} from {lo} to {hi} times that, "
            f"not such as {_odd_one(values, frac, lo, hi):g}"
        )
    return found


def bias(layer: str, values: np.ndarray, frac: int) -> np.ndarray:
    """Return biases as codes with `frac` fraction bits, the accumulator's grid."""
    codes = _codes(values, frac)
    if codes is None:
        wrong = _odd_one(values, frac, -(1 << 62), 1 << 62)
        raise Refusal(
            f"layer {layer}: the bias must lie on the accumulator's grid of 2^{-frac}, but "
            f"{wrong:g} does not; quantize it with Brevitas' Int32Bias"
        )
    return codes


def missing(values: np.ndarray, frac: int, most: int) -> int:
    """Return the bits by which a grid of `frac` is too coarse for biases, 0 if by over `most`."""
    finer = (bits for bits in range(most + 1) if _codes(values, frac + bits) is not None)
    return next(finer, 0)


def aligned(wide: Weights, biases: np.ndarray) -> tuple[Weights, np.ndarray, tuple[int, ...]]:
    """Return weights and biases with each channel's common trailing zeros moved to its shift.

    Weights of up to 8 bits stay as they are. The shifts are the third result, empty where zero.
    """
    if wide.bits <= MAX_BITS:
        return wide, biases, ()
    rows = wide.codes.reshape(len(wide.codes), -1)
    free = np.asarray([_trailing_zeros([*row, b]) for row, b in zip(rows, biases, strict=True)])
    width = max(bits(row >> zeros) for row, zeros in zip(rows, free, strict=True))
    shifts = np.asarray(
        [
            next(s for s in range(zeros + 1) if bits(row >> s) <= width)
            for row, zeros in zip(rows, free, strict=True)
        ]
    )
    codes = wide.codes >> shifts.reshape(-1, 1, 1, 1)
    align = tuple(int(shift) for shift in shifts) if shifts.any() else ()
    return replace(wide, codes=codes, bits=width), biases >> shifts, align


def bits(codes: np.ndarray) -> int:
    """Return the width of weights, 2 at least, that holds signed `codes`."""
    lowest, highest = int(codes.min()), int(codes.max())
    return max(highest.bit_length(), (~lowest).bit_length() if lowest < 0 else 0, 1) + 1


def _codes(values: np.ndarray, frac: int) -> np.ndarray | None:
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), frac)
    if not np.all(np.isfinite(scaled)) or np.abs(scaled).max(initial=0) >= 2.0**62:
        return None
    codes = scaled.astype(np.int64)
    return codes if np.array_equal(codes, scaled) else None


def _odd_one(values: np.ndarray, frac: int, lo: int, hi: int) -> float:
    scaled = np.ldexp(np.asarray(values, dtype=np.float64).ravel(), frac)
    bad = (scaled != np.rint(scaled)) | (scaled < lo) | (scaled > hi)
    return float(values.ravel()[np.flatnonzero(bad)[0]])


def _trailing_zeros(codes: list[int]) -> int:
    merged = int(np.bitwise_or.reduce(np.asarray(codes, dtype=np.int64)))
    return (merged & -merged).bit_length() - 1 if merged else 62
