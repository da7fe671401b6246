"""zf_block: a word a cycle in and out, kept while not read, in the pieces that are counted."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases, pieces
from zynqfire.rtl_tb.cases import Part
from zynqfire.rtl_tb.pieces import CUTS

BIT, ADDRESS, WORD = (False, False), (True, False), (False, True)
CASES = pieces.cases(
    {
        "we_i": BIT,
        "waddr_i": ADDRESS,
        "wdata_i": WORD,
        "re_i": BIT,
        "raddr_i": ADDRESS,
        "rdata_o": WORD,
    }
)
QUICK = ("w73_d513", "w10_d4097", "steps", "rest", "beside")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Words around the ends of rows and at random, while reading and writing come and go."""
    part, (width, cut) = Part(dut, name), CUTS[name]
    depth = pieces.depth(cut)
    starts = [pieces.depth(cut[:n]) for n in range(len(cut) + 1)]
    ends = {*starts[:-1], *(start - 1 for start in starts[1:])}
    places = [*ends, *(random.randrange(depth) for _ in range(30))]
    words, expected = {}, None
    Clock(part.clk_i, 4, "ns").start()
    for cycle in range(400):
        write = places[cycle] if cycle < len(places) else random.choice(places)
        read, word = random.choice(places), random.getrandbits(width)
        writes = cycle < len(places) or random.random() < 0.5
        reads = random.random() < 0.6 and not (writes and write == read)
        part.drive(we_i=writes, waddr_i=write, wdata_i=word, re_i=reads, raddr_i=read)
        await RisingEdge(part.clk_i)
        if expected is not None:
            assert part.read("rdata_o") == [expected], cycle
        if reads:
            expected = words.get(read)
        if writes:
            words[write] = word


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def counted(dut, name):
    """As many block RAMs, of the same sizes, as the memory budget says."""
    pieces.check(dut, name, *CUTS[name])


def test_zf_block(tmp_path):
    """Run `exact` and `counted` for every case."""
    cases.run("zf_block", CASES, tmp_path, public={"zf_block": pieces.PUBLIC})
