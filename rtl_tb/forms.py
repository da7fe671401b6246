"""The comparison of a unit's forms that `zf_tb_mac_dsp` and `zf_tb_mac_lut` make by themselves."""

from __future__ import annotations

from collections.abc import Mapping

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from . import cases, simulator
from .cases import Case, Part

PORTS = {"done_o": 1, "products_o": 32, "differ_o": 32, "wrong_o": 32}


def run(module: str, some: Mapping[str, Case], bench: str) -> None:
    """Build a comparison of every case and run the cocotb tests of `bench` named after them."""
    built = cases.build(module, some)
    simulator.run(built, bench, env={"COCOTB_TEST_FILTER": rf"name=({'|'.join(some)})$"})


async def check(dut, name: str, case: Case) -> None:
    """Both forms give the plain sums, on the same cycles, also after resets in mid-product."""
    part, parameters = Part(dut, name), case.parameters
    await Timer(1, "ns")  # elaboration checks come first
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1)
    await ClockCycles(part.clk_i, 80)  # as long as any line of registers
    for cycles in range(20, 36):  # resets at every stage of a product
        part.drive(rst_i=0)
        await ClockCycles(part.clk_i, cycles)
        wrong_before = part.read("differ_o", "wrong_o")
        assert wrong_before == [0, 0], cycles
        part.drive(rst_i=1)
        await RisingEdge(part.clk_i)
    part.drive(rst_i=0)
    await RisingEdge(part.done_o)
    products, differ, wrong = part.read("products_o", "differ_o", "wrong_o")
    assert products >= parameters["Cycles"] // parameters["Words"] * 5 // 8
    assert (differ, wrong) == (0, 0)
