"""A network's hardware counted, not written: folded and placed for a board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import Refusal
from . import budget
from .board import Board
from .choose import Choice, choose
from .cuts import LUT_BITS, RAMB36_BITS, URAM_BITS
from .fold import Fold
from .ir import Conv, Depthwise, MaxPool, Network
from .memory import LUT_SHARE

SLOW = 4  # cycles for each pixel of the input, of what would fit no board of this size anyway
MUCH = 8  # times a board that is too small for an interval
Say = Callable[[str], None]


def folded(
    network: Network,
    board: Board,
    given: Mapping[str, tuple[Fold, ...]],
    interval: int | None,
    say: Say,
) -> Choice:
    """Return the fastest design that fits, or the smallest that keeps `interval`.

    It may be too large; see `hls.choose`.

    Raises
    ------
    Refusal
        No folding keeps the interval.

    """
    choice = choose(network, board, given, interval, say)
    cycles, what = choice.design.bottleneck
    if interval is not None and cycles > interval:
        raise Refusal(
            f"network {network.name}: the {what} needs {cycles} cycles a frame, more than the "
            f"interval {interval}"
        )
    return choice


def counted(network: Network, board: Board, interval: int | None, say: Say) -> dict[str, Any]:
    """Return the report of `network` on `board`, the fastest that fits or at `interval`.

    What cannot fit at any speed is not searched for long: it is folded for a board as many times
    larger as it needs, without an interval at a slow one.

    Raises
    ------
    Refusal
        No folding keeps the interval.
    """
    need, have = least_bits(network), capacity(board)
    if need <= have:
        try:
            return report(network, folded(network, board, {}, interval, say), board)
        except Refusal:  # perhaps because the board has not even one folding of a layer so fast
            if interval is None:
                raise
            result = report(network, folded(network, _times(board, MUCH), {}, interval, say), board)
            if result["fits"]:
                raise
            return result
    large = _times(board, -(-2 * need // have))
    height, width, _ = network.input.output.shape
    slow = [each * SLOW * height * width for each in (1, 4, 16)]
    for cycles in [interval] if interval is not None else slow:
        try:
            return report(network, folded(network, large, {}, cycles, say), board)
        except Refusal:  # a layer needs longer
            if interval is not None:
                raise
    return report(network, folded(network, large, {}, None, say), board)


def _times(board: Board, times: int) -> Board:
    return replace(board, **{name: times * each for name, each in board.limits.items()})


def report(network: Network, choice: Choice, board: Board) -> dict[str, Any]:
    """Return the budget of a design on `board`."""
    return budget.report(facts(network, choice, board))


def facts(network: Network, choice: Choice, board: Board) -> dict[str, Any]:
    """Return what a manifest says of a design for its budget."""
    rows = [row for each in choice.placed for row in each.rows()]
    return budget.facts(
        network,
        board.name,
        board.limits,
        choice.design.interval,
        rows,
        choice.costs,
        choice.placement.shares,
    )


def least_bits(network: Network) -> int:
    """Return bits below which no memory holds `network`, however it is folded.

    Weights, and of maps under a kernel all rows but one.
    """
    bits = 0
    for op in network.operations:
        if isinstance(op, Conv | Depthwise):
            bits += op.weights.size * op.stored_bits
        if isinstance(op, Conv | Depthwise | MaxPool):
            source = network.tensor(op.input)
            height, width, channels = source.shape
            rows = min(op.kernel[0], height) - 1
            bits += rows * width * channels * source.qtype.bits
    return bits


def capacity(board: Board) -> int:
    """Return all bits of memory that `board` has, those of LUTs for memory among them."""
    luts = int(board.lut * LUT_SHARE)
    return board.bram36 * RAMB36_BITS + board.uram * URAM_BITS + luts * LUT_BITS


def must_be_possible(network: Network, board: Board, otherwise: str) -> None:
    """Refuse at once what cannot fit `board` at any speed; `otherwise` ends the sentence."""
    need, have = least_bits(network), capacity(board)
    if need > have:
        raise Refusal(
            f"network {network.name}: must fit {board.name}'s {have} bits of on-chip memory, its "
            f"weights and rows alone need {need}; {otherwise}"
        )
