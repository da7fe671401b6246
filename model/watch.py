"""Looking at what the convolutions of a network put out while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from .network import Network

Look = Callable[[str, nn.Module, Any, torch.Tensor], torch.Tensor | None]


@contextmanager
def watched(network: Network, look: Look) -> Iterator[None]:
    """Call `look` with each convolution's name, layer, input and output.

    It may return another output.
    """
    handles = [
        layer.register_forward_hook(lambda layer, x, y, name=name: look(name, layer, x[0], y))
        for name, layer in network.convolutions()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def by_channel(
    network: Network, pictures: torch.Tensor, measure: Callable[[torch.Tensor], torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Return `measure` of the output of every convolution over `pictures`, by layer.

    Parameters
    ----------
    network : Network
        Put into evaluation.
    pictures : tensor, (N, 3, H, W)
        Pixels * 2**-8.
    measure : callable
        From an output (N, channels, height, width) to a number for each channel, mean or maximum.
    """
    found = {}

    def look(name: str, _: nn.Module, __: Any, output: torch.Tensor) -> None:
        found[name] = measure(output)

    with watched(network.eval(), look):
        network.features(pictures)
    return found
