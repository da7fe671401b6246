"""The graph of a codebook: exported, sketched, counted, and what is refused of it."""

from functools import partial
from unittest import mock

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from zynqfire import Refusal
from zynqfire.hls import interpret
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load
from zynqfire.model.exact import tensor
from zynqfire.model.export import export_untrained, qonnx
from zynqfire.model.live import noise, settle
from zynqfire.model.network import Network
from zynqfire.model.profile import profile
from zynqfire.model.sketch import sketch


def _by_qonnx(path, codes, frac):
    """Return the output codes of qonnx's execution of the ONNX file as it is."""
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    model = onnx.load(path)
    model.ir_version = 10  # of the models that qonnx makes of single nodes
    wrapper = ModelWrapper(model).transform(InferShapes())
    frames = tensor(codes).numpy()
    make = partial(onnx_exec.qonnx_make_model, ir_version=10)
    with mock.patch.object(onnx_exec, "qonnx_make_model", make):
        values = [
            onnx_exec.execute_onnx(wrapper, {"image": frame[None]})["logits"] for frame in frames
        ]
    scaled = np.ldexp(np.concatenate(values).astype(np.float64), frac)
    assert np.array_equal(scaled, scaled.round())
    return scaled.astype(np.int64)


@pytest.mark.parametrize("kind", ["tiny", "residual"])
@pytest.mark.parametrize(
    "settings", [{"codebook_bits": 4}, {"codebook_bits": 2, "activation_bits": 8}]
)
def test_qonnx_and_the_hardware_s_interpreter_compute_the_network_s_integers(
    kind, settings, request, tmp_path
):
    config = request.getfixturevalue(kind)(**settings)
    result = export_untrained(config, tmp_path / "x.onnx", seed=2)
    assert all(entry["alive"] for entry in result["live"])
    with np.load(result["golden"]) as golden:
        frames = golden["inputs"][14:18]  # pictures and noise
        outputs = _by_qonnx(tmp_path / "x.onnx", frames, result["output_frac"])
        assert np.array_equal(outputs, golden["outputs"][14:18])
        assert len(np.unique(outputs, axis=0)) == 4
        lowered = from_onnx(tmp_path / "x.onnx")
        assert np.array_equal(interpret.outputs(lowered, golden["inputs"]), golden["outputs"])
    bits = settings["codebook_bits"]
    assert all(conv.stored_bits == bits for conv in lowered.convolutions)


def _chains(model):
    """Return, by convolution, its table, the table's Quant, the Gather and the indices."""
    made = {output: node for node in model.graph.node for output in node.output}
    arrays = {item.name: item for item in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type == "Conv" and made[node.input[1]].op_type == "Gather":
            gather = made[node.input[1]]
            quant = made[gather.input[0]]
            found[node.name] = arrays[quant.input[0]], quant, gather, arrays[gather.input[1]]
    return found, {name: numpy_helper.to_array(item) for name, item in arrays.items()}


def test_the_exported_graph_looks_weights_up_in_a_quantized_table(tiny):
    torch.manual_seed(6)
    network = Network(tiny(codebook_bits=4, **{"layers.conv1.codebook_bits": 0}))
    settle(network, noise(np.random.default_rng(0), 16, (8, 8)))
    model = qonnx(network.eval())
    chains, arrays = _chains(model)
    layers = {f"/{name}/Conv": (name, layer) for name, layer in network.convolutions()}
    assert chains.keys() == layers.keys() - {"/conv1/Conv"}
    assert [node.op_type for node in model.graph.node].count("Gather") == len(chains)
    for conv, (table, quant, gather, indices) in chains.items():
        path, layer = layers[conv]
        name = path.replace("/", ".")
        assert (table.name, list(table.dims)) == (f"{name}.table", [16])
        assert table.data_type == onnx.TensorProto.FLOAT
        assert quant.op_type == "Quant" and quant.domain.startswith("qonnx")
        assert quant.name.startswith(f"/{path}/weight_quant/")
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in quant.attribute}
        assert attributes == {"signed": 1, "narrow": 1, "rounding_mode": b"ROUND"}
        scale, zero, bits = (_constant(model, arrays, item) for item in quant.input[1:])
        assert scale.size == 1 and np.log2(scale) == np.log2(scale).round()
        assert (zero, bits) == (0, 8)
        assert gather.name == f"/{path}/Gather" and gather.domain == ""
        assert [(a.name, a.i) for a in gather.attribute] == [("axis", 0)]
        assert indices.name == f"{name}.indices"
        assert indices.data_type == onnx.TensorProto.INT64
        assert np.array_equal(arrays[indices.name], layer.indices.numpy())
        codes = np.rint(arrays[table.name] / scale).clip(-127, 127)
        values = layer.quant_weight().value.detach().numpy()
        assert np.array_equal((codes * scale)[arrays[indices.name]], values)
        assert f"{name}.weight" not in arrays


