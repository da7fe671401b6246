"""FIFO depths by analysis: where branches need them, and no word more; simulation has the rest."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from random_networks import Builder, bypassed, fire, folded

from zynqfire.hls import perf
from zynqfire.hls.flow import Flow
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import QType, Requantize, Tensor
from zynqfire.hls.memory import LUT_BITS, Kind
from zynqfire.hls.passes import fifos as sizing
from zynqfire.hls.passes.wiring import wire


def fifos(design):
    return {i.name: i.parameters["Depth"] for i in design.instances if i.module == "zf_fifo"}


def cut(design, name, depth, parameter="Depth"):
    """Return `design` with another depth of one FIFO or window."""
    return replace(
        design,
        instances=tuple(
            replace(i, parameters=dict(i.parameters) | {parameter: depth}) if i.name == name else i
            for i in design.instances
        ),
    )


def fire_network(size=6):
    build = Builder(np.random.default_rng(0), (size, size, 4), QType(8, False, 8))
    return build.output(fire(build, "fire", build.operations[0].output, 4, 8, 8))


def bypass_network(size=6):
    build = Builder(np.random.default_rng(0), (size, size, 4), QType(8, False, 8))
    tensor = build.convolution("conv", build.operations[0].output, 8, (1, 1), (1, 1), (0,) * 4)
    return build.output(bypassed(build, "fire", build.requantize("conv", tensor), 4))


def test_the_window_of_a_fire_modules_short_branch_holds_a_row_and_there_is_no_fifo():
    """Expand 3x3 needs pixel (y+1, x+1) for pixel (y, x), as much as expand 1x1 waits."""
    network = fire_network(size=12)
    design = wire(network, folded(network, 4000))
    assert not fifos(design)
    (short,) = (i for i in design.instances if i.name == "u_fire_expand1")
    places, deep = short.parameters["Places"], short.sources[0].beats_per_pixel
    assert 12 <= places <= 32
    window = next(memory for memory in short.memories if memory.kind is Kind.WINDOW)
    assert window.depth == places * deep
    for fewer, kept in ((places, True), (4, False)):
        assert Flow(cut(design, short.name, fewer, "Places"), design.interval).settle() == kept


@pytest.mark.parametrize(("size", "banks"), [(20, 2), (11, 1)])
def test_a_short_branch_of_several_pixels_a_step_needs_no_fifo_either(size, banks):
    """Its memories share the pixels, or are copies of so few words that LUTs have room for them."""
    network = fire_network(size)
    design = wire(network, folded(network, 40 * size**2) | {"fire/expand1": Fold(1, 1, 1, 2)})
    assert not fifos(design)
    (short,) = (i for i in design.instances if i.name == "u_fire_expand1")
    places, words = short.parameters["Places"], short.sources[0].beats_per_pixel
    assert places % banks == 0
    assert size <= places <= 32
    assert (places * words <= LUT_BITS) == (banks == 1)
    for fewer, kept in ((places, True), (8, False)):
        assert Flow(cut(design, short.name, fewer, "Places"), design.interval).settle() == kept


def test_copies_of_many_words_are_larger_than_a_fifo():
    """15x15 pixels are no multiple of two: the window would keep each of them twice."""
    network = fire_network(size=15)
    design = wire(network, folded(network, 9000) | {"fire/expand1": Fold(1, 1, 1, 2)})
    assert list(fifos(design)) == ["u_fire_squeeze_to_fire_expand1_late"]


def test_a_search_ends_though_only_units_elsewhere_raise(monkeypatch):
    """Behind a FIFO of any depth, expand 3x3 is ever later: squeeze does not notice."""
    network = fire_network()
    monkeypatch.setattr(sizing, "size", lambda design: design)
    flow = Flow(wire(network, folded(network, 1000)), 700)
    assert [flow.instances[flow.index[f"u_fire_{n}"]].cycles for n in ("squeeze", "expand3")] == [
        576,
        864,
    ]
    rounds, one = itertools.count(), flow._round

    def counted():
        assert next(rounds) < 1000
        return one()

    monkeypatch.setattr(flow, "_round", counted)
    before = flow.depths["u_fire_squeeze", "Room"]
    assert flow.shortfall("u_fire_squeeze", "Room", before + 1)
    assert flow.depths["u_fire_squeeze", "Room"] == before


def test_two_fifos_in_a_row_may_both_go():
    """A short cut around one depthwise layer waits in what made it."""
    build = Builder(np.random.default_rng(0), (1, 1, 2), QType(4, True, 3))
    point = ((1, 1), (1, 1), (0,) * 4)
    tensor = build.depthwise("first", build.operations[0].output, *point)
    first = build.requantize("first", tensor, 4, False)
    tensor = build.depthwise("second", first, *point)
    second = Tensor("second_out", tensor.shape, first.qtype)
    build.operations.append(Requantize("second_requantize", tensor.name, second, 0, 15))
    both = build.concat("both", first, second)
    network = build.output(build.convolution("last", both, 9, *point))
    design = wire(network, {"last": Fold(1, 1, 1)})
    assert not fifos(design)
    assert perf.latency(design)


def test_a_bypass_waits_in_one_fifo():
    network = bypass_network()
    names = list(fifos(wire(network, folded(network, 1000))))
    assert "u_conv_to_fire_source_align_late" in names
    assert not [name for name in names if "squeeze_late" in name]


@pytest.mark.parametrize("make", [fire_network, bypass_network])
@pytest.mark.parametrize("interval", [600, 2000])
def test_no_fifo_of_more_than_16_words_can_spare_one(make, interval):
    network = make()
    design = wire(network, folded(network, interval))
    assert Flow(design, design.interval).settle()
    for name, depth in fifos(design).items():
        if depth > 16:
            assert not Flow(cut(design, name, depth - 1), design.interval).settle(), name
