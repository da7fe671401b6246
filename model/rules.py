"""ZynqNet's four design rules as checks (Gschwend 2016, chapter 3)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .ratios import capacity

if TYPE_CHECKING:
    from .profile import Layer

ON_CHIP_BITS = 19_620 * 1024  # block RAM of XC7Z045, which ZynqNet was made for
TITLES = {
    "parameters_on_chip": "parameters on chip",
    "powers_of_two": "power-of-two sizes",
    "no_max_pooling": "no max-pooling",
    "equal_capacity": "equal capacity",
}


def rules(layers: list[Layer], on_chip_bits: int | None = None) -> dict[str, dict[str, Any]]:
    """Check `layers` against the four rules.

    The rule of equal capacity compares the maps that modules put out, see `zynqfire.model.ratios`.

    Returns
    -------
    dict
        `parameters_on_chip`, `powers_of_two`, `no_max_pooling` and `equal_capacity`, each with
        `pass` (bool) and `where` (sentences: what breaks the rule). `powers_of_two` also has
        `reported`: channel counts that are no power of two, which break nothing.
    """
    room = ON_CHIP_BITS if on_chip_bits is None else on_chip_bits
    bits = sum(layer.stored_bits for layer in layers)
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
    return [
        f"{after['module']}: {after['activations']} outputs after the {before['activations']} of "
        f"{before['module']}"
        for before, after in pairwise(capacity(layers))
        if not after["even"]
    ]


def _power(value: int) -> bool:
    return value & (value - 1) == 0


def _verdict(where: list[str]) -> dict[str, Any]:
    return {"pass": not where, "where": where}
