"""Networks of depthwise convolutions and of wide paddings through compile and simulation."""

import numpy as np
import pytest
from random_networks import Builder, folded, separable

from zynqfire.board.catalog import load
from zynqfire.hls.compile import build
from zynqfire.hls.ir import QType
from zynqfire.rtl_tb.simulate import simulate


def check(network, out, interval):
    """Compile for `interval`, simulate back to back and under stalls; all as predicted."""
    folding = {
        name: {"pe": fold.pe, "simd": fold.simd} for name, fold in folded(network, interval).items()
    }
    result = build(network, load("pynq-z2"), out, folding=folding)
    free = simulate(out, frames=6)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"] <= interval
    assert abs(free["latency_cycles"] - result["latency_cycles"]) <= free["latency_cycles"] / 100
    stalled = simulate(out, frames=6, stalls=5)
    assert stalled["bit_exact"], stalled
    return result


def mobile(size=(8, 9)):
    """Return MobileNet's beginning: a convolution, then blocks of stride 1 and of stride 2."""
    build = Builder(np.random.default_rng(2), (*size, 3), QType(8, False, 8))
    tensor = build.convolution("conv1", build.operations[0].output, 6, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor)
    tensor = separable(build, "block2", tensor, 8)
    tensor = separable(build, "block3", tensor, 12, (2, 2))
    tensor = build.convolution("head", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    return build.output(build.sum_pool("pool", tensor))


@pytest.mark.parametrize(("interval", "lanes"), [(4000, [1, 1]), (1300, [3, 2])])
def test_separable_blocks_keep_the_interval(interval, lanes, tmp_path):
    layers = check(mobile(), tmp_path / "build", interval)["layers"]
    found = {layer["name"]: (layer["pe"], layer["simd"]) for layer in layers}
    assert [found[f"block{n}/depthwise"] for n in (2, 3)] == [(n, 1) for n in lanes]


def framed(last):
    """Return SqueezeNet v1.0's end, a 1x1 convolution with padding 1, and after it `last`."""
    build = Builder(np.random.default_rng(5), (5, 6, 4), QType(4, False, 4))
    tensor = build.convolution("conv9", build.operations[0].output, 6, (3, 3), (1, 1), (4,) * 4)
    tensor = build.requantize("conv9", tensor)
    tensor = build.convolution("conv10", tensor, 4, (1, 1), (1, 1), (1,) * 4)
    return build.output(last(build, tensor))


@pytest.mark.parametrize(
    "last",
    [lambda build, tensor: build.sum_pool("pool", tensor), lambda build, tensor: tensor],
    ids=["pooled", "map"],
)
def test_padding_as_large_as_the_kernel(last, tmp_path):
    check(framed(last), tmp_path / "build", 9000)
