"""A network as QONNX with seeded weights, in a second and without PyTorch: to count its hardware.

The graph is the one that `zynqfire.model.export` writes. Weights are drawn and scaled as there.
The scales of activations and the biases, which there come from pictures, are those that normal
distributions would have: every map keeps its width, and an accumulator is as wide or within a bit
of it, but the network's answers mean nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .config import CHANNELS, NetworkConfig
from .graph import Node, Op
from .kmeans import cluster
from .legal import deployable

QUANT_DOMAIN = "qonnx.custom_op.general"
PIXEL_BITS = 8
PIXELS = 0.5, 0.06  # mean and variance of half smooth pictures, half noise
POSITIVE = 1 / math.sqrt(2 * math.pi), 0.5 - 1 / (2 * math.pi)  # of max(x, 0), x normal
TOP = 2.8  # deviations that half a percent of the positive values pass
SPAN = 5  # of the scales tried for weights


@dataclass(frozen=True)
class _Map:
    """A feature map: its tensor, fraction bits, and mean and variance of its values."""

    tensor: str
    frac: int
    mean: float
    variance: float


def sketch(config: NetworkConfig, seed: int = 0, weight_bits: int | None = None) -> onnx.ModelProto:
    """Return `config` as QONNX, channels first, weights from `seed`.

    `weight_bits` are those of every layer, without codebooks, whatever the network says.
    """
    return _Sketch(config, seed, weight_bits).model()


class _Sketch:
    """The graph so far."""

    def __init__(self, config: NetworkConfig, seed: int, weight_bits: int | None):
        self.config, self.weight_bits = config, weight_bits
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.layers = deployable(config)
        self.values: dict[str, _Map] = {}
        self.fracs: dict[str, int] = {}  # of the quantizers

    def model(self) -> onnx.ModelProto:
        """Return the whole network."""
        config = self.config
        pixels = self.quant("image", "input", PIXEL_BITS, PIXEL_BITS, False)
        self.values["input"] = _Map(pixels, PIXEL_BITS, *PIXELS)
        for node in self.layers:
            self.values[node.name] = self.layer(node, [self.values[x] for x in node.inputs])
        last = self.node("Flatten", [self.values[node.name].tensor], "flatten", axis=1)
        if config.classes < config.head:
            limits = [self.constant(np.array([n])) for n in (0, config.classes, 1)]
            last = self.node("Slice", [last, *limits], "slice")
        image, logits = (1, CHANNELS, *config.input), (1, config.classes)
        graph = helper.make_graph(
            self.nodes,
            config.name,
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info(last, TensorProto.FLOAT, logits)],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QUANT_DOMAIN, 2)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    # ------------------------------------------------------------------------------------- layers
    def layer(self, node: Node, inputs: list[_Map]) -> _Map:
        """Append the layer `node`."""
        x = inputs[0]
        if node.weighted:
            return self.convolution(node, x)
        if node.op is Op.RELU:
            return self.activated(node, x)
        if node.op is Op.ADD:
            tensor = self.node("Add", [y.tensor for y in inputs], node.name)
            mean, variance = (sum(getattr(y, k) for y in inputs) for k in ("mean", "variance"))
            return _Map(tensor, 0, mean, variance)
        if node.op is Op.CONCAT:
            tensor = self.node("Concat", [y.tensor for y in inputs], node.name, axis=1)
            mean, variance = (
                float(np.mean([getattr(y, k) for y in inputs])) for k in ("mean", "variance")
            )
            return _Map(tensor, x.frac, mean, variance)
        if node.op is Op.DROPOUT:
            return x
        sides = {"kernel_shape": list(node.kernel), "strides": list(node.stride)}
        if node.op is Op.MAX:
            pads = {"pads": [*node.pad, *node.pad], "ceil_mode": int(node.ceil)}
            tensor = self.node("MaxPool", [x.tensor], node.name, **sides, **pads)
            return _Map(tensor, x.frac, x.mean + math.sqrt(x.variance), x.variance)
        tensor = self.node("AveragePool", [x.tensor], node.name, **sides)
        y = _Map(tensor, x.frac, 0, (x.mean / TOP) ** 2)
        return self.activated(node, y) if node.quantizer else y

    def convolution(self, node: Node, x: _Map) -> _Map:
        """Append a convolution whose bias takes the mean of its sums away."""
        name = node.name
        codes, fracs, weight = self.weights(node)
        sums = np.ldexp(codes.sum(axis=1), -fracs)
        grid = fracs + x.frac
        bias = np.rint(np.ldexp(-x.mean * sums, grid)) + 0.0  # no -0: codes have none
        bias = np.clip(bias, -(2**31) + 1, 2**31 - 1)
        bias = self.constant(np.ldexp(bias, -grid).astype(np.float32), f"{name}.bias")
        inputs = [
            x.tensor,
            weight,
            self.quant(bias, f"{name}/bias_quant", grid, 32, True),
        ]
        tensor = self.node(
            "Conv",
            inputs,
            name,
            group=node.groups,
            dilations=[1, 1],
            kernel_shape=list(node.kernel),
            strides=list(node.stride),
            pads=[*node.pad, *node.pad],
        )
        return _Map(tensor, int(grid.max()), 0, 2 * x.variance)

    def weights(self, node: Node) -> tuple[np.ndarray, np.ndarray, str]:
        """Append the weights of `node`, drawn as Kaiming does.

        Returns
        -------
        codes : ndarray, (M, C*KH*KW)
        fracs : ndarray of int64
            Fraction bits, of each channel where they differ.
        tensor : str
            What the convolution takes.
        """
        name, bits = node.name, self.weight_bits or self.config.weight_bits_of(node.name)
        shape = (node.channels, node.in_shape[2] // node.groups, *node.kernel)
        values = self.rng.normal(0, math.sqrt(2 / node.fan_in), (node.channels, node.fan_in))
        index_bits = 0 if self.weight_bits else self.config.codebook_bits_of(name)
        rows, indices = values.reshape(1, -1), None
        if index_bits:
            entries, indices = cluster(values, 1 << index_bits)
            rows = entries[None]
        elif self.config.per_channel:
            rows = values * np.exp2(-self.rng.integers(0, 3, (node.channels, 1)))
        codes, fracs = _quantized(rows, bits)
        each = fracs.reshape(-1, 1, 1, 1) if fracs.size > 1 else fracs.reshape(())
        stored = codes[0] if index_bits else codes.reshape(shape)
        what = "table" if index_bits else "weight"
        tensor = self.constant(np.ldexp(stored, -each).astype(np.float32), f"{name}.{what}")
        tensor = self.quant(tensor, f"{name}/weight_quant", each, bits, True, narrow=1)
        if index_bits:
            codes = codes[0][indices]
            indices = self.constant(indices.reshape(shape), f"{name}.indices")
            tensor = self.node("Gather", [tensor, indices], name, axis=0)
        return codes.reshape(values.shape), fracs, tensor

    def activated(self, node: Node, x: _Map) -> _Map:
        """Append the ReLU and the quantizer of `node`, a ReLU or an average."""
        name = node.name.removesuffix("/relu")
        bits = self.config.activation_bits_of(node.quantizer)
        frac = self.frac(node.quantizer, bits, x)
        tensor = self.node("Relu", [x.tensor], f"{name}_relu")
        tensor = self.quant(tensor, f"{name}_relu/act_quant", frac, bits, False)
        if x.mean:  # a sum of what is positive passes whole
            return _Map(tensor, frac, x.mean, x.variance)
        mean, variance = POSITIVE
        return _Map(tensor, frac, mean * math.sqrt(x.variance), variance * x.variance)

    def frac(self, quantizer: str, bits: int, x: _Map) -> int:
        """Return the fraction bits with which the top of `x` clamps, the finest of those shared."""
        if quantizer not in self.fracs:
            top = x.mean + TOP * math.sqrt(x.variance)
            self.fracs[quantizer] = -math.floor(math.log2(top / ((1 << bits) - 0.5)))
        return self.fracs[quantizer]

    # -------------------------------------------------------------------------------------- nodes
    def quant(
        self, x: str, name: str, frac: int | np.ndarray, bits: int, signed: bool, narrow: int = 0
    ) -> str:
        scale = np.ldexp(np.float32(1), -np.asarray(frac)).astype(np.float32)
        numbers = [self.constant(np.float32(value)) for value in (scale, 0, bits)]
        settings = {"signed": int(signed), "narrow": narrow, "rounding_mode": "ROUND"}
        return self.node("Quant", [x, *numbers], name, QUANT_DOMAIN, **settings)

    def constant(self, value: Any, name: str | None = None) -> str:
        name = name or f"constant{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op: str, inputs: list[str], name: str, domain: str = "", **settings: Any) -> str:
        output = f"{name}/{op}_output"
        self.nodes.append(
            helper.make_node(op, inputs, [output], f"/{name}/{op}", domain=domain, **settings)
        )
        return output


def _quantized(rows: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed narrow codes of `rows` and each row's fraction bits, of the least error."""
    top = (1 << (bits - 1)) - 1
    safe = np.ceil(np.log2(np.abs(rows).max(axis=1) / top))
    errors = []
    for down in range(SPAN + 1):  # the scale with the least squared error
        scale = np.exp2(safe - down)[:, None]
        codes = np.clip(np.rint(rows / scale), -top, top)
        errors.append(np.square(codes * scale - rows).sum(axis=1))
    fracs = (np.argmin(errors, axis=0) - safe).astype(np.int64)
    return np.clip(np.rint(np.ldexp(rows, fracs[:, None])), -top, top) + 0.0, fracs  # no -0
