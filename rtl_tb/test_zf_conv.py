"""zf_conv: whole convolution layers as the compiler sets them up, exact and at full speed."""

import random
from dataclasses import dataclass
from itertools import chain

import cocotb
import numpy as np

from zynqfire.hls.design import Instance, Stream
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import Conv, QType, Requantize, Tensor
from zynqfire.hls.memory import rom_files
from zynqfire.hls.packing import packings
from zynqfire.hls.passes import convolution
from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

PIXELS, CODES, BYTES = QType(4, False, 4), QType(4, False, 3), QType(8, True, 2)


@dataclass(frozen=True)
class Setup:
    """A layer and its folding; weights and biases are random, seeded by its sizes.

    With a `codebook` there are at most so many different weights, and memories hold their places.
    """

    shape: tuple[int, int, int]
    outputs: int
    kernel: tuple[int, int]
    fold: Fold
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    input: QType = PIXELS
    weight_bits: int = 4
    bias_bits: int = 7
    align: bool = False  # a scale a channel
    output: QType | None = CODES  # none: the accumulators themselves
    block: int = 0
    codebook: int = 0

    def layer(self, name: str) -> tuple[Conv, Requantize | None]:
        """Return its operations."""
        rng = np.random.default_rng(sum(self.shape) + self.outputs)
        w_hi, b_hi = 1 << (self.weight_bits - 1), 1 << self.bias_bits >> 1
        narrow = bool(self.fold.packing and self.fold.packing.channels == 2)
        weights = rng.integers(-w_hi + narrow, w_hi, (self.outputs, *self.kernel, self.shape[2]))
        if self.codebook:
            weights = reference.few(weights, self.codebook)
        table = tuple(np.unique(weights).tolist()) if self.codebook else ()
        bias = rng.integers(-b_hi, b_hi, self.outputs) if b_hi else np.zeros(self.outputs, int)
        up, down = np.maximum(weights, 0).sum((1, 2, 3)), np.minimum(weights, 0).sum((1, 2, 3))
        lo, hi = self.input.lo, self.input.hi
        acc = QType.holding(
            min(0, int((up * lo + down * hi + bias).min(initial=0))),
            int((up * hi + down * lo + bias).max()),
            self.input.frac + 3,
        )
        height, width, _ = self.shape
        top, left, bottom, right = self.pads
        shape = (
            (height + top + bottom - self.kernel[0]) // self.stride[0] + 1,
            (width + left + right - self.kernel[1]) // self.stride[1] + 1,
            self.outputs,
        )
        align = tuple(rng.integers(0, 4, self.outputs).tolist()) if self.align else ()
        result = Tensor(f"{name}_acc", shape, acc, align)
        where = self.stride, self.pads
        conv = Conv(
            name, f"{name}_in", result, weights, self.weight_bits, bias, *where, codebook=table
        )
        if self.output is None:
            return conv, None
        low, high = self.output.lo + self.output.signed, self.output.hi
        after = Tensor(name, shape, self.output)
        return conv, Requantize(f"{name}_q", result.name, after, low, high)

    def instance(self, name: str) -> Instance:
        """Return what the compiler makes of it."""
        conv, requantize = self.layer(name)
        before = Tensor(f"{name}_in", self.shape, self.input)
        after = (requantize or conv).output
        return convolution.unit(
            conv,
            requantize,
            self.fold,
            Stream(before.name, before, self.fold.lanes, name),
            Stream(name, after, self.fold.pe, name),
        )

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        instance = self.instance(name)
        flags = ("s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i")
        data = {"s_tdata_i": instance.sources[0].width, "m_tdata_o": instance.sinks[0].width}
        cuts = {
            name: pieces.plain(memory.width, memory.depth, self.block)
            for name, memory in zip(instance.memory_parameters, instance.memories, strict=False)
        }
        address = max(1, (instance.memories[0].depth - 1).bit_length())
        data |= {"rom_addr_o": address, "rom_step_o": 1, "rom_word_i": 1}
        data |= {"rom_data_o": instance.memories[0].width}
        if self.codebook:
            cuts["Codebook"] = sized(instance.parameters["Codebook"], 256)
        return Case({**instance.parameters, **cuts}, dict.fromkeys(flags, 1) | data)

    def files(self, name: str) -> dict[str, str]:
        """Return the contents of its memories by path."""
        instance, files = self.instance(name), {}
        weights = instance.memories[0]
        for path, text in instance.files().items():
            block = self.block if "weights" in path else 0
            files |= rom_files(path, text, pieces.rom(weights.width, weights.depth, block))
        return files

    def frame(self, rng) -> list[list[int]]:
        """Return a random frame's beats; one in four is all largest codes."""
        seed = np.random.default_rng(rng.getrandbits(32))
        low = self.input.hi if rng.random() < 0.25 else self.input.lo
        codes = seed.integers(low, self.input.hi, self.shape, endpoint=True)
        return [reference.beats(codes, self.fold.lanes, self.input.bits)]


