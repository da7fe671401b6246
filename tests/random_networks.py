"""Random networks in the IR, alive in the sense of the numeric contract."""

import math

import numpy as np

from zynqfire.hls.fold import Fold
from zynqfire.hls.interpret import run
from zynqfire.hls.ir import (
    Add,
    Concat,
    Conv,
    Depthwise,
    Input,
    MaxPool,
    Network,
    Output,
    QType,
    Requantize,
    SumPool,
    Tensor,
)
from zynqfire.hls.passes.folding import layer_cycles, legal
from zynqfire.rtl_tb.reference import few


def folded(network: Network, interval: int) -> dict[str, Fold]:
    """Return foldings of few multipliers, made of LUTs, with which layers keep `interval`."""
    return {
        conv.name: min(
            (f for f in legal(conv) if layer_cycles(network, conv, f) <= interval),
            key=lambda fold: (fold.multipliers, fold.pixels, fold.taps, fold.pe),
        )
        for conv in network.convolutions
    }


def conv(outputs=8, kernel=(3, 3), channels=6, seed=0) -> Conv:
    """Return a convolution over 5x4 with random weights."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-7, 8, (outputs, *kernel, channels))
    tensor = Tensor("acc", (5, 4, outputs), QType(20, True, 12), tuple(range(outputs)))
    return Conv("c", "x", tensor, weights, 4, rng.integers(-99, 99, outputs), (1, 1), (1, 1, 1, 1))


class Builder:
    """Grows a network operation by operation, calibrating each shift on random frames.

    `values` says how many different weights the next layer may have, 0 for any number: it gets a
    codebook.
    """

    def __init__(self, rng: np.random.Generator, shape, qtype, values=lambda: 0):
        self.rng = rng
        self.values = values
        tensor = Tensor("pixels", shape, qtype)
        self.frames = rng.integers(qtype.lo, qtype.hi + 1, (4, *shape))
        self.operations = [Input("input", tensor)]

    def network(self) -> Network:
        """Return the network so far."""
        return Network("random", tuple(self.operations))

    def codes(self, tensor: str) -> np.ndarray:
        """Return the codes of `tensor` on the calibration frames."""
        return run(self.network(), self.frames)[tensor]

    def convolution(
        self, name, source, outputs, kernel, stride, pads, bits=4, per_channel=False, align=()
    ):
        """Append a convolution; return the accumulator's tensor.

        `align` are the shifts of its channels; drawn where `per_channel`.
        """
        shape = (outputs, *kernel, source.shape[2])
        return self._weighted(Conv, name, source, shape, stride, pads, bits, per_channel, align)

    def depthwise(self, name, source, kernel, stride, pads, bits=4, per_channel=False):
        """Append a depthwise convolution; return the accumulator's tensor."""
        shape = (source.shape[2], *kernel)
        return self._weighted(Depthwise, name, source, shape, stride, pads, bits, per_channel)

    def _weighted(self, kind, name, source, shape, stride, pads, bits, per_channel, align=()):
        (height, width, _), qtype = source.shape, source.qtype
        outputs, kh, kw, *_ = shape
        top, left, bottom, right = pads
        out_h = (height + top + bottom - kh) // stride[0] + 1
        out_w = (width + left + right - kw) // stride[1] + 1
        high = (1 << (bits - 1)) - 1
        low = -high - int(self.rng.integers(2))  # narrow, or the full range
        weights = self.rng.integers(low, high + 1, shape)
        table = ()
        if most := self.values():
            weights = few(weights, most)
            table = tuple(np.unique(weights).tolist())
        flat = weights.reshape(outputs, -1)
        reach = max(4, int(math.sqrt(flat.shape[1]) * high * qtype.hi / 4))
        bias = self.rng.integers(-reach, reach + 1, outputs) * int(self.rng.integers(2))
        least = np.minimum(flat * qtype.lo, flat * qtype.hi).sum(1)
        most = np.maximum(flat * qtype.lo, flat * qtype.hi).sum(1)
        lo = int(min(least.min(), (least + bias).min()))
        hi = int(max(most.max(), (most + bias).max()))
        if per_channel:
            align = tuple(int(a) for a in self.rng.integers(0, 4, outputs))
        if align and not any(align):
            align = ()
        frac = qtype.frac + 5
        tensor = Tensor(f"{name}_acc", (out_h, out_w, outputs), QType.holding(lo, hi, frac), align)
        op = kind(name, source.name, tensor, weights, bits, bias, stride, pads, table)
        self.operations.append(op)
        return tensor

    def requantize(self, name, source, bits=4, signed=False, narrow=False):
        """Append a requantization that clamps some and zeroes some; return its tensor."""
        align = np.array(source.align or (0,) * source.shape[2])
        values = self.codes(source.name) * (1 << align)
        spread = float(np.abs(values).mean()) + 1
        hi = (1 << (bits - signed)) - 1
        shift = round(math.log2(spread / hi * 1.6)) if bits > 1 else round(math.log2(spread))
        tensor = Tensor(f"{name}_out", source.shape, QType(bits, signed, source.qtype.frac - shift))
        lo = (-hi if narrow else -hi - 1) if signed else 0
        self.operations.append(Requantize(f"{name}_requantize", source.name, tensor, lo, hi))
        return tensor

    def output(self, source) -> Network:
        """Close the network on `source`, aligning its channels."""
        if source.align:
            bits = source.qtype.bits + max(source.align)
            wide = Tensor(
                f"{source.name}_aligned", source.shape, QType(bits, True, source.qtype.frac)
            )
            self.operations.append(
                Requantize("align", source.name, wide, wide.qtype.lo, wide.qtype.hi)
            )
            source = wide
        self.operations.append(Output("output", source.name, source))
        return self.network()

    def sum_pool(self, name, source):
        """Append a pool over the whole map."""
        height, width, channels = source.shape
        area = height * width
        qtype = QType.holding(area * source.qtype.lo, area * source.qtype.hi, source.qtype.frac)
        tensor = Tensor(f"{name}_out", (1, 1, channels), qtype)
        self.operations.append(SumPool(name, source.name, tensor))
        return tensor

    def max_pool(self, name, source, kernel, stride, pads):
        """Append a maximum over a sliding window."""
        sizes = [
            (source.shape[i] + pads[i] + pads[i + 2] - kernel[i]) // stride[i] + 1 for i in range(2)
        ]
        tensor = Tensor(f"{name}_out", (*sizes, source.shape[2]), source.qtype)
        self.operations.append(MaxPool(name, source.name, tensor, kernel, stride, pads))
        return tensor

    def concat(self, name, *sources):
        """Append a concat of tensors of one type."""
        height, width, _ = sources[0].shape
        channels = sum(source.shape[2] for source in sources)
        tensor = Tensor(f"{name}_out", (height, width, channels), sources[0].qtype)
        self.operations.append(Concat(name, tuple(source.name for source in sources), tensor))
        return tensor

    def add(self, name, left, right):
        """Append a sum of two tensors of one type."""
        source = left.qtype
        assert source == right.qtype
        tensor = Tensor(
            f"{name}_out", left.shape, QType(source.bits + 1, source.signed, source.frac)
        )
        self.operations.append(Add(name, (left.name, right.name), tensor))
        return tensor


