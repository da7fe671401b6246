"""zf_uram: loaded piece by piece as zynqfire.hls.load says, every word read two clocks later."""

import random
from collections import deque
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls import load
from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part


@dataclass(frozen=True)
class Setup:
    """A memory of random words."""

    width: int
    depth: int

    def case(self) -> Case:
        """Return its parameters and ports."""
        address = max(1, (self.depth - 1).bit_length())
        ports = {"addr_i": address, "data_o": self.width, "begin_i": 1, "we_i": 1, "data_i": 32}
        return Case({"Width": self.width, "Depth": self.depth}, ports, reset=False)


SETUPS = {
    "single": Setup(1, 1),
    "narrow": Setup(20, 5),
    "piece": Setup(32, 9),
    "two": Setup(33, 40),
    "three": Setup(65, 7),
    "column": Setup(72, 100),
    "rest1": Setup(73, 30),
    "rest2": Setup(72 + 64, 33),
    "wide": Setup(5 * 72 + 8, 64),
    "full": Setup(8, 4096),
    "rows": Setup(40, 4097),
    "both": Setup(80, 8200),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("narrow", "rest1", "wide", "rows")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Load with gaps, begun again in the middle; then read in order and at random."""
    part, setup = Part(dut, name), SETUPS[name]
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    part.drive(begin_i=1, we_i=1, data_i=0, addr_i=0)
    await edge
    part.drive(begin_i=0, we_i=0)
    for attempt, gaps in enumerate((0.3, 0, 0)):
        words = [random.getrandbits(setup.width) for _ in range(setup.depth)]
        pieces = load.writes(words, setup.width)
        whole = attempt == 2
        for piece in pieces if whole else pieces[: random.randrange(min(len(pieces), 200))]:
            while random.random() < gaps:
                part.drive(we_i=0, data_i=random.getrandbits(32))
                await edge
            part.drive(we_i=1, data_i=piece)
            await edge
        if not whole:
            part.drive(we_i=attempt, begin_i=1)
            await edge
            part.drive(we_i=0, begin_i=0)
    part.drive(we_i=0)
    await edge  # the last piece is on its way
    order = [*range(setup.depth), *(random.randrange(setup.depth) for _ in range(500)), 0, 0, 0]
    asked = deque([None, None, None])
    for address in order:
        await edge
        expected = asked.popleft()
        if expected is not None:
            received = part.read("data_o")[0]
            assert received == words[expected], f"address {expected}: {received:#x}"
        part.drive(addr_i=address, data_i=random.getrandbits(32))
        asked.append(address)


def test_zf_uram(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_uram", CASES, tmp_path)
