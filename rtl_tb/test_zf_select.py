"""zf_select: every word of every number of words."""

import random

import cocotb
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


def _case(bits: int, count: int, primitives: int) -> Case:
    parameters = {"Bits": bits, "Count": count, "Primitives": primitives}
    ports = {"index_i": max(1, (count - 1).bit_length()), "words_i": count * bits, "data_o": bits}
    return Case(parameters, ports, False, False)


COUNTS = (1, 2, 3, 4, 5, 7, 8, 9, 11, 16, 19, 32, 33)
CASES = {
    f"n{count}p{primitives}": _case(5, count, primitives)
    for count in COUNTS
    for primitives in (0, 1, 2)
}
QUICK = ("n4p0", "n7p1", "n19p1")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Every index, other words each time."""
    part, (bits, count, _) = Part(dut, name), CASES[name].parameters.values()
    for index in [*range(count)] * 20:
        words = random.getrandbits(bits * count)
        part.drive(index_i=index, words_i=words)
        await Timer(1, "ns")
        assert part.read("data_o") == [words >> (bits * index) & ((1 << bits) - 1)]


def test_zf_select(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_select", CASES, tmp_path)
