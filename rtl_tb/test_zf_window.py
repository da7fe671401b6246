"""zf_window: every word of every window, in order, however input and credit come and go."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.ir import Fold
from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import stalls


@dataclass(frozen=True)
class Setup:
    """A window unit, with the rows of `geometry` if steady, else the fewest that do not lock up."""

    size: tuple[int, int, int]
    kernel: tuple[int, int]
    fold: Fold
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    bits: int = 3
    steady: bool = False
    block: int = 0

    @property
    def geometry(self) -> Window:
        """Its geometry."""
        (h, w, _), (kh, kw), (sh, sw) = self.size, self.kernel, self.stride
        top, left, bottom, right = self.pads
        out_h, out_w = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
        return Window(h, w, kh, kw, sh, sw, top, left, out_h, out_w)

    @property
    def rows(self) -> int:
        """Rows of the ring."""
        window = self.geometry
        if self.steady:
            return window.rows()
        fewest = -(-int((window.need() - window.done()).max()) // window.in_w)
        return fewest if self.fold.taps == 1 else max(fewest, window.kernel_h)

    @property
    def words(self) -> int:
        """Words of a product."""
        return self.kernel[0] * self.kernel[1] * self.size[2] // self.fold.simd

    def case(self) -> Case:
        """Return its parameters and ports."""
        window, fold = self.geometry, self.fold
        parameters = {
            "Bits": self.bits,
            "Channels": self.size[2],
            "Lanes": fold.lanes,
            **window.parameters(),
            "Taps": fold.taps,
            "Groups": self.groups,
            "Rows": self.rows,
            "Block": self.block,
        }
        flags = ("s_tvalid_i", "s_tready_o", "go_i", "take_o", "fetch_o", "m_valid_o", "m_last_o")
        data = {"s_tdata_i": fold.lanes * self.bits, "m_data_o": fold.simd * self.bits}
        return Case(parameters, dict.fromkeys(flags, 1) | data)


ONE, SAME, BOTH = (0, 0, 0, 0), (1, 1, 1, 1), (2, 2)
SETUPS = {
    # one tap a word
    "point": Setup((3, 4, 4), (1, 1), Fold(1, 1, 2), groups=2),
    "pixels": Setup((12, 1, 2), (1, 1), Fold(1, 1, 2), steady=True),
    "pixels_skipped": Setup((5, 6, 2), (1, 1), Fold(1, 1, 1), BOTH, steady=True),
    "serial": Setup((3, 4, 4), (3, 3), Fold(1, 1, 2), (1, 1), SAME, groups=2),
    "serial_steady": Setup((6, 6, 2), (3, 3), Fold(1, 1, 2), BOTH, SAME, steady=True, block=1),
    "serial_bare": Setup((5, 5, 3), (3, 3), Fold(1, 1, 1)),
    "serial_rectangle": Setup((7, 4, 2), (5, 3), Fold(1, 1, 1), (2, 1), (2, 1, 0, 0)),
    "serial_larger": Setup((2, 3, 2), (5, 7), Fold(1, 1, 2), (1, 1), (3, 4, 2, 3)),
    "serial_wasted": Setup((6, 7, 1), (3, 2), Fold(1, 1, 1), BOTH, groups=2),
    # a column of taps a word
    "column": Setup((5, 3, 4), (3, 3), Fold(1, 3, 2), (1, 1), SAME, groups=2),
    "column_steady": Setup((5, 7, 2), (3, 3), Fold(1, 3, 1), BOTH, SAME, steady=True),
    "column_skewed": Setup((7, 5, 1), (5, 3), Fold(1, 5, 1), (1, 2), (0, 2, 3, 1), steady=True),
    "column_larger": Setup((3, 2, 2), (7, 5), Fold(1, 7, 2), (1, 1), (5, 2, 4, 3), steady=True),
    "column_wasted": Setup((8, 6, 1), (3, 3), Fold(1, 3, 1), (2, 2), groups=3),
    # the whole window a word
    "full": Setup((4, 5, 4), (3, 3), Fold(1, 9, 2), (1, 1), SAME, groups=2),
    "full_steady": Setup((7, 6, 2), (3, 3), Fold(1, 9, 2), BOTH, (1, 0, 0, 1), steady=True),
    "full_five": Setup((6, 6, 1), (5, 5), Fold(1, 25, 1), (2, 1), (2, 2, 2, 2), bits=5, block=1),
    "full_seven": Setup((5, 4, 1), (7, 7), Fold(1, 49, 1), (2, 2), (3, 3, 3, 3), steady=True),
    "full_row": Setup((3, 6, 2), (1, 3), Fold(1, 3, 1), (1, 2), (0, 2, 0, 1), groups=2),
    "full_tall": Setup((6, 3, 2), (3, 1), Fold(1, 3, 2), (2, 1), (1, 0, 0, 0), steady=True),
}
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("serial", "column", "full")


class Player:
    """Feeds one window unit and checks each word that leaves it."""

    def __init__(self, part: Part, setup: Setup):
        self.part, self.setup = part, setup
        Clock(part.clk_i, 4, "ns").start()

    async def reset(self) -> None:
        """Reset while input and credit are offered."""
        part = self.part
        part.drive(rst_i=1, s_tvalid_i=1, go_i=1, s_tdata_i=0)
        await RisingEdge(part.clk_i)
        part.drive(rst_i=0)

    async def play(self, frames: int, patterns: tuple[str, str], share: float = 1) -> list[int]:
        """Play frames, or a share of their words; return the cycle of each frame's last word."""
        part, setup, edge = self.part, self.setup, RisingEdge(self.part.clk_i)
        maps = np.random.default_rng(random.getrandbits(32)).integers(
            0, 1 << setup.bits, (frames, *setup.size)
        )
        lanes, width = setup.fold.lanes, setup.fold.lanes * setup.bits
        feed = [word for codes in maps for word in reference.beats(codes, lanes, setup.bits)]
        expected = [
            (reference.pack(word, setup.bits), index == setup.words - 1)
            for codes in maps
            for window in reference.windows(codes, setup.geometry)
            for _ in range(setup.groups)
            for index, word in enumerate(reference.window_words(window, setup.fold))
        ]
        gap, pause = (stalls(pattern, random) for pattern in patterns)
        stop = int(share * len(expected))
        sent = received = taken = valid = word = waited = cycle = 0
        begun, fetched, ends = [0] * 3, [0] * 2, []
        while received < stop or (share == 1 and (sent < len(feed) or waited < 8)):
            if not valid:
                valid = sent < len(feed) and not next(gap)
                word = feed[sent] if valid else random.getrandbits(width)
            go = not next(pause)
            part.drive(s_tvalid_i=valid, s_tdata_i=word, go_i=go)
            await edge
            cycle += 1
            ready, take, fetch, out = part.read("s_tready_o", "take_o", "fetch_o", "m_valid_o")
            if valid and ready:
                sent, valid = sent + 1, 0
            taken += take
            assert go or not take
            assert out == fetched.pop(0), "fetch_o must be two cycles ahead of its word"
            fetched.append(fetch)
            first = out and received % setup.words == 0
            assert first == begun.pop(0), "take_o must be three cycles ahead of its product"
            begun.append(take)
            if out:
                assert received < len(expected), "a word too many"
                assert tuple(part.read("m_data_o", "m_last_o")) == expected[received], received
                received, waited = received + 1, 0
                if received % (len(expected) // frames) == 0:
                    ends.append(cycle)
            else:
                assert received % setup.words == 0, "a gap within a product"
                waited += 1
                assert waited < 2000, "locked up"
        assert share < 1 or taken * setup.words == received
        return ends


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """All words of back-to-back frames, under every mix of stalls, after resets in mid-frame."""
    player = Player(Part(dut, name), SETUPS[name])
    await player.reset()
    for mix in (("never", "never"), ("half", "never"), ("never", "half"), ("bursts", "bursts")):
        await player.play(2, mix)
    await player.play(1, ("heavy", "rare"))
    for _ in range(4):
        await player.play(2, ("rare", "rare"), share=random.random())
        await player.reset()
        await player.play(1, ("rare", "rare"))


@cocotb.test()
@cocotb.parametrize(name=[name for name, setup in SETUPS.items() if setup.steady])
async def steady(dut, name):
    """With the rows of `geometry`, frames follow each other without a bubble."""
    setup = SETUPS[name]
    player = Player(Part(dut, name), setup)
    await player.reset()
    ends = await player.play(5, ("never", "never"))
    window, (height, width, channels) = setup.geometry, setup.size
    ideal = window.out_h * window.out_w * setup.groups * setup.words
    beats = height * width * channels // setup.fold.lanes
    assert np.diff(ends)[2:].tolist() == [max(ideal, beats)] * 2


def test_zf_window(tmp_path):
    """Run `exact` and `steady` for every case."""
    cases.run("zf_window", CASES, tmp_path)
