"""ZynqNet's four design rules as checks (Gschwend 2016, chapter 3)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .profile import Layer

ON_CHIP_BITS = 19_620 * 1024  # block RAM of XC7Z045, which ZynqNet was made for
GROWTH = Fraction(3, 2)
DECLINE = Fraction(1, 3)


def rules(layers: list[Layer], on_chip_bits: int | None = None) -> dict[str, dict[str, Any]]:
    """Check `layers` against the four rules.

    A module is conv1 or what one concatenation (one addition, with a bypass or a shortcut) puts
    out; the classifier is none, its size follows from the classes.

    Returns
    -------
    dict
        `parameters_on_chip`, `powers_of_two`, `no_max_pooling` and `equal_capacity`, each with
        `pass` (bool) and `where` (sentences: what breaks the rule). `powers_of_two` also has
        `reported`: channel counts that are no power of two, which break nothing.
    """
    room = ON_CHIP_BITS if on_chip_bits is None else on_chip_bits
    bits = sum(layer.weights * (layer.weight_bits or 32) for layer in layers)
    too_many = [f"weights take {bits} bits of {room} on the chip"] if bits > room else []
    convolutions = [layer for layer in layers if layer.op == "conv"]
    sizes, channels = [], []
    for layer in convolutions:
        for what, shape in (("input", layer.in_shape), ("output", layer.out_shape)):
            text = f"{layer.name}: {what} of {shape[0]} by {shape[1]}"
            if not (_power(shape[0]) and _power(shape[1])):
                sizes.append(text)
        if not _power(layer.out_shape[2]):
            channels.append(f"{layer.name}: {layer.out_shape[2]} output channels")
    pools = [f"{layer.name}: max-pooling" for layer in layers if layer.op == "max"]
    return {
        "parameters_on_chip": _verdict(too_many),
        "powers_of_two": _verdict(sizes) | {"reported": channels},
        "no_max_pooling": _verdict(pools),
        "equal_capacity": _verdict(_uneven(layers)),
    }


def _uneven(layers: list[Layer]) -> list[str]:
    modules: list[tuple[str, int]] = []
    for layer in layers:
        size = prod(layer.out_shape)
        if layer.op == "concat" or (layer.op == "conv" and not modules):
            modules.append((layer.name, size))
        elif layer.op == "add" and modules:
            if modules[-1][1] == size:
                modules.pop()
            modules.append((layer.name, size))
    broken = []
    for (before, least), (name, size) in pairwise(modules):
        if not DECLINE <= Fraction(size, least) <= GROWTH:
            broken.append(f"{name}: {size} outputs after the {least} of {before}")
    return broken


def _power(value: int) -> bool:
    return value & (value - 1) == 0


def _verdict(where: list[str]) -> dict[str, Any]:
    return {"pass": not where, "where": where}
