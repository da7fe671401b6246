"""Whole random networks through compile and simulation: bits, interval and latency."""

import numpy as np
import pytest
from random_networks import Builder, bypassed, fire, random_network
from varied_networks import varied_folding, varied_network

from zynqfire import Refusal
from zynqfire.board.catalog import load
from zynqfire.hls.compile import build
from zynqfire.hls.ir import QType
from zynqfire.hls.passes.folding import legal
from zynqfire.rtl_tb.simulate import simulate


def drawn_folding(network, seed):
    """Return a legal folding of moderate size for each layer, as a folding file has it."""
    rng = np.random.default_rng(seed)
    folds = {}
    for conv in network.convolutions:
        fold = rng.choice([fold for fold in legal(conv) if 4 <= fold.multipliers <= 64])
        folds[conv.name] = {"pe": fold.pe, "simd": fold.simd, "pixels": fold.pixels}
    return folds


def two_fires():
    """Return two fire modules in a row whose squeezes, expands and concats are all balanced."""
    build = Builder(np.random.default_rng(0), (8, 8, 3), QType(8, False, 8))
    tensor = build.convolution("conv1", build.operations[0].output, 8, (3, 3), (2, 2), (1,) * 4)
    tensor = fire(build, "fire2", build.requantize("conv1", tensor), 4, 8, 8)
    tensor = fire(build, "fire3", tensor, 4, 8, 8)
    tensor = build.convolution("conv10", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    return build.output(build.sum_pool("pool", tensor))


def check(network, out, **folding):
    """Compile, simulate back to back and under stalls; all must be as predicted."""
    result = build(network, load("pynq-z2"), out, **folding)
    free = simulate(out, frames=6)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"]
    assert free["latency_cycles"] == result["latency_cycles"]
    stalled = simulate(out, frames=6, stalls=5)
    assert stalled["bit_exact"], stalled


@pytest.mark.parametrize("seed", [1])
def test_random_network_is_bit_exact_and_as_fast_as_predicted(seed, tmp_path):
    network = random_network(seed)
    check(network, tmp_path / "build", folding=drawn_folding(network, seed))


@pytest.mark.long
@pytest.mark.parametrize("seed", [4, 7, *range(100, 130)])
def test_many_random_networks(seed, tmp_path):
    network = random_network(seed)
    check(network, tmp_path / "build", folding=drawn_folding(network, seed))


def test_varied_network(tmp_path):
    check(varied_network(3), tmp_path / "build", **varied_folding(varied_network(3), 3))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_varied_networks(seed, tmp_path):
    network = varied_network(seed)
    how = varied_folding(network, seed)
    try:
        check(network, tmp_path / "build", **how)
    except Refusal as error:
        too_short = ("interval must be at least", "more than the interval")
        if "interval" not in how or not any(text in str(error) for text in too_short):
            raise


def test_fire_modules_keep_the_interval_of_their_slowest_layer(tmp_path):
    check(two_fires(), tmp_path / "build", interval=160)


def bypasses(stacked=2, size=8):
    """Return fire modules in a row, the source of each added to its result."""
    build = Builder(np.random.default_rng(3), (size, size, 3), QType(8, False, 8))
    tensor = build.convolution("conv1", build.operations[0].output, 8, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor)
    for number in range(stacked):
        tensor = bypassed(build, f"fire{number + 2}", tensor, 4)
    tensor = build.convolution("conv10", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    return build.output(build.sum_pool("pool", tensor))


def test_bypasses_keep_the_interval_of_their_slowest_layer(tmp_path):
    check(bypasses(), tmp_path / "build", interval=640)


def pooled(size=(9, 8)):
    """Return SqueezeNet's beginning: a maximum over 3x3 with stride 2, padded, before a fire."""
    build = Builder(np.random.default_rng(4), (*size, 3), QType(8, True, 8))
    tensor = build.convolution("conv1", build.operations[0].output, 8, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor, signed=True)
    tensor = build.max_pool("pool1", tensor, (3, 3), (2, 2), (1, 0, 1, 1))
    tensor = fire(build, "fire2", tensor, 4, 8, 8)
    tensor = build.max_pool("pool2", tensor, (2, 2), (2, 2), (0,) * 4)
    tensor = build.convolution("conv10", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    return build.output(tensor)


@pytest.mark.parametrize("interval", [400, pytest.param(1600, marks=pytest.mark.long)])
def test_max_pools_keep_the_interval_of_the_slowest_layer(interval, tmp_path):
    check(pooled(), tmp_path / "build", interval=interval)


def test_steps_of_a_single_word_keep_the_interval(tmp_path):
    """A map narrower than a step: each step has one word, which leaves its place late."""
    make = Builder(np.random.default_rng(5), (9, 1, 2), QType(4, False, 4))
    tensor = make.convolution("conv1", make.operations[0].output, 1, (3, 3), (1, 1), (1,) * 4)
    tensor = make.requantize("conv1", tensor)
    network = make.output(make.convolution("conv2", tensor, 4, (3, 3), (1, 1), (1,) * 4))
    slow, fast = {"pe": 1, "simd": 2, "pixels": 1}, {"pe": 4, "simd": 1, "pixels": 4}
    check(network, tmp_path / "build", folding={"conv1": slow, "conv2": fast})


@pytest.mark.parametrize(
    ("shape", "pads", "stride"),
    [
        ((1, 8, 2), (3,) * 4, (1, 2)),
        pytest.param((1, 6, 3), (1, 2, 0, 2), (2, 1), marks=pytest.mark.long),
    ],
)
def test_a_single_padded_row_has_a_schedule(shape, pads, stride, tmp_path):
    """1x1 windows over it are no pointwise convolution: some, or all, lie in the padding."""
    make = Builder(np.random.default_rng(6), shape, QType(4, False, 4))
    tensor = make.convolution("conv1", make.operations[0].output, 4, (1, 1), stride, pads)
    network = make.output(make.sum_pool("pool", tensor))
    check(network, tmp_path / "build", interval=600)
