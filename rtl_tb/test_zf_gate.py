"""zf_gate: no frame begins while it is shut, and one that has begun ends."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

INPUTS = ("rst_i", "open_i", "s_tvalid_i", "s_tlast_i", "m_tready_i")
PORTS = (*INPUTS[1:], "s_tready_o", "m_tvalid_o")
CASES = {"gate": Case({}, dict.fromkeys(PORTS, 1))}


@cocotb.test()
async def exact(dut):
    """Draw every input every cycle."""
    part = Part(dut, "gate")
    Clock(part.clk_i, 4, "ns").start()
    inside = False
    for cycle in range(2000):
        reset = cycle < 2 or random.random() < 0.02
        now = {port: random.getrandbits(1) for port in INPUTS} | {"rst_i": int(reset)}
        part.drive(**now)
        await RisingEdge(part.clk_i)
        opened = now["open_i"] or inside
        passes = [now["s_tvalid_i"] and opened, now["m_tready_i"] and opened]
        if cycle:
            assert part.read("m_tvalid_o", "s_tready_o") == [int(flag) for flag in passes], cycle
        if reset:
            inside = False
        elif all(passes):
            inside = not now["s_tlast_i"]


def test_zf_gate(tmp_path):
    """Run `exact`."""
    cases.run("zf_gate", CASES, tmp_path)
