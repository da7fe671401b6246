"""zf_mvu: exact sums of products, for every sign, width, packing and gap between products."""

import random
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import Conv, QType, Tensor
from zynqfire.hls.memory import Placed, rom_files
from zynqfire.hls.packing import Packing, packings
from zynqfire.hls.passes import convolution, units
from zynqfire.hls.passes.sizes import add_levels
from zynqfire.hls.words import hex_lines
from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized


@dataclass(frozen=True)
class Setup:
    """A matrix-vector unit; `extreme` weights are all as low as they may be, else random."""

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
    pixels: int = 1
    packing: Packing | None = None
    primitives: int = 0
    outside: int = 0
    codebook: int = 0  # different weights, at most, of which memories hold the places

    @property
    def weights(self) -> np.ndarray:
        """(groups, words, pe, simd)."""
        lo, hi = -(1 << (self.w_bits - 1)), (1 << (self.w_bits - 1)) - 1
        lo += bool(self.packing and self.packing.channels == 2)
        shape = (self.groups, self.words, self.pe, self.simd)
        if self.extreme:
            return np.full(shape, lo)
        drawn = np.random.default_rng(self.simd).integers(lo, hi, shape, endpoint=True)
        return reference.few(drawn, self.codebook) if self.codebook else drawn

    def range(self, pixel: int) -> tuple[int, int]:
        """Smallest and largest code of a pixel; those in DSPs are signed as the packing says."""
        signed = self.signed
        if self.packing:
            signed = self.packing.offset(pixel, True, self.a_bits) == 0
        half = 1 << (self.a_bits - 1)
        return (-half, half - 1) if signed else (0, 2 * half - 1)

    @property
    def width(self) -> int:
        """Bits of an accumulator that just holds every sum."""
        up, down = np.maximum(self.weights, 0), np.minimum(self.weights, 0)
        bits = []
        for lo, hi in map(self.range, range(self.pixels)):
            most = (up * hi + down * lo).sum((1, 3)).max()
            least = (up * lo + down * hi).sum((1, 3)).min()
            bits += [int(most).bit_length(), int(-least - 1).bit_length()]
        return max(bits) + 1

    @property
    def chains(self) -> int:
        """Cascades side by side; without DSPs every lane comes at once."""
        return self.packing.chains(self.simd) if self.packing else self.simd

    @property
    def stages(self) -> int:
        """Cycles over which the lanes of a word come."""
        return -(-self.simd // self.chains)

    @property
    def latency(self) -> int:
        """Cycles from a product's last word to its sums."""
        if self.packing:
            return 4 + self.stages + add_levels(self.chains, 2)
        return 2 + add_levels(self.simd, 1) + (self.a_bits > 4)

    def layer(self) -> tuple[Conv, Fold]:
        """Return a convolution that has these weights."""
        weights = self.weights.transpose(0, 2, 1, 3)
        outputs = self.groups * self.pe
        weights = weights.reshape(outputs, 1, 1, self.words * self.simd)
        result = Tensor("acc", (1, 1, outputs), QType(40, True, 0))
        bias = np.zeros(outputs, int)
        table = tuple(np.unique(weights).tolist()) if self.codebook else ()
        conv = Conv("mvu", "in", result, weights, self.w_bits, bias, (1, 1), (0,) * 4, table)
        return conv, Fold(self.pe, 1, self.simd, self.pixels, self.packing)

    @property
    def stored(self) -> int:
        """Bits of a word of weights in memory."""
        return self.pe * self.simd * self.layer()[0].stored_bits

    @property
    def placed(self) -> Placed:
        """Where those bits of the weights are that do not come from outside."""
        width = self.stored - self.outside
        return pieces.rom(width, self.words * self.groups, self.block if width else 0)

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        acc_bits = self.acc_bits or self.width
        parameters = {
            "Pe": self.pe,
            "Simd": self.simd,
            "Pixels": self.pixels,
            "ABits": self.a_bits,
            "ASigned": int(self.signed),
            "WBits": self.w_bits,
            "AccBits": acc_bits,
            "Words": self.words,
            "Groups": self.groups,
            "Cut": pieces.parameter(self.placed.cut),
            "InitFile": f"{name}.mem",
            "Primitives": self.primitives,
            "Outside": self.outside,
        }
        if self.codebook:
            found = units.codebook_parameters(self.layer()[0])
            parameters |= found | {"Codebook": sized(found["Codebook"], 256)}
        if self.packing:
            bits = 32 * self.pe * self.simd * self.w_bits
            rest = convolution.rest_words(self.words * self.groups)
            rest = rest and not self.codebook and convolution.rest_init(*self.layer())
            parameters |= {
                "DspPixels": self.packing.pixels,
                "DspChannels": self.packing.channels,
                "CodeAt": self.packing.code_at,
                "WeightAt": self.packing.weight_at,
                "Chains": self.chains,
                "RestInit": sized(rest, bits),
            }
        flags = ("fetch_i", "s_valid_i", "s_last_i", "m_fetch_o", "m_valid_o")
        data = {
            "s_data_i": self.pixels * self.simd * self.a_bits,
            "m_data_o": self.pixels * self.pe * acc_bits,
            "rom_addr_o": max(1, (self.words * self.groups - 1).bit_length()),
            "rom_step_o": 1,
            "rom_word_i": max(1, self.outside),
            "rom_data_o": self.stored,
        }
        return Case(parameters, dict.fromkeys(flags, 1) | data)

    def files(self, name: str) -> dict[str, str]:
        """Return the contents of its memory."""
        inside, _ = self.parts()
        return rom_files(f"{name}.mem", inside, self.placed) if inside else {}

    def parts(self) -> tuple[str, list[int]]:
        """Return the text of what is in its memory, and the words that come from outside."""
        layer = self.layer()
        text = hex_lines(convolution.weight_words(*layer), layer[0].stored_bits)
        return pieces.split(text, self.stored, self.outside)

    def words_read(self) -> list[int]:
        """Return the words that it shows as it reads them."""
        layer = self.layer()
        text = hex_lines(convolution.weight_words(*layer), layer[0].stored_bits).split()
        return [int(line, 16) if self.block else 0 for line in text]


FOUR, CODES, PAIRS, _ = packings(4, True, 4, 25)
EIGHT = packings(8, True, 4, 25)  # two codes, or two weights
WIDER, *_ = packings(3, True, 6, 25)  # codes than weights
SETUPS = {
    "single": Setup(1, 1, 4, False, 4, words=1, groups=1),
    "pair": Setup(2, 2, 4, False, 4, words=4, groups=2, acc_bits=20, primitives=1),
    "least": Setup(3, 4, 8, True, 8, words=3, groups=1, extreme=True, primitives=1),
    "most": Setup(2, 8, 8, False, 8, words=2, groups=3, extreme=True),
    "odd": Setup(3, 5, 3, True, 2, words=5, groups=2, primitives=1),
    "bits": Setup(2, 3, 2, False, 2, words=2, groups=2, acc_bits=30, block=1),
    "nine": Setup(4, 9, 4, False, 4, words=1, groups=4, primitives=2),
    "wide": Setup(1, 25, 2, True, 5, words=7, groups=1),
    "outside": Setup(2, 3, 2, False, 2, words=2, groups=2, block=1, outside=5),
    "all_outside": Setup(2, 3, 4, False, 4, words=3, groups=2, block=1, outside=24),
    "pixels": Setup(2, 3, 6, True, 4, words=3, groups=1, pixels=3),
    "four": Setup(2, 4, 4, False, 4, words=3, groups=2, pixels=2, packing=FOUR),
    "four_e1": Setup(4, 5, 4, False, 4, words=2, groups=2, pixels=2, packing=FOUR, primitives=1),
    "four_e2": Setup(4, 5, 4, False, 4, words=2, groups=2, pixels=2, packing=FOUR, primitives=2),
    "four_least": Setup(2, 9, 4, False, 4, 2, 1, True, pixels=4, packing=FOUR, primitives=1),
    "four_block": Setup(2, 11, 4, False, 4, 4, 2, block=1, pixels=2, packing=FOUR, primitives=1),
    "four_outside": Setup(2, 11, 4, False, 4, 4, 2, block=1, pixels=2, packing=FOUR, outside=72),
    "four_all": Setup(2, 11, 4, False, 4, 4, 2, block=1, pixels=2, packing=FOUR, outside=88),
    "four_rest": Setup(2, 3, 4, False, 4, 12, 6, pixels=2, packing=FOUR, primitives=1),
    "four_table": Setup(2, 3, 4, False, 4, 18, 10, pixels=2, packing=FOUR, primitives=1),
    "wider": Setup(4, 5, 6, False, 3, 3, 2, pixels=WIDER.pixels, packing=WIDER, primitives=1),
    "codes": Setup(1, 7, 4, False, 4, words=2, groups=2, pixels=2, packing=CODES, primitives=1),
    "codes_rest": Setup(3, 2, 4, False, 4, 9, 8, pixels=2, packing=CODES, primitives=1),
    "pairs": Setup(4, 6, 4, False, 4, words=2, groups=2, packing=PAIRS, primitives=2),
    "pairs_rest": Setup(2, 2, 4, False, 4, 35, 2, packing=PAIRS, primitives=2),
}
CODED = {
    "coded": Setup(2, 5, 4, False, 8, 6, 3, primitives=1, codebook=16),
    "coded_outside": Setup(2, 3, 6, True, 7, 5, 2, block=1, outside=9, codebook=32),
    "coded_pair": Setup(4, 6, 4, False, 8, 3, 2, packing=EIGHT[1], primitives=1, codebook=16),
    "coded_five": Setup(4, 7, 4, False, 8, 5, 3, packing=EIGHT[1], primitives=2, codebook=32),
    "coded_deep": Setup(2, 3, 4, False, 8, 12, 6, packing=EIGHT[1], primitives=1, codebook=7),
    "coded_block": Setup(2, 9, 4, False, 8, 4, 2, block=1, packing=EIGHT[1], codebook=24),
    "coded_far": Setup(
        2, 5, 4, False, 8, 4, 2, block=1, pixels=2, packing=EIGHT[0], outside=11, codebook=15
    ),
    "coded_four": Setup(2, 9, 4, False, 4, 4, 2, pixels=2, packing=FOUR, primitives=1, codebook=2),
}
SETUPS |= CODED
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("pair", "odd", "least", "outside", "coded_pair")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Sum and cycle of every product, with gaps between them, after resets in mid-product."""
    part, setup = Part(dut, name), SETUPS[name]
    acc_bits = CASES[name].parameters["AccBits"]
    outer, whole = setup.parts()[1], setup.words_read()
    asked: list[int | None] = [None, None]  # addresses of the words that are to come
    edge = RisingEdge(part.clk_i)
    Clock(part.clk_i, 4, "ns").start()
    for gaps, drain in ((0, False), (0.1, True), (0.7, False), (0, False), (0.2, False), (0, True)):
        part.drive(rst_i=1, fetch_i=1, s_valid_i=1, s_last_i=1, s_data_i=0)
        for _ in range(random.randint(1, 3)):
            await edge
        part.drive(rst_i=0)
        codes = _codes(setup)
        sums = np.einsum("ngwxs,gwps->ngxp", codes, setup.weights)
        sums = sums.reshape(-1, setup.pixels * setup.pe).tolist()
        codes = codes.reshape(-1, setup.pixels, setup.simd)
        asked[:] = [None, None]
        stop = len(codes) if drain else random.randrange(1, len(codes))
        fetches, sent, cycle = [0, 0], 0, 0
        history = [_some(setup) for _ in range(setup.stages)]  # the newest first
        due: list[tuple[int, int]] = []
        while sent < stop or (drain and due):
            begun = (sent + sum(fetches)) % setup.words != 0
            fetch = sent + sum(fetches) < stop and (begun or random.random() >= gaps)
            valid = fetches.pop(0)
            fetches.append(fetch)
            last = (sent + 1) % setup.words == 0 if valid else random.getrandbits(1)
            history = [codes[sent] if valid else _some(setup), *history[:-1]]
            part.drive(fetch_i=fetch, s_valid_i=valid, s_last_i=last)
            part.drive(s_data_i=reference.pack(_skewed(setup, history), setup.a_bits))
            if valid:
                if last:
                    result = sums[sent // setup.words]
                    due.append((cycle + setup.latency, reference.pack(result, acc_bits)))
                sent += 1
            address = asked.pop(0)
            if setup.outside:  # a word that is not taken need not be right
                some = random.getrandbits(setup.outside)
                part.drive(rom_word_i=some if address is None else outer[address])
            await edge
            following, step, data = part.read("rom_addr_o", "rom_step_o", "rom_data_o")
            assert step == fetch
            assert address is None or data == whole[address]
            asked.append(following if step else None)
            soon, now = part.read("m_fetch_o", "m_valid_o")
            assert soon == any(when == cycle + 2 for when, _ in due)
            assert now == bool(due and due[0][0] == cycle)
            if now:
                assert part.read("m_data_o") == [due.pop(0)[1]]
            cycle += 1


def _some(setup: Setup) -> np.ndarray:
    """Return a random word, (pixels, simd)."""
    ranges = (setup.range(x) for x in range(setup.pixels))
    return np.array([[random.randint(*each) for _ in range(setup.simd)] for each in ranges])


def _skewed(setup: Setup, history: list[np.ndarray]) -> list[int]:
    """Return the codes on the port, the lanes of each stage as many cycles late."""
    ages = [setup.stages - 1 - lane // setup.chains for lane in range(setup.simd)]
    return [
        int(history[age][x][lane]) for x in range(setup.pixels) for lane, age in enumerate(ages)
    ]


def _codes(setup: Setup) -> np.ndarray:
    """Return products' codes: extremes, then random; (steps, groups, words, pixels, simd)."""
    seed = np.random.default_rng(random.getrandbits(32))
    negative = setup.weights[None, :, :, 0, :] < 0
    pixels = []
    for lo, hi in map(setup.range, range(setup.pixels)):
        shape = (4, setup.groups, setup.words, setup.simd)
        plain = seed.integers(lo, hi, shape, endpoint=True)
        worst, best = np.where(negative, lo, hi), np.where(negative, hi, lo)
        flat = np.broadcast_to(np.array([lo, hi]).reshape(2, 1, 1, 1), (2, *shape[1:]))
        pixels.append(np.concatenate([worst, best, flat, plain]))
    return np.stack(pixels, axis=3)


def test_zf_mvu(tmp_path):
    """Run `exact` for every case."""
    files = {}
    for name, setup in SETUPS.items():
        files |= setup.files(name)
    cases.run("zf_mvu", CASES, tmp_path, files)
