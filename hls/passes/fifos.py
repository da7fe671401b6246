"""Depths of FIFOs and output buffers: the least with which the schedule keeps the interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..design import Design, Instance, Stream
from ..flow import Flow
from ..memory import Kind
from ..rules import DEPTHS
from .sizes import CREDITS


def size(design: Design) -> Design:
    """Return `design` with buffers as deep as its interval needs, and no FIFO where it needs none.

    One after the other becomes as shallow as a schedule allows, FIFOs of the largest pixels first.
    With others shallower later it cannot become shallower again, so that in the end none of more
    than 16 words, which cost no more than fewer, can spare one.
    """
    flow = Flow(design, design.interval)
    if not flow.settle():
        raise AssertionError(f"network {design.network.name}: no FIFOs keep {design.interval}")
    fifos = [i for i in design.instances if i.module == "zf_fifo"]
    for fifo in sorted(fifos, key=lambda fifo: (-_pixel_bits(fifo), _held(flow, fifo))):
        if short := flow.shortfall(fifo.name, 0):
            _shrink(flow, fifo, max(CREDITS, _held(flow, fifo)), short)
    # outputs; and again FIFOs, since others that ended up in LUTs pass words on sooner
    for instance in design.instances:
        if depth := flow.depths.get(instance.name, 0):
            _shrink(flow, instance, depth, depth - 1)
    return _with_depths(design, flow.depths)


def _pixel_bits(fifo: Instance) -> int:
    tensor = fifo.sources[0].tensor
    return tensor.shape[2] * tensor.qtype.bits


def _held(flow: Flow, fifo: Instance) -> int:
    """Return the most words that `fifo` holds at once in the present schedule."""
    entered = flow.taken[fifo.sources[0].name]
    left = flow.taken[fifo.sinks[0].name]
    frames = 2 + int(left[-1] - entered[0]) // flow.interval
    earlier = np.concatenate([left - f * flow.interval for f in range(frames, -1, -1)])
    gone = np.searchsorted(earlier, entered) - frames * len(left)
    return int((np.arange(len(entered)) + 1 - gone).max())


def _least(instance: Instance) -> int:
    """Return the depth below which the buffer of `instance` costs no less, or does not work."""
    if instance.parameters.get("Pixels", 1) > 1:
        return 2  # steps
    whole = DEPTHS[instance.module] == "FifoDepth"  # it must hold a pixel
    return max(CREDITS, instance.sinks[0].beats_per_pixel if whole else 0)


def _shrink(flow: Flow, instance: Instance, high: int, guess: int) -> None:
    """Give `instance` the least depth up to `high` with a schedule, probably `guess`."""
    low, step = _least(instance) - 1, 1
    while more := flow.shortfall(instance.name, high):
        low, high = high, high + more
    while high - low > 1:
        guess = min(max(guess, low + 1), high - 1)
        if short := flow.shortfall(instance.name, guess):
            low, guess = guess, guess + short
        else:
            high = guess
            guess, step = high - step, 2 * step


def _with_depths(design: Design, depths: Mapping[str, int]) -> Design:
    instances: list[Instance] = []
    renamed: dict[str, Stream] = {}
    for instance in design.instances:
        if instance.name in depths:
            if not depths[instance.name]:
                renamed[instance.sinks[0].name] = instance.sources[0]
                continue
            instance = _with_depth(instance, depths[instance.name])
        if any(source.name in renamed for source in instance.sources):
            sources = tuple(renamed.get(source.name, source) for source in instance.sources)
            instance = replace(instance, sources=sources)
        instances.append(instance)
    return replace(design, instances=tuple(instances))


def _with_depth(instance: Instance, depth: int) -> Instance:
    parameter = DEPTHS[instance.module]
    old = instance.parameters[parameter]
    memories = tuple(
        replace(memory, depth=memory.depth * depth // old, bits=memory.bits * depth // old)
        if memory.kind is Kind.FIFO
        else memory
        for memory in instance.memories
    )
    parameters = dict(instance.parameters) | {parameter: depth}
    return replace(instance, parameters=parameters, memories=memories)
