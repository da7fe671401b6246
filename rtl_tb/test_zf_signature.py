"""zf_signature: the number that zynqfire.hls.load computes, of every pass, after any gap."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls import signatures
from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

SHAPES = {
    "single": (1, 1),
    "pair": (5, 2),
    "column": (72, 9),
    "columns": (200, 33),
    "power": (40, 16),
    "wide": (2350, 6),  # more pieces than the signature has bits
}
CASES = {
    name: Case(
        {"Width": width, "Depth": depth},
        {
            "step_i": 1,
            "addr_i": max(1, (depth - 1).bit_length()),
            "word_i": width,
            "clear_i": 1,
            "signature_o": 32,
            "valid_o": 1,
        },
    )
    for name, (width, depth) in SHAPES.items()
}
QUICK = ("pair", "column", "columns")
LATENCY = 3


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Every pass, its words changed between passes; reset and clear in mid-pass start over."""
    part, (width, depth) = Part(dut, name), SHAPES[name]
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, step_i=1, addr_i=0, word_i=0, clear_i=0)
    await edge
    await edge
    for start, gaps in (("rst_i", 0.0), ("rst_i", 0.4), ("clear_i", 0.1), ("clear_i", 0.0)):
        part.drive(**{"rst_i": 0, "clear_i": 0, start: 1}, step_i=0)
        await edge
        part.drive(rst_i=0, clear_i=0)
        words, at, passes = _random(width, depth), 0, 0
        known = [(None, 0)]
        due, fetched = [], [None, None]
        if start == "clear_i" and depth > 1:  # the layer stands in the middle of a pass
            at = random.randrange(1, depth)
        complete = at == 0
        for cycle in range(40 + 6 * depth):
            step = random.random() >= gaps
            word = fetched.pop(0)
            part.drive(step_i=step, addr_i=at if step else random.randrange(depth))
            part.drive(word_i=random.getrandbits(width) if word is None else word)
            fetched.append(words[at] if step else None)
            if step:
                at += 1
                if at == depth:
                    at = 0
                    if complete:
                        due.append((cycle + LATENCY, signatures.signature(words, width)))
                        passes += 1
                    words, complete = _random(width, depth), True
            await edge
            signature, valid = part.read("signature_o", "valid_o")
            while due and due[0][0] == cycle:
                known.append((due.pop(0)[1], 1))
            expected, right = known[-1]
            assert valid == right, cycle
            assert not valid or signature == expected, cycle
        assert passes > 2
    part.drive(step_i=0)


def _random(width: int, depth: int) -> list[int]:
    return [random.getrandbits(width) for _ in range(depth)]


def test_zf_signature(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_signature", CASES, tmp_path)
