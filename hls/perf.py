"""Cycles of a design, predicted: the interval of back-to-back frames and the latency of one.

The latency follows the pixels of one frame through the units: a unit's output pixel n is ready
`latency` after the last input pixel that it needs, and not before the unit is through with pixel
n - 1. Stalls by full FIFOs are not followed; in one frame alone none are met but at forks.
"""

from __future__ import annotations

import numpy as np

from .design import Design, Instance
from .ir import Conv
from .passes.geometry import Window


def latency(design: Design) -> int:
    """Return the cycles from the first input beat to the last output beat of a lone frame."""
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
        return 1 + np.arange(1, height * width + 1) * sink.beats_per_pixel
    arrived = np.max([times[source.name] for source in instance.sources], axis=0)
    pixels, spacing = len(arrived), 1
    if isinstance(instance.operation, Conv):
        op = instance.operation
        window = Window.of(op, instance.sources[0].tensor.shape)
        arrived = arrived[window.need() - 1]
        pixels = len(arrived)
        spacing = instance.cycles // pixels
    elif instance.module == "zf_sum_pool":
        return arrived[-1:] + instance.latency
    else:
        spacing = max(1, instance.cycles // pixels)
    # a pixel starts when its input is there and the unit is through with the pixel before
    index = np.arange(pixels, dtype=np.int64) * spacing
    start = np.maximum.accumulate(arrived - index) + index
    if isinstance(instance.operation, Conv):
        groups = instance.parameters["Groups"]
        return start + instance.latency + spacing - spacing // groups
    if not instance.sinks:  # the output leaves beat by beat
        return start + spacing + instance.latency
    return start + spacing - 1 + instance.latency
