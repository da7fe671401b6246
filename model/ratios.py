"""What the counts of a network say of its hardware: ratios, module capacities, bits on chip.

The ratios are those by which Jha et al. (2019, "The ramifications of making deep neural networks
compact") compare networks: activations to parameters, and multiplications to each.

Arithmetic intensity is the roofline model's (Williams et al. 2009) with values in place of bytes:
multiplications for each value that must be moved if everything is moved once, so of a layer
``macs / (parameters + inputs + outputs)``, and of a network the sum of the one over the sum of the
other. A layer of little intensity waits for memory on a processor; here all values are on chip, and
it says which layers a DRAM would have slowed down.

The capacity of a module is the size of the map that it puts out (Gschwend 2016, chapter 3).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby, pairwise
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .profile import Layer

FLOAT_BITS = 32
GROWTH = Fraction(3, 2)  # of a module's capacity, at most
DECLINE = Fraction(1, 3)  # at least


def ratios(macs: int, parameters: int, activations: int) -> dict[str, float]:
    """Return the three ratios of the counts."""
    return {
        "activations_per_parameter": _ratio(activations, parameters),
        "macs_per_parameter": _ratio(macs, parameters),
        "macs_per_activation": _ratio(macs, activations),
    }


def intensity(layers: Iterable[Layer]) -> float:
    """Return the multiplications for a value that `layers` move, each moved once."""
    macs = values = 0
    for layer in layers:
        macs += layer.macs
        values += layer.weights + layer.biases + prod(layer.in_shape) + prod(layer.out_shape)
    return macs / max(1, values)


def capacity(layers: list[Layer]) -> list[dict[str, Any]]:
    """Return the capacity of every module with weights but the classifier's.

    Returns
    -------
    list of dict
        `module`, `activations` that it puts out, their `ratio` to those of the module before, null
        for the first, and whether ZynqNet's fourth rule calls that `even`.
    """
    modules: list[tuple[str, int]] = []
    for name, group in groupby(layers, key=lambda layer: layer.module):
        part = list(group)
        if any(layer.multiplies for layer in part):
            modules.append((name, prod(part[-1].out_shape)))
    modules = modules[:-1]  # the classifier's size follows from the classes
    result = [_module(*modules[0], None, True)] if modules else []
    for (_, least), (name, size) in pairwise(modules):
        even = DECLINE <= Fraction(size, least) <= GROWTH
        result.append(_module(name, size, round(size / least, 4), even))
    return result


def on_chip(layers: list[Layer], input_shape: tuple[int, int, int]) -> dict[str, Any]:
    """Return the bits that a chip must hold.

    Returns
    -------
    dict
        Bits of all `weights` and `biases` at their own widths, a bias as wide as the sums it is
        added to; `largest_map` and `largest_map_bits`, the layer whose result takes most: a chip
        that computes layer after layer holds that map and the next, a streaming one a few rows of
        each. What is not quantized counts 32 bits.
    """
    weights = sum(layer.stored_bits for layer in layers)
    biases = sum(
        layer.biases * FLOAT_BITS if layer.bias_bits is None else layer.bias_bits
        for layer in layers
    )
    maps = {"input": 8 * prod(input_shape)}
    for layer in layers:
        if layer.map_bits:
            maps[layer.name] = layer.map_bits * prod(layer.out_shape)
    largest = max(maps, key=lambda name: maps[name])
    return {
        "weights": weights,
        "biases": biases,
        "largest_map": largest.removesuffix("relu").rstrip("/_"),
        "largest_map_bits": maps[largest],
    }


def accumulator_bits(fan_in: int, weight_bits: int | None, input_bits: int | None) -> int:
    """Return the width of a sum of `fan_in` products at worst; of floats, 32.

    Weights are narrow, in ``[-(2**(b - 1) - 1), 2**(b - 1) - 1]``, and inputs unsigned.
    """
    if weight_bits is None or input_bits is None:
        return FLOAT_BITS
    return 1 + (fan_in * ((1 << (weight_bits - 1)) - 1) * ((1 << input_bits) - 1)).bit_length()


def _ratio(over: int, under: int) -> float:
    return round(over / max(1, under), 4)


def _module(name: str, activations: int, ratio: float | None, even: bool) -> dict[str, Any]:
    return {"module": name, "activations": activations, "ratio": ratio, "even": even}
