"""A `NetworkConfig` as a PyTorch module, in float or with Brevitas quantizers.

Both forms have the same parameter names, so that a float network's weights load into the quantized
one. `Network.merge` removes the batch normalizations by folding them into the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from . import quantizers
from ._brevitas import merge_bn
from .config import Convolution, NetworkConfig

Visit = Callable[[nn.Module, list[nn.Module], list[torch.Tensor]], list[torch.Tensor]]


class _Block(nn.Module):
    """Convolutions by layer name, each with its normalization ``NAME_bn`` beside it."""

    def __init__(self, config: NetworkConfig, prefix: str, quantized: bool, normalized: bool):
        super().__init__()
        self.config, self.prefix = config, prefix
        self.quantized, self.normalized = quantized, normalized

    def add_convolution(self, spec: Convolution, normalized: bool) -> None:
        """Build the convolution `spec` and its normalization."""
        sizes = spec.inputs, spec.outputs, spec.kernel, spec.stride, spec.pad
        name = spec.name.removeprefix(self.prefix)
        if self.quantized:
            bits = self.config.weight_bits_of(spec.name)
            layer = quantizers.convolution(*sizes, bits, self.config.per_channel)
        else:
            layer = nn.Conv2d(*sizes)
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
        self.add_module(name, layer)
        self.add_module(f"{name}_bn", nn.BatchNorm2d(spec.outputs) if normalized else nn.Identity())

    def add_activation(self, name: str) -> None:
        """Build the activation `name` as ``NAME_relu``."""
        bits = self.config.activation_bits_of(self.prefix + name)
        self.add_module(f"{name}_relu", quantizers.relu(bits) if self.quantized else nn.ReLU())

    def add_pool(self, name: str, after: str) -> None:
        """Build the max pool `name` if conv1 or the module `after` has one."""
        pool, there = self.config.max_pool, after in self.config.max_pool.after
        made = nn.MaxPool2d(pool.kernel, pool.stride, ceil_mode=True) if there else nn.Identity()
        self.add_module(name, made)

    def activate(
        self, activation: str, names: tuple[str, ...], x: torch.Tensor, visit: Visit | None
    ) -> list[torch.Tensor]:
        """Return the convolutions `names` of `x`, normalized, each through one activation."""
        relu = self.get_submodule(f"{activation}_relu")
        layers = [self.get_submodule(name) for name in names]
        values = [self.get_submodule(f"{n}_bn")(y(x)) for n, y in zip(names, layers, strict=True)]
        if visit:
            values = visit(relu, layers, values)
        return [relu(value) for value in values]

    def add(
        self, activation: str, x: Any, y: Any, layers: list[nn.Module], visit: Visit | None
    ) -> Any:
        """Return `x`, through the block's shortcut if it has one, added to `y` and activated.

        `layers` are the convolutions whose bias moves the sum, for `visit`.
        """
        if hasattr(self, "shortcut"):
            x = self.shortcut_bn(self.shortcut(x))
        relu = self.get_submodule(f"{activation}_relu")
        # Values without their scales: the sum needs none, it is exact, and a Quant follows.
        x, y = (t if isinstance(t, torch.Tensor) else t.value for t in (x, y))
        total = x + y
        if visit:
            (total,) = visit(relu, layers, [total])
        return relu(total)


class FireModule(_Block):
    """Squeeze, then two expansions through one shared activation, side by side."""

    def __init__(
        self, config: NetworkConfig, number: int, quantized: bool = True, normalized: bool = False
    ):
        prefix = f"fire{number}/"
        super().__init__(config, prefix, quantized, normalized)
        for spec in config.convolutions():
            if spec.name.startswith(prefix):
                self.add_convolution(spec, normalized)
        self.add_activation("squeeze")
        self.add_activation("expand")  # one scale, so that the concatenation is exact
        self.bypass = config.fire[number - 2].bypass
        if self.bypass:
            self.add_activation("bypass")
        self.add_pool("pool", prefix.rstrip("/"))

    def forward(self, x: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Return the module's output, a QuantTensor if quantized."""
        (squeezed,) = self.activate("squeeze", ("squeeze",), x, visit)
        y = torch.cat(self.activate("expand", ("expand1", "expand3"), squeezed, visit), 1)
        return self.pool(self.add("bypass", x, y, [], visit) if self.bypass else y)


