"""zf_count: counts modulo anything, flags the last value."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _case(count: int, start: int) -> Case:
    ports = {"step_i": 1, "value_o": max(1, (count - 1).bit_length()), "last_o": 1}
    return Case({"Count": count, "Start": start}, ports)


SIZES = ((1, 0), (2, 0), (2, 1), (3, 1), (4, 0), (5, 4), (7, 0), (8, 7), (9, 1), (16, 5), (33, 32))
CASES = {f"count{count}_{start}": _case(count, start) for count, start in SIZES}
QUICK = ("count1_0", "count4_0", "count5_4")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Value and flag on every cycle, under random steps and resets."""
    part, (count, start) = Part(dut, name), CASES[name].parameters.values()
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, step_i=1)
    await RisingEdge(part.clk_i)
    value, seen = start, set()
    for _ in range(60 * count):
        reset, step = random.random() < 0.02, random.random() < 0.7
        part.drive(rst_i=reset, step_i=step)
        await RisingEdge(part.clk_i)
        assert part.read("value_o", "last_o") == [value, value == count - 1]
        seen.add(value)
        value = start if reset else (value + step) % count
    assert len(seen) == count


def test_zf_count(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_count", CASES, tmp_path)
