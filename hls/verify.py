"""Legality of the IR, checked after every pass; each violation is one sentence."""

from __future__ import annotations

import numpy as np

from .. import Refusal
from .ir import (
    Add,
    Concat,
    Conv,
    Depthwise,
    Input,
    MaxPool,
    Network,
    Operation,
    Output,
    Requantize,
    SumPool,
    Tensor,
)
from .passes import widths

ACTIVATION_BITS = range(2, 9)
WEIGHT_BITS = range(2, 9)
CODEBOOK_ENTRIES = 32  # that the inputs of a LUT can choose from
MAX_BIAS_BITS = 32
MAX_BITS = 62  # so that the interpreter's int64 never wraps


def check(network: Network) -> Network:
    """Return `network` if it is legal.

    Raises
    ------
    Refusal
        With the first rule that is broken.
    """
    operations = network.operations
    if len(operations) < 2 or not isinstance(operations[0], Input):
        raise Refusal(f"network {network.name}: must start with its Input")
    if not isinstance(operations[-1], Output):
        raise Refusal(f"network {network.name}: must end with its Output")
    tensors: dict[str, Tensor] = {}
    names: set[str] = set()
    for op in operations:
        if op.name in names:
            raise Refusal(f"layer {op.name}: names must be unique, this one occurs twice")
        names.add(op.name)
        for name in op.inputs:
            if name not in tensors:
                raise Refusal(f"layer {op.name}: reads {name}, which no earlier layer writes")
        if op.output.name in tensors:
            raise Refusal(f"layer {op.name}: writes {op.output.name}, which another layer writes")
        if op.output.qtype.bits > MAX_BITS:
            raise Refusal(
                f"layer {op.name}: results may have {MAX_BITS} bits, not {op.output.qtype.bits}"
            )
        _RULES[type(op)](op, [tensors[name] for name in op.inputs])
        tensors[op.output.name] = op.output
    for op in operations[:-1]:
        if not network.consumers(op.output.name):
            raise Refusal(f"layer {op.name}: nothing reads its result {op.output.name}")
    _check_ranges(network)
    return network


def _check_ranges(network: Network) -> None:
    for name, (lo, hi) in widths.ranges(network).items():
        qtype = network.tensor(name).qtype
        if lo < qtype.lo or hi > qtype.hi:
            raise Refusal(
                f"tensor {name}: its type {qtype} must hold every value from {lo} to {hi}"
            )


def _input(op: Input, sources: list[Tensor]) -> None:
    _plain(op, op.output)
    if op.output.qtype.bits not in ACTIVATION_BITS:
        raise Refusal(
            f"layer {op.name}: input codes must have 2 to 8 bits, not {op.output.qtype.bits}"
        )


def _conv(op: Conv, sources: list[Tensor]) -> None:
    outputs, *_, channels = op.weights.shape
    if channels != sources[0].shape[2] or op.bias.shape != (outputs,):
        raise Refusal(
            f"layer {op.name}: weights {op.weights.shape} and bias {op.bias.shape} must match "
            f"{sources[0].shape[2]} input channels"
        )
    _convolution(op, sources[0])


def _depthwise(op: Depthwise, sources: list[Tensor]) -> None:
    channels = sources[0].shape[2]
    if op.weights.shape[:1] != (channels,) or op.bias.shape != (channels,):
        raise Refusal(
            f"layer {op.name}: weights {op.weights.shape} and bias {op.bias.shape} must be of its "
            f"{channels} channels"
        )
    _convolution(op, sources[0])


def _convolution(op: Conv | Depthwise, source: Tensor) -> None:
    _plain(op, source)
    if source.qtype.bits not in ACTIVATION_BITS:
        raise Refusal(
            f"layer {op.name}: a convolution's input must be quantized to 2 to 8 bits, not be "
            f"{source.qtype}"
        )
    if op.weight_bits not in WEIGHT_BITS:
        raise Refusal(f"layer {op.name}: weights must have 2 to 8 bits, not {op.weight_bits}")
    limit = 1 << (op.weight_bits - 1)
    if op.weights.min() < -limit or op.weights.max() >= limit:
        raise Refusal(
            f"layer {op.name}: weights from {op.weights.min()} to {op.weights.max()} must fit "
            f"{op.weight_bits} bits"
        )
    if len(op.codebook) > CODEBOOK_ENTRIES:
        raise Refusal(
            f"layer {op.name}: a codebook may have {CODEBOOK_ENTRIES} entries, not "
            f"{len(op.codebook)}"
        )
    if op.codebook and not np.array_equal(op.codebook, np.unique(op.weights)):
        raise Refusal(
            f"layer {op.name}: its codebook must be its different weights, ascending, not "
            f"{list(op.codebook)}"
        )
    wide = max(int(op.bias.max()).bit_length(), (~int(op.bias.min())).bit_length()) + 1
    if wide > MAX_BIAS_BITS:
        raise Refusal(f"layer {op.name}: biases must fit {MAX_BIAS_BITS} bits, not {wide}")
    outputs, (kernel_h, kernel_w) = len(op.weights), op.kernel
    if kernel_h % 2 == 0 or kernel_w % 2 == 0:
        raise Refusal(f"layer {op.name}: kernels must be odd, not {kernel_h}x{kernel_w}")
    if not set(op.stride) <= {1, 2}:
        raise Refusal(f"layer {op.name}: strides must be 1 or 2, not {op.stride[0]}x{op.stride[1]}")
    top, left, bottom, right = op.pads
    if min(op.pads) < 0:
        raise Refusal(f"layer {op.name}: padding must not be negative, not {op.pads}")
    height = (source.shape[0] + top + bottom - kernel_h) // op.stride[0] + 1
    width = (source.shape[1] + left + right - kernel_w) // op.stride[1] + 1
    _shape(op, (height, width, outputs))
    align = op.output.align
    if align and (len(align) != outputs or min(align) < 0):
        raise Refusal(
            f"layer {op.name}: shifts of channels must be {outputs} and none negative, not {align}"
        )


