"""zf_fifo: order kept under any stalls, exactly Depth words held, a word every clock."""

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.memory import Kind, Memory
from zynqfire.rtl_tb import pieces, simulator
from zynqfire.rtl_tb.stream import check_stream_unit


@cocotb.test()
async def exact(dut):
    """Keep every word and the order; take the exact cycles without stalls."""
    case = simulator.config()
    length = 2 * case["Depth"] + 3

    def frame(rng):
        return [[rng.getrandbits(case["Width"]) for _ in range(length)]]

    timing = await check_stream_unit(dut, frame, lambda words: words)
    latency = 3 if case["block"] else 2
    assert timing.taken[0] == list(range(len(timing.taken[0])))
    assert timing.emitted[0] == [t + latency for t in timing.taken[0]]


@cocotb.test()
async def holds(dut):
    """Take exactly Depth words while none leaves, again and again."""
    case = simulator.config()
    least = 4 if case["block"] else 3
    Clock(dut.clk_i, 4, "ns").start()
    dut.rst_i.value, dut.s_tvalid_i.value, dut.m_tready_i.value = 1, 0, 0
    for _ in range(2):
        await RisingEdge(dut.clk_i)
    dut.rst_i.value, dut.s_tvalid_i.value = 0, 1
    for _ in range(3):
        held = 0
        for _ in range(2 * case["Depth"] + 8):
            await RisingEdge(dut.clk_i)
            held += int(dut.s_tready_o.value)
        assert held == max(case["Depth"], least)
        dut.s_tvalid_i.value, dut.m_tready_i.value = 0, 1
        left = 0
        for _ in range(held + 8):
            await RisingEdge(dut.clk_i)
            left += int(dut.m_tvalid_o.value) and int(dut.m_tready_i.value)
        assert left == held
        dut.s_tvalid_i.value, dut.m_tready_i.value = 1, 0


@pytest.mark.parametrize(
    ("width", "depth", "block"),
    [(1, 2, 0), (5, 3, 0), (8, 16, 0), (7, 70, 0), (6, 2, 1), (40, 5, 1), (76, 66, 1)],
)
def test_zf_fifo(width, depth, block):
    """Run `exact` and `holds`."""
    words = Memory("", Kind.FIFO, width, depth, 0).words(bool(block))
    parameters = {"Width": width, "Depth": depth, "Cut": pieces.plain(width, words, block)}
    built = simulator.build("zf_fifo", simulator.library("zf_fifo"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_fifo", config={"block": block})


def test_a_depth_of_one_is_fatal():
    """The elaboration check prints the rule and the values."""
    built = simulator.build("zf_fifo", simulator.library("zf_fifo"), {"Depth": 1})
    with pytest.raises(simulator.SimulationError, match=r"Depth >= 2 wanted, not 8, 1"):
        simulator.run(built, "zynqfire.rtl_tb.test_zf_fifo")