SAME, WIDE, BOTH = (1, 1, 1, 1), (2, 2, 2, 2), (2, 2)
EXACT = {
    "serial": Setup((4, 4, 4), 4, (3, 3), Fold(2, 1, 2), (1, 1), SAME, align=True),
    "column": Setup((5, 4, 2), 6, (3, 3), Fold(3, 3, 1), BOTH, SAME, input=QType(4, True, 3)),
    "full": Setup((4, 5, 2), 2, (3, 3), Fold(2, 9, 2), (1, 1), SAME, weight_bits=2),
    "pointwise": Setup((3, 4, 6), 4, (1, 1), Fold(2, 1, 3), bias_bits=0, align=True, block=1),
    "lefts": Setup(
        (3, 3, 2), 6, (1, 1), Fold(2, 1, 2), bias_bits=0, align=True, output=QType(16, True, 9)
    ),
    "framed": Setup((3, 4, 4), 4, (1, 1), Fold(2, 1, 2), (1, 1), SAME, align=True),
    "signed_out": Setup((3, 3, 2), 3, (3, 1), Fold(1, 1, 2), output=QType(5, True, 2)),
    "wide": Setup(
        (3, 4, 2), 2, (3, 3), Fold(1, 3, 2), (1, 1), SAME, QType(7, True, 4), 6, 18, True, BYTES
    ),
    "raw": Setup((3, 3, 3), 4, (1, 3), Fold(2, 3, 3), input=QType(8, False, 8), output=None),
}
# Kernels, strides, paddings, sizes and foldings, to be as fast as their multipliers
FAST = {
    "k1": Setup((5, 4, 4), 4, (1, 1), Fold(4, 1, 4)),
    "k1_deep": Setup((4, 4, 6), 4, (1, 1), Fold(2, 1, 2)),
    "k1_strided": Setup((6, 7, 2), 4, (1, 1), Fold(1, 1, 2), BOTH),
    "k1_framed": Setup((5, 4, 4), 4, (1, 1), Fold(2, 1, 4), (1, 1), SAME),
    "k1_framed_strided": Setup((6, 5, 4), 4, (1, 1), Fold(1, 1, 2), BOTH, (1, 2, 2, 1)),
    "k3_far": Setup((4, 5, 2), 2, (3, 3), Fold(1, 3, 2), (1, 1), (3, 4, 5, 3)),
    "k3": Setup((6, 6, 2), 2, (3, 3), Fold(1, 1, 2), (1, 1), SAME),
    "k3_bare": Setup((5, 6, 3), 2, (3, 3), Fold(2, 3, 3)),
    "k3_strided": Setup((6, 6, 2), 4, (3, 3), Fold(2, 1, 2), BOTH, SAME),
    "k3_odd": Setup((7, 5, 2), 4, (3, 3), Fold(2, 3, 1), BOTH, SAME),
    "k3_column": Setup((5, 5, 4), 2, (3, 3), Fold(2, 3, 2), (1, 1), SAME),
    "k3_parallel": Setup((6, 5, 2), 2, (3, 3), Fold(2, 9, 2), (1, 1), SAME),
    "k3_parallel_deep": Setup((4, 6, 6), 2, (3, 3), Fold(2, 9, 2), (1, 1), SAME),
    "k3_one_row": Setup((1, 8, 2), 2, (3, 3), Fold(2, 9, 2), (1, 1), SAME),
    "k5": Setup((6, 6, 1), 2, (5, 5), Fold(1, 5, 1), (1, 1), WIDE),
    "k5_strided": Setup((7, 8, 2), 2, (5, 5), Fold(2, 1, 2), BOTH, WIDE),
    "k5_parallel": Setup((5, 6, 1), 1, (5, 5), Fold(1, 25, 1), (1, 1), WIDE),
    "k7": Setup((7, 6, 1), 2, (7, 7), Fold(2, 7, 1), (1, 1), (3, 3, 3, 3)),
    "k7_strided": Setup((9, 8, 1), 2, (7, 7), Fold(1, 7, 1), BOTH, (3, 3, 3, 3)),
    "k7_parallel": Setup((8, 8, 1), 1, (7, 7), Fold(1, 49, 1), (1, 1), (3, 3, 3, 3)),
    "k7_larger": Setup((3, 4, 1), 2, (7, 7), Fold(2, 7, 1), (1, 1), (3, 3, 3, 3)),
    "rectangle": Setup((6, 5, 2), 2, (5, 3), Fold(2, 5, 1), (2, 1), (2, 1, 2, 1)),
    "skewed": Setup((6, 6, 2), 2, (3, 3), Fold(1, 3, 2), BOTH, (0, 0, 1, 1)),
}
# Two products and four a DSP, and LUTs for several pixels
W4A4 = {p.products: p for p in packings(4, True, 4, 25)}
W8A8 = packings(8, False, 8, 25)[0]
W8A4 = {(p.pixels, p.channels): p for p in packings(8, True, 4, 25)}
SHARED = {
    "dsp": Setup((4, 4, 4), 4, (3, 3), Fold(2, 1, 4, 2, W4A4[4]), (1, 1), SAME, align=True),
    "dsp_signed": Setup(
        (4, 5, 2), 4, (3, 3), Fold(2, 3, 2, 2, W4A4[4]), (1, 1), SAME, input=QType(4, True, 3)
    ),
    "dsp_skewed": Setup((3, 4, 40), 4, (1, 1), Fold(2, 1, 20, 2, W4A4[4]), bias_bits=0),
    "dsp_blocks": Setup((3, 5, 24), 4, (1, 1), Fold(2, 1, 12, 2, W4A4[4]), block=1),
    "dsp_stride": Setup((6, 7, 4), 2, (3, 3), Fold(2, 1, 2, 2, W4A4[4]), BOTH, SAME),
    "dsp_wide": Setup(
        (3, 4, 8),
        2,
        (3, 3),
        Fold(1, 1, 8, 2, W8A8),
        (1, 1),
        SAME,
        QType(8, False, 8),
        8,
        18,
        True,
        BYTES,
    ),
    "dsp_four": Setup((4, 6, 4), 4, (3, 3), Fold(2, 1, 2, 4, W4A4[4]), (1, 1), SAME),
    "dsp_whole": Setup(
        (4, 5, 2), 4, (3, 3), Fold(4, 9, 2, 1, packings(4, True, 4, 25)[2]), (1, 1), SAME
    ),
    "dsp_framed": Setup((4, 5, 8), 4, (1, 1), Fold(2, 1, 4, 2, W4A4[4]), (1, 1), SAME),
    "lut_far": Setup((3, 4, 4), 4, (3, 3), Fold(2, 3, 2, 2), (1, 1), (3, 4, 3, 5)),
    "lut_pixels": Setup((4, 4, 4), 4, (3, 3), Fold(2, 1, 2, 2), (1, 1), SAME, align=True),
    "lut_column": Setup((5, 5, 2), 4, (3, 3), Fold(2, 3, 1, 2), (1, 1), SAME),
    "lut_wide": Setup((3, 6, 2), 2, (3, 3), Fold(2, 1, 2, 2), (1, 1), SAME, QType(7, True, 4), 6),
}
BYTE = {"weight_bits": 8, "bias_bits": 11}
CODED = {
    "coded": Setup((4, 4, 4), 4, (3, 3), Fold(2, 1, 2), (1, 1), SAME, **BYTE, codebook=16),
    "coded_block": Setup((3, 4, 6), 4, (1, 1), Fold(2, 1, 3), **BYTE, block=1, codebook=21),
    "coded_pairs": Setup(
        (4, 6, 4), 4, (3, 3), Fold(2, 1, 4, 1, W8A4[1, 2]), (1, 1), SAME, **BYTE, codebook=11
    ),
    "coded_dsp": Setup(
        (4, 5, 6),
        6,
        (3, 3),
        Fold(2, 3, 6, 2, W8A4[2, 1]),
        (1, 1),
        SAME,
        **BYTE,
        block=1,
        codebook=4,
    ),
    "coded_four": Setup(
        (3, 5, 24), 4, (1, 1), Fold(2, 1, 12, 2, W4A4[4]), block=1, codebook=5, align=True
    ),
}
SETUPS = EXACT | FAST | SHARED | CODED
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("serial", "column", "full")