def sometimes_few(seed: int):
    """Return what draws no codebook for half of the layers, and one of any size for the others."""
    rng = np.random.default_rng((seed, 1))
    return lambda: int(rng.integers(1, 33) * rng.integers(2))


def random_network(seed: int) -> Network:
    """Return a small random network: convolutions, maybe a separable one, a fire module, a pool."""
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers(5, 12, 2))
    channels = int(rng.choice([1, 2, 3, 4, 6]))
    qtype = QType(int(rng.choice([3, 8])), bool(rng.integers(4) == 0), 8)
    build = Builder(rng, (height, width, channels), qtype, sometimes_few(seed))
    tensor = build.operations[0].output
    for index in range(int(rng.integers(1, 3))):
        kernel = int(rng.choice([1, 3, 5, 7]))
        kernel = (kernel, kernel)
        stride = (int(rng.integers(1, 3)),) * 2
        most = kernel[0] + 1 if rng.integers(8) == 0 else (kernel[0] - 1) // 2
        pads = tuple(int(p) for p in rng.integers(0, most + 1, 4))
        while any(tensor.shape[i] + pads[i] + pads[i + 2] < kernel[i] for i in range(2)):
            kernel = (kernel[0] - 2,) * 2
        tensor = build.convolution(
            f"conv{index}",
            tensor,
            int(rng.choice([1, 3, 4, 8, 12])),
            kernel,
            stride,
            pads,
            bits=int(rng.integers(2, 9)),
            per_channel=bool(rng.integers(2)),
        )
        tensor = build.requantize(
            f"conv{index}",
            tensor,
            int(rng.integers(2, 9)),
            bool(rng.integers(2)),
            bool(rng.integers(2)),
        )
    if rng.integers(3) == 0:
        tensor = separable(build, "separable", tensor, 4, (int(rng.integers(1, 3)),) * 2)
    if rng.integers(2):
        tensor = fire(build, "fire", tensor, 2, int(rng.choice([2, 4])), int(rng.choice([2, 4, 6])))
    tensor = build.convolution(
        "last",
        tensor,
        int(rng.integers(2, 11)),
        (1, 1),
        (1, 1),
        (0,) * 4,
        per_channel=bool(rng.integers(2)),
    )
    if rng.integers(2) and not tensor.align:
        tensor = build.sum_pool("pool", tensor)
    elif rng.integers(2):
        tensor = build.requantize("last", tensor, 8, True)
    return build.output(tensor)


