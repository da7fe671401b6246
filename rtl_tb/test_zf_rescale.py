"""zf_rescale: requantizes a stream, a beat a cycle, under any stalls."""

from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.design import Stream
from zynqfire.hls.ir import QType, Requantize, Tensor
from zynqfire.hls.memory import Kind
from zynqfire.hls.passes import units
from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import check_stream_unit


@dataclass(frozen=True)
class Setup:
    """A requantization from one type to another; `align` as in `Tensor`."""

    lanes: int
    shape: tuple[int, int, int]
    before: QType
    after: QType
    lo: int
    hi: int
    align: tuple[int, ...] = ()

    def instance(self, name: str):
        """Return what the compiler makes of it."""
        before = Tensor(f"{name}_in", self.shape, self.before, self.align)
        after = Tensor(name, self.shape, self.after)
        return units.rescale(
            Requantize(name, before.name, after, self.lo, self.hi),
            Stream(before.name, before, self.lanes, name),
            Stream(name, after, self.lanes, name),
        )

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        flags = ("s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i")
        data = {
            "s_tdata_i": self.lanes * self.before.bits,
            "m_tdata_o": self.lanes * self.after.bits,
        }
        return Case(self.instance(name).parameters, dict.fromkeys(flags, 1) | data)


SETUPS = {
    "plain": Setup(2, (3, 3, 2), QType(8, False, 8), QType(4, False, 4), 0, 15),
    "narrow": Setup(3, (2, 3, 6), QType(10, True, 4), QType(4, True, 1), -7, 7),
    "aligned": Setup(
        2, (2, 2, 6), QType(9, True, 6), QType(5, True, 2), -16, 15, (0, 1, 2, 5, 4, 0)
    ),
    "finer": Setup(1, (4, 2, 3), QType(6, True, 2), QType(10, True, 4), -512, 511, (0, 1, 2)),
    "finer_all": Setup(2, (2, 3, 2), QType(6, True, 2), QType(12, True, 5), -2048, 2047, (2, 0)),
    "vanishing": Setup(2, (3, 4, 2), QType(5, False, 12), QType(4, False, 2), 0, 15),
    "vanishing_some": Setup(
        1, (3, 3, 4), QType(4, True, 9), QType(4, True, 1), -8, 7, (0, 4, 8, 6)
    ),
}
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("narrow", "aligned")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Codes, order, protocol and pace."""
    setup = SETUPS[name]
    align = setup.align or (0,) * setup.shape[2]
    shifts = [setup.before.frac - setup.after.frac - moved for moved in align]

    def frame(rng):
        low, high = setup.before.lo, setup.before.hi
        codes = np.random.default_rng(rng.getrandbits(32)).integers(
            low, high, setup.shape, endpoint=True
        )
        return [reference.beats(codes, setup.lanes, setup.before.bits)]

    def model(words):
        expected, groups = [], setup.shape[2] // setup.lanes
        for beat, word in enumerate(words[0]):
            first = beat % groups * setup.lanes
            codes = reference.unpack(word, setup.before.bits, setup.before.signed, setup.lanes)
            outs = (
                reference.requantize(code, shifts[first + lane], setup.lo, setup.hi)
                for lane, code in enumerate(codes)
            )
            expected.append(reference.pack(outs, setup.after.bits))
        return [expected]

    timing = await check_stream_unit(Part(dut, name), frame, model)
    beats = len(timing.taken[0])
    assert timing.taken[0] == list(range(beats))
    assert timing.emitted[0] == list(range(7, 7 + beats))


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def holds(dut, name):
    """Take as many beats, while none leaves, as the memory budget counts for the FIFO."""
    part, taken = Part(dut, name), 0
    (fifo,) = (m for m in SETUPS[name].instance(name).memories if m.kind is Kind.FIFO)
    Clock(part.clk_i, 4, "ns").start()
    part.drive(rst_i=1, s_tvalid_i=1, s_tdata_i=0, m_tready_i=0)
    await RisingEdge(part.clk_i)
    part.drive(rst_i=0)
    for _ in range(2 * fifo.depth):
        await RisingEdge(part.clk_i)
        taken += part.read("s_tready_o")[0]
    assert taken == fifo.depth


def test_zf_rescale(tmp_path):
    """Run `exact` and `holds` for every case."""
    files = {}
    for name, setup in SETUPS.items():
        files |= setup.instance(name).files()
    cases.run("zf_rescale", CASES, tmp_path, files)
