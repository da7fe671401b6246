"""Magnitude pruning: the smallest weights of every convolution become and stay zero.

Dense, sparse, and perhaps dense again, are stages of the training (`stages.planned`).
"""

from __future__ import annotations

import torch

from ... import Refusal
from ..config import NetworkConfig
from ..network import Network
from .stages import Stage

RAMP = 2 / 3  # of the sparse stage, over which gradual pruning reaches its goal
MASKS = 100  # that gradual pruning makes on the way


class Pruning:
    """Holds the removed weights at zero in sparse stages; a `stages.Constraint`.

    With ``pruning = "once"`` the masks are made at the start of the first sparse stage. With
    ``gradual`` a share s (1 - (1 - t)**3) of the weights is removed when t of the ramp is done (Zhu
    & Gupta 2017, equation 1); a weight that has grown in the meantime comes back.

    Attributes
    ----------
    masks : dict of str to Tensor
        By convolution, true where a weight is kept; empty outside sparse stages.
    """

    def __init__(self, config: NetworkConfig):
        self.training = config.training
        layers = [conv.name for conv in config.convolutions()]
        for name in self.training.layer_sparsity:
            if name not in layers:
                raise Refusal(
                    f"network {config.name}: training: layer_sparsity takes {', '.join(layers)}, "
                    f"not {name}"
                )
        self.masks: dict[str, torch.Tensor] = {}
        self.growing, self.made = False, 0

    def enter(self, network: Network, stage: Stage) -> None:
        """Make the masks of the first sparse stage, keep them for the next, drop them after."""
        self.growing = False
        if not stage.sparse:
            self.masks = {}
        elif not self.masks:
            self.growing, self.made = self.training.pruning == "gradual", 0
            self._mask(network, 0.0 if self.growing else 1.0)

    def stepped(self, network: Network, done: float) -> None:
        """Make new masks where it is time."""
        due = int(min(1.0, done / RAMP) * MASKS)
        if self.growing and due > self.made:
            self.made = due
            self._mask(network, 1 - (1 - due / MASKS) ** 3)
            self.growing = due < MASKS

    @torch.no_grad()
    def apply(self, network: Network) -> None:
        """Set the removed weights to zero."""
        for name, layer in network.convolutions():
            if name in self.masks:
                layer.weight.masked_fill_(~self.masks[name], 0)

    def state_dict(self) -> dict[str, object]:
        """Return the masks and how far gradual pruning is."""
        return {"masks": self.masks, "growing": self.growing, "made": self.made}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Take what `state_dict` returned."""
        self.masks, self.growing, self.made = state["masks"], state["growing"], state["made"]

    def _mask(self, network: Network, share: float) -> None:
        """Keep all but `share` of what is to be removed, the smallest of every convolution."""
        for name, layer in network.convolutions():
            goal = self.training.layer_sparsity.get(name, self.training.sparsity)
            size = layer.weight.detach().abs().flatten()
            removed = round(goal * share * len(size))
            keep = torch.ones(len(size), dtype=torch.bool)
            keep[size.argsort(stable=True)[:removed]] = False
            self.masks[name] = keep.view(layer.weight.shape)


@torch.no_grad()
def sparsity(network: Network) -> dict[str, object]:
    """Return the shares of zeros among the stored weights of a quantized `network`.

    Returns
    -------
    dict
        `sparsity` of all weights, and `sparsity_by_layer`. Small weights that the quantizer rounds
        to zero count, too.
    """
    zeros, sizes = {}, {}
    for name, layer in network.convolutions():
        values = layer.quant_weight().value
        zeros[name], sizes[name] = int((values == 0).sum()), values.numel()
    return {
        "sparsity": round(sum(zeros.values()) / sum(sizes.values()), 6),
        "sparsity_by_layer": {name: round(zeros[name] / sizes[name], 6) for name in zeros},
    }
