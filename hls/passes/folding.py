"""How each convolution is folded: the foldings there are, what each costs, and the best choice.

A folding is legal by `Fold`. Which one is best is a matter of the whole network: `solve` chooses
one for each layer so that the slowest is as fast as the board's LUTs, flip-flops, DSPs and block
RAMs allow, or so that an interval is kept for the least.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ... import Refusal
from ..board import Board
from ..fold import PIXELS, Fold
from ..ir import Conv, Network, QType, Requantize
from ..memory import Estimate, Kind, Memory
from ..packing import WIDE_PORTS, packings
from ..resources import conv_logic
from . import convolution, placement
from .convolution import plain_in_luts
from .geometry import Window
from .requantize import conv_shifts, sum_bits
from .sizes import sizes
from .units import codebook_parameters, storage
from .wiring import divisors

BATCH = 64  # options compared at once
KEYS = {"pe", "simd"}, {"pe", "simd", "pixels"}


@dataclass(frozen=True)
class Option:
    """A folding of a layer and what it costs.

    Attributes
    ----------
    fold : Fold
    block : bool
        Whether its weights are in block RAM or UltraRAM.
    cycles : int
        A frame's, input and output beats included.
    cost : Estimate
        Logic and memories.

    """

    fold: Fold
    block: bool
    cycles: int
    cost: Estimate


def from_file(network: Network, wanted: Mapping[str, object]) -> dict[str, tuple[Fold, ...]]:
    """Return the foldings of a JSON object, layer -> {"pe", "simd", "pixels"}, without packings.

    Where `pixels` is left out, outputs may be traded for pixels: as many multipliers, the same
    interval.

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
        if not isinstance(entry, Mapping) or set(entry) not in KEYS:
            raise Refusal(
                f"folding of {name}: must have the keys pe and simd, may have pixels, not {entry}"
            )
        numbers = [entry["pe"], entry["simd"], entry.get("pixels", 1)]
        if not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in numbers):
            raise Refusal(
                f"folding of {name}: pe, simd and pixels must be positive integers, not {entry}"
            )
        fold = Fold.of(conv, *numbers)
        folds[name] = (fold,) if "pixels" in entry else _traded(conv, fold)
    return folds


