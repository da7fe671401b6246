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

from .config import CHANNELS, Convolution, NetworkConfig

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

    `weight_bits` are those of every layer, whatever the network says.
    """
    return _Sketch(config, seed, weight_bits).model()


class _Sketch:
    """The graph so far."""

    def __init__(self, config: NetworkConfig, seed: int, weight_bits: int | None):
        self.config, self.weight_bits = config, weight_bits
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.specs = {spec.name: spec for spec in config.convolutions()}

    def model(self) -> onnx.ModelProto:
        """Return the whole network."""
        config = self.config
        pixels = self.quant("image", "input", PIXEL_BITS, PIXEL_BITS, False)
        x = _Map(pixels, PIXEL_BITS, *PIXELS)
        x = self.max_pool("conv1", self.activated("conv1", self.convolution("conv1", x)))
        for number, fire in enumerate(config.fire, 2):
            x = self.max_pool(f"fire{number}", self.fire(f"fire{number}", fire.bypass, x))
        for number in range(2, len(config.residual) + 2):
            x = self.max_pool(f"residual{number}", self.residual(f"residual{number}", x))
        height, width = config.pooled
        average = {"kernel_shape": [height, width], "strides": [height, width]}
        if config.fc:
            tensor = self.node("AveragePool", [x.tensor], "pool", **average)
            x = self.activated("pool", _Map(tensor, x.frac, 0, (x.mean / TOP) ** 2))
            last = self.convolution("fc", x).tensor
        else:
            last = self.convolution("conv10", x).tensor
            last = self.node("AveragePool", [last], "pool", **average)
        last = self.node("Flatten", [last], "flatten", axis=1)
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

    # ------------------------------------------------------------------------------------ modules
    def fire(self, name: str, bypass: bool, x: _Map) -> _Map:
        squeezed = self.activated(
            f"{name}/squeeze", self.convolution(f"{name}/squeeze", x), f"{name}/squeeze"
        )
        branches = [self.convolution(f"{name}/expand{k}", squeezed) for k in (1, 3)]
        frac = max(self.frac(f"{name}/expand", branch) for branch in branches)
        parts = [
            self.activated(f"{name}/expand", part, f"{name}/expand{k}", frac)
            for k, part in zip((1, 3), branches, strict=True)
        ]
        tensor = self.node("Concat", [p.tensor for p in parts], f"{name}/concat", axis=1)
        mean, variance = (np.mean([getattr(p, k) for p in parts]) for k in ("mean", "variance"))
        y = _Map(tensor, frac, float(mean), float(variance))
        if not bypass:
            return y
        tensor = self.node("Add", [x.tensor, y.tensor], name)
        mean, variance = x.mean + y.mean, x.variance + y.variance
        top = (mean / TOP + math.sqrt(variance)) ** 2  # a sum of what is positive passes whole
        done = self.activated(f"{name}/bypass", _Map(tensor, 0, 0, top))
        return _Map(done.tensor, done.frac, mean, variance)

    def residual(self, name: str, x: _Map) -> _Map:
        y = self.activated(f"{name}/conv1", self.convolution(f"{name}/conv1", x))
        y = self.convolution(f"{name}/conv2", y)
        if f"{name}/shortcut" in self.specs:
            x = self.convolution(f"{name}/shortcut", x, centred=False)
        tensor = self.node("Add", [x.tensor, y.tensor], name)
        return self.activated(f"{name}/add", _Map(tensor, 0, 0, x.variance + y.variance))

    def max_pool(self, after: str, x: _Map) -> _Map:
        pool = self.config.max_pool
        if after not in pool.after:
            return x
        sides = {"kernel_shape": [pool.kernel] * 2, "strides": [pool.stride] * 2}
        tensor = self.node("MaxPool", [x.tensor], f"{after}/pool", ceil_mode=1, **sides)
        return _Map(tensor, x.frac, x.mean + math.sqrt(x.variance), x.variance)

    # ------------------------------------------------------------------------------------- layers
    def convolution(self, name: str, x: _Map, centred: bool = True) -> _Map:
        """Append a convolution whose bias takes the mean of its sums away, or is zero."""
        spec = self.specs[name]
        bits = self.weight_bits or self.config.weight_bits_of(name)
        codes, fracs = self.weights(spec, bits)
        shape = (spec.outputs, spec.inputs, spec.kernel, spec.kernel)
        each = fracs.reshape(-1, 1, 1, 1) if fracs.size > 1 else fracs.reshape(())
        values = np.ldexp(codes, -fracs[:, None]).reshape(shape)
        weight = self.constant(values.astype(np.float32), f"{name}.weight")
        grid = fracs + x.frac
        means = centred * x.mean * values.reshape(len(codes), -1).sum(axis=1)
        bias = np.rint(np.ldexp(-means, grid))
        bias = np.clip(bias, -(2**31) + 1, 2**31 - 1)
        bias = self.constant(np.ldexp(bias, -grid).astype(np.float32), f"{name}.bias")
        inputs = [
            x.tensor,
            self.quant(weight, f"{name}/weight_quant", each, bits, True, narrow=1),
            self.quant(bias, f"{name}/bias_quant", grid, 32, True),
        ]
        tensor = self.node(
            "Conv",
            inputs,
            name,
            group=1,
            dilations=[1, 1],
            kernel_shape=[spec.kernel] * 2,
            strides=[spec.stride] * 2,
            pads=[spec.pad] * 4,
        )
        return _Map(tensor, int(grid.max()), 0, 2 * x.variance)

    def weights(self, spec: Convolution, bits: int) -> tuple[np.ndarray, np.ndarray]:
        """Return codes (M, C*KH*KW) of Kaiming's weights, and the fraction bits of the channels."""
        fan_in = spec.inputs * spec.kernel**2
        values = self.rng.normal(0, math.sqrt(2 / fan_in), (spec.outputs, fan_in))
        rows = values.reshape(1, -1)
        if self.config.per_channel:
            rows = values = values * np.exp2(-self.rng.integers(0, 3, (spec.outputs, 1)))
        top = (1 << (bits - 1)) - 1
        safe = np.ceil(np.log2(np.abs(rows).max(axis=1) / top))
        errors = []
        for down in range(SPAN + 1):  # the scale with the least squared error
            scale = np.exp2(safe - down)[:, None]
            codes = np.clip(np.rint(rows / scale), -top, top)
            errors.append(np.square(codes * scale - rows).sum(axis=1))
        fracs = (np.argmin(errors, axis=0) - safe).astype(np.int64)
        codes = np.clip(np.rint(np.ldexp(values, fracs[:, None])), -top, top)
        return codes, fracs

    def frac(self, activation: str, x: _Map) -> int:
        """Return the fraction bits with which the top of `x` clamps."""
        high = (1 << self.config.activation_bits_of(activation)) - 1
        return -math.floor(math.log2(TOP * math.sqrt(x.variance) / (high + 0.5)))

    def activated(
        self, activation: str, x: _Map, name: str | None = None, frac: int | None = None
    ) -> _Map:
        """Append a ReLU and its quantizer."""
        name, frac = name or activation, self.frac(activation, x) if frac is None else frac
        tensor = self.node("Relu", [x.tensor], f"{name}_relu")
        bits = self.config.activation_bits_of(activation)
        tensor = self.quant(tensor, f"{name}_relu/act_quant", frac, bits, False)
        mean, variance = POSITIVE
        return _Map(tensor, frac, mean * math.sqrt(x.variance), variance * x.variance)

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
