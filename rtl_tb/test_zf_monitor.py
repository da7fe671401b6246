"""zf_monitor: every counter and flag against a model, all events drawn every cycle."""

import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part

FLAGS = ("clear_i", "begin_i", "in_i", "late_i", "out_i", "packet_i")
FLAGS += ("input_stall_i", "output_stall_i")
WIDE = {"faults_i": 4, "clear_errors_i": 4, "clear_interrupts_i": 2, "enable_i": 2}
COUNTS = ("frames_in_o", "frames_out_o", "latency_o", "interval_o")
COUNTS += ("input_stalls_o", "output_stalls_o", "bad_frame_o")
OUTPUTS = {**dict.fromkeys(COUNTS, 32), "errors_o": 4, "interrupts_o": 2, "irq_o": 1}
CASES = {"monitor": Case({}, dict.fromkeys(FLAGS, 1) | WIDE | OUTPUTS, reset=False)}


class Model:
    """What the outputs are after each cycle."""

    def __init__(self):
        self.out = dict.fromkeys(OUTPUTS, 0)
        self.inside: list[int] = []  # when each frame inside began
        self.number = 0  # frames that have begun
        self.left = 0  # frames that have left
        self.measured: tuple[int, int] | None = None  # which frame, and when it began
        self.last: int | None = None  # when the last frame left

    def step(self, cycle: int, now: dict[str, int]) -> None:
        """Take the inputs of a cycle."""
        out = self.out
        if now["clear_i"]:
            self.__init__()
            return
        out["irq_o"] = int(out["interrupts_o"] & now["enable_i"] != 0)
        if now["faults_i"]:
            out["bad_frame_o"] = out["frames_in_o"] - now["late_i"] & 0xFFFFFFFF
        out["errors_o"] = out["errors_o"] & ~now["clear_errors_i"] | now["faults_i"]
        events = (now["faults_i"] != 0) << 1 | now["packet_i"]
        out["interrupts_o"] = out["interrupts_o"] & ~now["clear_interrupts_i"] | events
        for count, event in zip(
            ("frames_in_o", "frames_out_o", "input_stalls_o", "output_stalls_o"),
            ("in_i", "out_i", "input_stall_i", "output_stall_i"),
            strict=True,
        ):
            out[count] += now[event]
        if now["out_i"]:
            if self.last is not None:
                out["interval_o"] = cycle - self.last
            self.last = cycle
        measured = self.measured
        if now["begin_i"]:
            if measured is None:
                self.measured = self.number, cycle
            self.number += 1
        if now["out_i"]:
            if measured is not None and measured[0] == self.left:
                out["latency_o"] = cycle - measured[1]
                self.measured = None
            self.left += 1

    @property
    def busy(self) -> int:
        """Frames inside."""
        return self.number - self.left


@cocotb.test()
@cocotb.parametrize(share=[0.5, 0.1, 0.02])
async def exact(dut, share):
    """Draw every event; no frame leaves before it has begun."""
    part, model = Part(dut, "monitor"), Model()
    Clock(part.clk_i, 4, "ns").start()
    before = {**dict.fromkeys(FLAGS, 0), **dict.fromkeys(WIDE, 0)} | {"clear_i": 1}
    part.drive(**before)
    await RisingEdge(part.clk_i)
    model.step(0, before)
    for cycle in range(1, 4000):
        now = {flag: int(random.random() < share) for flag in FLAGS}
        now["clear_i"] = int(random.random() < 0.002)
        now["out_i"] &= model.busy > 0
        now["begin_i"] &= model.busy < 9
        now |= {name: random.getrandbits(width) for name, width in WIDE.items()}
        if random.random() > share:
            now["faults_i"] = 0
        part.drive(**now)
        await RisingEdge(part.clk_i)
        if cycle > 1:
            assert part.read(*OUTPUTS) == [model.out[name] for name in OUTPUTS], cycle
        else:
            part.read(*OUTPUTS)
        model.step(cycle, now)


def test_zf_monitor(tmp_path):
    """Run `exact`."""
    cases.run("zf_monitor", CASES, tmp_path)
