"""hls4ml's ReuseFactor: cycles of an output pixel, in a configuration or by an edit."""

import contextlib
import io
import json
import warnings

import numpy as np
import pytest
from qonnx_nets import fire_net
from random_networks import Builder

from zynqfire import Refusal
from zynqfire.hls import prepare
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import QType
from zynqfire.hls.ir_text import loads
from zynqfire.hls.nodes import reuse_factors
from zynqfire.hls.passes import reuse


@pytest.fixture(scope="module")
def network():
    """Return one 3x3 convolution of 4 channels to 6."""
    build = Builder(np.random.default_rng(0), (8, 8, 4), QType(8, False, 8))
    tensor = build.operations[0].output
    return build.output(build.convolution("conv1", tensor, 6, (3, 3), (1, 1), (1,) * 4))


@pytest.fixture(scope="module")
def model():
    return fire_net(np.random.default_rng(2)).model()


def convert(model, out, **config):
    """Convert as a script does, quietly."""
    from hls4ml.converters import convert_from_onnx_model

    with contextlib.redirect_stdout(io.StringIO()):
        return convert_from_onnx_model(
            prepare(model), backend="zynqfire", output_dir=str(out), hls_config=config
        )


def reuses(out):
    """Return the products for each multiplier of the layers in a build folder."""
    layers = json.loads((out / "manifest.json").read_text())["layers"]
    convolutions = loads((out / "network.json").read_text()).convolutions
    sizes = {conv.name: conv.weights.size for conv in convolutions}
    return {each["name"]: sizes[each["name"]] // (each["pe"] * each["simd"]) for each in layers}


@pytest.mark.parametrize("factor", [2, 3, 4, 6, 9, 12, 18, 24, 27, 36, 54, 72, 108, 216])
def test_a_factor_that_is_a_folding_is_met(network, factor):
    (conv,) = network.convolutions
    fold = Fold.of(conv, **reuse.from_factors(network, {"conv1": factor})["conv1"])
    assert fold.words(conv) * fold.groups(conv) == factor
    assert conv.weights.size == factor * fold.multipliers


@pytest.mark.parametrize(("factor", "taken"), [(5, 4), (7, 6), (100, 72), (1000, 216)])
def test_any_other_becomes_the_nearest_below_with_a_warning(network, factor, taken):
    (conv,) = network.convolutions
    sentence = (
        f"layer conv1: no folding has the ReuseFactor {factor}, the nearest below it, {taken}, "
        "is taken"
    )
    with pytest.warns(UserWarning) as caught:
        fold = Fold.of(conv, **reuse.from_factors(network, {"conv1": factor})["conv1"])
    assert [str(warning.message) for warning in caught] == [sentence]
    assert fold.words(conv) * fold.groups(conv) == taken


def test_a_name_spelled_as_in_the_manifest_is_pointed_out(model, tmp_path):
    graph = convert(model, tmp_path / "a", LayerName={"fire2/squeeze": {"ReuseFactor": 4}})
    sentence = (
        "ReuseFactor 4 of fire2/squeeze: hls4ml's name for this layer is fire2__squeeze, the "
        "factor is ignored"
    )
    with pytest.warns(UserWarning) as caught:
        reuse_factors(graph)
    assert [str(warning.message) for warning in caught] == [sentence]


@pytest.mark.parametrize("factor", [0, -4, 2.0, 2.5, True, "8", None])
def test_what_is_no_factor_is_refused(network, factor):
    with pytest.raises(Refusal) as caught:
        reuse.from_factors(network, {"conv1": factor})
    assert str(caught.value) == (
        f"layer conv1: ReuseFactor must be a positive integer, not {factor}"
    )


def test_hls4mls_default_says_nothing(network):
    assert reuse.from_factors(network, {"conv1": 1}) == {}
    assert reuse.from_factors(network, {}) == {}


def test_configuration_for_the_model_and_for_a_layer(model, tmp_path):
    """The name of a layer goes before its class, and that before the model."""
    graph = convert(
        model,
        tmp_path / "out",
        Model={"ReuseFactor": 16},
        LayerName={"conv1": {"ReuseFactor": 72}, "fire2__squeeze": {"ReuseFactor": 1}},
    )
    graph.write()
    found = reuses(tmp_path / "out")
    assert found.pop("fire2/squeeze") <= 72
    assert found == {"conv1": 72, "fire2/expand1": 16, "fire2/expand3": 16, "conv10": 16}


def test_layers_without_a_factor_keep_up_with_the_slowest(model, tmp_path):
    """`widest` stops at a layer that is kept, and what was widened in vain is narrow again."""
    layer = {"fire2__expand3": {"ReuseFactor": 288}}
    convert(model, tmp_path / "one", LayerName=layer).write()
    convert(model, tmp_path / "none").write()
    slow, fast = (json.loads((tmp_path / d / "manifest.json").read_text()) for d in ("one", "none"))
    assert slow["interval_cycles"] == 288 * 4 * 4
    assert all(each["cycles"] <= slow["interval_cycles"] for each in slow["layers"])
    assert fast["interval_cycles"] < slow["interval_cycles"]
    assert slow["multipliers"] < fast["multipliers"]


def test_factor_edited_in_the_graph_counts(model, tmp_path):
    graph = convert(model, tmp_path / "out", LayerName={"conv10": {"ReuseFactor": 96}})
    layer = next(node for node in graph.get_layers() if node.name.endswith("conv10"))
    layer.set_attr("reuse_factor", 32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graph.write()
    assert reuses(tmp_path / "out")["conv10"] == 32


@pytest.mark.parametrize("factor", [0, 1.5])
def test_configured_nonsense_is_refused(model, tmp_path, factor):
    """In our words: hls4ml would name an attribute and two Python classes."""
    graph = convert(model, tmp_path / "out", LayerName={"conv1": {"ReuseFactor": factor}})
    with pytest.raises(Refusal, match=f"layer conv1: ReuseFactor must be .* not {factor}"):
        graph.write()
    assert not (tmp_path / "out").exists()
