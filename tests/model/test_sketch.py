"""The sketch of a network: the graph that the export writes, without PyTorch, as wide as that."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from zynqfire import Refusal
from zynqfire.board.catalog import load as load_board
from zynqfire.hls import executors, interpret
from zynqfire.hls.choose import choose
from zynqfire.hls.ir import Conv
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load, names
from zynqfire.model.export import export_untrained
from zynqfire.model.legal import deployable
from zynqfire.model.sketch import sketch

NEAR = 1  # bits between an accumulator here and the one whose biases come from pictures


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a function that exports a network as it is trained, once, and reads it."""
    folder, kept = tmp_path_factory.mktemp("exported"), {}

    def read(name, **settings):
        key = (name, *settings.items())
        if key not in kept:
            export_untrained(load(name, settings), folder / "model.onnx")
            kept[key] = replace(from_onnx(folder / "model.onnx"), name=name)
        return kept[key]

    return read


def rows(network, folds, kinds):
    """Return what a budget says of memories of `kinds`, folded so for pynq-z2, and its interval."""
    given = {name: (replace(fold, packing=None),) for name, fold in folds.items()}
    choice = choose(network, load_board("pynq-z2"), given, None, lambda text: None)
    found = [row for each in choice.placed for row in each.rows() if row["kind"] in kinds]
    return choice.design.interval, found


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("zynqnet-32", {}),
        ("zynqnet-32", {"per_channel": True, "layers.conv1.weight_bits": 8}),
        ("zynqnet-32", {"fire3.bypass": True, "weight_bits": 3, "activation_bits": 6}),
        ("resnet-8", {"weight_bits": 8, "activation_bits": 8}),
    ],
)
def test_the_network_is_that_of_the_export(name, settings, exported):
    """The same layers, shapes and widths; accumulators within a bit."""
    real, quick = exported(name, **settings), from_onnx(sketch(load(name, settings)))
    assert [type(op) for op in quick.operations] == [type(op) for op in real.operations]
    for mine, theirs in zip(quick.operations, real.operations, strict=True):
        assert (mine.name, mine.inputs) == (theirs.name, theirs.inputs)
        assert mine.output.shape == theirs.output.shape
        bits = mine.output.qtype.bits, theirs.output.qtype.bits
        aligned = mine.output.name.endswith("/2")  # before an addition: as far apart as it may be
        if max(bits) <= 8 and not aligned:
            assert mine.output.qtype.bits == theirs.output.qtype.bits
        assert abs(bits[0] - bits[1]) <= NEAR + 1
        if isinstance(mine, Conv):
            assert mine.weights.shape == theirs.weights.shape
            assert (mine.weight_bits, mine.stride, mine.pads) == (
                *(theirs.weight_bits, theirs.stride),
                theirs.pads,
            )


def test_the_memories_are_those_of_the_export(exported):
    """Folded alike, all but the biases', whose width comes from pictures there."""
    real, quick = exported("zynqnet-32"), from_onnx(sketch(load("zynqnet-32")))
    board = load_board("pynq-z2")
    # Where LUTs are short, a bit of an accumulator would move a memory
    folds = choose(real, board, {}, 4096, lambda text: None).design.folds
    kinds = ("weights", "window", "fifo")
    assert rows(quick, folds, kinds) == rows(real, folds, kinds)
    _, mine = rows(quick, folds, ("bias",))
    _, theirs = rows(real, folds, ("bias",))
    assert [(r["layer"], r["depth"]) for r in mine] == [(r["layer"], r["depth"]) for r in theirs]
    assert sum(r["bits"] for r in mine) == pytest.approx(sum(r["bits"] for r in theirs), rel=0.1)


def buildable(name):
    """Return whether the network called `name` has a quantized form."""
    try:
        return bool(deployable(load(name)))
    except Refusal:
        return False


BUILT = [name for name in names() if buildable(name) and name != "vgg-19"]  # 144 M weights
DEEP = [name for name in BUILT if name.startswith(("squeezenext", "mobilenet"))]  # 30 to 110 layers


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in DEEP)) for name in BUILT]
)
def test_every_network_that_can_be_built_is_taken(name):
    """Whatever modules it has, at the width it has."""
    config = load(name)
    network = from_onnx(sketch(config))
    assert network.name == name and network.output.output.elements == config.classes
    assert {conv.weight_bits for conv in network.convolutions} == {config.weight_bits}


@pytest.mark.parametrize("name", [name for name in names() if not buildable(name)])
def test_a_network_that_can_only_be_counted_is_refused(name):
    with pytest.raises(Refusal, match=f"^network {name}: .*: the network can only be counted$"):
        sketch(load(name))


def test_a_sketch_is_a_whole_network():
    """It runs: the interpreter says what qonnx says."""
    model = sketch(load("zynqnet-32", {"input": 16}))
    network = from_onnx(model)
    frames = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3))
    assert np.array_equal(executors.by_qonnx(model, frames), interpret.outputs(network, frames))


def test_seeds():
    """The same every time, other weights for another seed."""
    config = load("zynqnet-32")
    first, again, other = (from_onnx(sketch(config, seed)) for seed in (0, 0, 1))
    weights = [network.convolutions[3].weights for network in (first, again, other)]
    assert np.array_equal(weights[0], weights[1]) and not np.array_equal(weights[0], weights[2])


def test_pytorch_is_not_loaded():
    """Else it would take seconds."""
    code = (
        "import sys; from zynqfire.model.config import load; "
        "from zynqfire.model.sketch import sketch; sketch(load('zynqnet-32')); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
