"""Cycles of a design, predicted: the interval of back-to-back frames and the latency of one.

The latency follows the pixels of one frame through the units: a unit's output pixel n is ready
`latency` after the last input pixel that it needs, and not before the unit is through with pixel
n - 1. Stalls by full FIFOs are not followed; in one frame alone none are met but at forks.
"""

from __future__ import annotations

import numpy as np

from .design import Design, Instance
from .ir import Conv, Depthwise, MaxPool, SumPool
from .passes.geometry import Window


def latency(design: Design) -> int:
    """Return the cycles from the first input beat in to the last output beat of a lone frame."""
    times: dict[str, np.ndarray] = {}  # stream -> cycle after which each pixel is out
    last = 0
    for instance in design.instances:
        out = _through(instance, times)
        for sink in instance.sinks:
            times[sink.name] = out
        last = int(out[-1])
    return last


def _through(instance: Instance, times: dict[str, np.ndarray]) -> np.ndarray:
    if not instance.sources:
        sink = instance.sinks[0]
        height, width, _ = sink.tensor.shape
        return np.arange(1, height * width + 1) * sink.beats_per_pixel - 1 + instance.latency
    source = instance.sources[0]
    arrived = np.max([times[stream.name] for stream in instance.sources], axis=0)
    if isinstance(instance.operation, SumPool):
        return arrived[-1:] + instance.latency
    pixels, window = instance.parameters.get("Pixels", 1), None
    if isinstance(instance.operation, Conv | Depthwise | MaxPool):
        window = Window.of(instance.operation, source.tensor.shape)
        arrived = arrived[window.need(pixels) - 1]
    spacing = max(1, instance.cycles // len(arrived))
    # a step starts when its input is there and the unit is through with the step before
    index = np.arange(len(arrived), dtype=np.int64) * spacing
    out = np.maximum.accumulate(arrived - index) + index + instance.latency
    if isinstance(instance.operation, Conv):
        groups = instance.parameters["Groups"]
        if pixels == 1:
            return out + spacing - spacing // groups  # its last output group
        rows = out.reshape(window.out_h, -1, 1) + np.arange(1, pixels + 1) * groups - 1
        return rows.reshape(window.out_h, -1)[:, : window.out_w].ravel()
    if instance.sinks:
        return out + max(0, instance.sinks[0].beats // source.beats - 1)
    return out