def _model(setup: Setup, name: str):
    conv, requantize = setup.layer(name)
    parameters, (out_h, out_w, _) = setup.instance(name).parameters, conv.output.shape
    window = Window(*setup.shape[:2], *setup.kernel, *setup.stride, *setup.pads[:2], out_h, out_w)
    bits = parameters["OutBits"]

    def model(words):
        lanes, (kind, shape) = setup.fold.lanes, (setup.input, setup.shape)
        codes = np.array([reference.unpack(w, kind.bits, kind.signed, lanes) for w in words[0]])
        result = reference.convolve(codes.reshape(shape), window, conv.weights, conv.bias)
        if requantize:
            align = conv.output.align or (0,) * setup.outputs
            base = conv.output.qtype.frac - setup.output.frac
            result = np.array(
                [
                    [
                        reference.requantize(acc, base - moved, requantize.lo, requantize.hi)
                        for acc, moved in zip(pixel, align, strict=True)
                    ]
                    for pixel in result
                ]
            )
        return [reference.beats(result, setup.fold.pe, bits)]

    return model


@cocotb.test()
@cocotb.parametrize(name=list(EXACT | SHARED | CODED))
async def exact(dut, name):
    """Codes, order and protocol under any stalls and resets."""
    setup = SETUPS[name]
    await check_stream_unit(Part(dut, name), setup.frame, _model(setup, name), frames=2, resets=6)


