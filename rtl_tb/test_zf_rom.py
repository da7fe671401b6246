"""zf_rom: every word of every piece, two clocks after its address."""

import random
from collections import deque

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.memory import rom_files
from zynqfire.rtl_tb import cases, pieces, simulator

FILE = "mem/words.mem"
CUTS = pieces.cases({"addr_i": (True, False), "data_o": (False, True)})


def contents(width: int, depth: int) -> list[int]:
    """Return the same random words here and in the simulation."""
    rng = random.Random(width * 100_000 + depth)
    return [rng.getrandbits(width) for _ in range(depth)]


@cocotb.test()
async def exact(dut):
    """Read every word, in order and at random, an address every clock."""
    case = simulator.config()
    width, depth = case["Width"], case["Depth"]
    words = contents(width, depth)
    order = [*range(depth), *(random.randrange(depth) for _ in range(min(depth, 2000)))]
    Clock(dut.clk_i, 4, "ns").start()
    asked = deque([None, None, None])
    for address in [*order, 0, 0, 0]:
        await RisingEdge(dut.clk_i)
        expected = asked.popleft()
        if expected is not None:
            received = int(dut.data_o.value)
            assert received == words[expected], f"address {expected}: {received:#x}"
        dut.addr_i.value = address
        asked.append(address)


@cocotb.test()
@cocotb.parametrize(name=list(CUTS))
async def counted(dut, name):
    """As many block RAMs, of the same sizes, as the memory budget says."""
    pieces.check(dut, f"{name}.gen_block", *CUTS[name].parameters.values())


@pytest.mark.parametrize(
    ("width", "depth", "block"),
    [
        (5, 1, 0),
        (13, 100, 0),
        (3, 1, 1),  # one RAMB18, one file
        (100, 300, 1),  # columns of 72 and 28
        (41, 1152, 1),  # columns of 18, 18 and 5
        (13, 9000, 1),  # rows of 4096 words
        (2, 40000, 1),  # rows of 8192 words
    ],
)
def test_zf_rom(width, depth, block, tmp_path):
    """Run `exact`."""
    digits = -(-width // 4)
    text = "".join(f"{word:0{digits}x}\n" for word in contents(width, depth))
    for path, part in rom_files(FILE, text, width, bool(block)).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(part)
    parameters = {"Width": width, "Depth": depth, "Block": block, "InitFile": FILE}
    built = simulator.build("zf_rom", simulator.library("zf_rom"), parameters)
    log = simulator.run(built, "zynqfire.rtl_tb.test_zf_rom", testcase="exact", cwd=tmp_path)
    assert "%Warning" not in log, "the files hold as many words as are read"


def test_cut():
    """Run `counted` for every case."""
    built = cases.build("zf_rom", CUTS, {"zf_rom": pieces.PUBLIC})
    simulator.run(built, "zynqfire.rtl_tb.test_zf_rom", testcase=[f"name={name}" for name in CUTS])


def test_neither_lut_nor_block_is_fatal():
    """The elaboration check prints the rule and the values."""
    built = simulator.build(
        "zf_rom", simulator.library("zf_rom"), {"Width": 8, "Depth": 512, "Block": 2}
    )
    with pytest.raises(simulator.SimulationError, match="Block 0 or 1, not 8, 512, 2"):
        simulator.run(built, "zynqfire.rtl_tb.test_zf_rom")