def _requantize(op: Requantize, sources: list[Tensor]) -> None:
    _plain(op, op.output)
    (source,) = sources
    _shape(op, source.shape)
    grown = op.output.qtype.frac - source.qtype.frac + max(source.align, default=0)
    if source.qtype.bits + grown > MAX_BITS:
        raise Refusal(
            f"layer {op.name}: shifted to the left by {grown}, codes of {source.qtype} may have "
            f"{MAX_BITS} bits, not {source.qtype.bits + grown}"
        )
    if not op.output.qtype.lo <= op.lo <= op.hi <= op.output.qtype.hi:
        raise Refusal(
            f"layer {op.name}: the clamp {op.lo} to {op.hi} must lie in {op.output.qtype}"
        )


def _joined(op: Concat | Add, tensors: list[Tensor], what: str) -> None:
    for tensor in (*tensors, op.output):
        _plain(op, tensor)
    kinds = {tensor.qtype for tensor in tensors}
    if len(kinds) > 1:
        raise Refusal(
            f"layer {op.name}: inputs of {what} must share one type, not "
            f"{', '.join(sorted(map(str, kinds)))}"
        )


def _add(op: Add, sources: list[Tensor]) -> None:
    _joined(op, sources, "an addition")
    if len(sources) != 2:
        raise Refusal(f"layer {op.name}: an addition must have two inputs, not {len(sources)}")
    if sources[0].shape != sources[1].shape:
        raise Refusal(f"layer {op.name}: inputs of an addition must share one shape")
    _shape(op, sources[0].shape)
    source, result = sources[0].qtype, op.output.qtype
    if (result.frac, result.signed) != (source.frac, source.signed) or result.bits < source.bits:
        raise Refusal(
            f"layer {op.name}: the sum of {source} must be no narrower and on the same grid, not "
            f"{result}"
        )


def _concat(op: Concat, sources: list[Tensor]) -> None:
    _joined(op, [*sources, op.output], "a concatenation")
    if {tensor.shape[:2] for tensor in sources} != {op.output.shape[:2]}:
        raise Refusal(f"layer {op.name}: inputs of a concatenation must share one map size")
    _shape(op, (*op.output.shape[:2], sum(tensor.shape[2] for tensor in sources)))


def _pool(op: SumPool, sources: list[Tensor]) -> None:
    for tensor in (*sources, op.output):
        _plain(op, tensor)
    _shape(op, (1, 1, sources[0].shape[2]))


def _max_pool(op: MaxPool, sources: list[Tensor]) -> None:
    (source,) = sources
    _plain(op, source)
    top, left, bottom, right = op.pads
    sizes = []
    for k, s, n, before, after in zip(
        op.kernel, op.stride, source.shape[:2], (top, left), (bottom, right), strict=True
    ):
        if not 1 <= s <= k:
            raise Refusal(f"layer {op.name}: a stride must be from 1 to the kernel's {k}, not {s}")
        if not 0 <= min(before, after) <= max(before, after) < k:
            raise Refusal(
                f"layer {op.name}: padding must be smaller than the kernel of {k}, not {before} "
                f"and {after}"
            )
        sizes.append((n + before + after - k) // s + 1)
    _shape(op, (*sizes, source.shape[2]))
    if op.output.qtype != source.qtype:
        raise Refusal(
            f"layer {op.name}: the maximum must have the type {source.qtype}, not {op.output.qtype}"
        )


def _output(op: Output, sources: list[Tensor]) -> None:
    _plain(op, sources[0])
    _shape(op, sources[0].shape)
    if op.output.qtype != sources[0].qtype:
        raise Refusal(
            f"layer {op.name}: the output must have the type {sources[0].qtype}, not "
            f"{op.output.qtype}"
        )
    if op.divisor < 1:
        raise Refusal(f"layer {op.name}: the divisor must be positive, not {op.divisor}")


_RULES = {
    Input: _input,
    Conv: _conv,
    Depthwise: _depthwise,
    Requantize: _requantize,
    Concat: _concat,
    Add: _add,
    SumPool: _pool,
    MaxPool: _max_pool,
    Output: _output,
}


def _plain(op: Operation, tensor: Tensor) -> None:
    if tensor.align:
        raise Refusal(
            f"layer {op.name}: channels of {tensor.name} must be aligned by a Requantize first"
        )


def _shape(op: Operation, shape: tuple[int, int, int]) -> None:
    if op.output.shape != shape:
        raise Refusal(
            f"layer {op.name}: its result must have the shape {shape}, not {op.output.shape}"
        )
