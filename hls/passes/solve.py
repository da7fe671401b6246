"""The best folding of a network on a board, by constraint programming (OR-tools CP-SAT).

One choice of an `Option` a layer; sums of resources within the board's; the slowest layer as fast
as possible, or an interval kept for the smallest part of the board. The solver proves a bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from ..board import Board
from ..memory import ROOM, Estimate
from .folding import Option, front, measures

RESOURCES = ("LUT", "LUT as memory", "FF", "DSP", "block RAM", "UltraRAM")
SHARES = (ROOM, ROOM, ROOM, 1.0, 1.0, 1.0)  # of a board that a folding may take
EFFORT = 20  # of a search, about seconds; most end in less with a proof
SCALE = 1 << 24  # integers of the cost: parts of a board


@dataclass(frozen=True)
class Solution:
    """Chosen options by layer.

    Attributes
    ----------
    interval : int
        Cycles of the slowest layer.
    bound : int
        No folding that fits is faster, proven.

    """

    options: Mapping[str, Option]
    interval: int
    bound: int


def limits(board: Board) -> tuple[int, ...]:
    """Return what a folding may take of each of `RESOURCES`."""
    whole = (board.lut, board.slicem_lut, board.ff, board.dsp, 2 * board.bram36, board.uram)
    return tuple(int(share * each) for share, each in zip(SHARES, whole, strict=True))


def fastest(
    choices: Mapping[str, Sequence[Option]], most: Sequence[int], others: Estimate, floor: int
) -> Solution | None:
    """Return the fastest choice within `most`, beside which `others` fits; None if none does.

    The interval is one of the options' cycles: bisection, a feasibility problem each.

    Parameters
    ----------
    choices : mapping
        Layer to its options.
    most : sequence of int
        Limits of `RESOURCES`.
    others : Estimate
        What the rest of the network takes.
    floor : int
        An interval below which streams, not layers, limit.

    """
    least = max(floor, *(min(o.cycles for o in options) for options in choices.values()))
    cycles = {o.cycles for options in choices.values() for o in options if o.cycles > least}
    steps = [least, *sorted(cycles)]
    low, high, bound, best = 0, len(steps) - 1, least, None
    while low <= high:
        middle = (low + high) // 2
        found, proven = _feasible(choices, most, others, steps[middle])
        if found:
            best, high = found, middle - 1
            continue
        low = middle + 1
        if proven and low < len(steps):
            bound = max(bound, steps[low])
    if best is None:
        return None
    return Solution(best, max(option.cycles for option in best.values()), bound)


def _feasible(choices, most, others, interval) -> tuple[dict[str, Option] | None, bool]:
    """Return a choice that keeps `interval`, if any is found, and whether the answer is proven."""
    quick = _within(choices, interval)
    model, chosen = _model(quick, most, others)
    solver = _solver()
    solver.parameters.max_deterministic_time = EFFORT / 2
    status = solver.solve(model)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return _options(solver, quick, chosen), True
    return None, status == cp_model.INFEASIBLE


def _within(choices, interval: int) -> dict[str, list[Option]]:
    """Return the options that keep `interval`, none dearer than another in all resources."""
    return {
        name: front([o for o in options if o.cycles <= interval], cycles=False)
        for name, options in choices.items()
    }


def cheapest(
    choices: Mapping[str, Sequence[Option]],
    most: Sequence[int],
    others: Estimate,
    interval: int | None,
    bounded: bool = True,
) -> Solution | None:
    """Return the choice that keeps `interval` with the least of the board; None if none does.

    Not `bounded`, the board's limits only weigh what things cost.
    """
    if interval is not None:
        choices = _within(choices, interval)
        if not all(choices.values()):
            return None
    model, chosen = _model(choices, most if bounded else None, others)
    # The part taken of the scarcest resource counts most: the rest of the board is of no use then.
    parts = [
        sum(
            measures(o.cost)[number] * (SCALE // max(1, limit)) * x
            for name, options in choices.items()
            for o, x in zip(options, chosen[name], strict=True)
        )
        for number, limit in enumerate(most)
    ]
    scarcest = model.new_int_var(0, 1 << 40, "scarcest")
    for part in parts:
        model.add(part <= scarcest)
    model.minimize(4 * scarcest + sum(parts))
    solver = _solver()
    solver.parameters.relative_gap_limit = 0.002
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    options = _options(solver, choices, chosen)
    slowest = max(option.cycles for option in options.values())
    return Solution(options, slowest, slowest)


def binding(
    choices: Mapping[str, Sequence[Option]],
    most: Sequence[int],
    others: Estimate,
    floor: int,
    interval: int,
) -> list[str]:
    """Return the resources each of which, without its limit, would allow less than `interval`."""
    found = []
    for number, name in enumerate(RESOURCES):
        free = [1 << 40 if i == number else each for i, each in enumerate(most)]
        faster = _within(choices, interval - 1)
        if interval <= floor or not all(faster.values()):
            return ["the network"]  # a layer or stream is at its fastest
        model, _ = _model(faster, free, others)
        solver = _solver()
        solver.parameters.max_deterministic_time = EFFORT / 4
        if solver.solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            found.append(name)
    return found or ["several resources together"]


def _model(choices, most, others):
    model = cp_model.CpModel()
    chosen = {
        name: [model.new_bool_var(f"{name}/{i}") for i in range(len(options))]
        for name, options in choices.items()
    }
    for each in chosen.values():
        model.add_exactly_one(each)
    costs = {name: [measures(o.cost) for o in options] for name, options in choices.items()}
    for number, (limit, taken) in enumerate(zip(most or (), measures(others), strict=False)):
        model.add(
            sum(
                cost[number] * x
                for name in choices
                for cost, x in zip(costs[name], chosen[name], strict=True)
            )
            <= limit - taken
        )
    return model, chosen


def _solver() -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.max_deterministic_time = EFFORT
    solver.parameters.num_workers = 1  # the same answer every time, and sooner
    solver.parameters.random_seed = 1
    return solver


def _options(solver, choices, chosen) -> dict[str, Option]:
    return {
        name: next(o for o, x in zip(options, chosen[name], strict=True) if solver.value(x))
        for name, options in choices.items()
    }
