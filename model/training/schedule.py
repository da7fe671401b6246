"""Learning rates: a warm-up, then one of the papers' schedules down to zero."""

from __future__ import annotations

import math

from .recipe import Training


def rate(training: Training, peak: float, step: int, steps: int, epoch: int) -> float:
    """Return the learning rate of a step.

    A function of the step alone, so that resuming needs no state.

    Parameters
    ----------
    training : Training
        Its `schedule` and warm-up; t is the share of the stage that is done.

        ============  ============================================================
        cosine        (1 + cos(pi t)) / 2 (Loshchilov & Hutter 2017)
        polynomial    (1 - t)**power; SqueezeNet: power 1 from 0.04, FireCaffe 0.5
        step          factor**floor(epochs done / every)
        ============  ============================================================
    peak : float
        The stage's highest learning rate, by which the above is multiplied.
    step : int
        Steps of the stage before this one.
    steps : int
        Of the stage.
    epoch : int
        Steps of an epoch.
    """
    longest = max(training.warmup_steps, round(training.warmup_epochs * epoch))
    peak *= min(1, (step + 1) / max(1, min(longest, steps)))
    done = step / steps
    if training.schedule == "cosine":
        return peak * (1 + math.cos(math.pi * done)) / 2
    if training.schedule == "polynomial":
        return peak * (1 - done) ** training.power
    return peak * training.factor ** (step // epoch // training.every)
