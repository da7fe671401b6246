"""FIFO depths: the least that keep the interval, found on the schedule of all beats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..design import Design, Instance, Stream
from ..flow import Flow
from . import units


def size(design: Design) -> Design:
    """Return `design` with FIFOs as deep as its interval needs, and none where it needs none.

    One after the other becomes as shallow as a schedule allows, those of the largest pixels first.
    With the others shallower later it cannot become shallower again, so that in the end no FIFO
    alone can lose a word.
    """
    fifos = [i for i in design.instances if i.module == "zf_fifo"]
    if not fifos:
        return design
    flow = Flow(design, design.interval)
    if not flow.settle():
        raise AssertionError(f"network {design.network.name}: no FIFOs keep {design.interval}")
    order = sorted(fifos, key=lambda fifo: (-_pixel_bits(fifo), _held(flow, fifo)))
    for fifo in order:
        if short := flow.shortfall(fifo.name, 0):
            _shrink(flow, fifo, max(2, _held(flow, fifo)), short)
    for fifo in order:  # those that became shallow enough for LUTs are faster: others may need less
        if (depth := flow.depths[fifo.name]) > 2:
            _shrink(flow, fifo, depth, depth - 1)
    return _with_depths(design, flow.depths)


def _pixel_bits(fifo: Instance) -> int:
    tensor = fifo.sources[0].tensor
    return tensor.shape[2] * tensor.qtype.bits


def _shrink(flow: Flow, fifo: Instance, high: int, guess: int) -> None:
    """Give `fifo` the least depth of 2 to `high` with a schedule, probably `guess`."""
    low, step = 1, 1
    while more := flow.shortfall(fifo.name, high):
        low, high = high, high + more
    while high - low > 1:
        guess = min(max(guess, low + 1), high - 1)
        if short := flow.shortfall(fifo.name, guess):
            low, guess = guess, guess + short
        else:
            high = guess
            guess, step = high - step, 2 * step
    flow.shortfall(fifo.name, high)


def _held(flow: Flow, fifo: Instance) -> int:
    """Return the most words that `fifo` holds at once in the present schedule."""
    entered = flow.taken[fifo.sources[0].name]
    left = flow.taken[fifo.sinks[0].name]
    frames = 2 + int(left[-1] - entered[0]) // flow.interval
    earlier = np.concatenate([left - f * flow.interval for f in range(frames, -1, -1)])
    gone = np.searchsorted(earlier, entered) - frames * len(left)
    return int((np.arange(len(entered)) + 1 - gone).max())


def _with_depths(design: Design, depths: dict[str, int]) -> Design:
    instances: list[Instance] = []
    renamed: dict[str, Stream] = {}
    for instance in design.instances:
        if instance.module == "zf_fifo":
            source, sink, depth = instance.sources[0], instance.sinks[0], depths[instance.name]
            if not depth:
                renamed[sink.name] = source
                continue
            instance = units.fifo(source, sink, depth)
        elif any(source.name in renamed for source in instance.sources):
            sources = tuple(renamed.get(source.name, source) for source in instance.sources)
            instance = replace(instance, sources=sources)
        instances.append(instance)
    return replace(design, instances=tuple(instances))
