"""zf_rom: every word of every piece, two clocks after its address."""

import random
from collections import deque

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.cuts import Row
from zynqfire.hls.memory import Kind, Memory, Placed, rom_files
from zynqfire.rtl_tb import cases, pieces, simulator
from zynqfire.rtl_tb.cases import Part

CUTS = pieces.CUTS | {"luts": (13, ()), "one": (5, ())}
DEPTHS = {"luts": 100, "one": 1}


def shape(name: str) -> tuple[int, int]:
    """Return the width and depth of a case."""
    width, cut = CUTS[name]
    return width, DEPTHS.get(name) or pieces.depth(cut)


def contents(width: int, depth: int) -> list[int]:
    """Return the same random words here and in the simulation."""
    rng = random.Random(width * 100_000 + depth)
    return [rng.getrandbits(width) for _ in range(depth)]


def case(name: str) -> cases.Case:
    """Return a case's parameters and ports."""
    width, depth = shape(name)
    parameters = {"Width": width, "Depth": depth, "Cut": pieces.parameter(CUTS[name][1])}
    ports = {"addr_i": max(1, (depth - 1).bit_length()), "data_o": width}
    return cases.Case(parameters | {"InitFile": f"mem/{name}.mem"}, ports, reset=False)


def files(name: str) -> dict[str, str]:
    """Return the contents of a case's memory."""
    width, depth = shape(name)
    text = "".join(f"{word:0{-(-width // 4)}x}\n" for word in contents(width, depth))
    memory = Memory("", Kind.WEIGHTS, width, depth, width * depth)
    return rom_files(f"mem/{name}.mem", text, Placed(memory, CUTS[name][1], "xc7"))


CASES = {name: case(name) for name in CUTS}
QUICK = ("steps", "rest", "beside", "luts")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Read every word, in order and at random, an address every clock."""
    part, (width, depth) = Part(dut, name), shape(name)
    words = contents(width, depth)
    some = range(depth) if depth < 6000 else random.sample(range(depth), 3000)
    order = [*some, depth - 1, *(random.randrange(depth) for _ in range(min(depth, 2000)))]
    Clock(part.clk_i, 4, "ns").start()
    asked = deque([None, None, None])
    for address in [*order, 0, 0, 0]:
        await RisingEdge(part.clk_i)
        expected = asked.popleft()
        if expected is not None:
            (received,) = part.read("data_o")
            assert received == words[expected], f"address {expected}: {received:#x}"
        part.drive(addr_i=address)
        asked.append(address)


@cocotb.test()
@cocotb.parametrize(name=list(pieces.CUTS))
async def counted(dut, name):
    """As many block RAMs, of the same sizes, as the memory budget says."""
    pieces.check(dut, f"{name}.g_block.u_block", *CUTS[name])


def test_zf_rom(tmp_path):
    """Run `exact` and `counted` for every case."""
    for name in CASES:
        for path, part in files(name).items():
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(part)
    log = cases.run("zf_rom", CASES, tmp_path, public={"zf_block": pieces.PUBLIC})
    assert "%Warning" not in (log or ""), "the files hold as many words as are read"


def test_a_cut_of_another_depth_is_fatal():
    """The elaboration check prints the rule and the values."""
    cut = pieces.parameter((Row(512, 512, 8),))
    built = simulator.build(
        "zf_rom", simulator.library("zf_rom"), {"Width": 8, "Depth": 511, "Cut": cut}
    )
    with pytest.raises(simulator.SimulationError, match=r"rows of 512 words .* Depth 511"):
        simulator.run(built, "zynqfire.rtl_tb.test_zf_rom")
