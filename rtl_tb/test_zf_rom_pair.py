"""zf_rom_pair: every word of both memories, two clocks after its address."""

import random

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.pairs import Half, Pair
from zynqfire.rtl_tb import cases, simulator
from zynqfire.rtl_tb.cases import Case, Part

PAIRS = {
    "even": Pair(0, (Half("a", "a", 18, 512), Half("b", "b", 18, 512))),
    "uneven": Pair(1, (Half("a", "a", 5, 300), Half("b", "b", 17, 17))),
    "nine": Pair(2, (Half("a", "a", 9, 1024), Half("b", "b", 2, 513))),
    "four": Pair(3, (Half("a", "a", 1, 2000), Half("b", "b", 4, 2048))),
    "one": Pair(4, (Half("a", "a", 3, 1), Half("b", "b", 8, 100))),
}
SIDES = "ab"


def words(pair: Pair) -> dict[str, list[int]]:
    """Return random words, more bits of them than the halves hold."""
    rng = random.Random(pair.number)
    return {
        half.instance: [rng.getrandbits(half.bits + 3) for _ in range(half.depth)]
        for half in pair.halves
    }


def case(pair: Pair) -> Case:
    """Return its parameters and ports."""
    ports = {}
    for side, half in zip(SIDES, pair.halves, strict=True):
        ports |= {f"addr_{side}_i": max(1, (half.depth - 1).bit_length())}
        ports |= {f"data_{side}_o": half.bits}
    return Case(pair.parameters, ports, reset=False)


CASES = {name: case(pair) for name, pair in PAIRS.items()}
QUICK = ("even", "uneven")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Read both at once, every word and then at random."""
    part, pair = Part(dut, name), PAIRS[name]
    stored = words(pair)
    Clock(part.clk_i, 4, "ns").start()
    asked = []
    longest = max(half.depth for half in pair.halves)
    for cycle in range(longest + 500):
        now = {
            side: cycle if cycle < half.depth else random.randrange(half.depth)
            for side, half in zip(SIDES, pair.halves, strict=True)
        }
        part.drive(**{f"addr_{side}_i": address for side, address in now.items()})
        asked.append(now)
        await RisingEdge(part.clk_i)
        if len(asked) > 3:
            for side, half in zip(SIDES, pair.halves, strict=True):
                word = stored[half.instance][asked[-3][side]] & ((1 << half.bits) - 1)
                assert part.read(f"data_{side}_o") == [word], (cycle, side)


def test_zf_rom_pair(tmp_path):
    """Run `exact` for every case."""
    for pair in PAIRS.values():
        (tmp_path / pair.file).parent.mkdir(exist_ok=True)
        (tmp_path / pair.file).write_text(pair.contents(words(pair)))
    cases.run("zf_rom_pair", CASES, tmp_path)


def test_more_than_a_half_is_fatal():
    """The elaboration check prints the rule and the values."""
    built = simulator.build("zf_rom_pair", simulator.library("zf_rom_pair"), {"DepthB": 513})
    with pytest.raises(simulator.SimulationError, match="512 and 513 words of 8 and 8 bits"):
        simulator.run(built, "zynqfire.rtl_tb.test_zf_rom_pair")
