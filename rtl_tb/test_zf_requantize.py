"""zf_requantize: every code of narrow accumulators, ties, ends and shifts of wide ones."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.words import hex_groups
from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part


@dataclass(frozen=True)
class Setup:
    """A requantizer; one shift and bias a channel, groups * lanes of each or one.

    With `sum_bits`, sums are of so many bits and inputs only such that they fit. `raised` is added
    to every input and taken off every bias, modulo the sums, as for codes raised on a DSP's port.
    """

    lanes: int
    groups: int
    in_bits: int
    signed: bool
    shifts: tuple[int, ...]
    biases: tuple[int, ...]
    out_bits: int
    lo: int
    hi: int
    sum_bits: int = 0
    raised: int = 0

    @property
    def shift(self) -> list[int]:
        """A shift a channel."""
        return np.resize(self.shifts, self.lanes * self.groups).tolist()

    @property
    def bias(self) -> list[int]:
        """A bias a channel."""
        return np.resize(self.biases, self.lanes * self.groups).tolist()

    @property
    def half(self) -> list[int]:
        """Half of a code's step, for each channel; none where no bit falls off."""
        return [1 << shift >> 1 if shift > 0 else 0 for shift in self.shift]

    @property
    def fields(self) -> list[tuple[np.ndarray, int]]:
        """What the parameter memory holds of each channel, and in how many bits."""
        shift = np.array(self.shift) - min(self.shift)
        bias = np.array(self.bias) + self.half - self.raised
        if self.raised:
            most = 1 << (self.sum_bits - 1)
            bias = (bias + most) % (2 * most) - most
        plain = not any(self.bias) and not shift.any() and not self.raised  # one half for all
        largest = max(int(bias.max()), -1 - int(bias.min()))
        bits = (0 if plain else largest.bit_length() + 1, int(shift.max()).bit_length())
        return [(values, width) for values, width in zip((bias, shift), bits, strict=True)]

    def range(self, channel: int) -> tuple[int, int]:
        """Smallest and largest input of a channel, before it is raised."""
        lo, hi = 0, (1 << self.in_bits) - 1
        if self.signed:
            lo, hi = -(1 << (self.in_bits - 1)), (1 << (self.in_bits - 1)) - 1
        if self.sum_bits:
            most, more = 1 << (self.sum_bits - 1), self.bias[channel] + self.half[channel]
            lo, hi = max(lo, -most, -most - more), min(hi, most - 1, most - 1 - more)
        return lo, hi

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        parameters = {
            "Lanes": self.lanes,
            "InBits": self.in_bits,
            "InSigned": int(self.signed),
            **({"SumBits": self.sum_bits} if self.sum_bits else {}),
            "BiasBits": self.fields[0][1],
            "ShiftMin": min(self.shift),
            "ShiftMax": max(self.shift),
            "ShiftBits": self.fields[1][1],
            "Groups": self.groups,
            "OutBits": self.out_bits,
            "Lo": self.lo,
            "Hi": self.hi,
            "InitFile": f"{name}.mem",
        }
        flags = ("fetch_i", "s_valid_i", "m_valid_o")
        data = {"s_data_i": self.lanes * self.in_bits, "m_data_o": self.lanes * self.out_bits}
        return Case(parameters, dict.fromkeys(flags, 1) | data)


