"""zf_depthwise: whole depthwise layers as the compiler sets them up, exact and at full speed."""

import random
from dataclasses import dataclass
from itertools import chain

import cocotb
import numpy as np

from zynqfire.hls import interpret
from zynqfire.hls.design import Instance, Stream
from zynqfire.hls.ir import Depthwise, Input, Network, Output, QType, Requantize, Tensor
from zynqfire.hls.memory import rom_files
from zynqfire.hls.passes.depthwise import depthwise
from zynqfire.hls.passes.geometry import Window
from zynqfire.rtl_tb import cases, pieces, reference
from zynqfire.rtl_tb.cases import Case, Part
from zynqfire.rtl_tb.simulator import sized
from zynqfire.rtl_tb.stream import Bench, check_stream_unit

PIXELS, CODES, BYTES = QType(4, False, 4), QType(4, False, 3), QType(8, False, 8)


@dataclass(frozen=True)
class Setup:
    """A layer and its lanes; weights and biases are random, or all at their largest.

    With a `codebook` there are at most so many different weights, and its memory has their places.
    """

    shape: tuple[int, int, int]
    lanes: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (1, 1, 1, 1)
    input: QType = PIXELS
    weight_bits: int = 4
    bias_bits: int = 6
    align: bool = False  # a scale a channel
    output: QType | None = CODES  # none: the accumulators themselves
    extreme: bool = False
    block: int = 0
    codebook: int = 0
    primitives: int = 0

    def network(self, name: str) -> Network:
        """Return a network that is this layer."""
        rng, channels = np.random.default_rng(sum(self.shape)), self.shape[2]
        high, b_high = 1 << (self.weight_bits - 1), 1 << self.bias_bits >> 1
        weights = rng.integers(-high, high, (channels, *self.kernel))
        if self.extreme:
            weights[:] = -high
        if self.codebook:
            weights = reference.few(weights, self.codebook)
        table = tuple(np.unique(weights).tolist()) if self.codebook else ()
        bias = rng.integers(-b_high, b_high, channels) if b_high else np.zeros(channels, int)
        up, down = np.maximum(weights, 0).sum((1, 2)), np.minimum(weights, 0).sum((1, 2))
        least = up * self.input.lo + down * self.input.hi
        most = up * self.input.hi + down * self.input.lo
        lo = min(0, int(least.min()), int((least + bias).min()))
        hi = max(0, int(most.max()), int((most + bias).max()))
        sizes = [
            (self.shape[i] + self.pads[i] + self.pads[i + 2] - self.kernel[i]) // self.stride[i] + 1
            for i in range(2)
        ]
        align = tuple(rng.integers(0, 4, channels).tolist()) if self.align else ()
        frames = Tensor("pixels", self.shape, self.input)
        acc = QType.holding(lo, hi, self.input.frac + 3)
        sums = Tensor("acc", (*sizes, channels), acc, align)
        where = (self.stride, self.pads)
        layer = Depthwise(name, "pixels", sums, weights, self.weight_bits, bias, *where, table)
        operations = [Input("input", frames), layer]
        if self.output is not None:
            low = self.output.lo + self.output.signed
            codes = Tensor("codes", sums.shape, self.output)
            operations.append(Requantize("quant", "acc", codes, low, self.output.hi))
        result = operations[-1].output
        return Network(name, (*operations, Output("output", result.name, result)))

    def instance(self, name: str) -> Instance:
        """Return what the compiler makes of it."""
        _, layer, *after, output = self.network(name).operations
        source = Stream("pixels", Tensor("pixels", self.shape, self.input), self.lanes, name)
        sink = Stream(name, output.output, self.lanes, name)
        return depthwise(layer, after[0] if after else None, source, sink)

    def case(self, name: str) -> Case:
        """Return its parameters and ports."""
        instance = self.instance(name)
        flags = ("s_tvalid_i", "s_tready_o", "m_tvalid_o", "m_tready_i")
        weights = instance.memories[0]
        data = {"s_tdata_i": instance.sources[0].width, "m_tdata_o": instance.sinks[0].width}
        data |= {"rom_addr_o": max(1, (weights.depth - 1).bit_length()), "rom_step_o": 1}
        data |= {"rom_data_o": weights.width}
        cuts = {
            name: pieces.plain(memory.width, memory.depth, self.block)
            for name, memory in zip(instance.memory_parameters, instance.memories, strict=False)
        }
        if self.codebook:
            cuts["Codebook"] = sized(instance.parameters["Codebook"], 256)
        cuts["Primitives"] = self.primitives
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
        return [reference.beats(codes, self.lanes, self.input.bits)]

    def model(self, name: str):
        """Return the function from a frame's beats to those of the layer's codes."""
        network, kind = self.network(name), self.input

        def model(words):
            lanes = [reference.unpack(w, kind.bits, kind.signed, self.lanes) for w in words[0]]
            codes = interpret.outputs(network, np.array(lanes).reshape(1, *self.shape))
            return [reference.beats(codes, self.lanes, network.output.output.qtype.bits)]

        return model