@cocotb.test()
@cocotb.parametrize(name=list(SETUPS))
async def full_speed(dut, name):
    """Without stalls, frames follow each other at the pace of the multipliers, not a cycle more.

    The first output comes as soon after the last input that it needs as the compiler says.
    """
    setup = SETUPS[name]
    conv, _ = setup.layer(name)
    bench, unit = Bench(Part(dut, name)), setup.instance(name)
    text = unit.files()[unit.parameters["WeightFile"]].split()
    watch = pieces.Watch(Part(dut, name), [int(line, 16) if setup.block else 0 for line in text])
    rng = random.Random(random.getrandbits(64))
    frames = [setup.frame(rng)[0] for _ in range(5)]
    model = _model(setup, name)
    expected = [model([frame])[0] for frame in frames]
    await bench.reset(2, rng)
    words = [[list(chain.from_iterable(port))] for port in (frames, expected)]
    await bench.play(*words, ("never", "never"), rng)
    ends = bench.sinks[0].cycles[len(expected[0]) - 1 :: len(expected[0])]
    ideal = setup.fold.cycles(conv)
    assert np.diff(ends)[1:].tolist() == [max(ideal, len(frames[0]))] * 3
    assert name not in FAST or len(frames[0]) <= ideal, "not a case of a layer that waits for input"
    needed = Window.of(conv, setup.shape).need(setup.fold.pixels)[0]
    needed = int(needed) * (setup.shape[2] // setup.fold.lanes)
    latency = bench.sinks[0].cycles[0] - bench.sources[0].cycles[needed - 1]
    assert latency == unit.latency
    assert watch.steps == len(frames) * ideal


def test_zf_conv(tmp_path):
    """Run `exact` and `full_speed`."""
    files = {}
    for name, setup in SETUPS.items():
        files |= setup.files(name)
    cases.run("zf_conv", CASES, tmp_path, files)
