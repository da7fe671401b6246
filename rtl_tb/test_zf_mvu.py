"""zf_mvu: exact sums of products, for every sign, width and gap between words."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.words import hex_lines
from zynqfire.rtl_tb import cases, reference
from zynqfire.rtl_tb.cases import Case, Part


@dataclass(frozen=True)
class Setup:
    """A matrix-vector unit; `extreme` weights are all -2**(w_bits-1), else random."""

    pe: int
    simd: int
    a_bits: int
    signed: bool
    w_bits: int
    words: int
    groups: int
    extreme: bool = False
    acc_bits: int = 0
    block: int = 0

    @property
    def weights(self) -> np.ndarray:
        """(groups, words, pe, simd)."""
        lo, hi = -(1 << (self.w_bits - 1)), (1 << (self.w_bits - 1)) - 1
        shape = (self.groups, self.words, self.pe, self.simd)
        if self.extreme:
            return np.full(shape, lo)
        return np.random.default_rng(self.simd).integers(lo, hi, shape, endpoint=True)

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest activation."""
        if self.signed:
            return -(1 << (self.a_bits - 1)), (1 << (self.a_bits - 1)) - 1
        return 0, (1 << self.a_bits) - 1

    @property
    def width(self) -> int:
        """Bits of an accumulator that just holds every sum."""
        lo, hi = self.range
        up, down = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        most = (up * hi + down * lo).sum((1, 3)).max()
        least = (up * lo + down * hi).sum((1, 3)).min()
        return max(int(most).bit_length(), int(-least - 1).bit_length()) + 1

    @property
    def joins(self) -> int:
        """Cycles that put the slices of a product together."""
        slices = -(-self.a_bits // (2 if self.w_bits > 4 else 4))
        return (slices - 1).bit_length()

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        acc_bits = self.acc_bits or self.width
        parameters = {
            "Pe": self.pe,
            "Simd": self.simd,
            "ABits": self.a_bits,
            "ASigned": int(self.signed),
            "WBits": self.w_bits,
            "AccBits": acc_bits,
            "Words": self.words,
            "Groups": self.groups,
            "Block": self.block,
            "InitFile": f"{name}.mem",
        }
        flags = ("fetch_i", "s_valid_i", "s_last_i", "m_fetch_o", "m_valid_o")
        data = {"s_data_i": self.simd * self.a_bits, "m_data_o": self.pe * acc_bits}
        return Case(parameters, dict.fromkeys(flags, 1) | data)


SETUPS = {
    "single": Setup(1, 1, 4, False, 4, words=1, groups=1),
    "pair": Setup(2, 2, 4, False, 4, words=4, groups=2, acc_bits=20),
    "least": Setup(3, 4, 8, True, 8, words=3, groups=1, extreme=True),
    "most": Setup(2, 8, 8, False, 8, words=2, groups=3, extreme=True),
    "odd": Setup(3, 5, 3, True, 2, words=5, groups=2),
    "bits": Setup(2, 3, 2, False, 2, words=2, groups=2, acc_bits=30, block=1),
    "nine": Setup(4, 9, 4, False, 4, words=1, groups=4),
    "wide": Setup(1, 25, 2, True, 5, words=7, groups=1),
    "sliced": Setup(2, 3, 6, True, 4, words=3, groups=1),
    "sliced_up": Setup(2, 1, 7, False, 3, words=2, groups=2),
    "sliced_thin": Setup(1, 2, 5, True, 6, words=2, groups=1),
    "sliced_odd": Setup(2, 2, 3, False, 7, words=1, groups=2),
}
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("pair", "odd", "least")
FILES = {
    f"{name}.mem": hex_lines(setup.weights.reshape(setup.groups * setup.words, -1), setup.w_bits)
    for name, setup in SETUPS.items()
}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Sum and cycle of every product, with gaps between words, after resets in mid-product."""
    part, setup = Part(dut, name), SETUPS[name]
    acc_bits = CASES[name].parameters["AccBits"]
    edge = RisingEdge(part.clk_i)
    latency = 2 + setup.joins + (setup.simd - 1).bit_length()
    lo, hi = setup.range
    Clock(part.clk_i, 4, "ns").start()
    for gaps, drain in ((0, False), (0.1, True), (0.7, False), (0, False), (0.2, False), (0, True)):
        part.drive(rst_i=1, fetch_i=1, s_valid_i=1, s_last_i=1, s_data_i=0)
        for _ in range(random.randint(1, 3)):
            await edge
        part.drive(rst_i=0)
        acts = _activations(lo, hi, setup)
        sums = np.einsum("ngws,gwps->ngp", acts, setup.weights).reshape(-1, setup.pe).tolist()
        acts = acts.reshape(-1, setup.simd).tolist()
        stop = len(acts) if drain else random.randrange(1, len(acts))
        fetches, sent, cycle = [0, 0], 0, 0
        due: list[tuple[int, int]] = []
        while sent < stop or (drain and due):
            fetch = sent + sum(fetches) < stop and random.random() >= gaps
            valid = fetches.pop(0)
            fetches.append(fetch)
            last = (sent + 1) % setup.words == 0 if valid else random.getrandbits(1)
            word = acts[sent] if valid else (random.randint(lo, hi) for _ in range(setup.simd))
            part.drive(fetch_i=fetch, s_valid_i=valid, s_last_i=last)
            part.drive(s_data_i=reference.pack(word, setup.a_bits))
            if valid:
                if last:
                    result = sums[sent // setup.words]
                    due.append((cycle + latency, reference.pack(result, acc_bits)))
                sent += 1
            await edge
            soon, now = part.read("m_fetch_o", "m_valid_o")
            assert soon == any(when == cycle + 2 for when, _ in due)
            assert now == bool(due and due[0][0] == cycle)
            if now:
                assert part.read("m_data_o") == [due.pop(0)[1]]
            cycle += 1


def _activations(lo, hi, setup):
    """Return products' activations: extremes, then random; (pixels, groups, words, simd)."""
    shape = (4, setup.groups, setup.words, setup.simd)
    plain = np.random.default_rng(random.getrandbits(32)).integers(lo, hi, shape, endpoint=True)
    worst = np.where(setup.weights[None, :, :, 0, :] < 0, lo, hi)
    best = np.where(setup.weights[None, :, :, 0, :] < 0, hi, lo)
    flat = np.broadcast_to(np.array([lo, hi]).reshape(2, 1, 1, 1), (2, *shape[1:]))
    return np.concatenate([worst, best, flat, plain])


def test_zf_mvu(tmp_path):
    """Run `exact` for every case."""
    cases.run("zf_mvu", CASES, tmp_path, FILES)
