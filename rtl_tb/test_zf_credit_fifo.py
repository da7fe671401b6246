"""zf_credit_fifo: credits are exact, no result is lost, whatever the pipeline and the reader do."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import stalls

WIDTH = 12
PORTS = dict.fromkeys(("take_i", "go_o", "s_valid_i", "m_tvalid_o", "m_tready_i"), 1)
PORTS |= {"s_data_i": WIDTH, "m_tdata_o": WIDTH}
CASES = {
    f"depth{depth}": Case({"Width": WIDTH, "Depth": depth}, PORTS)
    for depth in (2, 3, 4, 5, 8, 16, 17)
}
CASES |= {
    f"depth{depth}_of_{words}": Case({"Width": WIDTH, "Depth": depth, "Words": words}, PORTS)
    for depth, words in ((3, 3), (8, 3), (16, 5))
}
QUICK = ("depth2", "depth5", "depth8_of_3")
PATTERNS = ("never", "rare", "half", "heavy", "alternating", "bursts")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """go_o on every cycle; every result once, in order, held under stall; after resets too."""
    part, depth = Part(dut, name), CASES[name].parameters["Depth"]
    words = CASES[name].parameters.get("Words", 1)
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    full = 0
    for wait, latency in [(p, n) for p in PATTERNS for n in (1, 3, 30)]:
        part.drive(rst_i=1, take_i=1, s_valid_i=1, s_data_i=0, m_tready_i=1)
        await edge
        part.drive(rst_i=0)
        pause, lazy = stalls(wait, random), stalls(random.choice(PATTERNS), random)
        begun: deque[int] = deque()  # cycles at which results arrive
        stored: deque[int] = deque()
        credits, held, go = depth, None, True
        for cycle in range(120):
            take = go and not next(lazy)
            if take:
                earliest = begun[-1] + 1 if begun else 0
                first = max(earliest, cycle + random.randint(1, latency))
                begun.extend(range(first, first + words))
            valid = bool(begun) and begun[0] == cycle
            word = random.getrandbits(WIDTH)
            ready = not next(pause)
            part.drive(take_i=take, s_valid_i=valid, s_data_i=word, m_tready_i=ready)
            await edge
            received, leaves = part.read("go_o", "m_tvalid_o")
            assert received == go, cycle
            if leaves:
                data = part.read("m_tdata_o")[0]
                assert stored and data == stored[0], cycle
                assert held in (None, data)
                held = None if ready else data
                if ready:
                    stored.popleft()
            else:
                assert held is None and len(stored) <= 2, "a word is late"
            if valid:
                begun.popleft()
                stored.append(word)
            credits += (leaves and ready) - take * words
            go = credits >= words
            full += not go
    assert full > 50


@cocotb.test()
async def full_rate(dut):
    """Give a result a cycle where Depth exceeds the pipeline's latency by three."""
    part, latency = Part(dut, "depth16"), 13
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, take_i=0, s_valid_i=0, s_data_i=0, m_tready_i=1)
    await RisingEdge(part.clk_i)
    part.drive(rst_i=0)
    pipeline = [0] * latency
    for cycle in range(100):
        part.drive(take_i=1, s_valid_i=pipeline.pop(0))
        pipeline.append(1)
        await RisingEdge(part.clk_i)
        assert part.read("go_o", "m_tvalid_o") == [1, cycle >= latency + 2], cycle


def test_zf_credit_fifo(tmp_path):
    """Run `exact` for every case, and `full_rate`."""
    cases.run("zf_credit_fifo", CASES, tmp_path)