def _traded(conv: Conv, fold: Fold) -> tuple[Fold, ...]:
    """Return `fold` and those with fewer outputs and more pixels, as fast and as large."""
    options = [
        replace(fold, pe=fold.pe // pixels, pixels=pixels)
        for pixels in PIXELS
        if fold.pe % pixels == 0 and pixels <= fold.words(conv)
    ]
    return tuple(option for option in options if option.cycles(conv) == fold.cycles(conv))


def options(
    network: Network, conv: Conv, board: Board, folds: tuple[Fold, ...] | None = None
) -> list[Option]:
    """Return the foldings of a layer, or `folds` in all forms, none worse than another in all."""
    codes = network.tensor(conv.input).qtype
    layer = _Layer.of(network, conv, codes)
    narrow = bool(conv.weights.min() > -(1 << (conv.weight_bits - 1)))
    packs = packings(conv.weight_bits, narrow, codes.bits, WIDE_PORTS[board.family])
    found = []
    for fold in folds or legal(conv):
        for packing in (None, *packs):
            if packing and (fold.pe % packing.channels or fold.pixels % packing.pixels):
                continue
            found += _priced(layer, replace(fold, packing=packing), board, given=folds is not None)
    return front(found)


def legal(conv: Conv) -> list[Fold]:
    """Return every legal folding of a convolution, without packings."""
    outputs, kh, kw, channels = conv.weights.shape
    folds = [
        Fold(pe, taps, lanes, pixels)
        for taps in sorted({1, kh, kh * kw})
        for lanes in divisors(channels)
        for pe in divisors(outputs)
        for pixels in PIXELS
    ]
    return [fold for fold in folds if fold.pixels == 1 or fold.pixels <= fold.words(conv)]


def layer_cycles(network: Network, conv: Conv, fold: Fold) -> int:
    """Return a frame's cycles of `conv`, input and output beats included."""
    inputs = network.tensor(conv.input).elements // fold.lanes
    return max(fold.cycles(conv), inputs, conv.output.elements // fold.pe)


@dataclass(frozen=True)
class _Layer:
    """What all foldings of a layer share."""

    network: Network
    conv: Conv
    codes: QType
    out: QType
    window: Window
    parameters: dict[str, int]

    @classmethod
    def of(cls, network: Network, conv: Conv, codes: QType) -> _Layer:
        reader = network.consumers(conv.output.name)[0]
        requantize = reader if isinstance(reader, Requantize) else None
        shifts = conv_shifts(conv.output, requantize)
        half = 1 << max(int(shifts.max()) - 1, 0)
        window = Window.of(conv, network.tensor(conv.input).shape)
        out = (requantize or conv).output.qtype
        return cls(
            network,
            conv,
            codes,
            out,
            window,
            {
                "ABits": codes.bits,
                "WBits": conv.weight_bits,
                "AccBits": sum_bits(conv.output.qtype, half),
                "InH": window.in_h,
                "KernelH": window.kernel_h,
                "InW": window.in_w,
                "OutBits": out.bits,
                "ShiftBits": int(np.ptp(shifts)).bit_length(),
            },
        )


def _priced(layer: _Layer, fold: Fold, board: Board, given: bool) -> list[Option]:
    """Return a folding with its weights in LUTs, in block RAM and, where there is, UltraRAM.

    A folding whose logic alone is more than the board has none, unless it is `given`.
    """
    conv = layer.conv
    size = sizes(conv, fold, layer.codes, layer.window)
    parameters = layer.parameters | {
        "Lanes": fold.lanes,
        "Taps": fold.taps,
        "Pixels": fold.pixels,
        "Pe": fold.pe,
        "Places": size.places,
        "Requantizers": size.requantizers,
        "Words": size.words,
        "Groups": size.groups,
    }
    if fold.packing:
        parameters |= convolution.dsp_parameters(fold, layer.codes)
    coded, plain = parameters | codebook_parameters(conv), plain_in_luts(conv, fold, parameters)
    logic = [
        conv_logic((parameters if plain else coded) | {"RomBlock": 0}),
        conv_logic(coded | {"RomBlock": 1}),
    ]
    if not given and logic[0].lut > board.lut:
        return []  # not to be placed
    weights, window, room = convolution.memories(
        conv, fold, size, fold.lanes * layer.codes.bits, fold.pe * layer.out.bits, plain
    )
    bias = storage(
        conv.name,
        Kind.BIAS,
        size.requantizers * (parameters["AccBits"] + parameters["ShiftBits"]),
        size.groups * size.turns,
    )
    rest = sum((_cheapest(memory, board) for memory in (window, room, bias)), Estimate())
    widen = fold.lanes * layer.codes.bits  # what brings the input to this many lanes
    rest += Estimate(lut=widen // 2 + 10, ff=2 * widen + 10)
    cycles = layer_cycles(layer.network, conv, fold)
    return [
        Option(fold, placed.block, cycles, rest + logic[placed.block] + placed.estimate)
        for placed in placement.few(weights, board)
    ]


def _cheapest(memory: Memory, board: Board) -> Estimate:
    """Return what a memory costs where it takes the smallest share of the board."""
    costs = (placed.estimate for placed in placement.few(memory, board))
    return min(costs, key=lambda cost: placement.share(cost, board))


def measures(cost: Estimate) -> tuple[int, ...]:
    """Return what a board limits: LUTs of all kinds, those as RAM, FFs, DSPs, RAMB18, URAM288."""
    memory = cost.lutram + cost.srl
    return cost.lut + memory, memory, cost.ff, cost.dsp, round(2 * cost.bram36), cost.uram


def front(found: list[Option], cycles: bool = True) -> list[Option]:
    """Return the options that no other one beats or equals in all resources, and in cycles."""
    rows = np.array([(o.cycles * cycles, *measures(o.cost)) for o in found]).reshape(-1, 7)
    order = np.lexsort(rows.T[::-1])  # ascending: only those before can be better
    kept = rows[:0]
    indices: list[int] = []
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        beaten = (kept[None] <= rows[batch][:, None]).all(axis=2).any(axis=1)
        for index in batch[~beaten]:
            if not (kept <= rows[index]).all(axis=1).any():
                kept = np.vstack([kept, rows[index]])
                indices.append(index)
    return [found[i] for i in indices]
