"""zf_axis_in: the low bits of each byte."""

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

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


@cocotb.test()
async def nothing_is_taken_in_reset(dut):
    """Offer the first word throughout the reset: it comes out once."""
    Clock(dut.clk_i, 10, "ns").start()
    dut.rst_i.value = 1
    dut.s_tvalid_i.value = 1
    dut.s_tdata_i.value = 1
    dut.s_tlast_i.value = 0
    dut.m_tready_i.value = 1
    for _ in range(5):
        await FallingEdge(dut.clk_i)
        assert not dut.s_tready_o.value
    dut.rst_i.value = 0
    await Timer(1, "ns")
    assert dut.s_tready_o.value
    await FallingEdge(dut.clk_i)
    dut.s_tvalid_i.value = 0
    assert dut.m_tvalid_o.value
    assert int(dut.m_tdata_o.value) == 1
    await FallingEdge(dut.clk_i)
    assert not dut.m_tvalid_o.value


@pytest.mark.parametrize(("lanes", "bits"), [(3, 8), (1, 5), (4, 1)])
def test_zf_axis_in(lanes, bits):
    """Run both."""
    built = simulator.build(
        "zf_axis_in", simulator.library("zf_axis_in"), {"Lanes": lanes, "Bits": bits}
    )
    simulator.run(built, "zynqfire.rtl_tb.test_zf_axis_in")
