"""zf_ram_skew: a memory whose lanes come later from stage to stage, in LUTs and in block RAM."""

import random
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part


@dataclass(frozen=True)
class Setup:
    """A memory of `lanes` lanes."""

    lanes: int
    bits: int
    chains: int
    depth: int
    block: int
    clear_to: int = 0

    def case(self) -> Case:
        """Return its parameters and ports."""
        address, word = max(1, (self.depth - 1).bit_length()), self.lanes * self.bits
        ports = {"we_i": 1, "waddr_i": address, "wdata_i": word, "raddr_i": address, "clear_i": 1}
        parameters = {
            "Lanes": self.lanes,
            "Bits": self.bits,
            "Chains": self.chains,
            "Depth": self.depth,
            "Cut": pieces.plain(self.lanes * self.bits, self.depth, self.block),
            "ClearTo": self.clear_to,
        }
        return Case(parameters, ports | {"rdata_o": word}, reset=False)

    def late(self, lane: int) -> int:
        """Return how many cycles after the first lanes this one comes."""
        return -(-self.lanes // self.chains) - 1 - lane // self.chains


SETUPS = {
    "one": Setup(1, 4, 1, 1, 0, 8),
    "together": Setup(4, 3, 4, 9, 0, 4),
    "together_block": Setup(3, 3, 5, 20, 1),
    "pairs": Setup(6, 2, 2, 16, 0, 2),
    "uneven": Setup(7, 3, 3, 11, 0, 4),
    "uneven_block": Setup(7, 3, 3, 11, 1, 4),
    "cascade": Setup(9, 1, 1, 5, 0, 1),
    "cascade_block": Setup(5, 4, 1, 600, 1, 8),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("together", "uneven", "uneven_block")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Fill the memory, then write, read and clear at random, the same words again and again.

    Where the address goes down the cascade, a lane reads as late as it leaves: what is written
    before is what it must give. A word that is written in the clock in which it is read is not
    looked at.
    """
    part, setup = Part(dut, name), SETUPS[name]
    Clock(part.clk_i, 4, "ns").start()
    late = [setup.late(lane) for lane in range(setup.lanes)]
    memory: list[list[int] | None] = [None] * setup.depth
    written: list[tuple[int, int]] = []  # cycle, address
    reads: list[int] = []
    clears: list[bool] = []
    history: list[list[list[int] | None]] = []  # the memory before the writes of each cycle
    near, seen = random.randrange(setup.depth), 0
    for cycle in range(setup.depth + 1500):
        history.append(memory.copy())
        enable = cycle < setup.depth or random.random() < 0.5
        if random.random() < 0.05:
            near = random.randrange(setup.depth)
        write = cycle if cycle < setup.depth else (near + random.randrange(3)) % setup.depth
        word = [random.getrandbits(setup.bits) for _ in range(setup.lanes)]
        reads.append((near + random.randrange(3)) % setup.depth)
        clears.append(random.random() < 0.2)
        part.drive(
            we_i=enable,
            waddr_i=write,
            wdata_i=reference.pack(word, setup.bits),
            raddr_i=reads[-1],
            clear_i=clears[-1],
        )
        await RisingEdge(part.clk_i)
        received = reference.unpack(part.read("rdata_o")[0], setup.bits, False, setup.lanes)
        for lane, code in enumerate(received):
            asked = cycle - 2 - late[lane]  # when this lane's address came
            if asked < 0:
                continue
            # LUT RAM registers the address and reads in the next cycle, block RAM reads at once
            taken = asked if setup.block else asked + 1 + late[lane]
            address, stored = reads[asked], history[taken][reads[asked]]
            if clears[asked + 1]:
                assert code == setup.clear_to, (cycle, lane)
            elif stored is not None and (taken, address) not in written:
                assert code == stored[lane], (cycle, lane)
                seen += 1
        if enable:
            memory[write] = word
            written.append((cycle, write))
        written = written[-40:]
    assert seen > 300 * setup.lanes


def test_zf_ram_skew(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_ram_skew", CASES, tmp_path)
