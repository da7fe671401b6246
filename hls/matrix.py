"""Boards by weight bits: on which a network fits, with what, and how fast."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from .. import Refusal
from .board import Board
from .count import Say, capacity, counted, least_bits
from .ir import Network

Cell = dict[str, Any]
KEYS = ("fits", "interval_cycles", "used", "available", "weight_bits", "weight_fill")


def matrix(
    networks: Mapping[int | None, Network],
    boards: Sequence[Board],
    interval: int | None,
    say: Say,
) -> list[Cell]:
    """Return a cell for each board and each network, boards first.

    Boards that offer the same are counted once, and what cannot fit is not searched for. Those of
    one family and one network are counted one after the other, for they have the same foldings to
    choose from; others beside them, on as many cores as there are.

    Parameters
    ----------
    networks : mapping
        Weight bits, or none for a network's own, to the network with these.
    interval : int, optional
        Cycles a frame to keep; else the fastest that fits is sought.

    Returns
    -------
    list of dict
        `board`, `bits`, `fits`, `interval_cycles`, `used`, `available`, `weight_bits`,
        `weight_fill` and `why` not, in words; numbers that are not known are null.

    """
    kinds: dict[tuple, Board] = {}
    for board in boards:
        kinds.setdefault(_kind(board), board)
    cells: dict[tuple, Cell] = {}
    work: dict[tuple, list[Board]] = {}
    for bits, network in networks.items():
        for kind, board in kinds.items():
            if least_bits(network) > capacity(board):
                cells[kind, bits] = _impossible(network, board)
            else:
                work.setdefault((bits, board.family), []).append(board)
    total, done = len(kinds) * len(networks), len(cells)
    say(f"{total} cells, {done} of them impossible by the bits of weights and rows alone")
    cores = min(len(os.sched_getaffinity(0)), max(1, len(work)))
    # not forked: libraries that are loaded here have threads of their own
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        futures = {
            pool.submit(_count, networks[bits], group, interval): (bits, group)
            for (bits, _), group in sorted(work.items(), key=lambda item: -len(item[1]))
        }
        for future in as_completed(futures):
            bits, group = futures[future]
            for board, cell in zip(group, future.result(), strict=True):
                cells[_kind(board), bits] = cell
                done += 1
                name = board.name + ("" if bits is None else f", {bits} bits")
                say(f"{done} of {total}: {name}: {words(cell)}")
    return [
        {"board": board.name, "bits": bits} | cells[_kind(board), bits]
        for board in boards
        for bits in networks
    ]


def words(cell: Mapping[str, Any]) -> str:
    """Return a cell in words."""
    if not cell["fits"]:
        return f"does not fit, {cell['why']}"
    used, available = cell["used"], cell["available"]
    uram = f", {used['uram']:g} of {available['uram']} UltraRAM" if used["uram"] else ""
    blocks = f"{used['bram36']:g} of {available['bram36']} RAMB36{uram}"
    return f"fits, {blocks}, {cell['interval_cycles']} cycles"


def _kind(board: Board) -> tuple:
    return board.family, tuple(board.limits.values())


def _impossible(network: Network, board: Board) -> Cell:
    need, have = least_bits(network), capacity(board)
    why = f"{need / 1e6:.2f} of {have / 1e6:.2f} Mbit"
    return dict.fromkeys(KEYS) | {"fits": False, "why": why}


def _count(network: Network, boards: Sequence[Board], interval: int | None) -> list[Cell]:
    """Return the cells of `boards`; it runs in a process of its own."""
    cells = []
    for board in boards:
        try:
            result = counted(network, board, interval, lambda text: None)
        except Refusal as refusal:
            cells.append(dict.fromkeys(KEYS) | {"fits": False, "why": str(refusal)})
            continue
        over = result["over"]
        why = "{need:.10g} of {limit:.10g} {unit}".format(**over[0]) if over else ""
        cells.append({key: result[key] for key in KEYS} | {"why": why})
    return cells
