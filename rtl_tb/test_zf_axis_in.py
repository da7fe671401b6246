"""zf_axis_in: the low bits of each byte."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit, pack, unpack


@cocotb.test()
async def exact(dut):
    """Each byte's low bits, whatever is above them and whatever tlast says."""
    case = simulator.config()
    lanes, bits = case["Lanes"], case["Bits"]
    timing = await check_stream_unit(
        dut,
        lambda rng: [[rng.getrandbits(lanes * 8 + 1) for _ in range(20)]],
        lambda words: [[pack(unpack(word, lanes, 8), bits) for word in words[0]]],
        bench=Bench(dut, source_payload=("s_tdata_i", "s_tlast_i")),
    )
    assert timing.taken[0] == list(range(80))
    assert timing.emitted[0] == list(range(1, 81))


@pytest.mark.parametrize(("lanes", "bits"), [(3, 8), (1, 5), (4, 1)])
def test_zf_axis_in(lanes, bits):
    """Run `exact`."""
    built = simulator.build(
        "zf_axis_in", simulator.library("zf_axis_in"), {"Lanes": lanes, "Bits": bits}
    )
    simulator.run(built, "zynqfire.rtl_tb.test_zf_axis_in")
