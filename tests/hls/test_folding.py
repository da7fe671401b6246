"""Foldings: given by hand, for an interval, and as wide as a limit allows."""

import json

import pytest
from random_networks import Builder, fire

from zynqfire import Refusal
from zynqfire.hls.ir import Fold, QType
from zynqfire.hls.passes import folding
from zynqfire.hls.resources import network_luts


@pytest.fixture(scope="module")
def network():
    """Return a fire module between two convolutions."""
    import numpy as np

    build = Builder(np.random.default_rng(0), (8, 8, 4), QType(8, False, 8))
    tensor = build.operations[0].output
    tensor = build.convolution("conv1", tensor, 8, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor)
    tensor = fire(build, "fire2", tensor, 4, 8, 8)
    return build.output(build.convolution("conv10", tensor, 6, (1, 1), (1, 1), (0,) * 4))


def wanted(network, **changes):
    """Return a folding file of one multiplier a layer, but for `changes`."""
    folds = {conv.name: {"pe": 1, "simd": 1} for conv in network.convolutions}
    return folds | changes


def test_folding_file_is_taken_as_it_stands(network):
    folds = folding.from_file(network, wanted(network, conv1={"pe": 4, "simd": 12, "pixels": 1}))
    assert folds["conv1"] == Fold(4, 3, 4)
    assert folds["conv10"] == Fold(1, 1, 1)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ({"pe": 3, "simd": 1}, "layer conv1: pe must divide its 8 output channels, not 3"),
        ({"pe": 1, "simd": 5}, r"layer conv1: simd must be t\*s .* 4 input channels, not 5"),
        ({"pe": 0, "simd": 1}, "folding of conv1: pe, simd and pixels must be positive"),
        ({"pe": True, "simd": 1}, "folding of conv1: pe, simd and pixels must be positive"),
        ({"pe": 1}, "folding of conv1: must have the keys pe and simd"),
        ({"pe": 1, "simd": 1, "depth": 2}, "folding of conv1: must have the keys pe and simd"),
        ([1, 1], "folding of conv1: must have the keys pe and simd"),
        ({"pe": 1, "simd": 1, "pixels": 2}, "folding of conv1: pixels must be 1 for now, not 2"),
    ],
)
def test_folding_that_cannot_be_is_refused(network, entry, text):
    with pytest.raises(Refusal, match=text):
        folding.from_file(network, wanted(network, conv1=entry))


def test_folding_must_name_every_layer_and_no_other(network):
    folds = wanted(network)
    del folds["conv10"]
    with pytest.raises(Refusal, match="every layer must be there, conv10 is missing"):
        folding.from_file(network, folds)
    with pytest.raises(Refusal, match=r"layer must be one of conv1, .* not conv2"):
        folding.from_file(network, wanted(network, conv2={"pe": 1, "simd": 1}))


@pytest.mark.parametrize("interval", [400, 1024, 5000, 10**6])
def test_interval_is_kept_by_the_cheapest_foldings(network, interval):
    folds = folding.for_interval(network, interval)
    for conv in network.convolutions:
        fold = folds[conv.name]
        assert folding.layer_cycles(network, conv, fold) <= interval
        cheaper = [f for f in folding._front(network, conv) if f.multipliers < fold.multipliers]
        assert all(folding.layer_cycles(network, conv, f) > interval for f in cheaper)


def test_interval_too_short_is_refused_with_the_least(network):
    with pytest.raises(Refusal, match=r"layer conv1: interval must be at least 64 cycles, not 63"):
        folding.for_interval(network, 63)
    with pytest.raises(Refusal, match="interval must be a positive number of cycles, not 0"):
        folding.for_interval(network, 0)


def test_widest_folding_stays_within_both_limits(network):
    def slowest(folds):
        return max(
            folding.layer_cycles(network, conv, folds[conv.name]) for conv in network.convolutions
        )

    def never(folds):
        return False

    def within(limit):
        return lambda folds: network_luts(network, folds) <= limit

    narrow = folding.widest(network, within(2000), lambda folds: True)
    wide = folding.widest(network, within(4000), lambda folds: True)
    assert network_luts(network, wide) <= 4000
    assert slowest(wide) < slowest(narrow)
    memory = folding.widest(
        network, within(4000), lambda folds: sum(f.multipliers for f in folds.values()) <= 20
    )
    assert sum(fold.multipliers for fold in memory.values()) <= 20
    assert slowest(wide) < slowest(memory)
    assert all(f.multipliers == 1 for f in folding.widest(network, within(0), never).values())


def test_layers_json_is_a_folding_file(network):
    """What compile prints of its layers can be given back, key for key."""
    layers = [{"name": c.name, "pe": 2, "simd": 2, "pixels": 1} for c in network.convolutions]
    text = json.dumps({layer.pop("name"): layer for layer in layers})
    assert set(folding.from_file(network, json.loads(text)).values()) == {Fold(2, 1, 2)}
