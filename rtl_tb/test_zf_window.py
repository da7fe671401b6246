"""zf_window: every word of every window, in order, however input and credit come and go."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.fold import Fold
from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.stream import stalls


@dataclass(frozen=True)
class Setup:
    """A window unit, with the places of `geometry` if steady, else the fewest that do not lock up.

    A cascade whose lanes read late has as many places more as the header of zf_window asks for.
    """

    size: tuple[int, int, int]
    kernel: tuple[int, int]
    fold: Fold
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    bits: int = 3
    steady: bool = False
    block: int = 0
    chains: int = 0  # lanes of a stage; 0: all
    toggle: int = 0  # a bit a pixel

    @property
    def geometry(self) -> Window:
        """Its geometry."""
        (h, w, _), (kh, kw), (sh, sw) = self.size, self.kernel, self.stride
        top, left, bottom, right = self.pads
        out_h, out_w = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
        return Window(h, w, kh, kw, sh, sw, top, left, out_h, out_w)

    @property
    def stages(self) -> int:
        """Stages of the cascade."""
        return -(-self.fold.simd // (self.chains or self.fold.simd))

    @property
    def places(self) -> int:
        """Pixels of the ring."""
        window, pixels, parallel = self.geometry, self.fold.pixels, self.fold.taps > 1
        late = 0 if parallel else -(-(self.stages - 1) // (self.size[2] // self.fold.lanes))
        shares = window.banks(pixels)
        if self.steady:
            fewest = window.places(pixels, parallel) + late * shares
        else:
            fewest = int((window.need(pixels) - window.done(pixels)).max()) + late * shares
        fewest = -(-fewest // shares) * shares
        return max(-(-fewest // window.in_w), window.kernel_h) * window.in_w if parallel else fewest

    @property
    def words(self) -> int:
        """Words of a product."""
        return self.kernel[0] * self.kernel[1] * self.size[2] // self.fold.simd

    @property
    def run(self) -> int:
        """Words that follow each other without a gap: a product, or all of a step of several."""
        return self.words * self.groups if self.fold.pixels > 1 else self.words

    def case(self) -> Case:
        """Return its parameters and ports."""
        window, fold = self.geometry, self.fold
        places = window.in_w if fold.taps > 1 else self.places // window.banks(fold.pixels)
        width, depth = fold.lanes * self.bits, places * self.size[2] // fold.lanes
        parameters = {
            "Bits": self.bits,
            "Channels": self.size[2],
            "Lanes": fold.lanes,
            **window.parameters(),
            "Pixels": fold.pixels,
            "Taps": fold.taps,
            "Groups": self.groups,
            "Places": self.places,
            "Chains": self.chains or fold.simd,
            "Toggle": self.toggle,
            "Cut": pieces.plain(width, depth, self.block),
        }
        flags = ("s_tvalid_i", "s_tready_o", "go_i", "take_o", "fetch_o", "m_valid_o", "m_last_o")
        data = {
            "s_tdata_i": fold.lanes * self.bits,
            "m_data_o": fold.pixels * fold.simd * self.bits,
        }
        return Case(parameters, dict.fromkeys(flags, 1) | data)

    def expect(self, codes: np.ndarray) -> list[tuple[list[int], int]]:
        """Return a map's words (a code a lane, or -1 where it may be anything; whether the last).

        Lane ``p * simd + l`` is lane l of pixel p.
        """
        window, fold, top = self.geometry, self.fold, 1 << (self.bits - 1)
        under = reference.windows(codes, window).reshape(
            -1, window.out_w, *self.kernel, *codes.shape[2:]
        )
        result = []
        for row in under:
            for first in range(0, window.out_w, fold.pixels):
                words: list[list[int]] = [[] for _ in range(self.words)]
                for pixel in range(fold.pixels):
                    if first + pixel >= window.out_w:
                        parts = [[-1] * fold.simd] * self.words
                    else:
                        parts = reference.window_words(row[first + pixel], fold)
                        if self.toggle >> pixel & 1:
                            parts = [[code ^ top for code in part] for part in parts]
                    for word, part in zip(words, parts, strict=True):
                        word += part
                last = range(1 - self.words, 1)
                result += self.groups * [(w, not n) for w, n in zip(words, last, strict=True)]
        return result

    def stage(self, lane: int) -> int:
        """Return how many cycles later than the first lanes a lane leaves."""
        return self.stages - 1 - lane % self.fold.simd // (self.chains or self.fold.simd)


ONE, SAME, BOTH = (0, 0, 0, 0), (1, 1, 1, 1), (2, 2)
PLAIN = {
    # one tap a word
    "point": Setup((3, 4, 4), (1, 1), Fold(1, 1, 2), groups=2),
    "pixels": Setup((1, 12, 2), (1, 1), Fold(1, 1, 2), steady=True),
    "pixels_skipped": Setup((5, 6, 2), (1, 1), Fold(1, 1, 1), BOTH, steady=True),
    "serial": Setup((3, 4, 4), (3, 3), Fold(1, 1, 2), (1, 1), SAME, groups=2, toggle=1),
    "serial_steady": Setup((6, 6, 2), (3, 3), Fold(1, 1, 2), BOTH, SAME, steady=True, block=1),
    "serial_bare": Setup((5, 5, 3), (3, 3), Fold(1, 1, 1)),
    "serial_rectangle": Setup((7, 4, 2), (5, 3), Fold(1, 1, 1), (2, 1), (2, 1, 0, 0)),
    "serial_larger": Setup((2, 3, 2), (5, 7), Fold(1, 1, 2), (1, 1), (3, 4, 2, 3)),
    "serial_wasted": Setup((6, 7, 1), (3, 2), Fold(1, 1, 1), BOTH, groups=2),
    "serial_framed": Setup((4, 3, 2), (1, 1), Fold(1, 1, 1), (1, 1), SAME, groups=2, toggle=1),
    "serial_far": Setup((3, 4, 2), (3, 3), Fold(1, 1, 2), (2, 1), (5, 4, 3, 7), steady=True),
    # a column of taps a word
    "column": Setup((5, 3, 4), (3, 3), Fold(1, 3, 2), (1, 1), SAME, groups=2, toggle=1),
    "column_steady": Setup((5, 7, 2), (3, 3), Fold(1, 3, 1), BOTH, SAME, steady=True),
    "column_skewed": Setup((7, 5, 1), (5, 3), Fold(1, 5, 1), (1, 2), (0, 2, 3, 1), steady=True),
    "column_larger": Setup((3, 2, 2), (7, 5), Fold(1, 7, 2), (1, 1), (5, 2, 4, 3), steady=True),
    "column_wasted": Setup((8, 6, 1), (3, 3), Fold(1, 3, 1), (2, 2), groups=3),
    "column_far": Setup((3, 4, 2), (3, 3), Fold(1, 3, 2), (1, 2), (4, 3, 6, 5)),
    # the whole window a word
    "full": Setup((4, 5, 4), (3, 3), Fold(1, 9, 2), (1, 1), SAME, groups=2, toggle=1),
    "full_steady": Setup((7, 6, 2), (3, 3), Fold(1, 9, 2), BOTH, (1, 0, 0, 1), steady=True),
    "full_five": Setup((6, 6, 1), (5, 5), Fold(1, 25, 1), (2, 1), (2, 2, 2, 2), bits=5, block=1),
    "full_seven": Setup((5, 4, 1), (7, 7), Fold(1, 49, 1), (2, 2), (3, 3, 3, 3), steady=True),
    "full_row": Setup((3, 6, 2), (1, 3), Fold(1, 3, 1), (1, 2), (0, 2, 0, 1), groups=2),
    "full_far": Setup((2, 3, 2), (3, 3), Fold(1, 9, 1), (1, 1), (3, 4, 4, 3), steady=True),
    "full_tall": Setup((6, 3, 2), (3, 1), Fold(1, 3, 2), (2, 1), (1, 0, 0, 0), steady=True),
}
SEVERAL = {
    # two and four pixels a step, with as many columns and with fewer in a row's last one
    "points": Setup((1, 10, 6), (1, 1), Fold(1, 1, 2, 2), groups=2, toggle=1),
    "points_late": Setup((1, 12, 6), (1, 1), Fold(1, 1, 2, 4), groups=2, chains=1, toggle=2),
    "points_four": Setup((1, 12, 4), (1, 1), Fold(1, 1, 4, 4), steady=True, chains=2),
    "points_odd": Setup((1, 11, 4), (1, 1), Fold(1, 1, 1, 4), steady=True),
    "points_skipped": Setup((5, 9, 2), (1, 1), Fold(1, 1, 1, 2), BOTH, steady=True, groups=2),
    "two": Setup((4, 6, 4), (3, 3), Fold(1, 1, 2, 2), (1, 1), SAME, groups=2, toggle=2),
    "two_odd": Setup((5, 5, 2), (3, 3), Fold(1, 1, 1, 2), (1, 1), SAME, steady=True, toggle=1),
    "two_block": Setup((4, 5, 2), (3, 3), Fold(1, 1, 2, 2), (1, 1), SAME, block=1, toggle=2),
    "two_wasted": Setup((6, 9, 1), (3, 2), Fold(1, 1, 1, 2), BOTH, groups=2),
    "two_larger": Setup((2, 3, 2), (5, 7), Fold(1, 1, 2, 2), (1, 1), (3, 4, 2, 3), toggle=3),
    "four": Setup((4, 8, 2), (3, 3), Fold(1, 1, 2, 4), (1, 1), SAME, groups=2, toggle=0b1010),
    "four_odd": Setup((5, 9, 2), (3, 3), Fold(1, 1, 2, 4), BOTH, SAME, steady=True, toggle=0b0110),
    "four_of_three": Setup((4, 3, 1), (3, 3), Fold(1, 1, 1, 4), (1, 1), SAME, groups=2),
    "two_framed": Setup((4, 5, 4), (1, 1), Fold(1, 1, 2, 2), (1, 1), SAME, groups=2, toggle=2),
    "two_columns": Setup((5, 5, 2), (3, 3), Fold(1, 3, 1, 2), (1, 1), SAME, groups=2, toggle=2),
    "two_columns_steady": Setup((5, 8, 2), (3, 3), Fold(1, 3, 2, 2), BOTH, SAME, steady=True),
    "four_columns": Setup((6, 7, 1), (5, 3), Fold(1, 5, 1, 4), (1, 1), (2, 1, 2, 1), block=1),
    "two_full": Setup((5, 6, 2), (3, 3), Fold(1, 9, 1, 2), (1, 1), SAME, groups=2, toggle=1),
    "two_full_odd": Setup((6, 7, 4), (3, 3), Fold(1, 9, 2, 2), BOTH, SAME, steady=True),
    "four_full": Setup((3, 7, 4), (1, 3), Fold(1, 3, 1, 4), (1, 1), (0, 1, 0, 1), toggle=0b1001),
}
CASCADES = {
    # lanes that come later from stage to stage; a ring that is full while the last lanes still read
    "skewed_points": Setup((1, 9, 4), (1, 1), Fold(1, 1, 4), groups=2, chains=1),
    "skewed_deep": Setup((1, 7, 12), (1, 1), Fold(1, 1, 6), groups=2, chains=1, toggle=1),
    "skewed_uneven": Setup((2, 3, 7), (1, 1), Fold(1, 1, 7), groups=3, chains=3),
    "skewed_serial": Setup((3, 4, 6), (3, 3), Fold(1, 1, 6), (1, 1), SAME, groups=2, chains=1),
    "skewed_steady": Setup((4, 4, 8), (3, 3), Fold(1, 1, 4), BOTH, SAME, steady=True, chains=1),
    "skewed_block": Setup((1, 8, 5), (1, 1), Fold(1, 1, 5), groups=2, chains=2, block=1),
    "skewed_column": Setup((4, 3, 2), (3, 3), Fold(1, 3, 2), (1, 1), SAME, groups=2, chains=2),
    "skewed_full": Setup((4, 4, 2), (3, 3), Fold(1, 9, 1), (1, 1), SAME, groups=2, chains=4),
    "skewed_two": Setup((1, 9, 10), (1, 1), Fold(1, 1, 5, 2), groups=2, chains=1, toggle=2),
    "skewed_two_odd": Setup((3, 5, 4), (3, 3), Fold(1, 1, 4, 2), (1, 1), SAME, chains=1, toggle=1),
    "skewed_two_block": Setup((4, 4, 4), (3, 3), Fold(1, 1, 4, 2), BOTH, SAME, chains=3, block=1),
    "skewed_two_column": Setup((4, 5, 1), (3, 3), Fold(1, 3, 1, 2), (1, 1), SAME, chains=2),
    "skewed_two_full": Setup((4, 5, 2), (3, 3), Fold(1, 9, 1, 2), (1, 1), SAME, groups=2, chains=2),
}
SETUPS = PLAIN | SEVERAL | CASCADES
CASES = {name: setup.case() for name, setup in SETUPS.items()}
QUICK = ("serial", "column", "full", "two_odd", "points", "skewed_points")


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
        expected = [self._staged(*word) for codes in maps for word in setup.expect(codes)]
        gap, pause = (stalls(pattern, random) for pattern in patterns)
        stop = int(share * len(expected))
        sent = received = taken = valid = word = waited = cycle = 0
        # a parallel window chooses among its banks in one cycle more
        begun, fetched, ends = [0] * (2 if setup.fold.taps == 1 else 3), [0] * 2, []
        due = [(0, 0)] * setup.stages  # (mask, codes) of this cycle and those after it
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
            first = out and received % setup.run == 0
            assert first == begun.pop(0), "take_o must be as far ahead of what it begins"
            begun.append(take)
            if out:
                assert received < len(expected), "a word too many"
                last, stages = expected[received]
                assert part.read("m_last_o") == [last], received
                due = [(a | c, b | d) for (a, b), (c, d) in zip(due, stages, strict=True)]
                received, waited = received + 1, 0
                if received % (len(expected) // frames) == 0:
                    ends.append(cycle)
            else:
                assert received % setup.run == 0, "a gap within a product"
                waited += 1
                assert waited < 2000, "locked up"
            (mask, codes), *due = *due, (0, 0)
            if mask:
                assert part.read("m_data_o")[0] & mask == codes, received
        assert share < 1 or taken * setup.run == received
        return ends

    def _staged(self, word: list[int], last: bool) -> tuple[bool, list[tuple[int, int]]]:
        """Return the mask and the codes that leave in the word's cycle and in those after it."""
        setup, stages = self.setup, []
        for stage in range(self.setup.stages):
            here = [setup.stage(lane) == stage and code >= 0 for lane, code in enumerate(word)]
            mask = reference.pack([-1 if chosen else 0 for chosen in here], setup.bits)
            stages.append((mask, reference.pack(word, setup.bits) & mask))
        return last, stages


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
    """With the places of `geometry`, frames follow each other without a bubble."""
    setup = SETUPS[name]
    player = Player(Part(dut, name), setup)
    await player.reset()
    ends = await player.play(5, ("never", "never"))
    window, (height, width, channels) = setup.geometry, setup.size
    ideal = window.out_h * window.steps(setup.fold.pixels) * setup.groups * setup.words
    beats = height * width * channels // setup.fold.lanes
    assert np.diff(ends)[2:].tolist() == [max(ideal, beats)] * 2


def test_zf_window(tmp_path):
    """Run `exact` and `steady` for every case."""
    cases.run("zf_window", CASES, tmp_path)
