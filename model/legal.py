"""What of a `NetworkConfig` cannot be built: one sentence each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .. import Refusal

if TYPE_CHECKING:
    from .config import NetworkConfig


def check(config: NetworkConfig) -> None:
    """Refuse a network that cannot be built.

    Raises
    ------
    Refusal
        With the first rule that is broken.
    """
    where = f"network {config.name}"

    def need(good: bool, what: str, value: Any) -> None:
        if not good:
            raise Refusal(f"{where}: {what}, not {value}")

    def between(value: float, low: float, high: float, what: str) -> None:
        need(low <= value <= high, f"{what} must be from {low} to {high}", value)

    for size in config.input:
        between(size, 1, 4096, "input")
    between(config.classes, 2, 65536, "classes")
    need(config.head >= config.classes, f"head must be at least {config.classes}", config.head)
    between(config.weight_bits, 2, 8, "weight_bits")
    between(config.activation_bits, 2, 8, "activation_bits")
    need(0 <= config.dropout < 1, "dropout must be from 0 to below 1", config.dropout)
    stem = config.conv1
    between(stem.channels, 1, 65536, "conv1: channels")
    between(stem.kernel, 1, 15, "conv1: kernel")
    between(stem.stride, 1, 8, "conv1: stride")
    between(stem.pad, 0, stem.kernel - 1, "conv1: pad")
    channels = stem.channels
    need(
        bool(config.fire) != bool(config.residual),
        "there must be either fire modules or residual blocks",
        "both" if config.fire else "none",
    )
    for number, fire in enumerate(config.fire, 2):
        here = f"fire{number}: "
        for key in ("squeeze", "expand1", "expand3"):
            between(getattr(fire, key), 1, 65536, here + key)
        need(fire.stride in (1, 2), f"{here}stride must be 1 or 2", fire.stride)
        if fire.bypass:
            need(fire.stride == 1, f"{here}a bypass needs stride 1", fire.stride)
            rule = f"{here}a bypass needs as many outputs as inputs, {channels}"
            need(fire.outputs == channels, rule, fire.outputs)
        channels = fire.outputs
    for number, block in enumerate(config.residual, 2):
        between(block.channels, 1, 65536, f"residual{number}: channels")
        need(block.stride in (1, 2), f"residual{number}: stride must be 1 or 2", block.stride)
    pool, modules = config.max_pool, ["conv1", *config.modules]
    between(pool.kernel, 1, 15, "max_pool: kernel")
    between(pool.stride, 1, pool.kernel, "max_pool: stride")
    for name in pool.after:
        need(name in modules, f"max_pool: after takes {', '.join(modules)}", name)
    between(config.head_pad, 0, 4096, "head_pad")
    if config.fc:
        need(not config.head_pad, "fc: head_pad is for conv10, it must be 0", config.head_pad)
        area = math.prod(config.pooled)
        what = "fc: the map averaged before it must have a power of two of positions"
        need(area & (area - 1) == 0, what, area)
    convolutions = [conv.name for conv in config.convolutions()]
    for name, bits in config.layers.items():
        for key, known in (
            ("weight_bits", convolutions),
            ("activation_bits", config.activations()),
        ):
            value = getattr(bits, key)
            if value is not None:
                need(name in known, f"{key} of a layer needs one of {', '.join(known)}", name)
                between(value, 2, 8, f"layers.{name}: {key}")
    training = config.training
    for key in ("float_epochs", "quantized_epochs", "merged_epochs"):
        between(getattr(training, key), 0, 100000, f"training: {key}")
    between(training.batch, 1, 65536, "training: batch")
    need(
        training.rate > 0 and math.isfinite(training.rate),
        "training: rate must be above 0",
        training.rate,
    )
