"""zf_accumulate: sums of products of any length, which stay until the next."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized


def _case(bits: int, acc_bits: int, start: int, primitives: int) -> Case:
    parameters = {
        "Bits": bits,
        "AccBits": acc_bits,
        "Start": sized(start, acc_bits),
        "Primitives": primitives,
    }
    ports = {"idle_i": 1, "last_i": 1, "x_i": bits, "y_i": bits, "sum_o": acc_bits}
    return Case(parameters, ports, reset=False)


SHAPES = {
    "plain": (4, 12, 0),
    "lowered": (11, 16, 40_000),
    "as_wide": (8, 8, 200),
    "wider": (9, 6, 33),  # than the sum, which wraps
    "narrow": (1, 5, 1),
    "long": (20, 31, 2**31 - 7),
}
CASES = {
    f"{name}_{primitives}": _case(*shape, primitives)
    for name, shape in SHAPES.items()
    for primitives in (0, 1, 2)
}
QUICK = ("plain_0", "lowered_1", "wider_1")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Products of one word to many, back to back and with gaps."""
    part, (bits, acc_bits, start) = Part(dut, name), SHAPES[name[:-2]]
    Clock(part.clk_i, 4, "ns").start()
    most, expected = (1 << bits) - 1, None

    async def cycle(idle, last, x, y):
        part.drive(idle_i=idle, last_i=last, x_i=x, y_i=y)
        await RisingEdge(part.clk_i)
        assert expected is None or part.read("sum_o") == [expected]

    await RisingEdge(part.clk_i)
    for product in range(100):
        for _ in range(random.choice((0, 0, 1, 3)) if product else 2):
            await cycle(1, 0, random.randint(0, most), random.randint(0, most))
        total, words = start, random.choice((1, 1, 2, 5, 20))
        for word in range(words):
            x, y = (random.choice((most, random.randint(0, most))) for _ in range(2))
            last = word == words - 1
            await cycle(last, last, x, y)
            total += x + y
        expected = total % (1 << acc_bits)


def test_zf_accumulate(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_accumulate", CASES, tmp_path)
