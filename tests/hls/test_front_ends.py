"""What Keras 3 and HGQ2 hand to hls4ml: taken exactly, or refused with the layer's name."""

import contextlib
import io

import numpy as np
import pytest
from keras_nets import (
    CODES,
    PIXELS,
    Quantizer,
    convert,
    hgq,
    keras,
    layers,
    map_codes,
    network,
    plain,
)

from zynqfire import Refusal
from zynqfire.hls import interpret
from zynqfire.hls.backend import ensure_registered
from zynqfire.hls.ir import Conv, MaxPool, QType, Requantize
from zynqfire.hls.ir_text import dumps
from zynqfire.hls.lower import lower

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def lowered(body, out, shape=(8, 8, 3), **precisions):
    """Return the IR of a Keras model whose layers have `precisions`, their input always."""
    config = configured({"pixels": {"result": PIXELS}} | precisions)
    return lower(convert(network(body, shape), out, hls_config=config))


def configured(precisions):
    """Return a configuration of hls4ml with types for layers."""
    return {"LayerName": {name: {"Precision": dict(p)} for name, p in precisions.items()}}


def conv(x, name="conv", size=3, **settings):
    """Append a convolution of four channels."""
    return layers.Conv2D(4, size, name=name, **settings)(x)


def test_keras_with_the_types_of_a_configuration(tmp_path):
    """Weights are as narrow as their values, whatever the default or a wide type says."""
    found = lowered(
        lambda x: conv(layers.ReLU(name="relu")(conv(x)), "last", 1),
        tmp_path,
        relu={"result": CODES},
        conv={"accum": "fixed<18,6>"},
        last={"weight": "fixed<16,6>"},
    )
    assert [op.weight_bits for op in found.operations if isinstance(op, Conv)] == [4, 4]
    quant = next(op for op in found.operations if isinstance(op, Requantize))
    assert (quant.output.qtype, quant.lo, quant.hi) == (QType(4, False, 4), 0, 15)
    assert found.input.output.qtype == QType(8, False, 8)


@pytest.mark.parametrize("granularity", ["model", "type", "name"])
def test_any_configuration_of_hls4ml_is_exact(tmp_path, granularity):
    """The defaults that hls4ml writes into a configuration mean nothing here."""
    from hls4ml.utils.config import config_from_keras_model

    model, precisions = plain()
    expected = dumps(lower(convert(model, tmp_path, hls_config=configured(precisions))))
    with contextlib.redirect_stdout(io.StringIO()):
        config = config_from_keras_model(model, granularity=granularity, backend="zynqfire")
    for name, kinds in precisions.items():
        layer = config.setdefault("LayerName", {}).setdefault(name, {})
        layer.setdefault("Precision", {}).update(kinds)
    assert dumps(lower(convert(model, tmp_path, hls_config=config))) == expected


def test_hgq_gives_what_keras_gives(tmp_path):
    """Without a word of configuration: the quantizers are layers, the weights are quantized."""
    model = hgq()
    graph = convert(model, tmp_path)
    found = lower(graph)
    codes = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3))
    values = np.ldexp(codes.astype(np.float32), -8)
    expected = model(values).detach().numpy()
    results = interpret.run(found, codes)
    assert np.array_equal(interpret.decode(found, interpret.outputs(found, codes)), expected)
    graph.compile()
    assert np.array_equal(graph.predict(values), expected)
    assert any(isinstance(op, MaxPool) for op in found.operations)
    assert {name: n for name, x in results.items() if (n := len(np.unique(x))) < 8} == {}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"homogeneous_axis": (0,), "heterogeneous_axis": None, "overflow_mode": "WRAP"},
            "layer conv2_iq: its result type must round half to even and saturate",
        ),
        ({"round_mode": "RND"}, "layer conv2_iq: its result type must round half to even"),
        ({"round_mode": "TRN"}, "layer conv2_iq: its result type must round half to even"),
        ({"overflow_mode": "WRAP"}, "layer conv2_iq: its result type must round half to even"),
    ],
)
def test_hgq_quantizers_that_are_not_ours(tmp_path, settings, sentence):
    with pytest.raises(Refusal, match=sentence):
        lower(convert(hgq(**settings), tmp_path))


