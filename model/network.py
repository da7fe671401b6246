"""A `NetworkConfig` as a PyTorch module, in float or with Brevitas quantizers.

Both forms have the same parameter names, so that a float network's weights load into the quantized
one. `Network.merge` removes the batch normalizations by folding them into the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import nn

from .. import Refusal
from . import quantizers
from ._brevitas import merge_bn
from .config import NetworkConfig
from .graph import Node, Op
from .legal import deployable

ATTRIBUTES = (  # of a network besides its modules and methods
    *("config", "prefix", "quantized", "normalized", "nodes", "steps", "body", "tail", "training"),
)
Visit = Callable[[nn.Module, list[nn.Module], list[torch.Tensor]], list[torch.Tensor]]


@dataclass(frozen=True)
class Step:
    """One layer, the ReLUs that share a quantizer, or all layers of the block called `block`."""

    nodes: tuple[Node, ...]
    block: str = ""


class Sum(nn.Module):
    """An addition with a name, which the export keeps."""

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return the sum."""
        return x + y


class Block(nn.Module):
    """Layers, each a submodule with the part of its name behind `prefix`.

    A convolution's normalization ``NAME_bn`` and the activation ``NAME_relu`` stand beside it. Of a
    whole network, the modules of several layers are blocks of their own.

    Parameters
    ----------
    config : NetworkConfig
        The network.
    nodes : sequence of Node
        The layers in order of execution.
    prefix : str
        What is left out of their names.
    quantized, normalized : bool
        See `Network`.
    """

    def __init__(
        self,
        config: NetworkConfig,
        nodes: Sequence[Node],
        prefix: str,
        quantized: bool,
        normalized: bool,
    ):
        super().__init__()
        self.config, self.prefix = config, prefix
        self.quantized, self.normalized = quantized, normalized
        self.nodes = {node.name: node for node in nodes}
        self.steps: list[Step] = []
        for module, group in groupby(nodes, key=lambda node: node.module):
            part = tuple(group)
            if not prefix and any("/" in node.name.removesuffix("/relu") for node in part):
                inner = Block(config, part, f"{module}/", quantized, normalized)
                self.add_module(module, inner)
                self.steps.append(Step(part, module))
            else:
                self.steps += _steps(part)
                for node in part:
                    self._build(node)

    def _build(self, node: Node) -> None:
        name = self.local(node.name)
        if node.weighted:
            if self.quantized:
                bits = self.config.weight_bits_of(node.name)
                index = self.config.codebook_bits_of(node.name)
                layer = quantizers.convolution(node, bits, self.config.per_channel, index)
            else:
                sizes = node.in_shape[2], node.channels, node.kernel, node.stride, node.pad
                layer = nn.Conv2d(*sizes, groups=node.groups)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            self.add_module(name, layer)
            normalized = self.normalized and node != self.config.classifier
            norm = nn.BatchNorm2d(node.channels) if normalized else nn.Identity()
            self.add_module(f"{name}_bn", norm)
        elif node.op is Op.MAX:
            pool = nn.MaxPool2d(node.kernel, node.stride, node.pad, ceil_mode=node.ceil)
            self.add_module(name, pool)
        elif node.op is Op.AVERAGE:
            self.add_module(name, nn.AvgPool2d(node.kernel))
        elif node.op is Op.ADD:
            self.add_module(name, Sum())
        activation = f"{self.local(node.quantizer)}_relu"
        if node.quantizer and not hasattr(self, activation):
            bits = self.config.activation_bits_of(node.quantizer)
            # An average is never negative: its ReLU is only there to quantize it.
            self.add_module(activation, quantizers.relu(bits) if self.quantized else nn.ReLU())

    def local(self, name: str) -> str:
        """Return the name of a layer's submodule here."""
        return name.removeprefix(self.prefix)

    def forward(self, x: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Return the last layer's output, a QuantTensor if it is quantized."""
        return self.run(self.steps, x, visit)

    def run(self, steps: Sequence[Step], x: torch.Tensor, visit: Visit | None) -> torch.Tensor:
        """Return the output of the last of `steps`, `x` being what the first takes."""
        values = {steps[0].nodes[0].inputs[0]: x}
        for step in steps:
            last = step.nodes[-1].name
            if step.block:
                entry = values[step.nodes[0].inputs[0]]
                values[last] = self.get_submodule(step.block)(entry, visit)
            else:
                results = self._step(step.nodes, values, visit)
                names = [node.name for node in step.nodes]
                values |= dict(zip(names, results, strict=True))
        return values[last]

    def _step(
        self, nodes: tuple[Node, ...], values: dict[str, torch.Tensor], visit: Visit | None
    ) -> list[torch.Tensor]:
        node = nodes[0]
        inputs = [values[name] for name in node.inputs]
        if node.weighted:
            name = self.local(node.name)
            return [self.get_submodule(f"{name}_bn")(self.get_submodule(name)(inputs[0]))]
        if node.op is Op.RELU:
            sums = [values[item.inputs[0]] for item in nodes]
            return self._activate(nodes, sums, visit)
        if node.op is Op.ADD:
            # Values without their scales: the sum needs none, it is exact, and a Quant follows.
            return [self.get_submodule(self.local(node.name))(*map(_plain, inputs))]
        if node.op is Op.CONCAT:
            return [torch.cat(inputs, 1)]
        if node.op is Op.DROPOUT:
            return [self._dropped(inputs[0], node.share)]
        pool = self.get_submodule(self.local(node.name))
        if not node.quantizer:
            return [pool(inputs[0])]
        return self._activate(nodes, [pool(_plain(inputs[0]))], visit)

    def _activate(
        self, nodes: tuple[Node, ...], values: list[torch.Tensor], visit: Visit | None
    ) -> list[torch.Tensor]:
        """Return `values` through the activation that `nodes` share."""
        relu = self.get_submodule(f"{self.local(nodes[0].quantizer)}_relu")
        if visit:
            layers = [layer for node in nodes for layer in self._moved_by(node)]
            values = visit(relu, layers, values)
        return [relu(value) for value in values]

    def _moved_by(self, activated: Node) -> list[nn.Module]:
        """Return the convolution whose bias moves what is activated, if there is one."""
        source = self.nodes.get(activated.inputs[0])
        if activated.op is not Op.RELU or source is None:
            return []
        names = [source.name] if source.weighted else source.inputs[::-1]
        found = [n for n in names if n in self.nodes and self.nodes[n].weighted]
        return [self.get_submodule(self.local(name)) for name in found[:1]]

    def _dropped(self, x: torch.Tensor, share: float) -> torch.Tensor:
        if not self.training or not share:
            return x
        if isinstance(x, torch.Tensor):
            return nn.functional.dropout(x, share)
        # Still a tensor with a scale, which the next layer's bias needs.
        return x.set(value=nn.functional.dropout(x.value, share))


class Network(Block):
    """A whole network; takes pixels * 2**-8 as (N, 3, H, W), returns logits (N, classes).

    Parameters
    ----------
    config : NetworkConfig
        What to build.
    quantized : bool
        With Brevitas quantizers, else in float.
    normalized : bool
        With batch normalization after every convolution but the classifier.

    Raises
    ------
    Refusal
        Where the network has a layer that can only be counted, or a name that PyTorch uses.
    """

    def __init__(self, config: NetworkConfig, quantized: bool = True, normalized: bool = False):
        for module in config.modules:
            if hasattr(Network, module.name) or module.name in ATTRIBUTES:
                raise Refusal(
                    f"network {config.name}: a module must have a name that PyTorch does not use, "
                    f"not {module.name}"
                )
        super().__init__(config, deployable(config), "", quantized, normalized)
        if quantized:
            self.input = quantizers.pixels()
        names = [step.nodes[-1].name for step in self.steps]
        behind = names.index(config.classifier.name) + 1
        self.body, self.tail = self.steps[:behind], self.steps[behind:]

    @property
    def blocks(self) -> list[Block]:
        """The modules of several layers in order."""
        return [module for module in self.children() if isinstance(module, Block)]

    @property
    def classifier(self) -> nn.Module:
        """The last convolution."""
        return self.get_submodule(self.config.classifier.name)

    def features(self, x: torch.Tensor, visit: Visit | None = None) -> torch.Tensor:
        """Return the classifier's map, (N, head, H, W), of one pixel for fc.

        `visit` is called before each activation is used, in order of execution, with the
        activation, the convolutions whose biases move what it takes (none for a bypass or an
        average, the last of those that are added) and the values; it returns the values to go on
        with.
        """
        return self.run(self.body, self.input(x) if self.quantized else x, visit)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of the classes; the classifier's padding outputs are cut off."""
        x = self.features(x)
        logits = torch.flatten(self.run(self.tail, x, None) if self.tail else x, 1)
        classes = self.config.classes
        return logits if classes == self.config.head else logits[:, :classes]

    def convolutions(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the layer name and module of every convolution in order of execution."""
        for node in self.config.convolutions():
            yield node.name, self.get_submodule(node.name.replace("/", "."))

    def activations(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the name and module of every activation in order of execution."""
        for name in self.config.activations():
            yield name, self.get_submodule(name.replace("/", ".") + "_relu")

    def max_pools(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield the name and module of every max pool in order of execution."""
        for name, node in self.nodes.items():
            if node.op is Op.MAX:
                yield name, self.get_submodule(name.replace("/", "."))

    def learned(self) -> list[nn.Parameter]:
        """Return the parameters that training changes: all but the scales."""
        return [value for name, value in self.named_parameters() if "_quant." not in name]

    def output_frac(self) -> int:
        """Return the fraction bits that hold every channel of the classifier's exact result."""
        read = [-quantizers.log2_scale(layer) for _, layer in self.activations()]
        return [quantizers.PIXEL_FRAC, *read][-1] - quantizers.log2_scale(self.classifier)

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
        """Choose every weight scale and codebook anew."""
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


def _steps(nodes: Sequence[Node]) -> list[Step]:
    """Return the steps of `nodes`; ReLUs that share a quantizer are one, where the last stands."""
    shared: dict[str, list[Node]] = {}
    for node in nodes:
        if node.op is Op.RELU:
            shared.setdefault(node.quantizer, []).append(node)
    result = []
    for node in nodes:
        together = shared[node.quantizer] if node.op is Op.RELU else [node]
        if node == together[-1]:
            result.append(Step(tuple(together)))
    return result


def _plain(x: Any) -> torch.Tensor:
    """Return the values of `x`, which may have a scale."""
    return x if isinstance(x, torch.Tensor) else x.value