def separable(build: Builder, name: str, source, outputs: int, stride=(1, 1)):
    """Append MobileNet's block, depthwise 3x3 and pointwise; return its result's tensor."""
    scales = {"per_channel": True}
    tensor = build.depthwise(f"{name}/depthwise", source, (3, 3), stride, (1,) * 4, **scales)
    tensor = build.requantize(f"{name}/depthwise", tensor)
    tensor = build.convolution(f"{name}/pointwise", tensor, outputs, (1, 1), (1, 1), (0,) * 4)
    return build.requantize(f"{name}/pointwise", tensor)


def bypassed(build: Builder, name: str, source, squeeze: int):
    """Append a fire module, its source added to its result; return the sum's tensor, quantized."""
    half = source.shape[2] // 2
    tensor = fire(build, name, source, squeeze, half, source.shape[2] - half)
    frac = max(source.qtype.frac, tensor.qtype.frac)
    both = []
    for branch, part in (("source", source), ("fire", tensor)):
        qtype = QType(12, False, frac)
        aligned = Tensor(f"{name}/{branch}_aligned", part.shape, qtype)
        build.operations.append(
            Requantize(f"{name}/{branch}_align", part.name, aligned, 0, qtype.hi)
        )
        both.append(aligned)
    return build.requantize(f"{name}/bypass", build.add(f"{name}/add", *both))


def fire(build: Builder, name: str, source, squeeze: int, expand1: int, expand3: int):
    """Append a fire module; return the concat's tensor."""
    squeezed = build.convolution(f"{name}/squeeze", source, squeeze, (1, 1), (1, 1), (0,) * 4)
    squeezed = build.requantize(f"{name}/squeeze", squeezed)
    left = build.convolution(f"{name}/expand1", squeezed, expand1, (1, 1), (1, 1), (0,) * 4)
    right = build.convolution(f"{name}/expand3", squeezed, expand3, (3, 3), (1, 1), (1,) * 4)
    left = build.requantize(f"{name}/expand1", left)
    frac = left.qtype.frac  # one quantizer for both branches
    wide = build.operations
    tensor = Tensor(f"{name}/expand3_out", right.shape, QType(4, False, frac))
    wide.append(Requantize(f"{name}/expand3_requantize", right.name, tensor, 0, 15))
    return build.concat(name, left, tensor)
