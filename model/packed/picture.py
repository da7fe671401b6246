"""A packed model drawn: bits a weight by layer, stage by stage, and the bytes that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..._picture import drawing

INK, GREY, LINE = "#1a202c", "#718096", "#cbd5e0"
STAGES = (  # what is left, and what each stage took away; apart for the colour-blind too
    ("packed", "#2b6cb0"),
    ("Huffman", "#f6ad55"),
    ("quantizing", "#c3d9f0"),
    ("pruning", "#e2e8f0"),
)
ROW, TOP, BOTTOM, WIDTH = 17, 92, 46, 900  # points
LEFT, MIDDLE, RIGHT = (0.14, 0.46), 0.64, 0.98


def draw(report: Mapping[str, Any], path: Path) -> None:
    """Draw the report of `zynqfire.model.packed.pack.pack` into a .svg or .png file.

    Raises
    ------
    Refusal
        Another ending, or a place that cannot be written.
    """
    import matplotlib

    layers = report["layers"]
    height = TOP + ROW * len(layers) + BOTTOM
    settings = {"text.color": INK, "font.size": 8.5}
    with matplotlib.rc_context(settings), drawing(path, WIDTH, height) as figure:
        _title(figure, report, height)
        bottom, tall = BOTTOM / height, ROW * len(layers) / height
        _bits(figure.add_axes((LEFT[0], bottom, LEFT[1] - LEFT[0], tall)), layers)
        _bytes(figure.add_axes((MIDDLE, bottom, RIGHT - MIDDLE, tall)), layers)


def _title(figure: Any, report: Mapping[str, Any], height: float) -> None:
    def line(y: float, words: str, **style: Any) -> None:
        figure.text(24 / WIDTH, 1 - y / height, words, va="center", **style)

    sections = report["sections"]
    line(
        26, f"{Path(report['packed']).name}: {report['bytes']:,} bytes", fontsize=15, weight="bold"
    )
    line(
        48,
        f"{report['ratio_float']:.1f} times smaller than its {report['weights']:,} weights and "
        f"{report['biases']['biases']:,} biases as float32; tensors {sections['tensors']:,}, "
        f"skeleton {sections['skeleton']:,}, tables {sections['table']:,} bytes",
        fontsize=9.5,
    )
    x = LEFT[0] * WIDTH
    for name, colour in STAGES:
        figure.text(x / WIDTH, 1 - 72 / height, "■", color=colour, fontsize=12, va="center")
        words = name if name == "packed" else f"saved by {name}"
        figure.text((x + 13) / WIDTH, 1 - 72 / height, words, va="center")
        x += 32 + 4.6 * len(words)


def _plain(axes: Any, count: int, label: str) -> None:
    axes.set_ylim(count - 0.5, -0.5)
    axes.set_xlabel(label, color=GREY)
    axes.tick_params(length=0, colors=GREY)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)


def _bits(axes: Any, layers: list[Mapping[str, Any]]) -> None:
    """Draw the 32 bits of a float weight: what is left of them, and which stage took the rest."""
    for y, layer in enumerate(layers):
        each = [bits / layer["weights"] for bits in layer["stage_bits"]]
        low = 0.0
        for (_, colour), high in zip(STAGES, reversed(each), strict=True):
            if high > low:  # a code table of a small layer can cost more than it saves
                axes.barh(y, high - low, left=low, height=0.74, color=colour)
            low = max(low, high)
    axes.set_yticks(range(len(layers)), [layer["layer"] for layer in layers], color=INK)
    _plain(axes, len(layers), "bits a weight")
    axes.set_xlim(0, 32)
    axes.set_xticks(range(0, 33, 4))


def _bytes(axes: Any, layers: list[Mapping[str, Any]]) -> None:
    """Draw the bytes of each layer beside its numbers."""
    sizes = [layer["packed_bits"] / 8000 for layer in layers]
    axes.barh(range(len(layers)), sizes, height=0.74, color=STAGES[0][1])
    for y, (layer, size) in enumerate(zip(layers, sizes, strict=True)):
        zeros = 100 * (1 - layer["nonzeros"] / layer["weights"])
        words = f"{layer['coding']}, {zeros:.0f} % zero"
        style = {"ha": "right", "va": "center", "clip_on": False}
        axes.annotate(words, (0, y), (-6, 0), textcoords="offset points", color=GREY, **style)
        style["ha"] = "left"
        axes.annotate(f"{size:,.1f}", (size, y), (3, 0), textcoords="offset points", **style)
    axes.set_yticks([])
    _plain(axes, len(layers), "packed, in kilobytes")
    axes.set_xlim(0, 1.12 * max(sizes))
