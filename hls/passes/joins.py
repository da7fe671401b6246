"""Chained concatenations as one: hls4ml's parser only takes two inputs at a time."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Concat, Network, Operation


def merge_joins(network: Network) -> Network:
    """Return `network` with every Concat that only feeds another one taken into that one."""
    parts: dict[str, tuple[str, ...]] = {}
    operations: list[Operation] = []
    for op in network.operations:
        if isinstance(op, Concat):
            inputs = tuple(part for name in op.inputs for part in parts.get(name, (name,)))
            op = replace(op, inputs=inputs)
            readers = network.consumers(op.output.name)
            if len(readers) == 1 and isinstance(readers[0], Concat):
                once = readers[0].inputs.count(op.output.name) == 1
                if once and readers[0].output.qtype == op.output.qtype:
                    parts[op.output.name] = inputs
                    continue
        operations.append(op)
    return network.with_operations(operations)
