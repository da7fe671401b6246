"""Rounding a float network without training: scales chosen from pictures, biases corrected.

Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", section 3:
the scales of weights come from the weights, those of activations from the values of some pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from . import quantizers
from .config import NetworkConfig
from .network import Network
from .watch import by_channel, watched

SAMPLES = 1 << 22  # values of a map that its scale is chosen from: its squared error hardly varies


@torch.no_grad()
def rounded(
    network: Network, config: NetworkConfig, pictures: torch.Tensor, correct: bool = False
) -> Network:
    """Return the quantized form of a float network.

    The scales of weights leave the least squared error, as do those of activations over `pictures`,
    chosen in order of execution: each sees the values of the quantized network before it.

    Parameters
    ----------
    network : Network
        Float, without normalizations. It stays as it is.
    config : NetworkConfig
        The same network with the widths wanted.
    pictures : tensor, (N, 3, H, W)
        Pixels * 2**-8.
    correct : bool
        Take off each layer's bias, channel by channel, by how much the mean of its outputs over
        `pictures` differs from the float network's, before anything that follows is chosen (Nagel
        et al. 2019, section 4.2, with pictures in place of the statistics of normalizations).
    """
    result = Network(config, quantized=True, normalized=False).eval()
    missing, extra = result.load_state_dict(network.state_dict(), strict=False)
    if extra or any("_quant." not in key for key in missing):
        raise AssertionError(f"{config.name}: float weights differ by {missing + extra}")
    result = result.to(memory_format=torch.channels_last)
    result.calibrate_weights()
    generator = torch.Generator().manual_seed(0)

    def some(values: torch.Tensor) -> torch.Tensor:
        if values.numel() <= SAMPLES:
            return values
        return values.flatten()[torch.randint(values.numel(), (SAMPLES,), generator=generator)]

    def choose(relu: Any, _: list[Any], values: list[torch.Tensor]) -> list[torch.Tensor]:
        quantizers.calibrate_activation(relu, [some(value) for value in values], clamped=0)
        return values

    means = by_channel(network, pictures, lambda values: values.mean((0, 2, 3))) if correct else {}

    def corrected(name: str, layer: nn.Module, x: Any, y: torch.Tensor) -> torch.Tensor | None:
        if not correct:
            return None
        layer.bias -= y.mean((0, 2, 3)) - means[name]
        return layer.forward(x)  # the bias has a grid

    with watched(result, corrected):
        result.features(pictures, choose)
    return result
