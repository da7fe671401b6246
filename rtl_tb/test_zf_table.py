"""zf_table: every word that its address reaches, any part of it."""

import random

import cocotb
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

BENCH = "zynqfire.rtl_tb.test_zf_table"
WIDTH, DEPTH = 23, 75
DRAWN = random.Random(75)
WORDS = [DRAWN.getrandbits(WIDTH) for _ in range(DEPTH)]


def _case(first: int, bits: int, start: int, words: int) -> Case:
    parameters = {"Width": WIDTH, "Depth": DEPTH, "First": first, "Bits": bits, "Start": start}
    parameters |= {"Words": words, "InitFile": "table.mem"}
    ports = {"addr_i": max(1, (words - 1).bit_length()), "data_o": bits}
    return Case(parameters, ports, False, False)


CASES = {
    "whole": _case(0, WIDTH, 0, DEPTH),
    "part": _case(5, 7, 0, DEPTH),
    "low": _case(0, 8, 0, 64),
    "rest": _case(20, 3, 64, 11),
    "middle": _case(1, 1, 32, 32),
    "one": _case(0, WIDTH, 74, 1),
}
QUICK = ("part", "rest")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Read every word, twice and in any order."""
    parameters = CASES[name].parameters
    part, (first, bits, start) = (
        Part(dut, name),
        [parameters[k] for k in ("First", "Bits", "Start")],
    )
    order = [*range(parameters["Words"])] * 2
    random.shuffle(order)
    for address in order:
        part.drive(addr_i=address)
        await Timer(1, "ns")
        word = WORDS[start + address]
        assert part.read("data_o") == [word >> first & ((1 << bits) - 1)], address


def test_zf_table(tmp_path):
    """Run `exact` for every case."""
    text = "".join(f"{word:x}\n" for word in WORDS)
    cases.run("zf_table", CASES, tmp_path, {"table.mem": text})