class ResidualBlock(_Block):
    """Two 3x3 convolutions, their result added to the input or to a 1x1 convolution of it."""

    def __init__(
        self, config: NetworkConfig, number: int, quantized: bool = True, normalized: bool = False
    ):
        prefix = f"residual{number}/"
        super().__init__(config, prefix, quantized, normalized)
        for spec in config.convolutions():
            if spec.name.startswith(prefix):
                self.add_convolution(spec, normalized)
        self.add_activation("conv1")
        self.add_activation("add")
        self.add_pool("pool", prefix.rstrip("/"))

    def forward(self, x: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Return the block's output, a QuantTensor if quantized."""
        (y,) = self.activate("conv1", ("conv1",), x, visit)
        return self.pool(self.add("add", x, self.conv2_bn(self.conv2(y)), [self.conv2], visit))


class Network(_Block):
    """A whole network; takes pixels * 2**-8 as (N, 3, H, W), returns logits (N, classes).

    Parameters
    ----------
    config : NetworkConfig
        What to build.
    quantized : bool
        With Brevitas quantizers, else in float.
    normalized : bool
        With batch normalization after every convolution but the classifier.
    """

    def __init__(self, config: NetworkConfig, quantized: bool = True, normalized: bool = False):
        super().__init__(config, "", quantized, normalized)
        specs = config.convolutions()
        if quantized:
            self.input = quantizers.pixels()
        self.add_convolution(specs[0], normalized)
        self.add_activation("conv1")
        self.add_pool("conv1_pool", "conv1")
        for kind, count in ((FireModule, len(config.fire)), (ResidualBlock, len(config.residual))):
            for number in range(2, count + 2):
                module = kind(config, number, quantized, normalized)
                self.add_module(module.prefix.rstrip("/"), module)
        self.pool = nn.AvgPool2d(config.pooled)
        if config.fc:
            self.add_activation("pool")  # no average is negative: only to quantize it
        self.add_convolution(specs[-1], normalized=False)

    @property
    def blocks(self) -> list[FireModule | ResidualBlock]:
        """The modules between conv1 and the classifier in order."""
        return [module for module in self.children() if isinstance(module, _Block)]

    @property
    def classifier(self) -> nn.Module:
        """The last convolution."""
        return self.get_submodule(self.config.classifier)

    def features(self, x: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Return the classifier's map, (N, head, H, W), of one pixel for fc.

        `visit` is called before each activation is used, in order of execution, with the
        activation, the convolutions it serves (none for a bypass or the average, conv2 for a
        residual block's sum) and their results; it returns the results to go on with.
        """
        x = self.input(x) if self.quantized else x
        x = self.conv1_pool(*self.activate("conv1", ("conv1",), x, visit))
        for module in self.blocks:
            x = module(x, visit)
        if self.config.fc:
            x = self.pool(x.value if self.quantized else x)
            if visit:
                (x,) = visit(self.pool_relu, [], [x])
            x = self.pool_relu(x)
        if self.training and self.config.dropout:
            if self.quantized:  # still a tensor with a scale, which the classifier's bias needs
                x = x.set(value=nn.functional.dropout(x.value, self.config.dropout))
            else:
                x = nn.functional.dropout(x, self.config.dropout)
        return self.classifier(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes; the classifier's padding outputs are cut off."""
        x = self.features(x)
        logits = torch.flatten(x if self.config.fc else self.pool(x), 1)
        classes = self.config.classes
        return logits if classes == self.config.head else logits[:, :classes]

    def convolutions(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the layer name and module of every convolution in order of execution."""
        for spec in self.config.convolutions():
            yield spec.name, self.get_submodule(spec.name.replace("/", "."))

    def activations(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the name and module of every activation in order of execution."""
        for name in self.config.activations():
            yield name, self.get_submodule(name.replace("/", ".") + "_relu")

    def max_pools(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the name, as conv1/pool, and module of every max pool in order of execution."""
        for name in ("conv1", *self.config.modules):
            if name in self.config.max_pool.after:
                path = "conv1_pool" if name == "conv1" else f"{name}.pool"
                yield f"{name}/pool", self.get_submodule(path)

    def learned(self) -> list[nn.Parameter]:
        """Return the parameters that training changes: all but the scales."""
        return [value for name, value in self.named_parameters() if "_quant." not in name]

    def output_frac(self) -> int:
        """Return the fraction bits that hold every channel of the classifier's exact result."""
        last = list(self.activations())[-1][1]
        return -quantizers.log2_scale(last) - quantizers.log2_scale(self.classifier)

    def merge(self) -> None:
        """Fold every batch normalization into its convolution."""
        for block in (self, *self.blocks):
            for name, child in list(block.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    merge_bn(block.get_submodule(name.removesuffix("_bn")), child)
                    block.add_module(name, nn.Identity())
            block.normalized = False
        if self.quantized:
            self.calibrate_weights()

    def calibrate_weights(self) -> None:
        """Choose every weight scale anew."""
        for _, layer in self.convolutions():
            quantizers.calibrate_weights(layer)

    @torch.no_grad()
    def calibrate_activations(self, x: torch.Tensor) -> None:
        """Choose every activation scale from the batch `x`, in order of execution.

        A shared activation sees all that is put through it. Batch normalizations normalize by the
        batch where the network is in training mode.
        """

        def choose(relu: Any, _: list[Any], values: list[torch.Tensor]) -> list[torch.Tensor]:
            quantizers.calibrate_activation(relu, values)
            return values

        self.features(x, choose)
