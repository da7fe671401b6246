"""zf_ring: moves by any distance in a ring of any length."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _case(modulus, start):
    bits = max(1, (modulus - 1).bit_length())
    ports = {"step_i": 1, "move_i": bits, "back_i": bits + 1, "value_o": bits}
    return Case({"Modulus": modulus, "Start": start}, ports)


CASES = {
    f"ring{modulus}_{start}": _case(modulus, start)
    for modulus, start in ((1, 0), (2, 1), (3, 2), (4, 0), (5, 3), (8, 7), (37, 20))
}
QUICK = ("ring1_0", "ring4_0", "ring5_3")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Position on every cycle, under random moves, pauses and resets."""
    part, (modulus, start) = Part(dut, name), CASES[name].parameters.values()
    back_mask = (1 << len(part.back_i)) - 1
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, step_i=1, move_i=0, back_i=-modulus & back_mask)
    await RisingEdge(part.clk_i)
    value, seen = start, set()
    for _ in range(30 * modulus * modulus if modulus < 10 else 5000):
        reset, step = random.random() < 0.02, random.random() < 0.7
        move = random.randrange(modulus)
        part.drive(rst_i=reset, step_i=step, move_i=move, back_i=(move - modulus) & back_mask)
        await RisingEdge(part.clk_i)
        assert part.read("value_o") == [value]
        seen.add((value, move))
        value = start if reset else (value + step * move) % modulus
    assert len(seen) > 0.9 * modulus * modulus


def test_zf_ring(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_ring", CASES, tmp_path)
