"""Live activations: equality on a network whose tensors are all zero or all clamped shows nothing.

`settle` chooses biases and scales of an untrained network so that every activation is alive;
`live` measures it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantReLU

from . import quantizers
from .exact import tensor
from .network import FireModule, Network

TOP = 0.995  # the quantile of the positive values that must clamp


@torch.no_grad()
def settle(network: Network, pictures: np.ndarray) -> None:
    """Calibrate an untrained `network` on `pictures`, uint8 (N, H, W, 3).

    In order of execution, each channel's bias takes away its median, so that about half of the
    values pass the ReLU, and each scale is the largest that still clamps the highest half percent
    of them, which leaves at least half of the codes in use.
    """
    network.eval()
    network.calibrate_weights()
    x = network.input(tensor(pictures))
    (x,) = _settle([network.conv1], network.conv1_relu, x)
    for module in network.fires:
        x = _settle_fire(module, x)
    _centre(network.conv10, network.conv10(x))


def _settle_fire(module: FireModule, x: Any) -> Any:
    (squeezed,) = _settle([module.squeeze], module.squeeze_relu, x)
    y = torch.cat(_settle([module.expand1, module.expand3], module.expand_relu, squeezed), 1)
    if not module.bypass:
        return y
    total = x.value + y.value
    _scale(module.bypass_relu, [total])
    return module.bypass_relu(total)


def _settle(layers: list[QuantConv2d], relu: QuantReLU, x: Any) -> list[Any]:
    for layer in layers:
        _centre(layer, layer(x))
    values = [layer(x) for layer in layers]
    _scale(relu, values)
    return [relu(value) for value in values]


def _centre(layer: QuantConv2d, values: torch.Tensor) -> None:
    layer.bias -= values.transpose(0, 1).flatten(1).median(1).values


def _scale(relu: QuantReLU, values: list[torch.Tensor]) -> None:
    high = (1 << int(relu.act_quant.bit_width())) - 1
    tops = []
    for value in values:  # every branch of a shared activation must reach the top
        positive = value[value > 0].sort().values
        if len(positive):
            tops.append(positive[int(TOP * (len(positive) - 1))].item())
    if tops:
        quantizers.set_activation(relu, math.floor(math.log2(min(tops) / (high + 0.5))))


@torch.no_grad()
def live(network: Network, codes: np.ndarray) -> list[dict[str, Any]]:
    """Return how alive every activation tensor is over the pictures `codes`.

    Returns
    -------
    list of dict
        `name` (of the convolution before the ReLU, or of the bypass), `distinct` codes, the shares
        `nonzero` and `clamped`, and `alive`: at least 8 distinct codes (all of them below 3 bits),
        10 to 90 % non-zero, some clamped.
    """
    calls: dict[str, list[tuple[np.ndarray, int, int]]] = {}

    def look(name: str, relu: QuantReLU) -> Any:
        bits = int(relu.act_quant.bit_width())
        names = [f"{name}{n}" for n in (1, 3)] if name.endswith("/expand") else [name]

        def hook(_: Any, inputs: tuple[torch.Tensor], output: Any) -> None:
            scale = output.scale
            got = (output.value / scale).to(torch.int64).flatten()
            over = (inputs[0] / scale > (1 << bits) - 0.5).sum().item()
            counts = torch.bincount(got, minlength=1 << bits).numpy()
            names.append(names.pop(0))  # a shared activation is called in turn
            calls.setdefault(names[-1], []).append((counts, over, bits))

        return relu.register_forward_hook(hook)

    handles = [look(name, relu) for name, relu in network.activations()]
    try:
        for start in range(0, len(codes), 4):
            network.eval().features(tensor(codes[start : start + 4]))
    finally:
        for handle in handles:
            handle.remove()
    return [_statistics(name, parts) for name, parts in calls.items()]


def _statistics(name: str, parts: list[tuple[np.ndarray, int, int]]) -> dict[str, Any]:
    counts, over = sum(part[0] for part in parts), sum(part[1] for part in parts)
    distinct, nonzero = int((counts > 0).sum()), float(1 - counts[0] / counts.sum())
    enough = distinct >= min(8, 1 << parts[0][2])
    return {
        "name": name,
        "distinct": distinct,
        "nonzero": round(nonzero, 4),
        "clamped": round(over / int(counts.sum()), 6),
        "alive": bool(enough and 0.1 <= nonzero <= 0.9 and over > 0),
    }
