"""What would make a network fit: a slower interval, fewer weight bits, a larger board.

Each change was counted as the budget is, and fits. They are ranked by what they cost: speed, then
accuracy, then money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import Refusal
from .board import Board
from .count import SLOW, Say, capacity, counted, least_bits
from .cuts import RAMB36_BITS
from .fewer_bits import weight_bits, with_weight_bits
from .ir import Conv, Depthwise, Network

FEWEST = 2  # bits of a weight
FILLED = 0.8  # of the block RAM that is left, with weights of more bits
TRIES = 3  # of fewer bits still, down to the fewest


def advise(
    network: Network,
    board: Board,
    interval: int | None,
    boards: Sequence[Board],
    say: Say,
) -> list[dict[str, Any]]:
    """Return the changes that make `network` fit, one of each kind at most, the best first.

    Parameters
    ----------
    interval : int, optional
        That was asked for; else there is no slower one to advise, the fastest that fits was sought.
    boards : sequence of Board
        To choose a larger one from.

    Returns
    -------
    list of dict
        `change` (interval, weight_bits or board), its values, `interval_cycles`, `used` as the
        budget says it, `fits` (true) and `text`.

    """
    found = []
    for change in (_slower, _narrower, _larger):
        advice = change(network, board, interval, boards, say)
        found += [advice] if advice else []
    return found


def in_words(result: Mapping[str, Any]) -> str:
    """Return one line: what is over, and the advice."""
    texts = [advice["text"] for advice in result["advice"]]
    would = "; ".join(f"{i}. {text}" for i, text in enumerate(texts, 1))
    most = result["over"][0]["text"]
    return f"{most}; {f'would fit: {would}' if texts else 'no change found that fits'}"


def _slower(network, board, interval, boards, say) -> dict[str, Any] | None:
    if interval is None or least_bits(network) > capacity(board):
        return None
    say("advice: looking for the least interval that fits")
    fastest = _quietly(network, board, None)
    if not fastest["fits"]:
        return None
    least = fastest["interval_cycles"]
    result = _quietly(network, board, least)
    what = f"--interval {least}, slower than {interval}"
    return _advice("interval", what, result, interval=least) if result["fits"] else None


def _narrower(network, board, interval, boards, say) -> dict[str, Any] | None:
    """Return which layers to give fewer bits, the largest first, and not many more than it takes.

    The network with the fewest bits shows how much block RAM is left for others to have more.
    """
    steps = _steps(network)
    if not steps or _bits(network, steps[-1]) > capacity(board):
        return None
    say("advice: looking for the layers to give fewer weight bits")
    height, width, _ = network.input.output.shape
    narrowest = with_weight_bits(network, steps[-1])
    result = _quietly(narrowest, board, interval or SLOW * height * width)
    if not result["fits"] and interval is None:
        result = _quietly(narrowest, board, None)
    if not result["fits"]:
        return None
    free = FILLED * (result["available"]["bram36"] - result["used"]["bram36"]) * RAMB36_BITS
    most = min(_bits(network, steps[-1]) + free, capacity(board))
    first, last = next(i for i, s in enumerate(steps) if _bits(network, s) <= most), len(steps) - 1
    own = weight_bits(network)
    for number in dict.fromkeys(first + (last - first) * n // TRIES for n in range(TRIES + 1)):
        layers = steps[number]
        result = _quietly(with_weight_bits(network, layers), board, interval)
        if result["fits"]:
            words = ", ".join(f"{name} {own[name]} to {to}" for name, to in layers.items())
            text = f"fewer weight bits in {len(layers)} of {len(own)} layers: {words}"
            return _advice("weight_bits", text, result, layers=layers)
    return None


def _larger(network, board, interval, boards, say) -> dict[str, Any] | None:
    """Return the smallest of `boards` on which it fits."""
    tried = {_offers(board)}
    for other in sorted(boards, key=lambda b: (capacity(b), b.lut, b.name)):
        if _offers(other) in tried or least_bits(network) > capacity(other):
            continue
        tried.add(_offers(other))
        say(f"advice: trying {other.name}")
        result = _quietly(network, other, interval)
        if result["fits"]:
            names = [each.name for each in boards if _offers(each) == _offers(other)]
            text = f"--board {' or '.join(names)}"
            return _advice("board", text, result, board=other.name, boards=names)
    return None


def _steps(network: Network) -> list[dict[str, int]]:
    """Return ever fewer bits: each time one less in the layer whose weights take most."""
    sizes = {
        op.name: op.weights.size for op in network.operations if isinstance(op, Conv | Depthwise)
    }
    own = weight_bits(network)
    now, steps = dict(own), []
    while wide := [name for name in now if now[name] > FEWEST]:
        most = max(wide, key=lambda name: sizes[name] * now[name])
        now[most] -= 1
        steps.append({name: bits for name, bits in now.items() if bits < own[name]})
    return steps


def _bits(network: Network, bits: Mapping[str, int]) -> int:
    """Return the least bits of memory of `network` with other weight bits in some layers."""
    saved = sum(
        op.weights.size * (op.stored_bits - bits[op.name])
        for op in network.operations
        if isinstance(op, Conv | Depthwise) and op.name in bits
    )
    return least_bits(network) - saved


def _quietly(network: Network, board: Board, interval: int | None) -> dict[str, Any]:
    """Return the report, of which `fits` alone is there where no folding keeps the interval."""
    try:
        return counted(network, board, interval, _silent)
    except Refusal:
        return {"fits": False}


def _silent(text: str) -> None:
    pass


def _offers(board: Board) -> tuple:
    return board.family, tuple(board.limits.values())


def _advice(change: str, what: str, result: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    used, available = result["used"], result["available"]
    parts = [f"{used['bram36']:g} of {available['bram36']} RAMB36"]
    if used["uram"]:
        parts.append(f"{used['uram']:g} of {available['uram']} UltraRAM")
    parts.append(f"{result['interval_cycles']} cycles a frame")
    return {
        "change": change,
        **values,
        "interval_cycles": result["interval_cycles"],
        "used": used,
        "fits": True,
        "text": f"{what}: {', '.join(parts)}",
    }
