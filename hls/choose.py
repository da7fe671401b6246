"""The folding of a network: given, for an interval, or the fastest that the board holds.

The solver sees the convolutions; the rest of the network (streams' widths, forks, pools, FIFOs) is
known when they are wired. So it is asked again with what the rest took, until all fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .. import Refusal
from .board import Board
from .design import Design
from .ir import Concat, Depthwise, Fold, MaxPool, Network, Output
from .memory import Estimate, Placed, place, total
from .passes import solve
from .passes.folding import Option, options
from .passes.wiring import wire
from .resources import logic

ROUNDS = 5  # of solver and wiring


@dataclass(frozen=True)
class Choice:
    """A folded network, placed.

    Attributes
    ----------
    design : Design
    placed : tuple of Placed
        Its memories, in the order of `design.memories`.
    costs : mapping
        Layer to its logic and memories.
    bound : int
        No folding that fits is faster, as far as the layers go; 0 where nothing was searched.
    binding : list of str
        What of the board, or that the network itself, keeps it from being faster.

    """

    design: Design
    placed: tuple[Placed, ...]
    costs: Mapping[str, Estimate]
    bound: int = 0
    binding: Sequence[str] = ()

    @property
    def cost(self) -> Estimate:
        """The whole design's."""
        return sum(self.costs.values(), Estimate())


def choose(
    network: Network,
    board: Board,
    given: Mapping[str, tuple[Fold, ...]],
    interval: int | None,
    must_fit: bool,
    say: Callable[[str], None],
) -> Choice:
    """Return the fastest design that fits, or the smallest that keeps `interval`.

    Parameters
    ----------
    given : mapping
        Layers whose foldings are fixed, to the forms that these may take. With all layers given
        there is nothing to be fast at: the smallest form is taken.
    must_fit : bool
        Refuse an interval for which the board has no room; else the limits only weigh.

    Raises
    ------
    Refusal
        No folding keeps the interval, or none that does fits.

    """
    say("folding")
    choices = {
        conv.name: options(network, conv, board, given.get(conv.name))
        for conv in network.convolutions
    }
    most, floor = solve.limits(board), stream_floor(network)
    if interval is not None:
        _possible(network, choices, floor, interval)
    everything = len(given) == len(choices)
    others, bound, binding = Estimate(), 0, ()
    for _ in range(ROUNDS):
        target = interval
        if interval is None and not everything:
            best = solve.fastest(choices, most, others, floor)
            if best is not None:
                # proven by the first search, which has the whole board for the layers
                target, bound = best.interval, bound or best.bound
        found = solve.cheapest(choices, most, others, target)
        if found is None and interval is not None and must_fit:
            best = solve.fastest(choices, most, others, floor)
            least = f"interval must be at least {best.bound} cycles" if best else "must be smaller"
            raise Refusal(
                f"network {network.name}: {least} on {board.name}"
                + (f", not {interval}" if best else "")
            )
        if found is None:
            found = solve.cheapest(choices, most, others, target, bounded=False)
        choice, rest = _wired(network, board, found.options)
        if choice.design.interval > found.interval and interval is None and not everything:
            # a stream limits: what was widened in vain becomes narrow again
            interval, floor = choice.design.interval, choice.design.interval
            continue
        if _fits(choice.cost, most) or others == rest:
            break
        others = rest
    if bound:
        binding = solve.binding(choices, most, others, floor, choice.design.interval)
    return Choice(choice.design, choice.placed, choice.costs, bound, binding)


def stream_floor(network: Network) -> int:
    """Return the cycles below which a stream of the network cannot bring a frame.

    A beat has one pixel at most, one code at the output; the parts of a concatenation share their
    lanes; a pool and a depthwise convolution read one tap a cycle.
    """
    floor = 1
    for op in network.operations:
        height, width, channels = op.output.shape
        floor = max(floor, height * width)
        if isinstance(op, Depthwise | MaxPool):
            floor = max(floor, height * width * math.prod(op.kernel))
        if isinstance(op, Output):
            floor = max(floor, op.output.elements)
        if isinstance(op, Concat):
            parts = math.gcd(*(network.tensor(name).shape[2] for name in op.inputs))
            floor = max(floor, height * width * channels // parts)
    return floor


def _possible(
    network: Network, choices: Mapping[str, Sequence[Option]], floor: int, interval: int
) -> None:
    if interval < 1:
        raise Refusal(f"interval must be a positive number of cycles, not {interval}")
    for name, each in choices.items():
        least = min(option.cycles for option in each)
        if least > interval:
            raise Refusal(f"layer {name}: interval must be at least {least} cycles, not {interval}")


def _wired(network: Network, board: Board, chosen: Mapping[str, Option]) -> tuple[Choice, Estimate]:
    """Return the design of chosen options, and what it takes beside them."""
    design = wire(network, {name: option.fold for name, option in chosen.items()})
    blocks = {name: option.block for name, option in chosen.items()}
    placed = place(design.memories, board, blocks)
    costs = dict.fromkeys((instance.layer for instance in design.instances), Estimate())
    places = iter(placed)
    for instance in design.instances:
        memories = [next(places) for _ in instance.memories]
        in_block = bool(memories) and memories[0].block  # a convolution's weights come first
        costs[instance.layer] += logic(instance, in_block) + total(memories)
    choice = Choice(design, placed, costs)
    convs = sum((option.cost for option in chosen.values()), Estimate())
    return choice, choice.cost + convs * -1


def _fits(cost: Estimate, most: Sequence[int]) -> bool:
    return all(need <= have for need, have in zip(solve.measures(cost), most, strict=True))
