"""zf_stream_reg: words unchanged, a word a cycle, every output registered."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import check_stream_unit


@cocotb.test()
async def exact(dut):
    """Words leave as they came, one cycle later."""
    width = simulator.config()["Width"]
    timing = await check_stream_unit(
        dut, lambda rng: [[rng.getrandbits(width) for _ in range(20)]], lambda words: words
    )
    assert timing.taken[0] == list(range(80))
    assert timing.emitted[0] == list(range(1, 81))


@pytest.mark.parametrize("width", [1, 8, 70])
def test_zf_stream_reg(width):
    """Run `exact`."""
    built = simulator.build("zf_stream_reg", simulator.library("zf_stream_reg"), {"Width": width})
    simulator.run(built, "zynqfire.rtl_tb.test_zf_stream_reg")
