"""What the compute units must give, in plain Python and numpy, written for comparison only."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..hls.fold import Fold
from ..hls.passes.geometry import Window


def few(weights: np.ndarray, most: int) -> np.ndarray:
    """Return weights of at most `most` values, the nearest of those that were drawn."""
    drawn = np.unique(weights)
    values = np.random.default_rng(most).permutation(drawn)[:most]
    return values[np.abs(weights[..., None] - values).argmin(-1)]


def round_half_even(value: int, shift: int) -> int:
    """Return ``value * 2**-shift`` rounded to the nearest integer, ties to the even one."""
    if shift <= 0:
        return value << -shift
    floor, rest = value >> shift, value & ((1 << shift) - 1)
    half = 1 << (shift - 1)
    return floor + (rest > half or (rest == half and floor % 2))


def requantize(value: int, shift: int, lo: int, hi: int) -> int:
    """Return the code of an accumulator."""
    return min(max(round_half_even(int(value), int(shift)), lo), hi)


def pack(lanes: Iterable[int], bits: int) -> int:
    """Return codes as one word, the first in the low bits."""
    word = 0
    for index, lane in enumerate(lanes):
        word |= (int(lane) & ((1 << bits) - 1)) << (index * bits)
    return word


def unpack(word: int, bits: int, signed: bool, lanes: int) -> list[int]:
    """Return the codes of a word, the one in the low bits first."""
    codes = [(word >> (bits * lane)) & ((1 << bits) - 1) for lane in range(lanes)]
    return [code - (1 << bits) if signed and code >> (bits - 1) else code for code in codes]


def beats(codes: np.ndarray, lanes: int, bits: int) -> list[int]:
    """Return a map (H, W, C) as the words of a stream of `lanes` channels a beat."""
    return [pack(beat, bits) for beat in codes.reshape(-1, lanes).tolist()]


def windows(codes: np.ndarray, geometry: Window) -> np.ndarray:
    """Return every output pixel's window of a map (H, W, C): (OH * OW, KH, KW, C)."""
    g = geometry
    result = np.zeros((g.out_h, g.out_w, g.kernel_h, g.kernel_w, codes.shape[2]), codes.dtype)
    for y, x, ky, kx in np.ndindex(*result.shape[:4]):
        row, column = y * g.stride_h - g.pad_top + ky, x * g.stride_w - g.pad_left + kx
        if 0 <= row < g.in_h and 0 <= column < g.in_w:
            result[y, x, ky, kx] = codes[row, column]
    return result.reshape(-1, *result.shape[2:])


def window_words(window: np.ndarray, fold: Fold) -> list[list[int]]:
    """Return one window (KH, KW, C) as the words of a product, in the order of `hls.ir`."""
    kh, kw, channels = window.shape
    if fold.taps == 1:
        steps = [[(ky, kx)] for ky in range(kh) for kx in range(kw)]
    elif fold.taps == kh:
        steps = [[(ky, kx) for ky in range(kh)] for kx in range(kw)]
    else:
        steps = [[(ky, kx) for ky in range(kh) for kx in range(kw)]]
    return [
        [int(window[tap][c]) for tap in taps for c in range(first, first + fold.lanes)]
        for taps in steps
        for first in range(0, channels, fold.lanes)
    ]


def convolve(codes: np.ndarray, geometry: Window, weights: np.ndarray, bias: np.ndarray):
    """Return the accumulators (OH * OW, M) of a map (H, W, C)."""
    return np.einsum("pijc,mijc->pm", windows(codes, geometry), weights) + bias
