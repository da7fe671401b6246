"""A network's cost drawn: a row a layer with its multiplications, parameters and activations.

Beside the rows stands the capacity of each module, the map that it puts out, as tall as the module
has layers; red where it grows or declines more than ZynqNet's rule allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._picture import drawing
from .rules import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, GREY, LINE, RED, STRIPE = "#1a202c", "#718096", "#cbd5e0", "#c53030", "#f5f7fa"
COLUMNS = (("macs", "MACs", "#2b6cb0"), ("parameters", "parameters", "#c05621"))
COLUMNS += (("activations", "activations", "#2f855a"),)
CAPACITY = "capacity of the module", "#6b46c1"
# Points: one is a unit of the drawing.
MARGIN, TOP, ROW, BAR, GAP, NUMBER = 24, 112, 12, 150, 26, 46
LETTER = 4.9  # of a name, at its size


def draw(name: str, result: Mapping[str, Any], path: Path) -> None:
    """Draw `result`, as `zynqfire.model.profile` returns it, into a .svg or .png file.

    Raises
    ------
    Refusal
        Another ending, or a place that cannot be written.
    """
    layers = result["layers"]
    names = 30 + LETTER * max(len(layer["name"]) for layer in layers)
    width = 2 * MARGIN + names + 4 * (BAR + NUMBER + GAP)
    height = TOP + ROW * len(layers) + MARGIN
    with drawing(path, width, height) as figure:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        _title(axes, name, result)
        for row in range(1, len(layers), 2):
            _box(axes, MARGIN - 4, TOP + ROW * row, width - 2 * MARGIN + 8, ROW, STRIPE)
        for row, layer in enumerate(layers):
            _text(axes, MARGIN, row, layer["name"])
            kernel = "x".join(map(str, layer["kernel"]))
            kind = kernel if layer["op"] == "conv" else layer["op"]
            _text(axes, MARGIN + names - 6, row, kind, ha="right", color=GREY)
        x = MARGIN + names
        for key, title, colour in COLUMNS:
            _heading(axes, x, title)
            most = max(1, *(layer[key] for layer in layers))
            for row, layer in enumerate(layers):
                length = BAR * layer[key] / most
                _box(axes, x, TOP + ROW * row + 2, length, ROW - 4, colour)
                if layer[key]:
                    _text(axes, x + length + 4, row, short(layer[key]))
            x += BAR + NUMBER + GAP
        _capacity(axes, x, result)


def short(value: float) -> str:
    """Return `value` with three digits: 387k or 1.05M."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def _title(axes: Axes, name: str, result: Mapping[str, Any]) -> None:
    axes.text(MARGIN, 30, name, fontsize=17, color=INK, weight="bold", va="center")
    counts = [f"{result[key]:,} {title}" for key, title, _ in COLUMNS]
    ratios = (
        ("activations a parameter", "activations_per_parameter"),
        ("MACs a parameter", "macs_per_parameter"),
        ("an activation", "macs_per_activation"),
        ("a value moved", "intensity"),
    )
    parts = [f"{short(result[key])} {title}" for title, key in ratios]
    lines = ["   ".join(counts), "   ".join(parts)]
    for y, line in zip((52, 67), lines, strict=True):
        axes.text(MARGIN, y, line, fontsize=10.5, color=INK, va="center")
    broken = [
        f"{TITLES[rule]} ({len(each['where'])})"
        for rule, each in result["rules"].items()
        if not each["pass"]
    ]
    words = "breaks " + ", ".join(broken) if broken else "keeps ZynqNet's four rules"
    colour = RED if broken else "#276749"
    axes.text(MARGIN, 83, words, fontsize=10.5, color=colour, weight="bold", va="center")


def _capacity(axes: Axes, x: float, result: Mapping[str, Any]) -> None:
    title, colour = CAPACITY
    _heading(axes, x, title)
    modules = {entry["module"]: entry for entry in result["capacity"]}
    most = max([1, *(entry["activations"] for entry in modules.values())])
    row = 0
    for name, group in groupby(result["layers"], key=lambda layer: layer["module"]):
        rows = len(list(group))
        if name in modules:
            size, ratio = modules[name]["activations"], modules[name]["ratio"]
            length = BAR * size / most
            shade = colour if modules[name]["even"] else RED
            _box(axes, x, TOP + ROW * row + 1, length, ROW * rows - 2, shade)
            words = short(size) + (f"  x {ratio:.3g}" if ratio else "")
            _text(axes, x + length + 4, row + (rows - 1) / 2, words)
        row += rows


def _heading(axes: Axes, x: float, words: str) -> None:
    axes.text(x, TOP - 10, words, fontsize=9, color=GREY, va="center")
    _box(axes, x, TOP - 3, BAR + NUMBER, 0.8, LINE)


def _text(axes: Axes, x: float, row: float, words: str, **style: Any) -> None:
    y = TOP + ROW * (row + 0.5)
    axes.text(x, y, words, **{"fontsize": 8.2, "color": INK, "va": "center"} | style)


def _box(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none"))
