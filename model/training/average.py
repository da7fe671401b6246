"""The running average of a network's weights, which is often better than the last of them."""

from __future__ import annotations

import torch
from torch.optim.swa_utils import AveragedModel

from ..network import Network


def averaged(network: Network, decay: float) -> AveragedModel:
    """Return an average of `network` that `update_parameters` brings up to date.

    After n updates the average a becomes d a + (1 - d) w with d = min(`decay`, (1 + n) / (10 + n)),
    so that a short training is not held back by its first weights. The statistics of batch
    normalizations are averaged alike, so that they fit the averaged weights; quantizers' scales do
    not change within a stage and stay what they are.
    """

    def update(average: torch.Tensor, value: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        if not average.is_floating_point():  # the number of batches seen
            return value
        n = int(count)
        return average + (value - average) * (1 - min(decay, (1 + n) / (10 + n)))

    return AveragedModel(network, avg_fn=update, use_buffers=True)