def _constant(model, arrays, name):
    """Return a constant that is an initializer or a Constant node."""
    for node in model.graph.node:
        if node.op_type == "Constant" and node.output[0] == name:
            return numpy_helper.to_array(node.attribute[0].t)
    return arrays[name]


def test_the_sketch_has_the_same_form(tiny):
    config = tiny(codebook_bits=3, **{"layers.fire3/expand3.codebook_bits": 0})
    model = sketch(config)
    onnx.checker.check_model(model)
    chains, arrays = _chains(model)
    names = [conv.name for conv in config.convolutions() if conv.name != "fire3/expand3"]
    assert list(chains) == [f"/{name}/Conv" for name in names]
    for name, (table, quant, gather, indices) in zip(names, chains.values(), strict=True):
        node = next(conv for conv in config.convolutions() if conv.name == name)
        assert gather.name == f"/{name}/Gather"
        assert list(table.dims) == [8] and indices.data_type == onnx.TensorProto.INT64
        shape = [node.channels, node.in_shape[2] // node.groups, *node.kernel]
        assert list(indices.dims) == shape
        assert len(np.unique(arrays[indices.name])) == 8
        codes = arrays[table.name] / arrays[quant.input[1]]
        assert np.array_equal(codes, codes.round()) and 64 <= np.abs(codes).max() <= 127
    plain = sketch(config, weight_bits=3)
    assert not _chains(plain)[0]


def test_a_profile_counts_indices_and_tables():
    config = load("zynqnet-32", {"codebook_bits": 4, "layers.conv1.codebook_bits": 0})
    weights = [conv.weights for conv in config.convolutions()]
    expected = 4 * sum(weights) + (len(weights) - 1) * 16 * 8  # conv1 has 4 bits of its own
    assert profile(config)["weight_bits"] == expected


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"codebook_bits": 6},
            "network tiny: codebook_bits must be from 2 to 5, or 0 for none, not 6",
        ),
        ({"codebook_bits": 1}, "codebook_bits must be from 2 to 5, or 0 for none, not 1"),
        (
            {"layers.conv1.codebook_bits": 7},
            "network tiny: layers.conv1: codebook_bits must be from 2 to 5, or 0 for none, not 7",
        ),
        (
            {"layers.fire2.codebook_bits": 3},
            "codebook_bits of a layer needs one of conv1, fire2/squeeze, .*, not fire2$",
        ),
        (
            {"codebook_bits": 4, "per_channel": True},
            "network tiny: per_channel must be false with codebook_bits, a table has one scale, "
            "not true",
        ),
        (
            {"codebook_bits": 4, "layers.fire2/squeeze.weight_bits": 4},
            "network tiny: fire2/squeeze: codebook_bits must be below the 4 bits of its values, "
            "not 4",
        ),
        ({"codebook_bits": "four"}, "network tiny: codebook_bits must be an integer, not 'four'"),
    ],
)
def test_refusals(tiny, settings, text):
    with pytest.raises(Refusal, match=text):
        tiny(**settings)
