"""How a network is trained, as data: the table ``[training]`` of its TOML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ... import Refusal

SCHEDULES = ("cosine", "polynomial", "step")
OPTIMIZERS = ("adam", "sgd")
PRUNINGS = ("once", "gradual")


@dataclass(frozen=True)
class Augment:
    """How training pictures are varied, each anew in every epoch; see `augment.varied`.

    Attributes
    ----------
    shift : float
        Farthest move in both directions, a share of the picture's longer side.
    mirror : bool
        Flip half of the pictures left to right, where the data set allows it.
    rotate : float
        Largest angle in degrees.
    scale : float
        Largest enlargement, as a share; shrunk by as much.
    colour : float
        Brightness, contrast and saturation change by up to this share each.
    noise : float
        Largest standard deviation of Gaussian noise, a share of the full range.
    erase : float
        Largest side of a square of one random colour, a share of the picture's (random erasing,
        Zhong et al. 2020).
    """

    shift: float = 1 / 16
    mirror: bool = True
    rotate: float = 0.0
    scale: float = 0.0
    colour: float = 0.0
    noise: float = 0.0
    erase: float = 0.0


@dataclass(frozen=True)
class Training:
    """How long and how fast to train; see `zynqfire.model.train`.

    Attributes
    ----------
    float_epochs, sparse_epochs, dense_epochs, quantized_epochs, merged_epochs : int
        Of the stages; sparse only with `sparsity`, dense only with `dsd`.
    batch : int
        Pictures a step, over all processes.
    rate : float
        Peak learning rate of the float stage; the others' are parts of it (`stages.SLOWER`).
    schedule : str
        From the rate to 0 in every stage: ``cosine``; ``polynomial``, (1 - t)**`power`; or
        ``step``, times `factor` after `every` epochs.
    warmup_steps, warmup_epochs : int, float
        The longer of both: the rate rises linearly at the start of every stage.
    optimizer : str
        ``adam``, or ``sgd`` with `momentum`.
    weight_decay : float
        Of the convolutions' weights only; decoupled under adam (AdamW).
    label_smoothing : float
        Share of the target that is spread over all classes.
    distill : float
        Weight of the teacher's answer in the loss, the labels' is 1 - `distill`; the teacher is
        another run's float network, or else this run's own before.
    temperature : float
        Both answers are softened by, Hinton et al. 2015.
    ema : float
        Decay a step of the running average of the weights, which is what is evaluated and
        exported; 0 is no average.
    sparsity : float
        Share of each convolution's weights that is removed by magnitude.
    layer_sparsity : mapping
        The same for single convolutions, ``{conv1 = 0}``.
    pruning : str
        ``once`` at the start of the sparse stage, or ``gradual`` over two thirds of it.
    dsd : bool
        Let the removed weights grow again in a dense stage (Han et al. 2017): a better network, no
        smaller one.
    """

    float_epochs: int = 10
    sparse_epochs: int = 6
    dense_epochs: int = 4
    quantized_epochs: int = 10
    merged_epochs: int = 4
    batch: int = 64
    rate: float = 0.003
    schedule: str = "cosine"
    power: float = 1.0
    every: int = 10
    factor: float = 0.1
    warmup_steps: int = 20
    warmup_epochs: float = 0.0
    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    augment: Augment = Augment()
    distill: float = 0.0
    temperature: float = 4.0
    ema: float = 0.0
    sparsity: float = 0.0
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    pruning: str = "once"
    dsd: bool = False

    @property
    def prunes(self) -> bool:
        """Whether any weight is to be removed."""
        return any([self.sparsity, *self.layer_sparsity.values()])


def check_training(training: Training, where: str) -> None:
    """Refuse a recipe that cannot be followed.

    Raises
    ------
    Refusal
        With the first rule that is broken; `where` says in which network.
    """

    def need(good: bool, what: str, value: Any) -> None:
        if not good:
            raise Refusal(f"{where}: training: {what}, not {value}")

    def between(low: float, high: float, *keys: str) -> None:
        for key in keys:
            holder, _, name = key.rpartition(".")
            value = getattr(training.augment if holder else training, name)
            need(low <= value <= high, f"{key} must be from {low} to {high}", value)

    def below_one(key: str, value: float) -> None:
        need(0 <= value < 1, f"{key} must be from 0 to below 1", value)

    def known(key: str, choices: tuple[str, ...]) -> None:
        value = getattr(training, key)
        need(value in choices, f"{key} must be one of {', '.join(choices)}", value)

    stages = ("float", "sparse", "dense", "quantized", "merged")
    between(0, 100000, *(f"{stage}_epochs" for stage in stages))
    between(1, 65536, "batch")
    rate = training.rate
    need(rate > 0 and math.isfinite(rate), "rate must be above 0", rate)
    need(rate <= 1000, "rate must be at most 1000", rate)
    known("schedule", SCHEDULES)
    known("optimizer", OPTIMIZERS)
    known("pruning", PRUNINGS)
    between(0, 100, "power", "temperature")
    need(training.temperature > 0, "temperature must be above 0", training.temperature)
    between(1, 100000, "every")
    between(0, 1, "factor", "weight_decay", "distill")
    between(0, 100000, "warmup_steps", "warmup_epochs")
    for key in ("momentum", "label_smoothing", "ema", "sparsity"):
        below_one(key, getattr(training, key))
    for layer, share in training.layer_sparsity.items():
        below_one(f"layer_sparsity of {layer}", share)
    need(training.prunes or not training.dsd, "dsd needs a sparsity above 0", 0)
    between(0, 1, *(f"augment.{key}" for key in ("shift", "scale", "colour", "noise", "erase")))
    need(training.augment.scale < 1, "augment.scale must be below 1", training.augment.scale)
    between(0, 180, "augment.rotate")
