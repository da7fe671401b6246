"""zf_mac_lut: sums of products of LUTs, the same in every form."""

from dataclasses import dataclass

import cocotb
import pytest

from zynqfire.rtl_tb import forms
from zynqfire.rtl_tb.cases import Case

BENCH = "zynqfire.rtl_tb.test_zf_mac_lut"


@dataclass(frozen=True)
class Setup:
    """A unit for products of W`weight`A`code`."""

    weight: int
    code: int
    signed: bool = False
    simd: int = 1
    pe: int = 1
    pixels: int = 1
    words: int = 1
    exhaustive: bool = False
    acc_bits: int = 30
    primitives: int = 1
    cycles: int = 2500

    def case(self) -> Case:
        """Return the comparison of the two forms."""
        bits = self.simd * (self.pixels * self.code + self.pe * self.weight)
        parameters = {
            "Pe": self.pe,
            "Simd": self.simd,
            "Pixels": self.pixels,
            "ABits": self.code,
            "ASigned": int(self.signed),
            "WBits": self.weight,
            "AccBits": self.acc_bits,
            "Words": self.words,
            "Primitives": self.primitives,
            "Exhaustive": int(self.exhaustive),
            "Cycles": 1 << bits if self.exhaustive else self.cycles,
        }
        return Case(parameters, forms.PORTS)


SETUPS = {
    # every operand of a product, of two
    "all_w4a4": Setup(4, 4, exhaustive=True),
    "all_w4a4_signed": Setup(4, 4, True, exhaustive=True),
    "all_w2a2_pair": Setup(2, 2, simd=2, pe=2, exhaustive=True),
    "all_w3a4_pair": Setup(3, 4, True, simd=2, exhaustive=True),
    "all_w8a3": Setup(8, 3, True, exhaustive=True),
    "all_w5a7": Setup(5, 7, exhaustive=True),
    "all_w8a8": Setup(8, 8, True, exhaustive=True),
    # adder trees of every depth, several of everything
    "tree": Setup(4, 4, simd=4, pe=2, pixels=2, words=3),
    "tree_signed": Setup(4, 4, True, simd=9, words=2),
    "tree_deep": Setup(4, 4, simd=16, pe=2),
    "tree_odd": Setup(3, 5, True, simd=28),
    "wide": Setup(8, 8, simd=10, pixels=2, words=4),
    "thin": Setup(2, 1, simd=5, words=2),
    "wraps": Setup(4, 6, True, simd=3, words=5, acc_bits=9),
    "inferred": Setup(4, 4, True, simd=7, pe=2, words=2, primitives=2),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("all_w4a4", "all_w4a4_signed", "tree")
WIDTHS = range(2, 9)


@cocotb.test()
async def same(dut):
    """Both forms give the plain sums, on the same cycles."""
    await forms.check(dut)


def test_zf_mac_lut():
    """Run `same` for every case."""
    forms.run("zf_tb_mac_lut", CASES, BENCH)


@pytest.mark.long
@pytest.mark.parametrize("weight", WIDTHS)
def test_every_width(weight):
    """Run `same` for every operand of a product, and for sums at their extremes."""
    setups = [
        setup
        for code in WIDTHS
        for signed in (False, True)
        for setup in (
            Setup(weight, code, signed, exhaustive=True),
            Setup(weight, code, signed, simd=13, words=2, cycles=1500),
        )
    ]
    some = {f"case{index}": setup.case() for index, setup in enumerate(setups)}
    forms.run("zf_tb_mac_lut", some, BENCH)
