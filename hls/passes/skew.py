"""How far branches drift apart between a fork and the concat or addition that joins them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ir import Add, Concat, Conv, Depthwise, MaxPool, Network, SumPool
from .geometry import Window


@dataclass(frozen=True)
class Lag:
    """How far a branch runs ahead of the others that it is joined with.

    Attributes
    ----------
    pixels
        Of the forked tensor, that another branch needs before its result is due.
    units
        Convolutions and pools that the longest of the other branches has more.
    """

    pixels: int
    units: int


def branch_lags(network: Network, tensor: str) -> dict[str, Lag]:
    """Return what the branch of each reader of the forked `tensor` must wait for.

    Pixel n of a join needs its last input pixel on every branch. A branch that needs fewer
    pixels than the greediest one must hold the difference, else the fork stops before the greedy
    branch has what it needs, for good. The largest difference over all n and all joins is
    returned; zero for the greediest branch. A branch of fewer convolutions must also hold what
    passes while the others' fill.
    """
    readers = network.consumers(tensor)
    height, width, _ = network.tensor(tensor).shape
    start = _Reach(np.arange(1, height * width + 1), 0)
    reached = [_propagate(network, tensor, reader.name, start) for reader in readers]
    lags = {reader.name: Lag(0, 0) for reader in readers}
    for op in network.operations:
        if not isinstance(op, Concat | Add):
            continue
        joined = [
            (reader.name, reach[op.name])
            for reader, reach in zip(readers, reached, strict=True)
            if op.name in reach
        ]
        if len(joined) < 2:
            continue
        greediest = np.max([reach.need for _, reach in joined], axis=0)
        longest = max(reach.units for _, reach in joined)
        for name, reach in joined:
            pixels = int((greediest - reach.need).max())
            lag = lags[name]
            lags[name] = Lag(max(lag.pixels, pixels), max(lag.units, longest - reach.units))
    return lags


@dataclass(frozen=True, eq=False)
class _Reach:
    """Pixels of the forked tensor that each pixel here needs, and convolutions on the way."""

    need: np.ndarray
    units: int


def _propagate(network: Network, tensor: str, first: str, start: _Reach) -> dict[str, _Reach]:
    """Return what each operation's pixels need of `tensor` through its reader `first`.

    Keys are operation names; an operation that the branch does not reach is missing.
    """
    reached: dict[str, _Reach] = {}
    for op in network.operations:
        sources = []
        for name in op.inputs:
            producer = network.producer(name)
            if name == tensor:
                if op.name == first:
                    sources.append(start)
            elif producer.name in reached:
                sources.append(reached[producer.name])
        if not sources:
            continue
        need = np.max([source.need for source in sources], axis=0)
        units = max(source.units for source in sources)
        match op:
            case Conv() | Depthwise() | MaxPool():
                window = Window.of(op, network.tensor(op.input).shape)
                reached[op.name] = _Reach(need[window.need() - 1], units + 1)
            case SumPool():
                reached[op.name] = _Reach(need[-1:], units)
            case _:
                reached[op.name] = _Reach(need, units)
    return reached
