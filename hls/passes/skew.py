"""How far branches drift apart between a fork and the concat that joins them."""

from __future__ import annotations

import numpy as np

from ..ir import Concat, Conv, Network, SumPool
from .geometry import Window


def branch_pixels(network: Network, tensor: str) -> dict[str, int]:
    """Return, for each reader of the forked `tensor`, the pixels that its branch must store.

    Pixel n of a concat needs its last input pixel on every branch. A branch that needs fewer
    pixels than the greediest one must hold the difference, else the fork stops before the greedy
    branch has what it needs, for good. The largest difference over all n and all concats is
    returned; zero for the greediest branch.
    """
    readers = network.consumers(tensor)
    height, width, _ = network.tensor(tensor).shape
    needs = [
        _propagate(network, tensor, reader.name, np.arange(1, height * width + 1))
        for reader in readers
    ]
    depth = {reader.name: 0 for reader in readers}
    for op in network.operations:
        if not isinstance(op, Concat):
            continue
        joined = [
            (reader.name, need[op.name])
            for reader, need in zip(readers, needs, strict=True)
            if op.name in need
        ]
        if len(joined) < 2:
            continue
        greediest = np.max([need for _, need in joined], axis=0)
        for name, need in joined:
            depth[name] = max(depth[name], int((greediest - need).max()))
    return depth


def _propagate(
    network: Network, tensor: str, first: str, need: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what each operation's pixels need of `tensor` through its reader `first`.

    Keys are operation names; an operation that the branch does not reach is missing.
    """
    reached: dict[str, np.ndarray] = {}
    for op in network.operations:
        sources = []
        for name in op.inputs:
            producer = network.producer(name)
            if name == tensor:
                if op.name == first:
                    sources.append(need)
            elif producer.name in reached:
                sources.append(reached[producer.name])
        if not sources:
            continue
        count = np.max(sources, axis=0)
        match op:
            case Conv():
                window = Window.of(op, network.tensor(op.input).shape)
                reached[op.name] = count[window.need() - 1]
            case SumPool():
                reached[op.name] = count[-1:]
            case _:
                reached[op.name] = count
    return reached
