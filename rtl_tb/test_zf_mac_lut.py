"""zf_mac_lut: sums of products of LUTs, the same in every form."""

from dataclasses import dataclass

import cocotb

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
    "all_signed": Setup(4, 4, True, exhaustive=True),
    "pair_w2a2": Setup(2, 2, simd=2, pe=2, exhaustive=True),
    "pair_w3a4": Setup(3, 4, True, simd=2, exhaustive=True),
    "all_w8a3": Setup(8, 3, True, exhaustive=True),
    "all_w5a7": Setup(5, 7, exhaustive=True),
    "all_w8a8": Setup(8, 8, True, exhaustive=True),
    # adder trees of every depth, several of everything
    "tree": Setup(4, 4, simd=4, pe=2, pixels=2, words=3),
    "tree_sign": Setup(4, 4, True, simd=9, words=2),
    "tree_deep": Setup(4, 4, simd=28),
    "tree_odd": Setup(3, 5, True, simd=10),
    "wide": Setup(8, 8, simd=5, pixels=2, words=4),
    "thin": Setup(2, 1, simd=5, words=2),
    "wraps": Setup(4, 6, True, simd=3, words=5, acc_bits=9),
    "inferred": Setup(4, 4, True, simd=7, pe=2, words=2, primitives=2),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("all_w4a4", "all_signed", "tree")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def same(dut, name):
    """Both forms give the plain sums, on the same cycles."""
    await forms.check(dut, name, CASES[name])


def test_zf_mac_lut():
    """Run `same` for every case."""
    forms.run("zf_tb_mac_lut", CASES, BENCH)
