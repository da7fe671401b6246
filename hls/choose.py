"""The folding of a network: given, for an interval, or the fastest that the board holds.

The solver sees the convolutions; the rest of the network (streams' widths, forks, pools, FIFOs) is
known when they are wired. So it is asked again with what the rest took, until all fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .. import Refusal
from .board import Board
from .cuts import RAMB36_BITS
from .design import Design
from .fold import Fold
from .ir import Concat, Depthwise, MaxPool, Network, Output
from .memory import LUT_SHARE, Estimate, Placed, total
from .passes import solve
from .passes.folding import Option, options
from .passes.placement import Placement, place
from .passes.wiring import wire
from .resources import logic

ROUNDS = 5  # of solver and wiring


@dataclass(frozen=True)
class Choice:
    """A folded network, placed.

    Attributes
    ----------
    design : Design
    placement : Placement
        Its memories, in the order of `design.memories`.
    costs : mapping
        Layer to its logic and memories.
    bound : int
        No folding that fits is faster, as far as the layers go; 0 where nothing was searched.
    binding : list of str
        What of the board, or that the network itself, keeps it from being faster.

    """

    design: Design
    placement: Placement
    costs: Mapping[str, Estimate]
    bound: int = 0
    binding: Sequence[str] = ()

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Its memories, in the order of `design.memories`."""
        return self.placement.placed

    @property
    def cost(self) -> Estimate:
        """The whole design's."""
        return sum(self.costs.values(), Estimate())

    def excess(self, board: Board) -> str:
        """Return what must fit `board` and does not, in words; empty where all fits."""
        cost, memories = self.cost, total(self.placed)
        luts = cost.lut + cost.lutram + cost.srl
        for need, have, what in (
            (luts, board.lut, "LUTs"),
            (cost.ff, board.ff, "flip-flops"),
            (cost.dsp, board.dsp, "DSPs"),
        ):
            if need > have:
                return f"must fit {board.name}'s {have} {what}, it needs about {need}"
        pairs = (
            ("block RAM (RAMB36)", memories.bram36, board.bram36),
            ("UltraRAM (URAM288)", memories.uram, board.uram),
            ("LUT RAM (LUTs)", memories.lutram, board.slicem_lut),
            ("LUTs for memory", memories.lut + memories.lutram, int(LUT_SHARE * board.lut)),
        )
        over = [f"{what} {need:g} of {have}" for what, need, have in pairs if need > have]
        return f"memories must fit {board.name}, they take {', '.join(over)}" if over else ""


def choose(
    network: Network,
    board: Board,
    given: Mapping[str, tuple[Fold, ...]],
    interval: int | None,
    say: Callable[[str], None],
) -> Choice:
    """Return the fastest design that fits, or the smallest that keeps `interval`.

    Parameters
    ----------
    given : mapping
        Layers whose foldings are fixed, to the forms that these may take. With all layers given
        there is nothing to be fast at: the smallest form is taken.

    Raises
    ------
    Refusal
        No folding keeps the interval. What does not fit is the caller's to refuse.

    """
    say("folding")
    without = None
    weights = sum(conv.weights.size * conv.stored_bits for conv in network.convolutions)
    # UltraRAM must be loaded at boot: only where block RAM does not do
    if board.uram and weights <= board.bram36 * RAMB36_BITS:
        plain = replace(board, uram=0)
        choices = _choices(network, plain, given)
        if solve.cheapest(choices, solve.limits(plain), Estimate(), interval):
            without = _choose(network, plain, choices, given, interval, rounds=1)
            if not without.excess(plain) and "block RAM" not in without.binding:
                return without
    choice = _choose(network, board, _choices(network, board, given), given, interval)
    if without and not without.excess(plain):
        return min(without, choice, key=lambda each: each.design.interval)
    return choice


def _choices(
    network: Network, board: Board, given: Mapping[str, tuple[Fold, ...]]
) -> dict[str, list[Option]]:
    return {
        conv.name: options(network, conv, board, given.get(conv.name))
        for conv in network.convolutions
    }


