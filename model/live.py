"""Live activations: equality on a network whose tensors are all zero or all clamped shows nothing.

`settle` chooses biases and scales of an untrained network so that every activation is alive;
`live` measures it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from . import quantizers
from ._brevitas import QuantConv2d, QuantReLU
from .config import NetworkConfig
from .exact import chunk, tensor
from .graph import Op
from .network import Network
from .threads import threads

TOP = 0.995  # the quantile of the positive values that must clamp
DIM = 0.18  # of a map that is pooled or added, so many are positive: 9 of them have 0.83 together


@torch.no_grad()
def settle(network: Network, pictures: np.ndarray) -> None:
    """Calibrate an untrained `network` on `pictures`, uint8 (N, H, W, 3).

    In order of execution, each channel's bias takes away its median, so that about half of the
    values pass the ReLU, and each scale is the largest that still clamps the highest half percent
    of them, which leaves at least half of the codes in use. Where a max pool or a bypass follows
    fewer pass, for either would leave hardly a zero. Averages over maps of which half is positive
    are never zero: before fc, every other channel is dark on half of the pictures.
    """
    dim, dark = _dimmed(network.config)
    name = {relu: name for name, relu in network.activations()}

    def visit(
        relu: QuantReLU, layers: list[QuantConv2d], values: list[torch.Tensor]
    ) -> list[torch.Tensor]:
        if layers:
            share = DIM if name[relu] in dim else 0.5
            pairs = zip(layers, values, strict=True)
            values = [_centre(*pair, share, name[relu] in dark) for pair in pairs]
        _scale(relu, values)
        return values

    network.eval()
    network.calibrate_weights()
    with threads(network.config, len(pictures)):
        _centre(network.classifier, network.features(tensor(pictures), visit))


def _dimmed(config: NetworkConfig) -> tuple[set[str], set[str]]:
    """Return the quantizers before a max pool or an addition of their module, and an average."""
    nodes = {node.name: node for node in config.nodes}
    dim, dark = set(), set()

    def look(name: str, module: str, into: set[str]) -> None:
        node = nodes.get(name)
        if node is None or (module and node.module != module):
            return
        if node.op is Op.RELU:
            into.add(node.quantizer)
        elif node.op is Op.CONCAT:
            for part in node.inputs:
                look(part, module, into)

    for node in config.nodes:
        if node.op is Op.MAX:
            look(node.inputs[0], "", dim)
        elif node.op is Op.ADD:
            for part in node.inputs:
                look(part, node.module, dim)
        elif node.op is Op.AVERAGE and node.quantizer:
            look(node.inputs[0], "", dark)
    return dim, dark


def _centre(
    layer: QuantConv2d, values: torch.Tensor, share: float = 0.5, dark: bool = False
) -> torch.Tensor:
    """Leave `share` of each channel's `values` positive through the bias of `layer`.

    With `dark`, every other channel on half of the pictures only.
    """
    rows = values.transpose(0, 1).flatten(1)
    level = rows.kthvalue(max(1, math.ceil((1 - share) * rows.shape[1])), 1).values
    if dark:
        level[::2] = values.amax((2, 3)).median(0).values[::2]
    layer.bias -= level
    return values - level[:, None, None]


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
        `name` (of the convolution before the ReLU, of the bypass or of the max pool), `distinct`
        codes, the shares `nonzero` and `clamped` (of a pool: of the largest code), and `alive`: at
        least 8 distinct codes (all of them below 3 bits), 10 to 90 % non-zero, some clamped.
    """
    calls: dict[str, list[tuple[np.ndarray, int, int]]] = {}
    served: dict[str, list[str]] = {}
    for node in network.nodes.values():
        if node.quantizer:
            served.setdefault(node.quantizer, []).append(node.name.removesuffix("/relu"))

    def look(relu: QuantReLU, names: list[str]) -> Any:
        bits = int(relu.act_quant.bit_width())

        def hook(_: Any, inputs: tuple[torch.Tensor], output: Any) -> None:
            over = (inputs[0] / output.scale > (1 << bits) - 0.5).sum().item()
            counts = _counts(output, bits)
            names.append(names.pop(0))  # a shared activation is called in turn
            calls.setdefault(names[-1], []).append((counts, over, bits))

        return relu.register_forward_hook(hook)

    def look_pool(name: str) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            bits = int(output.bit_width)
            counts = _counts(output, bits)
            calls.setdefault(name, []).append((counts, int(counts[-1]), bits))

        return hook

    handles = [look(relu, served[name]) for name, relu in network.activations()]
    handles += [pool.register_forward_hook(look_pool(name)) for name, pool in network.max_pools()]
    try:
        some = chunk(network.config)
        with threads(network.config, some):
            for start in range(0, len(codes), some):
                network.eval().features(tensor(codes[start : start + some]))
    finally:
        for handle in handles:
            handle.remove()
    return [_statistics(name, parts) for name, parts in calls.items()]


def _counts(output: Any, bits: int) -> np.ndarray:
    """Return how often each code is in a quantized tensor."""
    codes = (output.value / output.scale).to(torch.int64).flatten()
    return torch.bincount(codes, minlength=1 << bits).numpy()


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


def noise(rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Return `count` pictures of random full-range bytes."""
    return rng.integers(0, 256, (count, *size, 3), dtype=np.uint8)


def smooth(rng: np.random.Generator, count: int, size: tuple[int, int]) -> np.ndarray:
    """Return `count` pictures of soft random patches, nearer to photographs than noise is."""
    coarse = torch.from_numpy(rng.uniform(0, 256, (count, 3, 5, 5)))
    fine = torch.nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=True)
    return fine.floor().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