SETUPS = {
    "plain": Setup(2, 1, 10, True, (3,), (0,), 4, 0, 15),
    "narrow": Setup(2, 2, 9, True, (4,), (0,), 4, -7, 7),
    "full_range": Setup(1, 1, 8, True, (1,), (0,), 6, -32, 31),
    "positive": Setup(3, 1, 9, False, (2,), (0,), 6, 0, 63),
    "bias": Setup(2, 3, 10, True, (4,), (5, -130, 127, -128, 0, 33), 4, 0, 15),
    "wide_bias": Setup(1, 2, 6, True, (3,), (1000, -1024), 8, -127, 127, 12),
    "biased_up": Setup(1, 2, 8, False, (1,), (127, -128), 8, 0, 255),
    "shifts": Setup(2, 2, 9, True, (1, 4, 0, 6), (0,), 5, -16, 15),
    "both": Setup(2, 3, 9, True, (5, 2, 3, 7, 2, 4), (-100, 7, 50, 3, -1, 64), 4, 0, 15),
    "left": Setup(2, 1, 6, True, (-3,), (0,), 9, -256, 255),
    "left_and_right": Setup(2, 2, 8, True, (-2, 1, 3, -1), (2, -3, 9, 1), 6, -31, 31),
    "none": Setup(2, 1, 9, True, (0,), (0,), 9, -256, 255),
    "none_clamped": Setup(1, 2, 9, False, (0,), (0,), 4, 2, 13),
    "left_bias": Setup(1, 2, 7, False, (-2,), (-60, 31), 9, -256, 255),
    "lefts": Setup(2, 1, 6, True, (-3, 0), (0,), 9, -256, 255),
    "odd_ends": Setup(2, 2, 9, True, (2,), (3, -8), 7, -37, 41),
    "positive_ends": Setup(1, 2, 9, True, (3, 1), (0,), 6, 3, 32),
    "negative_ends": Setup(1, 2, 9, True, (1,), (1, -1), 6, -32, -5),
    "vanishing": Setup(2, 1, 7, True, (12,), (0,), 4, -8, 7, 13),
    "vanishing_up": Setup(1, 1, 7, False, (7,), (0,), 4, 0, 15, 9),
    "vanishing_some": Setup(2, 1, 7, True, (1, 15), (0,), 5, -16, 15, 16),
    "tight": Setup(2, 1, 9, True, (4,), (0,), 6, -32, 31, 9),
    "tight_bias": Setup(2, 2, 9, True, (3, 1, 2, 5), (200, -9, -250, 17), 8, -128, 127, 9),
    "raised": Setup(2, 2, 10, True, (4,), (5, -130, 127, -128), 6, -32, 31, 10, 700),
    "raised_shifts": Setup(2, 2, 9, True, (2, -1, 5, 0), (0, 7, -90, 63), 6, -31, 31, 9, -333),
    "wide": Setup(1, 2, 40, True, (0, 3), (1 << 30, -(1 << 31)), 40, -(1 << 39), (1 << 39) - 1),
    "widest": Setup(1, 1, 38, True, (-2,), (0,), 40, -(1 << 39) + 1, (1 << 39) - 1),
    "logits": Setup(
        2, 2, 20, True, (0, -4, -2, 0), (70000, -5, 0, -70000), 26, -(1 << 25), 1 << 24
    ),
}
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("bias", "both", "left")
FILES = {
    f"{name}.mem": hex_groups(
        [field for field in setup.fields if field[1]], setup.groups, setup.lanes
    )
    for name, setup in SETUPS.items()
    if any(width for _, width in setup.fields)
}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Codes three cycles later, with and without gaps, the channels in step after every reset."""
    part, setup = Part(dut, name), SETUPS[name]
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    feed = [_inputs(setup, channel) for channel in range(setup.lanes * setup.groups)]
    beats = max(map(len, feed))
    for inputs in feed:
        inputs.extend(random.choices(inputs, k=beats - len(inputs)))
    for gaps, share, drain in ((0, 0.05, False), (0, 1, True), (0.3, 0.1, False), (0.5, 0.1, True)):
        part.drive(rst_i=1, fetch_i=1, s_valid_i=1, s_data_i=0)
        for _ in range(random.randint(1, 3)):
            await edge
        part.drive(rst_i=0)
        fetches, sent, stop = [0, 0], 0, int(share * beats * setup.groups)
        results: list[int | None] = [None] * 3
        while sent < stop or (drain and any(result is not None for result in results)):
            fetch = sent + sum(fetches) < stop and random.random() >= gaps
            valid = fetches.pop(0)
            fetches.append(fetch)
            word, result = random.getrandbits(setup.lanes * setup.in_bits), None
            if valid:
                beat, group = divmod(sent, setup.groups)
                channels = range(group * setup.lanes, (group + 1) * setup.lanes)
                raised = (feed[c][beat] + setup.raised for c in channels)
                word = reference.pack(raised, setup.in_bits)
                codes = (_code(setup, c, feed[c][beat]) for c in channels)
                result = reference.pack(codes, setup.out_bits)
                sent += 1
            part.drive(fetch_i=fetch, s_valid_i=valid, s_data_i=word)
            await edge
            expected = results.pop(0)
            results.append(result)
            assert part.read("m_valid_o") == [expected is not None]
            if expected is not None:
                assert part.read("m_data_o") == [expected]


def _code(setup, channel, value):
    value += setup.bias[channel]
    return reference.requantize(value, setup.shift[channel], setup.lo, setup.hi)


def _inputs(setup, channel):
    """Return inputs of a channel: all of them, or those near ties, near ends and random ones."""
    lo, hi = setup.range(channel)
    if hi - lo < 1024:
        return random.sample(range(lo, hi + 1), hi - lo + 1)
    shift, bias = setup.shift[channel], setup.bias[channel]
    values = [lo, hi, lo + 1, hi - 1, -bias, 0]
    for code in (
        setup.lo,
        setup.hi,
        -1,
        0,
        1,
        2,
        *(random.randint(setup.lo, setup.hi) for _ in "ab"),
    ):
        around = (code << shift if shift > 0 else code >> -shift) - bias
        half = 1 << max(shift - 1, 0)
        values += [around + sign * half + near for sign in (-1, 0, 1) for near in (-1, 0, 1)]
    values += [random.randint(lo, hi) for _ in range(200)]
    return [value for value in values if lo <= value <= hi]


def test_zf_requantize(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_requantize", CASES, tmp_path, FILES)