BOTH = (2, 2)
SETUPS = {
    "square": Setup((4, 4, 4), 2),
    "halved": Setup((6, 7, 4), 1, stride=BOTH, align=True),
    "parallel": Setup((5, 4, 3), 3, input=QType(4, True, 3), output=QType(5, True, 2)),
    "bytes": Setup((4, 5, 2), 1, input=BYTES, weight_bits=8, bias_bits=16, align=True, block=1),
    "signs": Setup((4, 4, 2), 2, input=QType(8, True, 4), weight_bits=6, bias_bits=0),
    "most": Setup((3, 3, 2), 1, input=BYTES, weight_bits=8, extreme=True, output=None),
    "least": Setup((3, 3, 2), 2, input=QType(8, True, 0), weight_bits=8, extreme=True, output=None),
    "tall": Setup((7, 4, 2), 1, (5, 3), (2, 1), (2, 1, 0, 0), QType(5, False, 5), 2, align=True),
    "bare": Setup((5, 5, 6), 2, (3, 3), (1, 1), (0, 0, 0, 0), QType(2, False, 2), 3),
    "point": Setup((4, 4, 6), 2, (1, 1), (1, 1), (0, 0, 0, 0), output=QType(16, True, 9)),
    "points": Setup((3, 4, 2), 2, (1, 1), (1, 1), (0, 0, 0, 0), bias_bits=0),
    "coded": Setup((4, 5, 4), 2, weight_bits=8, bias_bits=11, codebook=16, block=1),
    "coded_luts": Setup((4, 3, 3), 1, weight_bits=7, codebook=32, primitives=1),
    "odd": Setup((3, 4, 3), 1, (1, 3), (1, 2), (0, 2, 0, 1), QType(6, True, 5), bias_bits=20),
}
CASES = {name: setup.case(name) for name, setup in SETUPS.items()}
QUICK = ("square", "bytes")


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def exact(dut, name):
    """Codes, order and protocol under any stalls and resets."""
    setup = SETUPS[name]
    await check_stream_unit(Part(dut, name), setup.frame, setup.model(name), frames=2, resets=6)


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def full_speed(dut, name):
    """Without stalls, frames follow each other at a tap a cycle; the latency is as predicted."""
    setup, unit = SETUPS[name], SETUPS[name].instance(name)
    bench, model = Bench(Part(dut, name)), setup.model(name)
    text = unit.files()[unit.parameters["WeightFile"]].split()
    watch = pieces.Watch(Part(dut, name), [int(line, 16) if setup.block else 0 for line in text])
    rng = random.Random(random.getrandbits(64))
    frames = [setup.frame(rng)[0] for _ in range(6)]
    expected = [model([frame])[0] for frame in frames]
    await bench.reset(2, rng)
    words = [[list(chain.from_iterable(port))] for port in (frames, expected)]
    await bench.play(*words, ("never", "never"), rng)
    ends = bench.sinks[0].cycles[len(expected[0]) - 1 :: len(expected[0])]
    assert np.diff(ends)[2:].tolist() == [max(unit.cycles, len(frames[0]))] * 3
    deep = setup.shape[2] // setup.lanes
    needed = int(Window.of(unit.operation, setup.shape).need()[0]) * deep
    assert bench.sinks[0].cycles[0] - bench.sources[0].cycles[needed - 1] == unit.latency
    assert watch.steps == len(frames) * unit.cycles


def test_zf_depthwise(tmp_path):
    """Run `exact` and `full_speed`."""
    files = {}
    for name, setup in SETUPS.items():
        files |= setup.files(name)
    cases.run("zf_depthwise", CASES, tmp_path, files)
