"""Codes to and from the bits of a stream."""

import numpy as np
import pytest

from zynqfire.rtl_tb.vectors import pack, unpack


def words(codes, lanes, bits):
    """Return the recording of a stream, from Python integers."""
    raw = b""
    for beat in codes.reshape(-1, lanes):
        value = sum(
            (int(code) & ((1 << bits) - 1)) << (bits * lane) for lane, code in enumerate(beat)
        )
        raw += value.to_bytes(-(-lanes * bits // 32) * 4, "little")
    return raw


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("lanes", "bits"), [(1, 1), (3, 4), (8, 4), (7, 5), (2, 32), (1, 63), (9, 17)]
)
def test_unpack(lanes, bits, signed):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    codes = np.random.default_rng(1).integers(low, high, 12 * lanes, endpoint=True)
    codes[:2] = (low, high) if lanes * 12 > 1 else codes[:2]
    np.testing.assert_array_equal(unpack(words(codes, lanes, bits), lanes, bits, signed), codes)


def test_unpack_ignores_a_beat_cut_short():
    raw = words(np.arange(4), 2, 20)
    np.testing.assert_array_equal(unpack(raw[:-3], 2, 20, False), [0, 1])


def test_pack():
    codes = np.array([[1, 2, 3, -4]])
    assert pack(codes, 2) == bytes([2, 1, 252, 3])
    assert pack(codes, 1) == bytes([1, 2, 3, 252])
