"""zf_mac_dsp: sums in the lanes of DSPs, the same in every form, up to the longest cascade."""

from dataclasses import dataclass

import cocotb
import pytest

from zynqfire.hls.packing import LONGEST, WIDE_PORTS, Packing, packings
from zynqfire.rtl_tb import forms, simulator
from zynqfire.rtl_tb.cases import Case

PRIMITIVES = {WIDE_PORTS["xc7"]: 1, WIDE_PORTS["xcup"]: 2}
BENCH = "zynqfire.rtl_tb.test_zf_mac_dsp"


@dataclass(frozen=True)
class Setup:
    """A packing of W`weight`A`code`; without lanes as many as its longest cascade takes."""

    weight: int
    code: int
    pixels: int = 2
    channels: int = 2
    port: int = 25
    simd: int = 0
    sets: int = 1
    words: int = 1
    exhaustive: bool = False
    acc_bits: int = 30
    cycles: int = 2500

    @property
    def packing(self) -> Packing | None:
        """Return what `hls.packing` says."""
        found = packings(self.weight, self.channels == 2, self.code, self.port)
        shape = (self.pixels, self.channels)
        return next((p for p in found if (p.pixels, p.channels) == shape), None)

    def parameters(self, longer: int = 0) -> dict[str, int]:
        """Return the parameters of zf_mac_dsp, its cascades `longer` than they may be."""
        packing = self.packing
        simd = self.simd or packing.chain + longer
        return {
            "Pe": self.sets * self.channels,
            "Simd": simd,
            "Pixels": self.sets * self.pixels,
            "ABits": self.code,
            "WBits": self.weight,
            "AccBits": self.acc_bits,
            "Words": self.words,
            "DspPixels": packing.pixels,
            "DspChannels": packing.channels,
            "CodeAt": packing.code_at,
            "WeightAt": packing.weight_at,
            "Chains": 1 if longer else packing.chains(simd),
        }

    def case(self) -> Case:
        """Return the comparison of the two forms."""
        bits = self.pixels * self.code + self.channels * self.weight
        extra = {
            "Primitives": PRIMITIVES[self.port],
            "Exhaustive": int(self.exhaustive),
            "Cycles": 1 << bits if self.exhaustive else self.cycles,
        }
        return Case(self.parameters() | extra, forms.PORTS)


SETUPS = {
    # every operand of one DSP
    "every": Setup(4, 4, simd=1, exhaustive=True),
    "every_e2": Setup(4, 4, port=27, simd=1, exhaustive=True),
    "every_21": Setup(4, 4, channels=1, simd=1, exhaustive=True),
    "every_12": Setup(4, 4, pixels=1, simd=1, exhaustive=True),
    "every_w2a2": Setup(2, 2, simd=1, exhaustive=True),
    "every_w3a5": Setup(3, 5, simd=1, exhaustive=True),
    "every_w5a3": Setup(5, 3, simd=1, exhaustive=True),
    "every_w8a8": Setup(8, 8, 1, 1, simd=1, exhaustive=True),
    # whole cascades
    "chain": Setup(4, 4),
    "chain_e2": Setup(4, 4, port=27),
    "chain_w2a2": Setup(2, 2, port=27),
    "chain_21": Setup(8, 8, channels=1),
    "chain21_e2": Setup(8, 8, channels=1, port=27),
    "chain_12": Setup(6, 5, pixels=1, port=27),
    "chain_11": Setup(7, 8, 1, 1, 27),
    # several of everything: cascades of unlike length, adders behind them, words, sets
    "adders": Setup(8, 8, channels=1, simd=5, words=3),
    "adders2": Setup(8, 8, channels=1, simd=14, words=2),
    "adders_e2": Setup(4, 4, simd=25, words=4, port=27),
    "sets": Setup(4, 4, simd=3, sets=2, words=5),
    "sets_11": Setup(8, 8, 1, 1, port=27, simd=5, sets=3, words=2),
    "wraps": Setup(4, 4, simd=8, words=7, acc_bits=9),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("every_w2a2", "chain", "sets")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def same(dut, name):
    """Both forms give the plain sums, on the same cycles."""
    await forms.check(dut, name, CASES[name])


def test_zf_mac_dsp():
    """Run `same` for every case."""
    forms.run("zf_tb_mac_dsp", CASES, BENCH)


@pytest.mark.parametrize("setup", [Setup(4, 4), Setup(8, 8, 2, 1), Setup(8, 8, 1, 2, 27)])
def test_a_cascade_too_long_is_fatal(setup):
    """One DSP more than the lanes hold."""
    assert setup.packing.chain < LONGEST
    built = simulator.build(
        "zf_mac_dsp", simulator.library("zf_mac_dsp"), setup.parameters(longer=1)
    )
    with pytest.raises(simulator.SimulationError, match="bits must fit between 0"):
        simulator.run(built, BENCH, testcase="name=chain")
