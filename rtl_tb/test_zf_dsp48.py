"""zf_dsp48: both generations of the slice, first and later in a cascade, at the ports' ends."""

import random
from collections import deque
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized


@dataclass(frozen=True)
class Setup:
    """A slice; its constant counts where it is the first of a cascade."""

    generation: int
    first: bool
    constant: int = 0

    @property
    def wide(self) -> int:
        """Bits of the ports A and D."""
        return {1: 25, 2: 27}[self.generation]

    def case(self) -> Case:
        """Return its parameters and ports."""
        parameters = {"Generation": self.generation, "First": int(self.first)}
        ports = {"a_i": 27, "d_i": 27, "use_d_i": 1, "b_i": 18}
        ports |= dict.fromkeys(("pcin_i", "pcout_o", "p_o"), 48)
        return Case(parameters | {"Constant": sized(self.constant, 48)}, ports, reset=False)


SETUPS = {
    "e1_first": Setup(1, True, 0x8004_0020_0400),
    "e1_zero": Setup(1, True),
    "e1_later": Setup(1, False, 0x1234_5678_9ABC),
    "e2_first": Setup(2, True, 0x8004_0020_0400),
    "e2_zero": Setup(2, True),
    "e2_later": Setup(2, False, 0x1234_5678_9ABC),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = tuple(CASES)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Take a product a cycle, the choice of its operand at random."""
    part, setup = Part(dut, name), SETUPS[name]
    Clock(part.clk_i, 4, "ns").start()
    await RisingEdge(part.clk_i)
    products, sums = deque([None] * 3), deque([None])
    mask = (1 << 48) - 1

    def some(bits: int) -> int:
        top = 1 << (bits - 1)
        return random.choice((0, 1, -1, top - 1, -top, random.randrange(-top, top)))

    for _ in range(2000):
        a, d, b, use_d = some(setup.wide), some(setup.wide), some(18), random.getrandbits(1)
        pcin = random.choice((0, mask, random.getrandbits(48)))
        part.drive(a_i=a & (1 << 27) - 1, d_i=d & (1 << 27) - 1, use_d_i=use_d)
        part.drive(b_i=b & (1 << 18) - 1, pcin_i=pcin)
        products.append((d if use_d else a) * b)
        product = products.popleft()
        other = setup.constant if setup.first else pcin
        sums.append(None if product is None else (product + other) & mask)
        await RisingEdge(part.clk_i)
        expected = sums.popleft()
        if expected is not None:
            assert part.read("p_o", "pcout_o") == [expected, expected]


def test_zf_dsp48(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_dsp48", CASES, tmp_path, always=True)