def _choose(
    network: Network,
    board: Board,
    choices: Mapping[str, Sequence[Option]],
    given: Mapping[str, tuple[Fold, ...]],
    interval: int | None,
    rounds: int = ROUNDS,
) -> Choice:
    floor = stream_floor(network)
    if interval is not None:
        _possible(network, choices, floor, interval)
    search = _Search(network, board, choices, solve.limits(board))
    if interval is None and len(given) < len(choices):
        return search.fastest(floor)
    return search.smallest(interval, rounds)


@dataclass(frozen=True)
class _Search:
    network: Network
    board: Board
    choices: Mapping[str, Sequence[Option]]
    most: Sequence[int]

    def smallest(self, interval: int | None, rounds: int = ROUNDS) -> Choice:
        """Return the smallest design that keeps `interval`, one that fits if any is found."""
        others = Estimate()
        for _ in range(rounds):
            choice, rest = self._wired(self._cheapest(others, interval))
            if self._fits(choice) or others == rest:
                break
            others = rest
        return choice

    def fastest(self, floor: int) -> Choice:
        """Return the fastest design that fits, with a proven bound; one too large if none does.

        What others take of the board depends on the speed: a slower design, wired, may show that
        there is room for a faster one.
        """
        others, bound, kept, fits = Estimate(), 0, None, False
        for _ in range(2 * ROUNDS):
            best = solve.fastest(self.choices, self.most, others, floor)
            # proven by the first search, which has the whole board for the layers
            bound = bound or (best.bound if best else 0)
            target = max(best.interval, floor) if best else None
            if fits and (target is None or target >= kept.design.interval):
                break
            choice, rest = self._wired(self._cheapest(others, target))
            if target is not None and choice.design.interval > target:
                # a stream limits: what was widened in vain becomes narrow again
                floor = choice.design.interval
                continue
            if self._fits(choice) or not fits:
                kept, fits = choice, self._fits(choice)
            if others == rest or (fits and kept.design.interval <= bound):
                break
            others = rest
        kept = kept or choice
        if fits:
            kept = self._between(kept, max(bound, floor))
        limits = solve.binding(self.choices, self.most, others, floor, kept.design.interval)
        return replace(kept, bound=bound, binding=limits if bound else ())

    def _between(self, kept: Choice, least: int) -> Choice:
        """Return `kept` or a faster design that fits, by bisection."""
        cycles = {option.cycles for options in self.choices.values() for option in options}
        steps = sorted(c for c in {*cycles, least} if least <= c < kept.design.interval)
        low, high = 0, len(steps)
        while low < high:
            middle = (low + high) // 2
            choice = self.smallest(steps[middle])
            if choice.design.interval <= steps[middle] and self._fits(choice):
                kept, high = choice, middle
            else:
                low = middle + 1
        return kept

    def _cheapest(self, others: Estimate, interval: int | None) -> Mapping[str, Option]:
        found = solve.cheapest(self.choices, self.most, others, interval)
        if found is None:
            found = solve.cheapest(self.choices, self.most, others, interval, bounded=False)
        return found.options

    def _wired(self, chosen: Mapping[str, Option]) -> tuple[Choice, Estimate]:
        """Return the design of chosen options, and what it takes beside them."""
        network, board = self.network, self.board
        design = wire(network, {name: option.fold for name, option in chosen.items()})
        blocks = {name: option.block for name, option in chosen.items()}
        costs = dict.fromkeys((instance.layer for instance in design.instances), Estimate())
        for instance in design.instances:
            costs[instance.layer] += logic(instance, blocks.get(instance.layer, False))
        placement = place(design.memories, board, blocks, sum(costs.values(), Estimate()))
        places = iter(placement.placed)
        for instance in design.instances:
            costs[instance.layer] += total(next(places) for _ in instance.memories)
        choice = Choice(design, placement, costs)
        convs = sum((option.cost for option in chosen.values()), Estimate())
        return choice, choice.cost + convs * -1

    def _fits(self, choice: Choice) -> bool:
        needs, memories = solve.measures(choice.cost), total(choice.placed)
        in_luts = memories.lut + memories.lutram <= int(LUT_SHARE * self.board.lut)
        return in_luts and all(need <= have for need, have in zip(needs, self.most, strict=True))


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
