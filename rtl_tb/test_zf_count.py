"""zf_count: counts modulo anything, flags the last value."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

CASES = {
    f"count{n}": Case(
        {"Count": n}, {"step_i": 1, "value_o": max(1, (n - 1).bit_length()), "last_o": 1}
    )
    for n in (1, 2, 3, 4, 5, 7, 8, 9)
}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Value and flag on every cycle, under random steps and resets."""
    part, count = Part(dut, name), CASES[name].parameters["Count"]
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, step_i=1)
    await RisingEdge(part.clk_i)
    value, seen = 0, set()
    for _ in range(60 * count):
        reset, step = random.random() < 0.02, random.random() < 0.7
        part.drive(rst_i=reset, step_i=step)
        await RisingEdge(part.clk_i)
        assert part.read("value_o", "last_o") == [value, value == count - 1]
        seen.add(value)
        value = 0 if reset else (value + step) % count
    assert len(seen) == count


def test_zf_count(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_count", CASES, tmp_path)
