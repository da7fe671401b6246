"""What a folding makes of a convolution unit: sizes of its parts, and their latency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from ..cuts import LUT_BITS
from ..fold import Fold
from ..ir import Conv, QType
from .geometry import Window

# Cycles through a convolution unit besides its words and its adder tree: from the last input beat
# to the first word, and on through each module.
WINDOW, REQUANTIZE, FIFO = 3, 3, 2
CREDITS = 16  # an output FIFO costs no less when it is shallower


@dataclass(frozen=True)
class Sizes:
    """Sizes of the parts of a zf_conv.

    Attributes
    ----------
    words, groups : int
        Words of a product, products of a step.
    stages, chains, adds : int
        DSPs in a cascade, cascades side by side, levels of ternary adders behind them; for products
        of LUTs 1, SIMD and the levels of a digit's adders.
    requantizers, turns : int
        Accumulators requantized a cycle, and cycles that all take.
    places, bank_depth, banks, copies : int
        The window: pixels that it holds, words of a memory, memories a row, memories a bank.
    room, room_words : int
        Products, or steps, of which the output buffer has room; its words.
    latency : int
        Cycles from the last input beat that a step needs to its first output beat.

    """

    words: int
    groups: int
    stages: int
    chains: int
    adds: int
    requantizers: int
    turns: int
    places: int
    bank_depth: int
    banks: int
    copies: int
    room: int
    room_words: int
    latency: int


def sizes(op: Conv, fold: Fold, codes: QType, window: Window) -> Sizes:
    """Return the sizes of the unit of `op`, whose input has the type `codes`."""
    words, groups, packing = fold.words(op), fold.groups(op), fold.packing
    deep = op.weights.shape[3] // fold.lanes
    chains = packing.chains(fold.simd) if packing else fold.simd
    stages = -(-fold.simd // chains)
    adds = add_levels(chains, 2 if packing else 1)
    requantizers = (
        next(
            n
            for n in range(1, fold.pe + 1)
            if fold.pe % n == 0 and fold.pixels * fold.pe // n <= words
        )
        if words > 1
        else fold.pe
    )
    turns = fold.pixels * fold.pe // requantizers

    product = 4 + stages + adds if packing else 2 + adds + (codes.bits > 4)
    requantize = REQUANTIZE if turns == 1 else REQUANTIZE + turns + (requantizers < fold.pe)
    # the pixels of a step leave one after the other, when all its groups are there
    before = words * (groups if fold.pixels > 1 else 1) - 1
    latency = WINDOW + (fold.taps > 1) + before + product + requantize + FIFO

    parallel, shares = fold.taps > 1, 1
    places = _places(window, fold.pixels, parallel)
    if not parallel:
        # an address that goes down a cascade reads a word's last lanes later
        shares = window.banks(fold.pixels)
        places = ring(places + -(-(stages - 1) // deep) * shares, deep, shares)
    whole = parallel and fold.taps == math.prod(op.kernel)

    if fold.pixels == 1:
        room = room_words = max(CREDITS, -(-latency // words) + 2)
    else:
        # a step's room is taken before its first word and free after its last beat, which leaves as
        # late as the next step's first where a narrow stream takes them
        room = -(-(latency + 2) // (words * groups)) + 1
        room_words = room * fold.pixels << (groups - 1).bit_length()
    return Sizes(
        words=words,
        groups=groups,
        stages=stages,
        chains=chains,
        adds=adds,
        requantizers=requantizers,
        turns=turns,
        places=places,
        bank_depth=(window.in_w if parallel else places // shares) * deep,
        banks=places // window.in_w if parallel else 1,
        copies=fold.pixels * (window.kernel_w if whole else 1),
        room=room,
        room_words=room_words,
        latency=latency,
    )


@cache
def _places(window: Window, pixels: int, whole_rows: bool) -> int:
    return window.places(pixels, whole_rows)


@cache
def add_levels(count: int, leave: int) -> int:
    """Return the levels of ternary adders that leave at most `leave` of `count` operands."""
    levels = 0
    while count > leave:
        count, levels = -(-count // 3), levels + 1
    return levels


def ring(places: int, deep: int, shares: int = 1) -> int:
    """Return `places` pixels of `deep` words, or a few more, that `shares` memories share."""
    return rounded(-(-places // shares) * deep) // deep * shares


def rounded(depth: int) -> int:
    """Return the next power of two where LUT RAM costs the same: addresses wrap for nothing."""
    return 1 << (depth - 1).bit_length() if depth <= LUT_BITS else depth
