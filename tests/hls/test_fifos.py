"""FIFO depths by analysis: where branches need them, and no word more; simulation has the rest."""

from dataclasses import replace

import numpy as np
import pytest
from random_networks import Builder, bypassed, fire, folded

from zynqfire.hls.flow import Flow
from zynqfire.hls.ir import QType
from zynqfire.hls.passes.wiring import wire


def fifos(design):
    return {i.name: i.parameters["Depth"] for i in design.instances if i.module == "zf_fifo"}


def cut(design, name, depth):
    """Return `design` with another depth of one FIFO."""
    return replace(
        design,
        instances=tuple(
            replace(i, parameters=dict(i.parameters) | {"Depth": depth}) if i.name == name else i
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


def test_the_one_fifo_of_a_fire_module_holds_a_row_before_its_short_branch():
    """Expand 3x3 needs pixel (y+1, x+1) for pixel (y, x), as much as expand 1x1 waits."""
    network = fire_network(size=12)
    design = wire(network, folded(network, 4000))
    ((name, depth),) = fifos(design).items()
    assert name == "u_fire_squeeze_to_fire_expand1_late"
    (stream,) = (i.sources[0] for i in design.instances if i.name == name)
    assert 6 <= depth / stream.beats_per_pixel <= 13  # expand 1x1 holds some itself


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
