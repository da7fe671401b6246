"""Exact simplifications of steps: filters that a `Slice` drops, quantizers that occur twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .. import Refusal
from .steps import Convolve, Join, Quantize, Select, Step, Steps, Sum


def merge_twins(model: Steps) -> Steps:
    """Return `model` with equal quantizers of one tensor merged into the first of them."""
    first: dict[tuple, str] = {}
    same: dict[str, str] = {}
    steps = []
    for step in model.steps:
        if isinstance(step, Join | Sum):
            step = replace(step, inputs=tuple(same.get(t, t) for t in step.inputs))
        else:
            step = replace(step, input=same.get(step.input, step.input))
        if isinstance(step, Quantize):
            key = (step.input, step.quantizer)
            if key in first:
                same[step.output] = first[key]
                continue
            first[key] = step.output
        steps.append(step)
    return replace(model, steps=tuple(steps), output=same.get(model.output, model.output))


def prune(model: Steps) -> Steps:
    """Return `model` without Select steps, their filters cut from the convolutions before them.

    Raises
    ------
    Refusal
        Where a selected tensor does not come from one convolution that nothing else reads.

    """
    while (select := next((s for s in model.steps if isinstance(s, Select)), None)) is not None:
        model = replace(model, steps=_pushed_back(model, select))
    return model


def _pushed_back(model: Steps, select: Select) -> tuple[Step, ...]:
    """Return the steps with `select`, the first of its kind, applied to its convolution."""
    channels = np.asarray(select.channels)
    makers = {step.output: step for step in model.steps}
    cut: dict[str, Step] = {}  # by the old name of the output
    tensor = select.input
    while True:
        maker = makers.get(tensor)
        if maker is None or isinstance(maker, Join | Sum):
            kind = "concatenation" if isinstance(maker, Join) else "addition"
            what = "the input" if maker is None else f"the {kind} {maker.name}"
            raise Refusal(
                f"layer {select.name}: a Slice of channels must follow one convolution, not {what}"
            )
        if len(model.readers(tensor)) > 1 or tensor == model.output:
            raise Refusal(
                f"layer {select.name}: a Slice of channels must be the only reader of "
                f"{maker.name}'s result"
            )
        shape = (*maker.shape[:2], len(channels))
        cut[tensor] = replace(maker, shape=shape)
        if isinstance(maker, Convolve):
            bias = maker.bias.take(channels) if maker.bias else None
            cut[tensor] = replace(cut[tensor], weights=maker.weights.take(channels), bias=bias)
            if not maker.depthwise:
                break
        tensor = maker.input
    last = cut[select.input]
    cut[select.input] = replace(last, output=select.output)
    return tuple(cut.get(step.output, step) for step in model.steps if step is not select)
