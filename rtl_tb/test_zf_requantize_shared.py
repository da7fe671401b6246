"""zf_requantize_shared: a product's accumulators, turn by turn, to the codes of each pixel."""

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
    """Requantizers of `pixels` times `pe` accumulators; one shift and bias a pixel and channel.

    A shift of a channel serves all its pixels, a bias does not.
    """

    pe: int
    pixels: int
    lanes: int
    groups: int = 1
    in_bits: int = 9
    shifts: tuple[int, ...] = (2,)
    biases: tuple[int, ...] = (3, -40, 17, 0, 25, -8, 11)
    out_bits: int = 4
    lo: int = 0
    hi: int = 15

    @property
    def turns(self) -> int:
        """Turns of a product."""
        return self.pixels * self.pe // self.lanes

    @property
    def shift(self) -> np.ndarray:
        """A shift for each (group, pixel, channel of the group)."""
        shifts = np.resize(self.shifts, (self.groups, 1, self.pe))
        return np.broadcast_to(shifts, (self.groups, self.pixels, self.pe))

    @property
    def bias(self) -> np.ndarray:
        """A bias for each (group, pixel, channel of the group)."""
        return np.resize(self.biases, (self.groups, self.pixels, self.pe))

    @property
    def stored(self) -> np.ndarray:
        """What the memory adds: the bias and the half that rounds."""
        return self.bias + np.where(self.shift > 0, 1 << np.maximum(self.shift, 1) >> 1, 0)

    @property
    def fields(self) -> list[tuple[np.ndarray, int]]:
        """What the memory holds, in the order in which it goes, and in how many bits."""
        largest = max(int(self.stored.max()), -1 - int(self.stored.min()))
        least, most = int(self.shift.min()), int(self.shift.max())
        fields = [(self.stored.ravel(), largest.bit_length() + 1)]
        if most > least:
            fields.append((self.shift.ravel() - least, (most - least).bit_length()))
        return fields if any(self.biases) or most > least else []

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        fields = self.fields
        parameters = {
            "Pe": self.pe,
            "Pixels": self.pixels,
            "Lanes": self.lanes,
            "InBits": self.in_bits,
            "BiasBits": fields[0][1] if fields else 0,
            "ShiftMin": int(self.shift.min()),
            "ShiftMax": int(self.shift.max()),
            "ShiftBits": fields[1][1] if len(fields) > 1 else 0,
            "Groups": self.groups,
            "OutBits": self.out_bits,
            "Lo": self.lo,
            "Hi": self.hi,
            "InitFile": f"{name}.mem",
        }
        data = {
            "s_data_i": self.pixels * self.pe * self.in_bits,
            "m_data_o": self.pe * self.out_bits,
        }
        flags = ("fetch_i", "s_valid_i", "m_valid_o")
        return Case(parameters, dict.fromkeys(flags, 1) | data)

    def product(self, group: int) -> tuple[list[int], list[int]]:
        """Return random accumulators, pixel by pixel, and the word of codes of each pixel."""
        most = 1 << (self.in_bits - 1)
        # with what is added, they are numbers of as many bits
        low = np.maximum(-most, -most - self.stored[group])
        high = np.minimum(most - 1, most - 1 - self.stored[group])
        values = np.random.default_rng(random.getrandbits(32)).integers(low, high, endpoint=True)
        codes = []
        for sums, shifts in zip(values + self.bias[group], self.shift[group], strict=True):
            pixel = (
                reference.requantize(acc, shift, self.lo, self.hi)
                for acc, shift in zip(sums, shifts, strict=True)
            )
            codes.append(reference.pack(pixel, self.out_bits))
        return values.ravel().tolist(), codes


SETUPS = {
    # all at once
    "one": Setup(1, 1, 1, 3),
    "straight": Setup(4, 1, 4, 2, shifts=(1, 3, 0, 2)),
    "straight_plain": Setup(2, 1, 2, 2, biases=(0,), lo=-7, hi=7),
    # a pixel at a time
    "pixels": Setup(2, 2, 2, 3),
    "pixels_four": Setup(3, 4, 3, 2, shifts=(2, 4, 3), out_bits=6, lo=-32, hi=31),
    "one_each": Setup(1, 2, 1, 3),
    # part of a pixel at a time
    "parts": Setup(4, 1, 2, 2),
    "parts_single": Setup(3, 1, 1, 2, shifts=(2, 5, 3)),
    "parts_pixels": Setup(4, 2, 2, 3, shifts=(2, 1, 4)),
    "parts_many": Setup(6, 4, 1, 2, in_bits=12, shifts=(6, 5), out_bits=5, lo=-15, hi=15),
    "parts_plain": Setup(4, 2, 1, 1, biases=(0,)),
    "lefts": Setup(2, 2, 1, 2, in_bits=7, shifts=(-1, 0, -2), out_bits=9, lo=-256, hi=255),
}
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("straight", "pixels", "parts_pixels")
FILES = {
    f"{name}.mem": hex_groups(setup.fields, setup.groups * setup.turns, setup.lanes)
    for name, setup in SETUPS.items()
    if setup.fields
}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Each pixel's codes in their cycle, products as close as they may come and further apart.

    After a reset in the midst of a product, nothing of it comes and the words begin anew.
    """
    part, setup = Part(dut, name), SETUPS[name]
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    parts = setup.pe // setup.lanes
    first = 3 if setup.turns == 1 else 4 + (parts if parts > 1 else 0)
    for gaps, products, drain in (
        (0, 40, True),
        (0.3, 30, True),
        (0, 3, False),
        (0.2, 5, False),
    ) * 3:
        part.drive(rst_i=1, fetch_i=1, s_valid_i=1, s_data_i=0)
        for _ in range(random.randint(1, 3)):
            await edge
        part.drive(rst_i=0)
        sent, wait, cycle = 0, 0, 0
        arrivals: dict[int, int] = {}
        due: dict[int, int] = {}
        word = random.getrandbits(setup.pixels * setup.pe * setup.in_bits)
        stop = random.randrange(1, 2 * setup.turns + 6) if not drain else 0  # cycles of the last
        while sent < products or (any(at >= cycle for at in (*arrivals, *due)) if drain else stop):
            fetch = sent < products and not wait and random.random() >= gaps
            stop -= sent == products and stop > 0
            if fetch:
                arrivals[cycle + 2] = sent % setup.groups
                sent, wait = sent + 1, setup.turns
            wait = max(0, wait - 1)
            if cycle in arrivals:
                values, codes = setup.product(arrivals[cycle])
                word = reference.pack(values, setup.in_bits)
                due |= {cycle + first + pixel * parts: code for pixel, code in enumerate(codes)}
            part.drive(fetch_i=fetch, s_valid_i=cycle in arrivals, s_data_i=word)
            await edge
            assert part.read("m_valid_o") == [cycle in due], cycle
            if cycle in due:
                assert part.read("m_data_o") == [due[cycle]], cycle
            cycle += 1


def test_zf_requantize_shared(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_requantize_shared", CASES, tmp_path, FILES)
