"""What a network costs: multiplications, parameters and activations by layer, and their ratios.

Two conventions. ``conv``: convolution and fully connected layers only, an activation is an output
of one (Jha et al., equation 2). ``netscope``: every layer's output and the input, in-place layers
included; one operation more for an element of a Scale, five for one of an LRN. What either makes of
a network is compared by the ratios of `zynqfire.model.ratios`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from .. import Refusal
from .config import CHANNELS, NetworkConfig
from .graph import Node, Op
from .ratios import FLOAT_BITS, accumulator_bits, capacity, intensity, on_chip, ratios
from .rules import rules

CONVENTIONS = ("conv", "netscope")
LRN_MACS = 5  # of an element
PIXEL_BITS = 8


@dataclass(frozen=True)
class Layer:
    """One layer; shapes are (height, width, channels), a vector's are (1, 1, elements).

    Attributes
    ----------
    module : str
        Of which it is a layer.
    weight_bits : int or None
        Stored width of a weight, that of an index where there is a codebook; None in float.
    table_bits : int
        Of the codebook.
    bias_bits : int or None
        Of all biases; None in float.
    map_bits : int or None
        Width of an element of the result where that is quantized: sums never are stored.
    """

    name: str
    op: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    macs: int = 0
    weights: int = 0
    biases: int = 0
    module: str = ""
    weight_bits: int | None = None
    table_bits: int = 0
    bias_bits: int | None = None
    map_bits: int | None = None

    @property
    def stored_bits(self) -> int:
        """Bits of all weights as they are stored."""
        return self.weights * (self.weight_bits or FLOAT_BITS) + self.table_bits

    @property
    def multiplies(self) -> bool:
        """Whether the ``conv`` convention counts it."""
        return self.op in ("conv", "fc")

    def row(self) -> dict[str, Any]:
        """Return the layer as in the JSON of `profile`."""
        return {
            "name": self.name,
            "module": self.module,
            "op": self.op,
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "in_shape": list(self.in_shape),
            "out_shape": list(self.out_shape),
            "macs": self.macs,
            "parameters": self.weights + self.biases,
            "activations": prod(self.out_shape),
            "intensity": round(intensity([self]), 3),
        }


def profile(
    config: NetworkConfig, convention: str = "conv", *, on_chip_bits: int | None = None
) -> dict[str, Any]:
    """Return the cost of the network `config`.

    Parameters
    ----------
    config : NetworkConfig
        The network.
    convention : {'conv', 'netscope'}
        What is counted, see above.
    on_chip_bits : int, optional
        Memory that the weights must fit into; by default that of ZynqNet's own XC7Z045.

    Returns
    -------
    dict
        `macs`, `parameters`, `weights`, `biases`, `weight_bits` (all), `activations`, the `ratios`
        and `on_chip` bits and the `capacity` of the modules (see `zynqfire.model.ratios`), `layers`
        (`name`, `op`, `kernel`, `stride`, `in_shape`, `out_shape`, `macs`, `parameters`,
        `activations`, `intensity`) and `rules` (see `zynqfire.model.rules`).
    """
    return summary(_layers(config), (*config.input, CHANNELS), convention, on_chip_bits)


def profile_onnx(
    path: str | Path, convention: str = "conv", *, on_chip_bits: int | None = None
) -> dict[str, Any]:
    """Return the cost of an ONNX network, in the form of `profile`.

    Raises
    ------
    Refusal
        Where the file is not ONNX or the shape of a layer cannot be inferred.
    """
    from .profile_onnx import layers

    found, input_shape = layers(Path(path))
    return summary(found, input_shape, convention, on_chip_bits)


def summary(
    layers: list[Layer],
    input_shape: tuple[int, int, int],
    convention: str,
    on_chip_bits: int | None,
) -> dict[str, Any]:
    """Return the totals of `layers` under `convention`."""
    if convention not in CONVENTIONS:
        raise Refusal(f"profile: convention must be conv or netscope, not {convention}")
    counted = [layer for layer in layers if convention == "netscope" or layer.multiplies]
    activations = sum(prod(layer.out_shape) for layer in counted)
    if convention == "netscope":
        activations += prod(input_shape)
    weights, biases = (sum(getattr(x, key) for x in counted) for key in ("weights", "biases"))
    macs = sum(layer.macs for layer in counted)
    return {
        "macs": macs,
        "parameters": weights + biases,
        "weights": weights,
        "biases": biases,
        "weight_bits": sum(layer.stored_bits for layer in layers),
        "activations": activations,
        "convention": convention,
        **ratios(macs, weights + biases, activations),
        "intensity": round(intensity(counted), 3),
        "on_chip": on_chip(layers, input_shape),
        "capacity": capacity(layers),
        "layers": [layer.row() for layer in counted],
        "rules": rules(layers, on_chip_bits),
    }


def _layers(config: NetworkConfig) -> list[Layer]:
    """Return the layers of the published network, a normalization and its scale apart."""
    layers: list[Layer] = []
    widths: dict[str, int | None] = {"input": PIXEL_BITS}
    logits = False
    for node in config.nodes:
        logits |= node == config.classifier  # from there on nothing is quantized
        widths[node.name] = None if logits else _width(config, node, widths)
        bare = config.batch_norm and node.op is Op.CONV  # no bias, what follows has one
        bits = config.weight_bits_of(node.name) if node.weighted else None
        sums = accumulator_bits(node.fan_in, bits, widths[node.inputs[0]])
        layer = Layer(
            node.name,
            str(node.op),
            node.in_shape,
            node.out_shape,
            node.kernel,
            node.stride,
            node.macs + LRN_MACS * prod(node.out_shape) * (node.op is Op.LRN),
            node.weights,
            node.channels if node.weighted and node.bias and not bare else 0,
            node.module,
            config.stored_bits_of(node.name) if node.weighted else None,
            config.table_bits_of(node.name) if node.weighted else 0,
            node.channels * sums if node.weighted else None,
            widths[node.name],
        )
        if node.op is Op.NORM:
            layers += _norm(layer, None)
        else:
            layers.append(layer)
        if bare:
            layers += _norm(layer, 0)  # what is built has the bias in the convolution
    return layers


def _width(config: NetworkConfig, node: Node, widths: dict[str, int | None]) -> int | None:
    """Return how wide an element of the result of `node` is, None where it is a sum."""
    if node.quantizer:
        return config.activation_bits_of(node.quantizer)
    if node.weighted or node.op in (Op.ADD, Op.NORM):
        return None
    given = [widths[name] for name in node.inputs]
    return None if None in given else max(given)


def _norm(layer: Layer, bits: int | None) -> list[Layer]:
    """Return the batch normalization, of `bits`, and the scale that follow `layer` in place."""
    shape, module = layer.out_shape, {"module": layer.module}
    both = {"biases": 2 * shape[2], "bias_bits": bits}
    return [
        Layer(f"{layer.name}/bn", "batchnorm", shape, shape, **both, **module),
        Layer(f"{layer.name}/scale", "scale", shape, shape, macs=prod(shape), **module),
    ]
