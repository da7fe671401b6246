"""The integer interpreter: what a network of the IR means, to the last bit.

Convolutions run as matrix products in float32 where every sum is proven below 2**24, in float64
below 2**53, else in int64: always exact. Frames go through in chunks that fit the caches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

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

_CHUNK_BYTES = 1 << 25  # of the largest intermediate array of a chunk of frames


def run(
    network: Network, inputs: np.ndarray, keep: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Return the codes of every tensor.

    Parameters
    ----------
    network : Network
        What to run.
    inputs : ndarray of integers, (N, H, W, C)
        Codes of the input; a single frame may come without its first axis.
    keep : collection of str, optional
        Names of the tensors to return, to save memory; default is all.

    Returns
    -------
    dict of str to ndarray of int64, (N, H, W, C)
        By tensor name.

    Raises
    ------
    Refusal
        Where the inputs do not have the network's shape, type and range.

    """
    frames = _checked(network, inputs)
    wanted = {op.output.name for op in network.operations} if keep is None else set(keep)
    for name in wanted:
        network.producer(name)
    results = {
        name: np.empty((len(frames), *network.tensor(name).shape), np.int64) for name in wanted
    }
    ranges = widths.ranges(network)
    last_use = {name: op for op in network.operations for name in op.inputs}
    for part in _chunks(network, len(frames)):
        live: dict[str, np.ndarray] = {}
        for op in network.operations:
            sources = [live[name] for name in op.inputs]
            name = op.output.name
            live[name] = (
                frames[part] if isinstance(op, Input) else _execute(op, sources, network, ranges)
            )
            _assert_range(op.output, live[name], ranges[name])
            if name in wanted:
                results[name][part] = live[name]
            for used in op.inputs:
                if last_use[used] is op:
                    live.pop(used, None)
    return results


def outputs(network: Network, inputs: np.ndarray) -> np.ndarray:
    """Return the output codes, int64 (N, elements), channels last; `inputs` as for `run`."""
    name = network.output.output.name
    codes = run(network, inputs, keep=(name,))[name]
    return codes.reshape(len(codes), -1)


def encode(network: Network, values: np.ndarray) -> np.ndarray:
    """Return the input codes (N, H, W, C) nearest to `values`, half to even, clamped."""
    tensor = network.input.output
    if values.size == 0 or values.size % tensor.elements:
        raise Refusal(
            f"input: must be frames of {'x'.join(map(str, tensor.shape))} values, not an array of "
            f"shape {values.shape}"
        )
    scaled = np.ldexp(np.asarray(values, dtype=np.float64), tensor.qtype.frac)
    codes = np.clip(np.rint(scaled), tensor.qtype.lo, tensor.qtype.hi).astype(np.int64)
    return codes.reshape(-1, *tensor.shape)


def decode(network: Network, codes: np.ndarray) -> np.ndarray:
    """Return the values of output codes, float64."""
    output = network.output
    return np.ldexp(codes.astype(np.float64), -output.output.qtype.frac) / output.divisor


