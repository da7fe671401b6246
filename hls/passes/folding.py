"""How many multipliers each convolution gets: given, for an interval, or all the board holds.

Each convolution has a front of foldings, none both dearer and slower than another. Without a wish
the slowest layer is widened step by step along its front while everything fits the board.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ... import Refusal
from ..ir import Conv, Fold, Network
from ..resources import conv_luts
from .wiring import divisors


def from_file(network: Network, wanted: Mapping[str, object]) -> dict[str, Fold]:
    """Return the foldings of a JSON object, layer -> {"pe", "simd"}; all layers must be there.

    Raises
    ------
    Refusal
        For an unknown or missing layer, an unknown key, or a number that does not divide.

    """
    convs = {conv.name: conv for conv in network.convolutions}
    for name in wanted:
        if name not in convs:
            raise Refusal(f"folding: layer must be one of {', '.join(convs)}, not {name}")
    folds = {}
    for name, conv in convs.items():
        if name not in wanted:
            raise Refusal(f"folding: every layer must be there, {name} is missing")
        entry = wanted[name]
        if not isinstance(entry, Mapping) or not {"pe", "simd"} <= set(entry) <= {
            "pe",
            "simd",
            "pixels",
        }:
            raise Refusal(f"folding of {name}: must have the keys pe and simd, not {entry}")
        numbers = [entry["pe"], entry["simd"], entry.get("pixels", 1)]
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in numbers):
            raise Refusal(f"folding of {name}: pe, simd and pixels must be positive, not {entry}")
        if numbers[2] != 1:
            raise Refusal(f"folding of {name}: pixels must be 1 for now, not {numbers[2]}")
        folds[name] = Fold.of(conv, numbers[0], numbers[1])
    return folds


def for_interval(network: Network, interval: int) -> dict[str, Fold]:
    """Return the cheapest foldings with which no layer takes more than `interval` cycles."""
    if interval < 1:
        raise Refusal(f"interval must be a positive number of cycles, not {interval}")
    folds = {}
    for conv in network.convolutions:
        front = _front(network, conv)
        quick = [fold for fold in front if layer_cycles(network, conv, fold) <= interval]
        if not quick:
            least = layer_cycles(network, conv, front[-1])
            raise Refusal(
                f"layer {conv.name}: interval must be at least {least} cycles, not {interval}"
            )
        folds[conv.name] = quick[0]
    return folds


def widest(
    network: Network,
    logic_fits: Callable[[dict[str, Fold]], bool],
    memory_fits: Callable[[dict[str, Fold]], bool],
    kept: Mapping[str, Fold] | None = None,
) -> dict[str, Fold]:
    """Return the foldings reached by widening the slowest layer while everything fits.

    Layers of `kept` stay as they are; once one of them is the slowest, nothing is widened further.

    Wider layers also want wider, shallower memories, which fill block RAM worse. Placing those
    takes its time, so that the last step which they allow is found by bisection.
    """
    convs = {conv.name: conv for conv in network.convolutions}
    fronts = {name: _front(network, conv) for name, conv in convs.items()}
    fronts |= {name: [fold] for name, fold in (kept or {}).items()}
    level = dict.fromkeys(convs, 0)
    folds = {name: front[0] for name, front in fronts.items()}
    steps = [folds]
    while True:
        slowest = max(convs, key=lambda name: layer_cycles(network, convs[name], folds[name]))
        level[slowest] += 1
        if level[slowest] == len(fronts[slowest]):
            break
        folds = folds | {slowest: fronts[slowest][level[slowest]]}
        if not logic_fits(folds):
            break
        steps.append(folds)
    if memory_fits(steps[-1]):
        return steps[-1]
    fits, over = 0, len(steps) - 1
    while over - fits > 1:
        middle = (fits + over) // 2
        if memory_fits(steps[middle]):
            fits = middle
        else:
            over = middle
    return steps[fits]


def layer_cycles(network: Network, conv: Conv, fold: Fold) -> int:
    """Return a frame's cycles of `conv`, input and output beats included."""
    inputs = network.tensor(conv.input).elements // fold.lanes
    return max(fold.cycles(conv), inputs, conv.output.elements // fold.pe)


def _front(network: Network, conv: Conv) -> list[Fold]:
    """Return the foldings of `conv` from the cheapest to the fastest, each faster than the last."""
    outputs, kh, kw, channels = conv.weights.shape
    bits = network.tensor(conv.input).qtype.bits
    options = [
        Fold(pe, taps, lanes)
        for taps in sorted({1, kh, kh * kw})
        for lanes in divisors(channels)
        for pe in divisors(outputs)
    ]
    options.sort(
        key=lambda f: (conv_luts(conv, f, bits), layer_cycles(network, conv, f), f.taps, f.pe)
    )
    front: list[Fold] = []
    for fold in options:
        if not front or layer_cycles(network, conv, fold) < layer_cycles(network, conv, front[-1]):
            front.append(fold)
    return front
