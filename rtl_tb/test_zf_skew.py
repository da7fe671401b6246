"""zf_skew: each lane as much later as its stage of the cascade."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part

CASES = {
    f"l{lanes}_b{bits}_c{chains}": Case(
        {"Lanes": lanes, "Bits": bits, "Chains": chains},
        {"data_i": lanes * bits, "data_o": lanes * bits},
        reset=False,
    )
    for lanes, bits, chains in (
        *((1, 3, 1), (4, 4, 4), (4, 2, 5), (4, 4, 2), (5, 3, 2), (7, 1, 3), (6, 2, 1), (16, 1, 1)),
    )
}
QUICK = ("l1_b3_c1", "l4_b4_c2", "l7_b1_c3", "l6_b2_c1")


def stage(lane: int, lanes: int, chains: int) -> int:
    """Return a lane's delay: the last lanes have none, each `chains` lanes before one more."""
    groups = [range(first, min(first + chains, lanes)) for first in range(0, lanes, chains)]
    return next(later for later, group in enumerate(reversed(groups)) if lane in group)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Every lane of every cycle."""
    part, (lanes, bits, chains) = Part(dut, name), CASES[name].parameters.values()
    Clock(part.clk_i, 4, "ns").start()
    late = [stage(lane, lanes, chains) for lane in range(lanes)]
    assert max(late) == -(-lanes // chains) - 1
    await RisingEdge(part.clk_i)  # the one at which the clock begins
    sent: list[list[int]] = []
    for _ in range(300):
        sent.append([random.getrandbits(bits) for _ in range(lanes)])
        part.drive(data_i=reference.pack(sent[-1], bits))
        await RisingEdge(part.clk_i)
        if len(sent) > max(late):
            expected = [sent[-1 - late[lane]][lane] for lane in range(lanes)]
            received = reference.unpack(part.read("data_o")[0], bits, False, lanes)
            assert received == expected, len(sent)


def test_zf_skew(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_skew", CASES, tmp_path)
