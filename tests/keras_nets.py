"""Small networks of the front ends that hand layers, not a file, to hls4ml: Keras 3 and HGQ2."""

import contextlib
import functools
import io
import os
import tempfile

import numpy as np

with tempfile.TemporaryDirectory() as _home:  # Keras writes its settings there when imported
    os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": _home}
    import keras
    from hgq.config import LayerConfigScope, QuantizerConfig
    from hgq.layers import QConv2D, QDense
    from hgq.quantizer import Quantizer

layers = keras.layers
PIXELS = "ufixed<8,0,RND_CONV,SAT>"
CODES = "ufixed<4,0,RND_CONV,SAT>"


def convert(model, out, backend="zynqfire", **settings):
    """Convert as a script does, quietly."""
    from hls4ml.converters import convert_from_keras_model

    with contextlib.redirect_stdout(io.StringIO()):
        return convert_from_keras_model(model, backend=backend, output_dir=str(out), **settings)


def network(body, shape=(8, 8, 3)):
    """Return the Keras model of a function of layers, its parameters multiples of 1/16."""
    rng = np.random.default_rng(5)
    entry = layers.Input(shape, name="pixels")
    model = keras.Model(entry, body(entry))
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            sizes = [weights.shape for weights in layer.get_weights()]
            layer.set_weights([rng.integers(-7, 8, size) / 16 for size in sizes])
    return model


def plain():
    """Return a Keras model with branches, pools and a head, and its hls4ml configuration."""

    def body(x):
        x = layers.Conv2D(8, 3, padding="same", name="conv1")(x)
        x = layers.ReLU(name="relu1")(x)
        left = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv2")(x)
        right = layers.Conv2D(6, 1, activation="relu", name="side")(x)
        x = layers.Concatenate(name="join")([left, layers.MaxPooling2D(2, name="pool")(right)])
        x = layers.Activation("linear", name="sum")(layers.Add(name="add")([x, x]))
        x = layers.GlobalAveragePooling2D(name="mean")(layers.Dropout(0.1, name="drop")(x))
        return layers.Dense(5, name="output")(layers.Flatten(name="flat")(x))

    results = dict.fromkeys(("relu1", "conv2_relu", "side_relu"), CODES) | {
        "pixels": PIXELS,
        "sum": "ufixed<5,0,RND_CONV,SAT>",
        "mean": "ufixed<6,0,RND_CONV,SAT>",
    }
    precisions = {name: {"result": kind} for name, kind in results.items()}
    for name in ("conv1", "conv2", "side", "output"):
        precisions[name] = {"weight": "fixed<4,0>", "bias": "fixed<8,0>"}
    return network(body), precisions


def map_codes(signed, integer, fraction, **settings):
    """Return a quantizer of whole maps: one type, rounding half to even, saturating."""
    rules = {
        "round_mode": "RND_CONV",
        "overflow_mode": "SAT",
        "homogeneous_axis": None,
        "heterogeneous_axis": (),
    }
    numbers = {"k0": signed, "i0": integer, "f0": fraction}
    return QuantizerConfig(place="datalane", q_type="kif", **numbers, **(rules | settings))


def hgq(**settings):
    """Return an HGQ2 model; `settings` go to the quantizers of its maps."""
    codes = functools.partial(map_codes, **settings)
    grid = {"round_mode": "RND_CONV", "overflow_mode": "SAT_SYM", "k0": 1, "i0": 0}
    parameters = {
        "kq_conf": QuantizerConfig(place="weight", q_type="kbi", b0=4, **grid),
        "bq_conf": QuantizerConfig(place="bias", q_type="kif", f0=6, **grid),
    }
    rng = np.random.default_rng(5)
    with LayerConfigScope(enable_ebops=False):
        x = entry = layers.Input((8, 8, 3), name="pixels")
        conv = {"activation": "relu", **parameters}
        x = QConv2D(8, 3, padding="same", iq_conf=codes(0, 0, 8), name="conv1", **conv)(x)
        x = QConv2D(6, 3, strides=2, iq_conf=codes(0, 1, 3), name="conv2", **conv)(x)
        x = Quantizer(codes(0, 1, 3), name="codes")(x)
        x = layers.GlobalMaxPooling2D(name="most")(x)
        model = keras.Model(entry, QDense(5, iq_conf=codes(0, 0, 4), name="head", **parameters)(x))
    for layer in model.layers:
        if isinstance(layer, QConv2D | QDense):
            layer._kernel.assign(rng.normal(0, 0.35, layer._kernel.shape))
            layer.bias.assign(rng.normal(0, 0.2, layer.bias.shape))
    return model
