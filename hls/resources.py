"""LUTs that a folding costs, roughly: enough to keep a folding within a board.

The figures are fitted to Yosys' `synth_xilinx -family xc7` of single layers (docs/results.md).
"""

from __future__ import annotations

from .ir import Conv, Fold, Network

BASE = 160  # sequencing, credits and FIFO of one layer
LANE = 80  # accumulator and requantizer of one output lane
SELECT = 2.5  # selection of one bit among the rows, where several taps are read at once


def product_luts(weight_bits: int, activation_bits: int) -> float:
    """Return the LUTs of one product and its share of the adder tree."""
    return 0.8 * weight_bits * activation_bits + 16.5


def conv_luts(conv: Conv, fold: Fold, activation_bits: int) -> float:
    """Return the LUTs of a convolution unit, block RAM and LUT memory apart."""
    products = fold.multipliers * product_luts(conv.weight_bits, activation_bits)
    window = SELECT * fold.simd * activation_bits if fold.taps > 1 else 0
    return BASE + fold.pe * LANE + window + products


def network_luts(network: Network, folds: dict[str, Fold]) -> float:
    """Return the LUTs of all convolution units."""
    return sum(
        conv_luts(conv, folds[conv.name], network.tensor(conv.input).qtype.bits)
        for conv in network.convolutions
    )
