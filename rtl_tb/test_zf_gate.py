"""zf_gate: nothing passes while it is shut, everything while it is open."""

import itertools

import cocotb
from cocotb.triggers import Timer

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

PORTS = ("open_i", "s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i")
CASES = {"gate": Case({}, dict.fromkeys(PORTS, 1), clock=False)}


@cocotb.test()
async def exact(dut):
    """All inputs."""
    part = Part(dut, "gate")
    for opened, valid, ready in itertools.product((0, 1), repeat=3):
        part.drive(open_i=opened, s_tvalid_i=valid, m_tready_i=ready)
        await Timer(1, "ns")
        assert part.read("m_tvalid_o", "s_tready_o") == [valid & opened, ready & opened]


def test_zf_gate(tmp_path):
    """Run `exact`."""
    cases.run("zf_gate", CASES, tmp_path)
