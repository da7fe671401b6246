"""Foldings: given by hand, what each costs, and the solver against trying everything."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from qonnx_nets import fire_net
from random_networks import Builder, fire

from zynqfire import Refusal
from zynqfire.board.catalog import load
from zynqfire.hls.choose import choose
from zynqfire.hls.compile import build
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import QType
from zynqfire.hls.lower import from_onnx
from zynqfire.hls.memory import Estimate
from zynqfire.hls.passes import folding, solve


@pytest.fixture(scope="module")
def network():
    """Return a fire module between two convolutions."""
    build = Builder(np.random.default_rng(0), (8, 8, 4), QType(4, False, 8))
    tensor = build.operations[0].output
    tensor = build.convolution("conv1", tensor, 8, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor)
    tensor = fire(build, "fire2", tensor, 4, 8, 8)
    return build.output(build.convolution("conv10", tensor, 6, (1, 1), (1, 1), (0,) * 4))


def wanted(network, **changes):
    """Return a folding file of one multiplier a layer, but for `changes`."""
    folds = {conv.name: {"pe": 1, "simd": 1} for conv in network.convolutions}
    return folds | changes


def test_folding_file_with_pixels_is_taken_as_it_stands(network):
    folds = folding.from_file(network, wanted(network, conv1={"pe": 4, "simd": 12, "pixels": 1}))
    assert folds["conv1"] == (Fold(4, 3, 4),)
    assert folds["conv10"] == (Fold(1, 1, 1),)


def test_outputs_may_be_traded_for_pixels_where_none_are_given(network):
    folds = folding.from_file(network, wanted(network, conv1={"pe": 4, "simd": 4}))["conv1"]
    assert set(folds) == {Fold(4, 1, 4), Fold(2, 1, 4, 2), Fold(1, 1, 4, 4)}
    (conv1, *_) = network.convolutions
    assert {(f.multipliers, f.cycles(conv1)) for f in folds} == {(16, 8 * 8 * 9 * 2)}
    # a product of three words leaves no time for four pixels
    folds = folding.from_file(network, wanted(network, conv1={"pe": 4, "simd": 12}))["conv1"]
    assert set(folds) == {Fold(4, 3, 4), Fold(2, 3, 4, 2)}


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
        (
            {"pe": 1, "simd": 12, "pixels": 4},
            "layer conv1: pixels must be 1 or 2 where a product has 3 words, not 4",
        ),
        (
            {"pe": 1, "simd": 1, "pixels": 3},
            "layer conv1: pixels must be 1 or 2 or 4 where a product has 36 words, not 3",
        ),
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


def test_layers_json_is_a_folding_file(network):
    """What compile prints of its layers can be given back, key for key."""
    layers = [{"name": c.name, "pe": 2, "simd": 2, "pixels": 1} for c in network.convolutions]
    text = json.dumps({layer.pop("name"): layer for layer in layers})
    assert set(folding.from_file(network, json.loads(text)).values()) == {(Fold(2, 1, 2),)}


def test_no_option_is_worse_than_another_in_everything(network):
    """And DSPs, LUT products, several pixels and both homes of weights are among them."""
    found = folding.options(network, network.convolutions[0], load("pynq-z2"))
    rows = np.array([(o.cycles, *folding.measures(o.cost)) for o in found])
    for row in rows:
        worse = (rows <= row).all(axis=1) & (rows < row).any(axis=1)
        assert not worse.any()
    assert {bool(o.fold.packing) for o in found} == {False, True}
    assert {o.fold.pixels for o in found} >= {1, 2}


def few(network, board, count=5):
    """Return at most `count` options a layer, spread from the fastest to the cheapest."""
    choices = {}
    for conv in network.convolutions:
        found = sorted(folding.options(network, conv, board), key=lambda o: o.cycles)
        picked = np.linspace(0, len(found) - 1, count).round().astype(int)
        choices[conv.name] = [found[i] for i in dict.fromkeys(picked.tolist())]
    return choices


@pytest.mark.parametrize("share", [0.15, 0.3, 0.6])
def test_solver_equals_trying_everything(network, share):
    """The fastest interval, its bound, and the resources that bind, on boards of all sizes."""
    board = load("pynq-z2")
    choices = few(network, board)
    everything = list(itertools.product(*choices.values()))
    costs = np.array([[folding.measures(o.cost) for o in each] for each in everything]).sum(axis=1)
    cycles = np.array([max(o.cycles for o in each) for each in everything])
    low, high = costs.min(axis=0), costs.max(axis=0)
    most = [int(a + share * (b - a)) for a, b in zip(low, high, strict=True)]
    fits = (costs <= most).all(axis=1)
    assert fits.any()
    found = solve.fastest(choices, most, Estimate(), 1)
    assert (found.interval, found.bound) == (cycles[fits].min(), cycles[fits].min())
    chosen = [folding.measures(o.cost) for o in found.options.values()]
    assert (np.sum(chosen, axis=0) <= most).all()

    binding = solve.binding(choices, most, Estimate(), 1, found.interval)
    freed = []
    for number, name in enumerate(solve.RESOURCES):
        others = [i for i in range(len(most)) if i != number]
        without = (costs[:, others] <= np.array(most)[others]).all(axis=1)
        if cycles[without].min() < found.interval:
            freed.append(name)
    if found.interval > cycles.min():
        assert binding == (freed or ["several resources together"])
    else:
        assert binding == ["the network"]

    cheap = solve.cheapest(choices, most, Estimate(), found.interval)
    parts = (costs / np.maximum(1, most))[fits & (cycles <= found.interval)]
    best = (4 * parts.max(axis=1) + parts.sum(axis=1)).min()
    mine = np.sum([folding.measures(o.cost) for o in cheap.options.values()], axis=0)
    mine = mine / np.maximum(1, most)
    assert 4 * mine.max() + mine.sum() <= best * 1.01


def test_nothing_fits_a_board_without_luts(network):
    choices = few(network, load("pynq-z2"))
    assert solve.fastest(choices, [0] * 5, Estimate(), 1) is None
    assert solve.cheapest(choices, [0] * 5, Estimate(), None) is None
    assert solve.cheapest(choices, [0] * 5, Estimate(), None, bounded=False).options


@pytest.mark.parametrize("interval", [400, 1024, 5000, 10**6])
def test_interval_is_kept_with_less_where_it_is_longer(network, interval):
    board = load("pynq-z2")
    choice = choose(network, board, {}, interval, lambda text: None)
    assert choice.design.interval <= interval
    more = choose(network, board, {}, 4 * interval, lambda text: None)
    assert more.design.multipliers <= choice.design.multipliers


def test_interval_too_short_is_refused_with_the_least(network):
    def at(interval, board="pynq-z2"):
        choose(network, load(board), {}, interval, lambda text: None)

    with pytest.raises(Refusal, match=r"layer conv1: interval must be at least 64 cycles, not 63"):
        at(63)
    with pytest.raises(Refusal, match="interval must be a positive number of cycles, not 0"):
        at(0)


def test_interval_for_which_the_board_is_too_small_is_refused_with_the_least(network, tmp_path):
    """And that one is taken."""
    small = replace(load("pynq-z2"), name="small", lut=2800, dsp=8)
    least = choose(network, small, {}, None, lambda text: None).design.interval
    with pytest.raises(Refusal, match=rf"must be at least {least} cycles on small, not 384"):
        build(network, small, tmp_path / "build", interval=384)
    choice = choose(network, small, {}, least, lambda text: None)
    assert choice.design.interval == least
    assert not choice.excess(small)


@pytest.mark.parametrize("luts", [1700, 2000, 2400, 3000])
def test_no_interval_below_that_of_the_fastest_fits(network, luts):
    """Nor where a faster design, wired with wider streams, shows less room than there is."""
    small = replace(
        load("pynq-z2"), name="s", lut=luts, slicem_lut=luts // 3, ff=2 * luts, dsp=luts // 200
    )
    fastest = choose(network, small, {}, None, lambda text: None).design.interval
    faster = [c for c in (64, 128, 144, 256, 288, 384, 512, 576, 1152, 2304) if c < fastest]
    for interval in faster:
        choice = choose(network, small, {}, interval, lambda text: None)
        needs = solve.measures(choice.cost)
        assert any(n > m for n, m in zip(needs, solve.limits(small), strict=True)), interval


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """Return a strided fire module whose logits, of a scale each, are averaged and aligned."""
    path = tmp_path_factory.mktemp("pooled") / "model.onnx"
    net = fire_net(np.random.default_rng(0), per_channel=True, classes=6)
    return from_onnx(net.saved(path))


@pytest.mark.parametrize(
    ("luts", "most"),
    [(1500, 3456), (1600, 2304), (1700, 1152), (1750, 768), (1800, 768), (2400, 288)],
)
def test_the_first_design_that_fits_need_not_be_the_fastest(pooled, luts, most):
    """What is not folded takes less where the layers are slower, so that they can be faster."""
    small = replace(
        load("zybo-z7-10"), name="s", lut=luts, slicem_lut=luts // 3, ff=2 * luts, dsp=luts // 200
    )
    found = choose(pooled, small, {}, None, lambda text: None)
    assert not found.excess(small)
    assert found.design.interval <= most
    each = (folding.options(pooled, conv, small) for conv in pooled.convolutions)
    for cycles in {option.cycles for options in each for option in options}:
        if found.bound <= cycles < found.design.interval:
            choice = choose(pooled, small, {}, cycles, lambda text: None)
            needs = solve.measures(choice.cost)
            assert any(n > m for n, m in zip(needs, solve.limits(small), strict=True)), cycles


@pytest.mark.parametrize("how", [{}, {"interval": 10**6}])
def test_a_board_of_few_flip_flops_is_too_small(network, how, tmp_path):
    small = replace(load("pynq-z2"), name="small", ff=100)
    with pytest.raises(Refusal, match=r"must fit small's 100 flip-flops, it needs about \d+; "):
        build(network, small, tmp_path / "build", **how)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[" * 10**5, "recursion"),
        ('{"conv1": {"pe": 1, "simd": 1, "pe": 2}}', "'pe' is there twice"),
    ],
)
def test_a_folding_file_that_is_no_json_is_refused(network, text, what, tmp_path):
    file = tmp_path / "folds.json"
    file.write_text(text)
    with pytest.raises(Refusal, match=f"must be JSON: .*{what}"):
        build(network, load("pynq-z2"), tmp_path / "build", folding=file)


def test_given_layers_stay_and_the_others_keep_up(network):
    given = {"conv1": (Fold(1, 1, 1),)}
    choice = choose(network, load("pynq-z2"), given, None, lambda text: None)
    assert choice.design.folds["conv1"].multipliers == 1
    assert choice.design.interval == 64 * 36 * 8
    assert all(
        f.cycles(c) <= 64 * 36 * 8
        for c, f in zip(network.convolutions, choice.design.folds.values(), strict=True)
    )
