"""Predicted cycles of units whose timing can be counted by hand; test_networks has the rest."""

import numpy as np
from random_networks import Builder

from zynqfire.hls import perf
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import QType
from zynqfire.hls.passes.wiring import wire


def lone(outputs, fold):
    build = Builder(np.random.default_rng(0), (4, 4, 2), QType(8, False, 8))
    tensor = build.convolution("c", build.operations[0].output, outputs, (1, 1), (1, 1), (0,) * 4)
    return wire(build.output(tensor), {"c": fold})


def test_latency_of_one_convolution_is_counted_from_beat_to_beat():
    # two beats a pixel at one a cycle; then 63 more products of two words follow the first
    design = lone(4, Fold(1, 1, 1))
    assert design.interval == 16 * 4 * 2
    (unit,) = (i for i in design.instances if i.module == "zf_conv")
    first = 1 + 1 + unit.latency + 1  # last beat of the first pixel, entry, unit, exit
    assert perf.latency(design) == first + 63 * 2


def test_interval_is_that_of_the_slowest_stream():
    # codes leave one a beat, whatever the multipliers could do
    assert lone(4, Fold(4, 1, 2)).bottleneck == (64, "zf_width of output")
    assert lone(4, Fold(1, 1, 1)).bottleneck == (128, "layer c")
