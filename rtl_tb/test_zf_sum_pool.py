"""zf_sum_pool: exact sums, frame after frame, at a word a cycle."""

import cocotb
import numpy as np
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import check_stream_unit, pack, unpack


@cocotb.test()
async def exact(dut):
    """Sum random frames, and frames of the largest and of the smallest code."""
    case = simulator.config()
    bits, signed, out_bits = case["InBits"], case["Signed"], case["OutBits"]
    lanes, channels, positions = case["Lanes"], case["Channels"], case["Positions"]
    lo, hi = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)

    def frame(rng):
        kind = rng.choice(["random", "random", lo, hi])
        codes = [
            rng.randint(lo, hi) if kind == "random" else kind for _ in range(positions * channels)
        ]
        return [[pack(codes[i : i + lanes], bits) for i in range(0, len(codes), lanes)]]

    def model(words):
        codes = [unpack(word, lanes, bits, signed) for word in words[0]]
        sums = np.array(codes).reshape(positions, channels).sum(axis=0).reshape(-1, lanes)
        return [[pack(map(int, group), out_bits) for group in sums]]

    frames, groups = 5, channels // lanes
    timing = await check_stream_unit(dut, frame, model, frames=frames)
    ends = [(f + 1) * positions * groups - groups for f in range(frames)]
    assert timing.taken[0] == list(range(frames * positions * groups))
    assert timing.emitted[0] == [end + g + 1 for end in ends for g in range(groups)]


@pytest.mark.parametrize(
    ("bits", "signed", "out_bits", "lanes", "channels", "positions"),
    [
        (8, 0, 12, 1, 6, 16),
        (8, 1, 12, 2, 6, 9),
        (5, 1, 9, 6, 6, 16),  # a single group
        (4, 0, 7, 3, 6, 5),
        (12, 1, 12, 2, 8, 1),  # a single position
        (20, 1, 26, 1, 1, 64),
    ],
)
def test_zf_sum_pool(bits, signed, out_bits, lanes, channels, positions):
    """Run `exact`."""
    parameters = {"InBits": bits, "Signed": signed, "OutBits": out_bits, "Lanes": lanes}
    parameters |= {"Channels": channels, "Positions": positions}
    built = simulator.build("zf_sum_pool", simulator.library("zf_sum_pool"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_sum_pool")
