"""Proven ranges: how wide an accumulator or a sum must be for the worst input, and no wider."""

from __future__ import annotations

import numpy as np

from ..ir import Add, Conv, Depthwise, Input, Network, Operation, Output, Requantize, SumPool

Range = tuple[int, int]


def products(weights: np.ndarray, codes: Range) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest ``sum(w * a)`` of each output channel, codes a in a range.

    The range must hold 0, the code of padding; so every partial sum lies between the two as well.
    """
    flat = weights.reshape(len(weights), -1)
    positive = np.maximum(flat, 0).sum(axis=1).astype(object)  # Python's integers never wrap
    negative = np.minimum(flat, 0).sum(axis=1).astype(object)
    lo, hi = codes
    return positive * lo + negative * hi, positive * hi + negative * lo


def accumulator(weights: np.ndarray, bias: np.ndarray, codes: Range) -> Range:
    """Return the range of a convolution's accumulator, bias added or not yet."""
    low, high = products(weights, codes)
    with_bias = bias.astype(object)
    return (
        int(min(low.min(), (low + with_bias).min(), 0)),
        int(max(high.max(), (high + with_bias).max(), 0)),
    )


def output_range(op: Operation, inputs: list[Range]) -> Range:
    """Return the range of an operation's result for the ranges of its inputs."""
    if isinstance(op, Input):
        return op.output.qtype.lo, op.output.qtype.hi
    if isinstance(op, Conv | Depthwise):
        return accumulator(op.weights, op.bias, inputs[0])
    if isinstance(op, Requantize):
        return op.lo, op.hi
    if isinstance(op, Output):
        return inputs[0]
    if isinstance(op, Add):
        return sum(r[0] for r in inputs), sum(r[1] for r in inputs)
    low, high = min(r[0] for r in inputs), max(r[1] for r in inputs)
    if isinstance(op, SumPool):
        raise TypeError("a sum needs its input's shape: use `ranges`")
    return low, high


def ranges(network: Network) -> dict[str, Range]:
    """Return the proven range of every tensor's codes, by name."""
    known: dict[str, Range] = {}
    for op in network.operations:
        inputs = [known[name] for name in op.inputs]
        if isinstance(op, SumPool):
            height, width, _ = network.tensor(op.input).shape
            low, high = inputs[0]
            known[op.output.name] = (low * height * width, high * height * width)
        else:
            known[op.output.name] = output_range(op, inputs)
    return known


def gemm_bound(conv: Conv | Depthwise, codes: Range) -> int:
    """Return a bound on every intermediate sum of a convolution, in any order of summation."""
    magnitude = int(np.abs(conv.weights).reshape(len(conv.weights), -1).sum(axis=1).max(initial=0))
    return magnitude * max(abs(codes[0]), abs(codes[1])) + int(np.abs(conv.bias).max(initial=0))
