"""zf_weights: every word, lane by lane as late as a cascade wants it, from one table or two."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.memory import Placed, rom_files
from zynqfire.hls.words import hex_lines
from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized


@dataclass(frozen=True)
class Setup:
    """A memory of random words; `rest` of them have a table of their own.

    Where it is `registered`, words of LUTs leave a register, and there is one table.
    """

    lanes: int
    bits: int
    chains: int
    depth: int
    rest: int = 0
    block: int = 0
    outside: int = 0
    registered: int = 0

    @property
    def stages(self) -> int:
        """DSPs of the longest cascade."""
        return -(-self.lanes // self.chains)

    @property
    def words(self) -> np.ndarray:
        """Return lanes' unsigned words, (depth, lanes)."""
        rng = np.random.default_rng(self.depth * self.lanes)
        return rng.integers(0, 1 << self.bits, (self.depth, self.lanes))

    @property
    def placed(self) -> Placed:
        """Where those bits of a word are that do not come from outside."""
        width = self.lanes * self.bits - self.outside
        return pieces.rom(width, self.depth, self.block if width else 0)

    def files(self, name: str) -> dict[str, str]:
        """Return the contents of its memory."""
        inside, _ = self.parts()
        return rom_files(f"{name}.mem", inside, self.placed) if inside else {}

    def parts(self) -> tuple[str, list[int]]:
        """Return the text of what is in its memory, and the words that come from outside."""
        text = hex_lines(self.words, self.bits)
        return pieces.split(text, self.lanes * self.bits, self.outside)

    def case(self, name: str, primitives: int) -> Case:
        """Return its parameters and ports; the rest as truth tables of 32 entries."""
        width = self.lanes * self.bits
        init = 0
        for index in range(self.rest if self.rest <= 32 else 0):
            word = self.words[self.depth - self.rest + index]
            packed = reference.pack(word, self.bits)
            init |= sum((packed >> bit & 1) << (32 * bit + index) for bit in range(width))
        parameters = {
            "Lanes": self.lanes,
            "Bits": self.bits,
            "Chains": self.chains,
            "Depth": self.depth,
            "Cut": pieces.parameter(self.placed.cut),
            "InitFile": f"{name}.mem",
            "RestInit": sized(init, 32 * width),
            "Primitives": primitives,
            "Registered": self.registered,
            "Outside": self.outside,
        }
        ports = {"addr_i": max(1, (self.depth - 1).bit_length()), "use_rest_o": self.stages}
        ports |= {"word_i": max(1, self.outside), "whole_o": width}
        return Case(parameters, ports | dict.fromkeys(("data_o", "rest_o"), width), reset=False)


SETUPS = {
    "one": Setup(1, 3, 1, 1),
    "pair": Setup(2, 4, 1, 2),
    "short": Setup(4, 8, 2, 16),
    "ragged": Setup(7, 5, 3, 40),
    "full": Setup(4, 8, 1, 64),
    "rest1": Setup(3, 4, 1, 65, rest=1),
    "rest8": Setup(4, 8, 2, 72, rest=8),
    "rest32": Setup(5, 3, 2, 96, rest=32),
    "rest52": Setup(3, 4, 3, 180, rest=52),
    "no_rest": Setup(3, 4, 1, 100),
    "large": Setup(4, 8, 1, 144, rest=16),
    "registered": Setup(5, 4, 2, 72, registered=1),
    "registered_one": Setup(3, 2, 3, 7, registered=1),
    "registered_block": Setup(4, 5, 1, 33, block=1, registered=1),
    "block": Setup(6, 9, 2, 100, block=1),
    "outside": Setup(6, 9, 2, 100, block=1, outside=20),
    "all_outside": Setup(5, 7, 3, 30, block=1, outside=35),
}
FORMS = {f"{name}_{p}": (setup, p) for name, setup in SETUPS.items() for p in (0, 1, 2)}
CASES = {name: setup.case(name[:-2], p) for name, (setup, p) in FORMS.items()}
QUICK = ("short_0", "registered_0", "rest8_0", "rest8_1", "outside_0")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Take an address every cycle, in order and at random."""
    part, (setup, _) = Part(dut, name), FORMS[name]
    Clock(part.clk_i, 4, "ns").start()
    words, outer, chosen = setup.words.tolist(), setup.parts()[1], set()
    order = [*range(setup.depth), *(random.randrange(setup.depth) for _ in range(300))]
    order += [0] * (setup.stages + 2)
    await RisingEdge(part.clk_i)
    for cycle, address in enumerate(order):
        part.drive(addr_i=address)
        if setup.outside and cycle >= 2:
            part.drive(word_i=outer[order[cycle - 2]])
        await RisingEdge(part.clk_i)
        data, rest, use_rest, whole = part.read("data_o", "rest_o", "use_rest_o", "whole_o")
        if cycle >= 2:
            read = reference.pack(words[order[cycle - 2]], setup.bits)
            assert whole == (read if setup.block else 0), cycle
        data, rest = (reference.unpack(w, setup.bits, False, setup.lanes) for w in (data, rest))
        for lane in range(setup.lanes):
            stage = setup.stages - 1 - lane // setup.chains
            asked = cycle - 2 - stage
            if asked >= 0:
                other = use_rest >> stage & 1
                word = (rest if other else data)[lane]
                assert word == words[order[asked]][lane], (cycle, lane)
                assert other == (setup.rest > 0 and order[asked] >= setup.depth - setup.rest)
                chosen.add(other)
    assert len(chosen) == 1 + (setup.rest > 0)


def test_zf_weights(tmp_path):
    """Run `exact` for every case."""
    files = {}
    for name, setup in SETUPS.items():
        files |= setup.files(name)
    cases.run("zf_weights", CASES, tmp_path, files)
