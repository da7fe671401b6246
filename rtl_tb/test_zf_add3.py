"""zf_add3: every sum of narrow operands, random and extreme ones of wide ones, in every form."""

import itertools
import random

import cocotb
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _case(bits: int, x_bits: int, primitives: int) -> Case:
    parameters = {"Bits": bits, "XBits": x_bits, "Primitives": primitives}
    return Case(parameters, dict.fromkeys(("x_i", "y_i", "z_i", "sum_o"), bits), False, False)


SHAPES = ((1, 1), (2, 2), (3, 3), (3, 2), (3, 1), (4, 4), (5, 5), (8, 3), (12, 11), (17, 16))
CASES = {
    f"b{bits}x{x_bits}p{primitives}": _case(bits, x_bits, primitives)
    for bits, x_bits in SHAPES
    for primitives in (0, 1, 2)
}
QUICK = ("b3x3p1", "b8x3p1")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Add modulo 2**Bits."""
    part, (bits, x_bits, _) = Part(dut, name), CASES[name].parameters.values()
    ranges = (1 << x_bits, 1 << x_bits, 1 << bits)
    if 2 * x_bits + bits <= 9:
        operands = list(itertools.product(*map(range, ranges)))
    else:
        operands = list(itertools.product(*((0, 1, size // 2, size - 1) for size in ranges)))
        operands += [tuple(map(random.randrange, ranges)) for _ in range(500)]
    for x, y, z in operands:
        part.drive(x_i=x, y_i=y, z_i=z)
        await Timer(1, "ns")
        assert part.read("sum_o") == [(x + y + z) % (1 << bits)], (x, y, z)


def test_zf_add3(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_add3", CASES, tmp_path)
