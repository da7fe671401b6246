"""zf_pair_table: every word, for even and odd numbers of bits."""

import random

import cocotb
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized


def _init(bits: int) -> int:
    return random.Random(bits).getrandbits(32 * bits)


def _case(bits: int) -> Case:
    parameters = {"Bits": bits, "Init": sized(_init(bits), 32 * bits)}
    return Case(parameters, {"addr_i": 5, "data_o": bits}, False, False)


CASES = {f"b{bits}": _case(bits) for bits in (1, 2, 3, 8, 13)}
QUICK = ("b3", "b8")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Read every word, in any order."""
    part, bits = Part(dut, name), CASES[name].parameters["Bits"]
    init = _init(bits)
    order = [*range(32)] * 3
    random.shuffle(order)
    for address in order:
        part.drive(addr_i=address)
        await Timer(1, "ns")
        word = sum((init >> (32 * bit + address) & 1) << bit for bit in range(bits))
        assert part.read("data_o") == [word], address


def test_zf_pair_table(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_pair_table", CASES, tmp_path, always=True)
