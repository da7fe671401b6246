"""Designs: every stream has one writer and one reader, whose names and lanes agree."""

import numpy as np
import pytest
from random_networks import Builder, fire, folded, random_network

from zynqfire import Refusal
from zynqfire.hls.design import Stream
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import Concat, QType, Requantize, Tensor
from zynqfire.hls.passes import units
from zynqfire.hls.passes.wiring import identifier, wire


@pytest.mark.parametrize("seed", range(12))
def test_streams_have_one_writer_and_one_reader(seed):
    network = random_network(seed)
    design = wire(network, folded(network, 1500))
    written = [stream.name for i in design.instances for stream in i.sinks]
    read = [stream.name for i in design.instances for stream in i.sources]
    assert sorted(written) == sorted(read)
    assert len(set(written)) == len(written)
    for stream in design.streams:
        assert stream.tensor.shape[2] % stream.lanes == 0
        assert stream.beats * stream.lanes == stream.tensor.elements
    order = {
        name: i
        for i, instance in enumerate(design.instances)
        for name in (s.name for s in instance.sinks)
    }
    for i, instance in enumerate(design.instances):
        assert all(order[stream.name] < i for stream in instance.sources)


def test_concat_takes_its_readers_lanes_where_they_keep_the_interval():
    build = Builder(np.random.default_rng(0), (6, 6, 4), QType(8, False, 8))
    tensor = fire(build, "fire", build.operations[0].output, 4, 8, 8)
    network = build.output(build.convolution("last", tensor, 4, (1, 1), (1, 1), (0,) * 4))
    folds = dict.fromkeys((c.name for c in network.convolutions), Fold(1, 1, 1))
    lanes = {s.name: s.lanes for s in wire(network, folds | {"last": Fold(1, 1, 4)}).streams}
    assert lanes["fire"] == 4


def test_lanes_that_do_not_divide_go_through_their_common_multiple():
    build = Builder(np.random.default_rng(0), (5, 5, 3), QType(8, False, 8))
    tensor = build.convolution("a", build.operations[0].output, 6, (1, 1), (1, 1), (0,) * 4)
    tensor = build.requantize("a", tensor)
    network = build.output(build.convolution("b", tensor, 4, (1, 1), (1, 1), (0,) * 4))
    design = wire(network, {"a": Fold(2, 1, 1), "b": Fold(1, 1, 3)})
    steps = [
        (i.parameters["InLanes"], i.parameters["OutLanes"])
        for i in design.instances
        if i.module == "zf_width" and i.layer == "b"
    ]
    assert steps == [(2, 6), (6, 3)]


def test_identifier_is_one():
    assert identifier("fire2/expand3") == "fire2_expand3"
    assert identifier("3x3") == "n_3x3"


def test_layers_whose_identifiers_are_equal_keep_apart():
    build = Builder(np.random.default_rng(0), (4, 4, 3), QType(8, False, 8))
    tensor = build.operations[0].output
    for name in ("a/b", "A.b", "a_b", "m_axis", "axis_in", "last"):
        tensor = build.convolution(name, tensor, 4, (1, 1), (1, 1), (0,) * 4)
        tensor = tensor if name == "last" else build.requantize(name, tensor)
    network = build.output(tensor)
    design = wire(network, folded(network, 1000))
    for names in (
        [instance.name.lower() for instance in design.instances],
        [stream.name.lower() for stream in design.streams] + ["s_axis", "m_axis"],
        [path.lower() for instance in design.instances for path in instance.files()],
    ):
        assert len(set(names)) == len(names)


def two_requantizes_of_one_accumulator():
    """Return a network whose first accumulator, aligned by channel, two quantizers read."""
    build = Builder(np.random.default_rng(3), (5, 4, 3), QType(8, False, 8))
    wide = build.convolution(
        "c", build.operations[0].output, 4, (3, 3), (1, 1), (1,) * 4, per_channel=True
    )
    arms = []
    for name, bits, kernel in (("a", 4, 1), ("b", 3, 3)):
        arm = build.requantize(f"{name}_in", wide, bits)
        pads = (kernel // 2,) * 4
        arm = build.convolution(name, arm, 4, (kernel, kernel), (1, 1), pads)
        frac = arm.qtype.frac if not arms else arms[0].qtype.frac + 4
        arms.append(Tensor(f"{name}_out", arm.shape, QType(4, False, frac - 4)))
        build.operations.append(Requantize(f"{name}_quant", arm.name, arms[-1], 0, 15))
    joined = build.concat("join", *arms)
    return build.output(build.convolution("last", joined, 3, (1, 1), (1, 1), (0,) * 4))


def test_two_quantizers_of_one_accumulator_stand_behind_a_fork():
    """Only a sole reader is part of the convolution's unit; else its accumulators leave as is."""
    network = two_requantizes_of_one_accumulator()
    assert any(network.tensor("c_acc").align)
    design = wire(network, folded(network, 1000))
    (first,) = (i for i in design.instances if i.layer == "c" and i.module == "zf_conv")
    keys = ("ShiftMin", "ShiftMax", "ShiftBits")
    assert [first.parameters[key] for key in keys] == [0, 0, 0]
    rescaled = [i.layer for i in design.instances if i.module == "zf_rescale"]
    assert rescaled == ["a_in_requantize", "b_in_requantize"]


def test_a_concatenation_counts_its_beats_in_16_bits():
    wide = [Tensor(name, (1, 1, 70000), QType(4, False, 0)) for name in "ab"]
    both = Tensor("both", (1, 1, 140000), QType(4, False, 0))
    op = Concat("concat", ("a", "b"), both)
    sources = tuple(Stream(tensor.name, tensor, 1, tensor.name) for tensor in wide)
    with pytest.raises(Refusal, match=r"^layer concat: .* at most 65535 beats, a has 70000$"):
        units.concat(op, sources, Stream("both", both, 1, "concat"))
