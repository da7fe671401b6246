"""The loss: the labels, smoothed or not, and the answers of a teacher."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional

from ... import Refusal
from ..config import NetworkConfig
from ..network import Network
from ..run import load_float
from .recipe import Training


def teacher(run: str | Path, config: NetworkConfig) -> Network:
    """Return the float network of `run`, which must see and say what `config` does.

    Raises
    ------
    Refusal
        Where `run` holds no float network, or one of other pictures or classes.
    """
    found = load_float(run, "teacher")
    for key in ("input", "classes"):
        theirs, ours = getattr(found.config, key), getattr(config, key)
        if theirs != ours:
            raise Refusal(f"teacher {run}: {key} must be the network's {ours}, not {theirs}")
    return found.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def loss(
    training: Training,
    logits: torch.Tensor,
    labels: torch.Tensor,
    told: torch.Tensor | None,
) -> torch.Tensor:
    """Return the mean loss of a batch.

    With a teacher's logits `told`, of weight w and temperature T (Hinton et al. 2015, section 2):
    (1 - w) cross-entropy + w T^2 KL(softmax(told / T) || softmax(logits / T)).
    """
    hard = functional.cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
    if told is None:
        return hard
    soft = functional.kl_div(
        functional.log_softmax(logits / training.temperature, 1),
        functional.log_softmax(told / training.temperature, 1),
        reduction="batchmean",
        log_target=True,
    )
    weight = training.distill
    return (1 - weight) * hard + weight * training.temperature**2 * soft
