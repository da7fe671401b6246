"""Predicted cycles of units whose timing can be counted by hand; test_networks has the rest."""

import numpy as np
from random_networks import Builder

from zynqfire.hls import perf
from zynqfire.hls.ir import Fold, QType
from zynqfire.hls.passes.wiring import wire


def lone(outputs, fold):
    build = Builder(np.random.default_rng(0), (4, 4, 2), QType(8, False, 8))
    tensor = build.convolution("c", build.operations[0].output, outputs, (1, 1), (1, 1), (0,) * 4)
    return wire(build.output(tensor), {"c": fold})


def test_latency_of_one_convolution_is_counted_from_beat_to_beat():
    # 32 beats in at one channel a beat, the last one at cycle 31; entry 1, unit 9 + 1 for
    # activations in two slices + 2 words, exit 1; three pixels' worth of work is left when the
    # last pixel comes: 2 * 4 cycles each
    design = lone(4, Fold(1, 1, 1))
    assert design.interval == 16 * 4 * 2
    start = 1 + 1 + 1 + 9 + 1 + 2  # first pixel's beats, entry, unit
    assert perf.latency(design) == start + 16 * 8 - 2 + 1 - 1


def test_interval_is_that_of_the_slowest_stream():
    # codes leave one a beat, whatever the multipliers could do
    assert lone(4, Fold(4, 1, 2)).bottleneck == (64, "zf_width of output")
    assert lone(4, Fold(1, 1, 1)).bottleneck == (128, "layer c")
