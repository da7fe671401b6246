"""Weights of fewer bits than a network was trained with: to count its hardware, not to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .. import Refusal
from .ir import Conv, Depthwise, Network, Operation, QType, Requantize
from .passes import widths


def with_weight_bits(network: Network, bits: Mapping[str, int]) -> Network:
    """Return `network` with the weights of the layers `bits` cut to so many bits, narrow.

    What is cut off is lost and the scale grows by as much, so that accumulators have about the
    range that training would give them; of a codebook only the smallest values are left. Layers
    that have no more bits stay as they are.
    """
    ranges = widths.ranges(network)
    operations: list[Operation] = []
    for op in network.operations:
        if isinstance(op, Conv | Depthwise) and bits.get(op.name, op.stored_bits) < op.stored_bits:
            if op.codebook:
                op = _fewer_values(op, 1 << bits[op.name])
            else:
                op = _cut(network, op, bits[op.name], ranges[op.input])
        operations.append(op)
    return network.with_operations(operations)


def all_at_most(network: Network, bits: int) -> Network:
    """Return `network` with no weight of more than `bits` bits.

    Raises
    ------
    Refusal
        All weights have fewer bits anyway: nothing says what the others would be.
    """
    most = max(weight_bits(network).values(), default=0)
    if bits > most:
        raise Refusal(
            f"model {network.name}: weights must be counted with at most the {most} bits they "
            f"have, not {bits}"
        )
    return with_weight_bits(network, dict.fromkeys(weight_bits(network), bits))


def weight_bits(network: Network) -> dict[str, int]:
    """Return the weight bits of every layer that has weights, as memories hold them."""
    return {
        op.name: op.stored_bits for op in network.operations if isinstance(op, Conv | Depthwise)
    }


def _fewer_values(op: Conv | Depthwise, most: int) -> Conv | Depthwise:
    """Return `op` with a codebook of at most `most` values: larger ones become zero."""
    sizes = np.abs(op.codebook)
    kept = np.sort(np.array(op.codebook)[np.argsort(sizes, kind="stable")[: most - 1]])
    weights = np.where(np.isin(op.weights, kept), op.weights, 0)
    return replace(op, weights=weights, codebook=tuple(np.unique(weights).tolist()))


def _cut(
    network: Network, op: Conv | Depthwise, bits: int, codes: widths.Range
) -> Conv | Depthwise:
    dropped, top = op.weight_bits - bits, (1 << (bits - 1)) - 1
    # towards zero: no sum grows beyond the types that hold it now
    weights = np.minimum(np.abs(op.weights) >> dropped, top) * np.sign(op.weights)
    bias = np.sign(op.bias) * (np.abs(op.bias) >> dropped)
    output = op.output
    readers = network.consumers(output.name)
    if len(readers) == 1 and isinstance(readers[0], Requantize):  # it shifts by less then
        lo, hi = widths.accumulator(weights, bias, codes)
        qtype = QType.holding(lo, hi, output.qtype.frac - dropped)
        output = replace(output, qtype=qtype)
    return replace(op, weights=weights, weight_bits=bits, bias=bias, output=output)
