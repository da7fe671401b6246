"""Where every memory goes, by constraint programming (OR-tools CP-SAT), with a bound.

One of its `placements` for each memory; the share of the board's block RAM, UltraRAM and LUTs that
they take together as small as can be. A board's limits hold where they can be held; by how much
they are exceeded, where not, counts more than anything else, and refusing is the caller's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ortools.sat.python import cp_model

from ..board import Board
from ..cuts import HALVES, half_words
from ..memory import LUT_SHARE, ROOM, Estimate, Kind, Memory, Placed, placements, shares, total

EFFORT = 10  # of the search, about seconds; nearly all end in less with a proof
GAP = 0.001  # between a placement and the bound, at which the search ends
SCALE = 1 << 28  # integers of the cost: parts of a board
PRICES = (1 / 3, 1, 3)  # of LUTs against block RAM, by their share of the board
OVER = 1 << 6  # how much more a part of a board counts that is not there


@dataclass(frozen=True)
class Placement:
    """Placed memories, in the order they were given in.

    Attributes
    ----------
    cost : float
        Sum of the shares of the board's LUTs, block RAM and UltraRAM.
    bound : float, optional
        No placement within the board takes less, proven; none where it is larger than the board.

    """

    placed: tuple[Placed, ...]
    cost: float
    bound: float | None

    @property
    def shares(self) -> dict[str, float | None]:
        """What a report says of it."""
        bound = None if self.bound is None else round(self.bound, 6)
        return {"cost": round(self.cost, 6), "bound": bound}


def place(
    memories: Sequence[Memory],
    board: Board,
    weights: Mapping[str, bool] | None = None,
    logic: Estimate | None = None,
) -> Placement:
    """Place `memories` on `board`.

    Parameters
    ----------
    memories : sequence of Memory
    board : Board
        UltraRAM is used where the board has some.
    weights : mapping, optional
        Layers to whether their weights are in block RAM or UltraRAM: the layer's logic depends
        on it.
    logic : Estimate, optional
        What else is on the board.

    """
    wanted = Counter((memory, _fixed(memory, weights)) for memory in memories)
    choices = {
        key: [
            option
            for option in (*placements(key[0], board), *(shares(key[0], board) if key[1] else ()))
            if key[1] in (None, option.block)
        ]
        for key in wanted
    }
    model = cp_model.CpModel()
    chosen = {
        key: [model.new_int_var(0, wanted[key], "") for _ in options]
        for key, options in choices.items()
    }
    for key, each in chosen.items():
        model.add(sum(each) == wanted[key])
    for most in HALVES:  # two of the same depth share a block RAM
        halves = [
            x
            for key, options in choices.items()
            for option, x in zip(options, chosen[key], strict=True)
            if option.half and half_words(key[0].depth) == most
        ]
        if halves:
            model.add(sum(halves) == 2 * model.new_int_var(0, len(halves), ""))
    logic = logic or Estimate()
    needs = [
        sum(
            _measures(option.estimate)[number] * x
            for key, options in choices.items()
            for option, x in zip(options, chosen[key], strict=True)
        )
        for number in range(4)
    ]
    luts, lutram, blocks, ultra = needs
    parts = [
        luts * (SCALE // board.lut),
        blocks * (SCALE // max(1, 4 * board.bram36)),
        ultra * (SCALE // max(1, board.uram)),
    ]
    most, used = int(LUT_SHARE * board.lut), logic.lut + logic.lutram + logic.srl
    excess = []
    for need, limit, whole in (
        (luts, min(most, max(0, int(ROOM * board.lut) - used)), board.lut),
        (lutram, max(0, board.slicem_lut - logic.lutram - logic.srl), board.slicem_lut),
        (blocks, 4 * board.bram36, max(1, 4 * board.bram36)),
        (ultra, board.uram, max(1, board.uram)),
    ):
        over = model.new_int_var(0, 1 << 24, "")
        model.add(need - over <= limit)
        parts.append(over * (OVER * (SCALE // whole)))
        excess.append(over)
    model.minimize(sum(parts))
    solver = cp_model.CpSolver()
    solver.parameters.max_deterministic_time = EFFORT
    solver.parameters.relative_gap_limit = GAP
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise AssertionError(f"placement on {board.name}: no answer in {EFFORT}")
    left = {
        key: [o for o, x in zip(options, chosen[key], strict=True) for _ in range(solver.value(x))]
        for key, options in choices.items()
    }
    placed = tuple(left[memory, _fixed(memory, weights)].pop() for memory in memories)
    fits = not any(solver.value(over) for over in excess)
    bound = min(solver.best_objective_bound, solver.objective_value) / SCALE
    return Placement(placed, share(total(placed), board), bound if fits else None)


def share(cost: Estimate, board: Board, luts: float = 1.0) -> float:
    """Return the sum of the shares of a board that memories take, LUTs `luts` times as dear."""
    lut, _, blocks, ultra = _measures(cost)
    share = luts * lut / board.lut + blocks / max(1, 4 * board.bram36)
    return share + (ultra / board.uram if ultra else 0)


def few(memory: Memory, board: Board) -> tuple[Placed, ...]:
    """Return the placements of a memory that are worth a choice: the best for some price of LUTs.

    Their layer is nobody's: layers share what is alike.
    """
    table = memory.table and replace(memory.table, layer="", bits=0)
    return _few(replace(memory, layer="", bits=0, table=table), board)


@lru_cache(1 << 16)
def _few(memory: Memory, board: Board) -> tuple[Placed, ...]:
    options = [(option, option.estimate) for option in placements(memory, board)]
    kept = [option for option, _ in options if not option.block]
    for ultra in {bool(option.outside) for option, _ in options if option.block}:
        some = [each for each in options if each[0].block and bool(each[0].outside) == ultra]
        for price in PRICES:
            best, _ = min(some, key=lambda each: share(each[1], board, price))
            kept.append(best)
    return tuple(dict.fromkeys(kept))


def _fixed(memory: Memory, weights: Mapping[str, bool] | None) -> bool | None:
    return (weights or {}).get(memory.layer) if memory.kind is Kind.WEIGHTS else None


def _measures(cost: Estimate) -> tuple[int, int, int, int]:
    """Return LUTs of all kinds, those as RAM, halves of RAMB18 and URAM288."""
    return cost.lut + cost.lutram, cost.lutram, round(4 * cost.bram36), cost.uram