def rhe(x: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Return ``x * 2**-shift`` rounded half to even; exact left shift where `shift` <= 0."""
    shift = np.asarray(shift, dtype=np.int64)
    right = np.clip(shift, 0, 62)  # beyond, all is 0 as well
    # half of a unit less one, plus one where the truncated result is odd
    half = np.where(right > 0, (np.int64(1) << np.maximum(right - 1, 0)) - 1, 0)
    odd = np.where(right > 0, (x >> right) & 1, 0)
    return ((x + half + odd) >> right) << np.maximum(-shift, 0)


def _checked(network: Network, inputs: np.ndarray) -> np.ndarray:
    tensor = network.input.output
    inputs = np.asarray(inputs)
    if inputs.ndim == 3:
        inputs = inputs[None]
    if inputs.shape[1:] != tensor.shape:
        raise Refusal(
            f"input: must be frames of {'x'.join(map(str, tensor.shape))} codes, not an array of "
            f"shape {inputs.shape}"
        )
    if not np.issubdtype(inputs.dtype, np.integer):
        raise Refusal(f"input: must be integer codes, not {inputs.dtype}")
    lo, hi = tensor.qtype.lo, tensor.qtype.hi
    if inputs.size and (inputs.min() < lo or inputs.max() > hi):
        raise Refusal(
            f"input: codes must be from {lo} to {hi}, not {inputs.min()} to {inputs.max()}"
        )
    return inputs


def _chunks(network: Network, frames: int) -> Iterator[slice]:
    """Yield slices of the frames whose largest array stays below `_CHUNK_BYTES`."""
    largest = max(op.output.elements * 8 for op in network.operations)
    for op in network.convolutions:
        height, width, _ = op.output.shape
        largest = max(largest, height * width * op.weights[0].size * 4)
    step = max(_CHUNK_BYTES // largest, 1)
    for start in range(0, frames, step):
        yield slice(start, start + step)


def _execute(
    op: Operation, sources: list[np.ndarray], network: Network, ranges: dict[str, widths.Range]
) -> np.ndarray:
    match op:
        case Conv():
            return _convolve(op, sources[0], ranges[op.input])
        case Depthwise():
            return _convolve_each(op, sources[0])
        case Requantize():
            source = network.tensor(op.input)
            shift = source.qtype.frac - op.output.qtype.frac
            if source.align:
                shift = shift - np.asarray(source.align, dtype=np.int64)
            return np.clip(rhe(sources[0].astype(np.int64), shift), op.lo, op.hi)
        case Concat():
            return np.concatenate(sources, axis=-1)
        case Add():
            return sources[0].astype(np.int64) + sources[1]
        case MaxPool():
            return _largest(op, sources[0])
        case SumPool():
            return sources[0].sum(axis=(1, 2), keepdims=True, dtype=np.int64)
        case Output():
            return sources[0]
    raise TypeError(f"operation {op.name}: the interpreter has no rule for {type(op).__name__}")


def _largest(op: MaxPool, x: np.ndarray) -> np.ndarray:
    top, left, bottom, right = op.pads
    lowest = np.iinfo(x.dtype).min  # of any code: padding never wins
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=lowest)
    windows = np.lib.stride_tricks.sliding_window_view(x, op.kernel, axis=(1, 2))
    return windows[:, :: op.stride[0], :: op.stride[1]].max(axis=(-2, -1))


def _convolve(conv: Conv, x: np.ndarray, codes: widths.Range) -> np.ndarray:
    bound = widths.gemm_bound(conv, codes)
    exact = np.float32 if bound < 1 << 24 else np.float64 if bound < 1 << 53 else np.int64
    top, left, bottom, right = conv.pads
    frames, (height, width, outputs) = len(x), conv.output.shape
    x = x.astype(exact)
    if any(conv.pads):
        x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    kernel_h, kernel_w = conv.kernel
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel_h, kernel_w), axis=(1, 2))
    windows = windows[:, :: conv.stride[0], :: conv.stride[1]].transpose(0, 1, 2, 4, 5, 3)
    columns = windows.reshape(frames * height * width, -1)
    product = columns @ conv.weights.reshape(outputs, -1).T.astype(exact)
    sums = product.astype(np.int64) + conv.bias
    return sums.reshape(frames, height, width, outputs)


def _convolve_each(op: Depthwise, x: np.ndarray) -> np.ndarray:
    top, left, bottom, right = op.pads
    (height, width, _), (rows, columns) = op.output.shape, op.stride
    x = np.pad(x.astype(np.int64), ((0, 0), (top, bottom), (left, right), (0, 0)))
    sums = np.tile(op.bias, (len(x), height, width, 1))
    for row, column in np.ndindex(op.kernel):
        taps = x[:, row : row + height * rows : rows, column : column + width * columns : columns]
        sums += taps[:, :height, :width] * op.weights[:, row, column]
    return sums


def _assert_range(tensor: Tensor, codes: np.ndarray, proven: widths.Range) -> None:
    """Hold the interpreter to the proof: no code leaves its range, no range its type."""
    lo, hi = proven
    assert tensor.qtype.lo <= lo and hi <= tensor.qtype.hi, (
        f"tensor {tensor.name}: {tensor.qtype} does not hold the proven range {lo} to {hi}"
    )
    if codes.size:
        low, high = codes.min(), codes.max()
        assert lo <= low and high <= hi, (
            f"tensor {tensor.name}: codes {low} to {high} left the proven range {lo} to {hi}"
        )
