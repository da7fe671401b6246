"""zf_sum: what is left of the operands adds up to all of them, a cycle a level."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part


def _levels(count: int, leave: int) -> int:
    levels = 0
    while count > leave:
        count, levels = -(-count // 3), levels + 1
    return levels


def _case(bits: int, count: int, leave: int, primitives: int) -> Case:
    levels = _levels(count, leave)
    parameters = {"Bits": bits, "Count": count, "Leave": leave, "Primitives": primitives}
    ports = {"operands_i": count * bits, "sums_o": leave * (bits + 2 * levels)}
    return Case(parameters | {"Levels": levels}, ports, reset=False)


SHAPES = ((6, 1, 1), (6, 1, 2), (5, 2, 2), (4, 2, 1), (4, 3, 1), (7, 3, 2), (3, 4, 1), (6, 5, 2))
SHAPES += ((2, 7, 2), (5, 9, 1), (6, 10, 1), (4, 18, 2), (3, 19, 2), (6, 28, 1))
CASES = {
    f"b{bits}n{count}l{leave}p{primitives}": _case(bits, count, leave, primitives)
    for bits, count, leave in SHAPES
    for primitives in (0, 1, 2)
}
QUICK = ("b4n3l1p1", "b6n5l2p0", "b3n19l2p1")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Take a set of operands every cycle: random, all largest, one of them."""
    part, (bits, count, leave, _, levels) = Part(dut, name), CASES[name].parameters.values()
    Clock(part.clk_i, 4, "ns").start()
    await RisingEdge(part.clk_i)
    most = (1 << bits) - 1
    sets = [[most] * count, [0] * count]
    sets += [[most * (k == n) for k in range(count)] for n in range(count)]
    sets += [[random.randint(0, most) for _ in range(count)] for _ in range(200)]
    due = deque([None] * levels)
    for operands in sets + [[0] * count] * levels:
        part.drive(operands_i=reference.pack(operands, bits))
        due.append(sum(operands))
        await RisingEdge(part.clk_i)
        (sums,), total = part.read("sums_o"), due.popleft()
        if total is not None:
            assert sum(reference.unpack(sums, bits + 2 * levels, False, leave)) == total


def test_zf_sum(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_sum", CASES, tmp_path)