def test_hgq_types_that_differ_within_a_map(tmp_path):
    model = hgq(homogeneous_axis=(0,), heterogeneous_axis=None)
    quantizer = model.get_layer("conv2")._iq.quantizer
    fractions = np.array(quantizer._f)
    fractions[..., 0] += 1
    quantizer._f.assign(fractions)
    with pytest.raises(Refusal) as caught:
        convert(model, tmp_path)
    assert str(caught.value) == (
        "layer conv2_iq: its quantizer must have one type for the whole map, not 2 "
        "(HGQ: heterogeneous_axis=())"
    )


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda x: layers.Softmax(name="s")(conv(x)), "layer s: hls4ml's Softmax is not supported"),
        (lambda x: conv(x, activation="tanh"), "layer conv_tanh: activation tanh is not supported"),
        (
            lambda x: layers.LeakyReLU(name="leaky")(conv(x)),
            "layer leaky: activation leakyrelu is not supported, only relu",
        ),
        (
            lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2, name="deep")(x),
            "layer deep: a depthwise convolution must have one kernel for each of its 3 channels, "
            "not 6",
        ),
        (
            lambda x: layers.BatchNormalization(name="norm")(conv(x)),
            "layer norm: hls4ml's BatchNormalization is not supported",
        ),
        (
            lambda x: layers.Dense(3, name="head")(layers.Flatten(name="flat")(conv(x))),
            "layer flat: hls4ml's Reshape may only follow a 1x1 map, not 6x6",
        ),
        (
            lambda x: layers.Dense(3, name="head")(conv(x)),
            "layer head: hls4ml's Dense may only follow a 1x1 map, not 6x6",
        ),
        (
            lambda x: layers.Reshape((2, 2), name="square")(
                layers.GlobalMaxPooling2D(name="most")(conv(x))
            ),
            "layer square: the last axis must stay the 4 channels, not become 2x2",
        ),
        (
            lambda x: layers.AveragePooling2D(2, name="mean")(conv(x)),
            "layer mean: an average must be of the whole map of 6x6, not of 2x2",
        ),
        (
            lambda x: layers.Concatenate(axis=1, name="join")([conv(x, "a"), conv(x, "b")]),
            "layer join: a concatenation must join channels to 6x6x8, not make 12x6x4",
        ),
        (
            lambda x: layers.Multiply(name="times")([conv(x, "a"), conv(x, "b")]),
            "layer times: two maps may be added, not multiply be applied",
        ),
        (
            lambda x: conv(x, data_format="channels_first"),
            "layer conv: data_format must be channels_last, not channels_first",
        ),
        (
            lambda x: conv(x, padding="same", dilation_rate=2),
            "layer conv: dilation must be 1, not 2x2",
        ),
        (lambda x: conv(x, size=2), "layer conv: kernels must be odd, not 2x2"),
        (
            lambda x: conv(conv(x), "next"),
            "layer next: a convolution's input must be quantized to 2 to 8 bits, not be s",
        ),
        (lambda x: [conv(x, "a"), conv(x, "b")], "model: must have one output, not 2"),
    ],
)
def test_layers_that_are_not_ours(tmp_path, body, sentence):
    with pytest.raises(Refusal, match=sentence):
        lowered(body, tmp_path)


@pytest.mark.parametrize(
    ("layer", "precision", "sentence"),
    [
        (
            "conv",
            {"result": "fixed<8,3>"},
            "layer conv: its result type must round half to even and saturate (RND_CONV, SAT) or "
            "hold every value, but s8.5 does not",
        ),
        (
            "conv",
            {"weight": "fixed<3,0>"},
            "layer conv: weights must be multiples of 2^-3 from -4 to 3 times that, not such as "
            "0.1875",
        ),
        (
            "conv",
            {"bias": "fixed<9,6>"},
            "layer conv: biases must be multiples of 2^-3 from -256 to 255 times that, not such as "
            "0.1875",
        ),
        (
            "conv",
            {"accum": "fixed<12,6>"},
            "layer conv: its accum type must hold every sum from -17344 to 17347 times 2^-12, but "
            "fixed<12,6,TRN,WRAP,0> does not; leave it auto",
        ),
        ("conv", {"result": "float"}, "layer conv: its result type must be fixed point, not float"),
        (
            "pixels",
            {"result": "auto"},
            "model: its input pixels must go through a Quant node first, or have a Precision of "
            "its own in the configuration",
        ),
    ],
)
def test_types_that_are_not_ours(tmp_path, layer, precision, sentence):
    with pytest.raises(Refusal) as caught:
        lowered(conv, tmp_path, **{layer: precision})
    assert str(caught.value) == sentence


def test_inputs_that_are_not_a_map_or_not_alone(tmp_path):
    with pytest.raises(Refusal, match=r"model: its input must have rows, .* the shape \(7,\)"):
        lowered(lambda x: layers.Dense(3, name="head")(x), tmp_path, (7,))

    entries = [layers.Input((8, 8, 3), name=name) for name in ("pixels", "other")]
    model = keras.Model(entries, layers.Add(name="add")(entries))
    config = configured({name: {"result": PIXELS} for name in ("pixels", "other")})
    graph = convert(model, tmp_path, hls_config=config)
    with pytest.raises(Refusal, match="model: must have one input, not also other"):
        lower(graph)


def test_input_with_two_quantizers_of_hgq(tmp_path):
    entry = layers.Input((8, 8, 3), name="pixels")
    maps = [Quantizer(map_codes(0, 0, bits), name=f"to{bits}")(entry) for bits in (8, 6)]
    model = keras.Model(entry, layers.Concatenate(name="join")(maps))
    with pytest.raises(Refusal) as caught:
        convert(model, tmp_path)
    assert str(caught.value) == (
        "model: its input pixels must go through one quantizer, not 2 different ones"
    )


def test_qkeras_needs_its_types_in_the_configuration(tmp_path):
    """QKeras itself needs TensorFlow: these are the layers that hls4ml makes of its models."""
    from hls4ml.model import ModelGraph
    from hls4ml.utils.config import create_config

    ensure_registered()
    body = [
        {"class_name": "InputLayer", "name": "pixels", "input_shape": [4, 4, 2]},
        {
            "class_name": "Activation",
            "name": "act",
            "activation": "relu",
            "activation_quantizer": {"class_name": "quantized_relu", "config": {"bits": 4}},
            "n_in": 32,
        },
    ]
    config = create_config(output_dir=str(tmp_path), backend="zynqfire")
    default = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1}}
    config["HLSConfig"] = default | configured({"pixels": {"result": PIXELS}})
    with pytest.raises(Refusal, match="layer act: QKeras' quantizer must be in the configuration"):
        ModelGraph.from_layer_list(config, [dict(layer) for layer in body])
    types = {"pixels": {"result": PIXELS}, "act": {"result": CODES}}
    config["HLSConfig"] = default | configured(types)
    quant = lower(ModelGraph.from_layer_list(config, body)).operations[1]
    assert (quant.output.qtype, quant.lo, quant.hi) == (QType(4, False, 4), 0, 15)
