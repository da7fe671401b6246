"""Cross-layer equalization: the channels of a float network scaled so that they quantize better.

A ReLU, a pool and a concatenation let a positive scale pass, so what one layer's channel is divided
by, the weights that read it may be multiplied by: the network computes the same, and channels that
were lost below their tensor's scale use more of its codes (Nagel et al. 2019, "Data-Free
Quantization Through Weight Equalization and Bias Correction", section 4.1). Brevitas' equalization
walks past a bypass that reads the same channels, and then changes the function; ours works on the
network's own graph.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from .config import NetworkConfig
from .graph import Node, Op
from .legal import deployable
from .network import Network
from .watch import by_channel

PASSES = 50  # over all links, at most
SETTLED = 1e-3  # log2 of a pass's largest scale at which it was the last
PASSED = (Op.RELU, Op.MAX, Op.AVERAGE, Op.DROPOUT)


@dataclass(frozen=True)
class Link:
    """A layer whose output channels may be scaled.

    Attributes
    ----------
    source : str
        The layer.
    readers : tuple of (str, int)
        Every layer that reads the channels, and which of its input channels is the first of them.
    """

    source: str
    readers: tuple[tuple[str, int], ...]


def links(config: NetworkConfig) -> tuple[Link, ...]:
    """Return the links of `config` in order of execution.

    Where channels are added to others, as by a bypass, they have none: both would have to be scaled
    alike. Nor have the logits.
    """
    consumers: dict[str, list[Node]] = {}
    nodes = deployable(config)
    for node in nodes:
        for name in dict.fromkeys(node.inputs):
            consumers.setdefault(name, []).append(node)
    channels = {node.name: node.channels for node in nodes}

    def readers(name: str, first: int) -> list[tuple[str, int]] | None:
        found: list[tuple[str, int]] = []
        for node in consumers.get(name, ()):
            if node.weighted:
                found.append((node.name, first))
                continue
            if node.op not in (*PASSED, Op.CONCAT):
                return None
            before = node.inputs[: node.inputs.index(name)]
            behind = readers(node.name, first + sum(channels[part] for part in before))
            if behind is None:
                return None
            found += behind
        return found or None

    sources = [node.name for node in nodes if node.weighted]
    found = ((name, readers(name, 0)) for name in sources)
    return tuple(Link(name, tuple(ends)) for name, ends in found if ends)


@torch.no_grad()
def equalize(network: Network, pictures: torch.Tensor) -> None:
    """Equalize a float `network` without normalizations, in place.

    Pass after pass, every channel is divided by sqrt(up / down). `down` is how large the weights
    are that read it, relative to the largest of their tensor; `up` is how large its values are over
    `pictures`, (N, 3, H, W), or, where its own weights are larger than that, the geometric mean of
    both. Nagel's `up` is of the weights alone; values are quantized as well, and a channel that is
    all bias must not be blown up. Channels that are never positive, or never read, stay. The scales
    are no powers of two: rounded to these, little of their good was left.
    """
    layers = dict(network.convolutions())
    peaks = by_channel(network, pictures, lambda values: values.amax((0, 2, 3)).relu())
    found = links(network.config)
    for _ in range(PASSES):
        moved = 0.0
        for link in found:
            source, width = layers[link.source], len(peaks[link.source])
            values = _relative(peaks[link.source])
            weights = _relative(source.weight.abs().amax((1, 2, 3)))
            up = (values * weights.maximum(values)).sqrt()
            down = torch.zeros(width)
            for name, first in link.readers:
                read = _relative(_by_input(layers[name]).abs().amax((1, 3)).flatten())
                down = down.maximum(read[first : first + width])
            scale = torch.where((up > 0) & (down > 0), (up / down).sqrt(), 1.0)
            for tensor in (source.weight, source.bias, peaks[link.source]):
                tensor /= scale.reshape(-1, *[1] * (tensor.ndim - 1))
            for name, first in link.readers:
                _scale_inputs(layers[name], first, scale)
            moved = max(moved, scale.log2().abs().max().item())
        if moved < SETTLED:
            break


def _relative(sizes: torch.Tensor) -> torch.Tensor:
    return sizes / sizes.max().clamp(min=torch.finfo(sizes.dtype).tiny)


def _by_input(layer: nn.Conv2d) -> torch.Tensor:
    """Return the weights as (groups, outputs of each, inputs of each, window)."""
    outputs, inputs = layer.weight.shape[:2]
    return layer.weight.reshape(layer.groups, outputs // layer.groups, inputs, -1)


def _scale_inputs(layer: nn.Conv2d, first: int, scale: torch.Tensor) -> None:
    """Multiply the weights that read the input channels from `first` on."""
    whole = torch.ones(layer.in_channels)
    whole[first : first + len(scale)] = scale
    scaled = _by_input(layer) * whole.reshape(layer.groups, 1, -1, 1)
    layer.weight.copy_(scaled.reshape(layer.weight.shape))
