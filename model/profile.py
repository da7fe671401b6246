"""What a network costs: multiplications, parameters and activations by layer.

Two conventions. ``conv``: convolution and fully connected layers only, an activation is an output
of one (Jha et al., equation 2). ``netscope``: every layer's output and the input, in-place layers
included; one operation more for an element of a Scale, five for one of an LRN.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from .. import Refusal
from .config import CHANNELS, NetworkConfig
from .rules import rules

CONVENTIONS = ("conv", "netscope")


@dataclass(frozen=True)
class Layer:
    """One layer; shapes are (height, width, channels), a vector's are (1, 1, elements)."""

    name: str
    op: str
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    macs: int = 0
    weights: int = 0
    biases: int = 0
    weight_bits: int | None = None

    @property
    def multiplies(self) -> bool:
        """Whether the ``conv`` convention counts it."""
        return self.op in ("conv", "fc")

    def row(self) -> dict[str, Any]:
        """Return the layer as in the JSON of `profile`."""
        return {
            "name": self.name,
            "op": self.op,
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "in_shape": list(self.in_shape),
            "out_shape": list(self.out_shape),
            "macs": self.macs,
            "parameters": self.weights + self.biases,
            "activations": prod(self.out_shape),
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
        `macs`, `parameters`, `weights`, `biases`, `weight_bits` (all), `activations`,
        `layers` (`name`, `op`, `kernel`, `stride`, `in_shape`, `out_shape`, `macs`, `parameters`,
        `activations`) and `rules` (see `zynqfire.model.rules`).
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
    return {
        "macs": sum(layer.macs for layer in counted),
        "parameters": weights + biases,
        "weights": weights,
        "biases": biases,
        "weight_bits": sum(layer.weights * (layer.weight_bits or 32) for layer in layers),
        "activations": activations,
        "convention": convention,
        "layers": [layer.row() for layer in counted],
        "rules": rules(layers, on_chip_bits),
    }


def _layers(config: NetworkConfig) -> list[Layer]:
    convolutions = {conv.name: conv for conv in config.convolutions()}
    layers: list[Layer] = []

    def conv(name: str) -> tuple[int, int, int]:
        spec = convolutions[name]
        shape = (*spec.out_size, spec.outputs)
        weights = spec.kernel**2 * spec.inputs * spec.outputs
        layers.append(
            Layer(
                name,
                "fc" if name == "fc" else "conv",
                (*spec.in_size, spec.inputs),
                shape,
                (spec.kernel, spec.kernel),
                (spec.stride, spec.stride),
                weights * prod(spec.out_size),
                weights,
                spec.outputs,
                config.weight_bits_of(name),
            )
        )
        return shape

    def same(name: str, op: str, shape: tuple[int, int, int]) -> None:
        layers.append(Layer(name, op, shape, shape))

    def max_pool(after: str) -> None:
        if after in config.max_pool.after:
            shape = layers[-1].out_shape
            out = (*config.after_pool(after, shape[:2]), shape[2])
            kernel, stride = config.max_pool.kernel, config.max_pool.stride
            sides = (kernel, kernel), (stride, stride)
            layers.append(Layer(f"{after}/pool", "max", shape, out, *sides))

    same("conv1/relu", "relu", conv("conv1"))
    max_pool("conv1")
    for number, fire in enumerate(config.fire, 2):
        for part in ("squeeze", "expand1", "expand3"):
            shape = conv(f"fire{number}/{part}")
            same(f"fire{number}/{part}/relu", "relu", shape)
        shape = (*shape[:2], fire.outputs)
        same(f"fire{number}/concat", "concat", shape)
        if fire.bypass:
            same(f"fire{number}/add", "add", shape)
            same(f"fire{number}/bypass/relu", "relu", shape)
        max_pool(f"fire{number}")
    for number in range(2, len(config.residual) + 2):
        name = f"residual{number}"
        same(f"{name}/conv1/relu", "relu", conv(f"{name}/conv1"))
        if f"{name}/shortcut" in convolutions:
            conv(f"{name}/shortcut")
        shape = conv(f"{name}/conv2")
        same(f"{name}/add", "add", shape)
        same(f"{name}/add/relu", "relu", shape)
        max_pool(name)

    def pool() -> None:
        kernel, channels = config.pooled, layers[-1].out_shape[2]
        layers.append(
            Layer("pool", "average", (*kernel, channels), (1, 1, channels), kernel, kernel)
        )

    if config.fc:
        pool()
    if config.dropout:
        same("dropout", "dropout", layers[-1].out_shape)
    conv(config.classifier)
    if not config.fc:
        pool()
    return layers
