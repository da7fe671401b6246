"""Depths of buffers: the least with which the schedule keeps the interval.

What one branch has before the other waits where it costs least: in the memory of the window that
reads it, which for a 1x1 convolution is mostly empty, in the output buffer of the unit that made
it, or else in a FIFO.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ... import Refusal
from ..cuts import LUT_BITS
from ..design import Design, Instance, Stream
from ..flow import Flow
from ..memory import Kind
from ..rules import DEPTHS, PLACES, WINDOWED
from .geometry import Window
from .sizes import CREDITS, ring

Units = Mapping[str, Instance]  # the unit at an end of each stream


def size(design: Design) -> Design:
    """Return `design` with buffers as deep as its interval needs, and no FIFO where it needs none.

    One after the other becomes as shallow as a schedule allows, FIFOs of the largest pixels first.
    With others shallower later it cannot become shallower again, so that in the end none of more
    than 16 words, which cost no more than fewer, can spare one.

    Raises
    ------
    Refusal
        No buffers, however deep, keep the interval.

    """
    flow = Flow(design, design.interval)
    if not flow.settle():
        raise Refusal(
            f"network {design.network.name}: an interval of {design.interval} cycles must have a "
            "schedule, these foldings have none: choose others with --interval or --folding"
        )
    writers = {sink.name: i for i in design.instances for sink in i.sinks}
    readers = {source.name: i for i in design.instances for source in i.sources}
    fifos = [i for i in design.instances if i.module == "zf_fifo"]
    for fifo in sorted(fifos, key=lambda fifo: (-_pixel_bits(fifo), _held(flow, fifo))):
        short = flow.shortfall(fifo.name, "Depth", 0)
        if not short:
            continue
        if not _elsewhere(flow, fifo, writers, readers):
            _shrink(flow, fifo, max(CREDITS, _held(flow, fifo)), short)
    # outputs; and again FIFOs, since others that ended up in LUTs pass words on sooner
    for instance in design.instances:
        if depth := flow.depths.get((instance.name, DEPTHS.get(instance.module)), 0):
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


def _elsewhere(flow: Flow, fifo: Instance, writers: Units, readers: Units) -> bool:
    """Let the unit behind `fifo` or the one before it hold its words; say whether that does."""
    source, held = fifo.sources[0], _held(flow, fifo)
    window = readers[fifo.sinks[0].name]
    while window.module == "zf_width":
        window = readers[window.sinks[0].name]
    if window.module in WINDOWED and window.parameters.get("Taps", 1) == 1:
        deep, old = window.sources[0].beats_per_pixel, window.parameters[PLACES]
        most = old + -(-held // source.beats_per_pixel) + 2
        # a copy of the ring for each pixel of a step is larger, but what a LUT holds costs nothing
        pixels = window.parameters.get("Pixels", 1)
        shares = Window.of(window.operation, window.sources[0].tensor.shape).banks(pixels)
        no_larger = shares == pixels or most * deep <= LUT_BITS
        if no_larger and (least := _moved(flow, fifo, (window.name, PLACES), old, most)):
            flow.shortfall(window.name, PLACES, ring(least, deep, shares))
            return True
    unit = writers[source.name]
    while unit.module == "zf_width":
        unit = writers[unit.sources[0].name]
    if unit.module in WINDOWED:
        sink, old = unit.sinks[0], flow.depths[unit.name, DEPTHS[unit.module]]
        words = -(-held * source.lanes // sink.lanes)
        if unit.parameters.get("Pixels", 1) > 1:
            words = -(-words // (unit.parameters["Pixels"] * sink.beats_per_pixel))
        most = old + words + 2
        return bool(_moved(flow, fifo, (unit.name, DEPTHS[unit.module]), old, most))
    return False


def _moved(flow: Flow, fifo: Instance, to: tuple[str, str], old: int, most: int) -> int:
    """Return the least depth of `to`, `most` at most, with which `fifo` goes; 0 if none does."""
    flow.shortfall(*to, most)
    if flow.shortfall(fifo.name, "Depth", 0):
        flow.shortfall(*to, old)
        return 0
    while most - old > 1:
        # rather high: that a depth does is known after a few rounds, that it does not after many
        middle = (old + 3 * most) // 4
        if flow.shortfall(*to, middle):
            old = middle
        else:
            most = middle
    return most


def _least(instance: Instance) -> int:
    """Return the depth below which the buffer of `instance` costs no less, or does not work."""
    if instance.parameters.get("Pixels", 1) > 1:
        return 2  # steps
    whole = DEPTHS[instance.module] == "FifoDepth"  # it must hold a pixel
    return max(CREDITS, instance.sinks[0].beats_per_pixel if whole else 0)


def _shrink(flow: Flow, instance: Instance, high: int, guess: int) -> None:
    """Give `instance` the least depth up to `high` with a schedule, probably `guess`."""
    parameter = DEPTHS[instance.module]
    low, step, rise = _least(instance) - 1, 1, 1
    while more := flow.shortfall(instance.name, parameter, high):
        low, high = high, high + more
    while high - low > 1:
        if not low < guess < high:
            guess = (low + high) // 2
        if short := flow.shortfall(instance.name, parameter, guess):
            # what it says is short is the least: many such steps would take their time
            low, guess, rise = guess, guess + max(short, rise), 2 * rise
        else:
            high = guess
            guess, step = high - step, 2 * step


def _with_depths(design: Design, depths: Mapping[tuple[str, str], int]) -> Design:
    instances: list[Instance] = []
    renamed: dict[str, Stream] = {}
    for instance in design.instances:
        if depths.get((instance.name, "Depth")) == 0:
            source = instance.sources[0]  # of another FIFO that goes, maybe
            renamed[instance.sinks[0].name] = renamed.get(source.name, source)
            continue
        for parameter, kind in _buffers(instance):
            instance = _with_depth(instance, parameter, kind, depths[instance.name, parameter])
        if any(source.name in renamed for source in instance.sources):
            sources = tuple(renamed.get(source.name, source) for source in instance.sources)
            instance = replace(instance, sources=sources)
        instances.append(instance)
    return replace(design, instances=tuple(instances))


def _buffers(instance: Instance) -> Iterator[tuple[str, Kind]]:
    if instance.module in DEPTHS:
        yield DEPTHS[instance.module], Kind.FIFO
    if instance.module in WINDOWED:
        yield PLACES, Kind.WINDOW


def _with_depth(instance: Instance, parameter: str, kind: Kind, depth: int) -> Instance:
    old = instance.parameters[parameter]
    memories = tuple(
        replace(memory, depth=memory.depth * depth // old, bits=memory.bits * depth // old)
        if memory.kind is kind
        else memory
        for memory in instance.memories
    )
    parameters = dict(instance.parameters) | {parameter: depth}
    return replace(instance, parameters=parameters, memories=memories)
