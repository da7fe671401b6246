"""zf_ram: two clocks after its address the last word written before, or what a clear puts there."""

import random
from collections import deque

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.cuts import whole
from zynqfire.rtl_tb import pieces, simulator


@cocotb.test()
async def exact(dut):
    """Fill the memory, then write, read and clear at random, the same words again and again."""
    case = simulator.config()
    width, depth, clear_to = case["Width"], case["Depth"], case["clear_to"]
    Clock(dut.clk_i, 4, "ns").start()
    words: dict[int, int] = {}
    asked = deque([None, None, None])
    near = random.randrange(depth)
    for clock in range(depth + 4000):
        await RisingEdge(dut.clk_i)
        expected = asked.popleft()
        if expected is not None:
            address, word = expected
            received = int(dut.rdata_o.value)
            assert received == word, f"address {address}: {received:#x}, expected {word:#x}"
        if random.random() < 0.05:
            near = random.randrange(depth)
        # a few words around `near`, so that reads follow writes closely
        write = clock if clock < depth else (near + random.randrange(3)) % depth
        read = (near + random.randrange(3)) % depth
        enable, word = clock < depth or random.random() < 0.5, random.getrandbits(width)
        clear = random.random() < 0.3
        dut.we_i.value, dut.waddr_i.value, dut.wdata_i.value = enable, write, word
        dut.raddr_i.value, dut.clear_i.value = read, clear
        if clear:  # comes a clock after its address
            asked[-1] = ("cleared", clear_to)
        collides = enable and read == write
        asked.append((read, words[read]) if read in words and not collides else None)
        if enable:
            words[write] = word


@cocotb.test()
async def counted(dut):
    """In LUTs or in as many block RAMs, of the same sizes, as the memory budget says."""
    case = simulator.config()
    if case["block"]:
        cut = whole(case["Width"], case["Depth"])
        pieces.check(dut, "gen_block.u_memory", case["Width"], cut)
    else:
        assert len(getattr(dut, "gen_lut.memory")) == case["Depth"]


@pytest.mark.parametrize(
    ("width", "depth", "block", "clear_to"),
    [(4, 1, 0, 0b1000), (9, 70, 0, 0), (5, 1, 1, 0b10101), (40, 1100, 1, 0), (11, 9000, 1, 1)],
)
def test_zf_ram(width, depth, block, clear_to):
    """Run `exact`."""
    parameters = {"Width": width, "Depth": depth, "Cut": pieces.plain(width, depth, block)}
    if clear_to:
        parameters["ClearTo"] = simulator.sized(clear_to, width)
    public = dict.fromkeys(("zf_ram", "zf_block"), pieces.PUBLIC)
    built = simulator.build("zf_ram", simulator.library("zf_ram"), parameters, public=public)
    simulator.run(
        built, "zynqfire.rtl_tb.test_zf_ram", config={"clear_to": clear_to, "block": block}
    )
