"""The parts of a training, how its epochs are shared out, and what holds for weights in a part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from ... import Refusal
from ..config import NetworkConfig
from ..network import Network

# What `training.rate` is divided by. Dense again: a tenth (Han et al. 2017).
SLOWER = {"float": 1, "sparse": 2, "dense": 10, "quantized": 2, "merged": 10}


@dataclass(frozen=True)
class Stage:
    """A part of the training with one form of the network.

    Attributes
    ----------
    rate : float
        Peak learning rate.
    quantized, normalized : bool
        The form, see `zynqfire.model.network.Network`.
    sparse : bool
        Whether pruned weights are held at zero.
    """

    name: str
    epochs: int
    rate: float
    quantized: bool
    normalized: bool
    sparse: bool = False


class Constraint(Protocol):
    """Something that holds for the weights: pruned ones are zero, all are in a codebook.

    The loop calls `enter` when a stage has its weights, before scales are chosen; then `stepped`
    after every step of the optimizer; and `apply` after each of the two, and on the average of the
    weights. What a constraint knows is in its `state_dict`, which the checkpoint keeps; it must be
    of tensors and plain values.
    """

    def enter(self, network: Network, stage: Stage) -> None:
        """Start a stage that was not begun before."""

    def stepped(self, network: Network, done: float) -> None:
        """Take note of a step; `done` is the share of the stage, 1 after the last."""

    def apply(self, network: Network) -> None:
        """Make `network` obey, in place."""

    def state_dict(self) -> dict[str, Any]:
        """Return what is to be kept."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what was kept."""


def planned(config: NetworkConfig, epochs: int | None = None, scratch: bool = False) -> list[Stage]:
    """Return the stages of a training of `config`, those without epochs left out.

    Parameters
    ----------
    epochs : int, optional
        Over all stages, shared out as in `config.training`.
    scratch : bool
        With quantizers from the first epoch.

    Raises
    ------
    Refusal
        Where there are fewer epochs than stages, or nothing to prune from.
    """
    plan = config.training
    counts = {
        "float": plan.float_epochs,
        "sparse": plan.sparse_epochs if plan.prunes else 0,
        "dense": plan.dense_epochs if plan.dsd else 0,
        "quantized": plan.quantized_epochs,
        "merged": max(1, plan.merged_epochs),  # what is exported is always trained so for a while
    }
    if scratch:
        if plan.prunes:
            raise Refusal("train: --scratch has no float stage whose weights could be pruned")
        counts["quantized"] += counts.pop("float")
    counts = {name: count for name, count in counts.items() if count}
    if epochs is not None:
        if epochs < len(counts):
            raise Refusal(f"train: epochs must be at least {len(counts)}, not {epochs}")
        counts = _shared(counts, epochs)
    stages = []
    for name, count in counts.items():
        quantized, sparse = name in ("quantized", "merged"), name == "sparse"
        sparse |= quantized and plan.prunes and not plan.dsd
        rate = plan.rate / SLOWER[name]
        stages.append(Stage(name, count, rate, quantized, name != "merged", sparse))
    return stages


def _shared(counts: dict[str, int], epochs: int) -> dict[str, int]:
    """Return `epochs` in proportion to `counts`, at least one each."""
    spare, whole = epochs - len(counts), sum(counts.values())
    sums = [sum(list(counts.values())[:n]) for n in range(len(counts) + 1)]
    ends = [spare * part // whole for part in sums]
    return {name: 1 + ends[n + 1] - ends[n] for n, name in enumerate(counts)}
