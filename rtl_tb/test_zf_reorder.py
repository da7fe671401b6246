"""zf_reorder: pixel by pixel what came group by group, also what a row has left of a step."""

import itertools
import random
from collections import deque
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.rtl_tb import cases
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import stalls


@dataclass(frozen=True)
class Setup:
    """An output buffer for rows of `out_w` pixels."""

    pixels: int
    groups: int
    out_w: int
    blocks: int
    bits: int = 10

    @property
    def steps(self) -> int:
        """Steps of a row."""
        return -(-self.out_w // self.pixels)

    @property
    def words(self) -> int:
        """Words of a step that come."""
        return self.pixels * self.groups

    def leaving(self, step: int) -> int:
        """Return the pixels of a step that leave."""
        return min(self.out_w - step % self.steps * self.pixels, self.pixels)

    def case(self) -> Case:
        """Return its parameters and ports."""
        parameters = {
            "Bits": self.bits,
            "Pixels": self.pixels,
            "Groups": self.groups,
            "OutW": self.out_w,
            "Blocks": self.blocks,
        }
        flags = ("take_i", "go_o", "s_valid_i", "m_tvalid_o", "m_tready_i")
        data = {"s_data_i": self.bits, "m_tdata_o": self.bits}
        return Case(parameters, dict.fromkeys(flags, 1) | data)


SETUPS = {
    "two": Setup(2, 3, 4, 2),
    "two_odd": Setup(2, 4, 5, 2),
    "two_one": Setup(2, 3, 1, 2),
    "two_one_group": Setup(2, 1, 7, 3),
    "two_deep": Setup(2, 5, 3, 3),
    "four": Setup(4, 2, 8, 2),
    "four_odd": Setup(4, 3, 9, 2),
    "four_of_three": Setup(4, 2, 3, 4),
    "four_one_group": Setup(4, 1, 6, 5),
    "many": Setup(2, 2, 9, 7),
    "three": Setup(3, 2, 7, 2),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("two_odd", "four_one_group", "two_deep", "three")
WAITS = (  # of who begins steps, of the words that come, of those that leave
    ("never", "never", "never"),
    ("never", "never", "heavy"),
    ("half", "rare", "half"),
    ("never", "half", "bursts"),
    ("bursts", "never", "alternating"),
    ("rare", "bursts", "rare"),
)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Credit, valid and word on every cycle, under any stalls; after resets in mid-frame too."""
    part, setup = Part(dut, name), SETUPS[name]
    Clock(part.clk_i, 4, "ns").start()
    full = busy = 0
    for waits, late in itertools.product(WAITS, (1, 4, 20)):
        await _reset(part)
        idle, gap, pause = (stalls(pattern, random) for pattern in waits)
        coming: deque[tuple[int, int]] = deque()  # (earliest cycle, word) of the steps begun
        arrived: list[int] = []  # words of a step
        leaving: deque[tuple[int, bool]] = deque()  # words of whole steps; the last of each
        free, written = setup.blocks, 0
        held: int | None = None  # at the output
        for cycle in range(random.randint(100, 300)):
            take = free > 0 and not next(idle)
            if take:
                words = [random.getrandbits(setup.bits) for _ in range(setup.words)]
                coming.extend((cycle + late, word) for word in words)
            valid = bool(coming) and coming[0][0] <= cycle and not next(gap)
            word = coming.popleft()[1] if valid else random.getrandbits(setup.bits)
            ready = not next(pause)
            part.drive(take_i=take, s_valid_i=valid, s_data_i=word, m_tready_i=ready)
            await RisingEdge(part.clk_i)
            assert part.read("go_o", "m_tvalid_o") == [free > 0, held is not None], cycle
            if held is not None:
                assert part.read("m_tdata_o") == [held], cycle
            full, busy = full + (free == 0), busy + (held is not None)
            if ready:
                held = None
            if held is None and leaving:
                held, last = leaving.popleft()
                free += last
            free -= take
            if valid:
                arrived.append(word)
            if len(arrived) == setup.words:
                words = [
                    arrived[group * setup.pixels + pixel]
                    for pixel in range(setup.leaving(written))
                    for group in range(setup.groups)
                ]
                leaving.extend((word, n == len(words)) for n, word in enumerate(words, 1))
                arrived, written = [], written + 1
    assert full > 300
    assert busy > 300


async def _reset(part: Part) -> None:
    """Reset while everything is offered."""
    part.drive(rst_i=1, take_i=1, s_valid_i=1, s_data_i=0, m_tready_i=1)
    for _ in range(random.randint(1, 3)):
        await RisingEdge(part.clk_i)
    part.drive(rst_i=0)


@cocotb.test()
@cocotb.parametrize(name=["two", "four", "two_deep", "many"])
async def full_rate(dut, name):
    """Where a step's words come as fast as they leave and another has room, none waits."""
    part, setup = Part(dut, name), SETUPS[name]
    Clock(part.clk_i, 4, "ns").start()
    await _reset(part)
    for cycle in range(20 * setup.words):
        take = cycle % setup.words == 0
        part.drive(take_i=take, s_valid_i=1, s_data_i=0, m_tready_i=1)
        await RisingEdge(part.clk_i)
        go, valid = part.read("go_o", "m_tvalid_o")
        assert go or not take, cycle
        if setup.out_w % setup.pixels == 0:
            assert valid == (cycle > setup.words), cycle


def test_zf_reorder(tmp_path):
    """Run `exact` for every case, and `full_rate`."""
    cases.run("zf_reorder", CASES, tmp_path)
