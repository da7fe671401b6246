"""A board's memory drawn: every block RAM, UltraRAM and LUT, and which layer fills how much of it.

A cell is a primitive; its colour says what kind of memory it holds, the number which layer's, and
the height of the strong colour how much of it is used. White cells are free.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .._picture import drawing, must_be_a_picture
from .cuts import LUT_BITS, RAMB18_BITS, RAMB36_BITS, URAM_BITS, Primitive
from .memory import Kind

COLOURS = {  # strong and pale, apart for the colour-blind too
    Kind.WEIGHTS: ("#2b6cb0", "#c3d9f0"),
    Kind.BIAS: ("#6b46c1", "#ddd2f3"),
    Kind.WINDOW: ("#c05621", "#f8dcc6"),
    Kind.FIFO: ("#2f855a", "#c9e8d6"),
}
NAMES = {Kind.WINDOW: "windows", Kind.FIFO: "FIFOs", Kind.BIAS: "biases"}
INK, GREY, LINE, RED = "#1a202c", "#718096", "#cbd5e0", "#c53030"
LOGIC = "#a0aec0"
SIZES = {  # of a RAMB36 or an UltraRAM
    Primitive.RAMB36: 1.0,
    Primitive.RAMB18: 0.5,
    Primitive.URAM288: 1.0,
}
BITS = {
    Primitive.RAMB36: RAMB36_BITS,
    Primitive.RAMB18: RAMB18_BITS,
    Primitive.URAM288: URAM_BITS,
    Primitive.LUTROM: LUT_BITS,
    Primitive.LUTRAM: LUT_BITS,
}
# Points: one is a unit of the drawing.
MARGIN, LEFT, GAP, ROW = 24, 640, 28, 13.5
COLUMNS = (("", 22), ("layer", 104), ("Kbit", 74), ("block RAM", 58), ("LUTs", 46))
FULLEST, AREA = 30, 640 * 330  # the side of a cell, and what all cells may cover


@dataclass(frozen=True)
class _Unit:
    """A part of a primitive: which cell, from where to where in it, whose, and how full."""

    cell: int
    low: float
    size: float
    kind: Kind
    number: int
    fill: float


@dataclass
class _Canvas:
    """Rectangles and texts, y downwards."""

    rectangles: list[tuple] = field(default_factory=list)
    texts: list[tuple] = field(default_factory=list)

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        colour: str,
        edge: str = "none",
        line: float = 0.4,
    ) -> None:
        self.rectangles.append((x, y, width, height, colour, edge, line))

    def text(self, x: float, y: float, words: str, size: float = 9, **style: Any) -> None:
        self.texts.append((x, y, words, {"fontsize": size, "color": INK} | style))

    def save(self, path: Path, width: float, height: float) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        with drawing(path, width, height) as figure:
            axes = figure.add_axes((0, 0, 1, 1))
            axes.set(xlim=(0, width), ylim=(height, 0))
            axes.axis("off")
            patches = [Rectangle((x, y), w, h) for x, y, w, h, *_ in self.rectangles]
            styles = {
                "facecolors": [item[4] for item in self.rectangles],
                "edgecolors": [item[5] for item in self.rectangles],
                "linewidths": [item[6] for item in self.rectangles],
            }
            axes.add_collection(PatchCollection(patches, **styles))
            for x, y, words, style in self.texts:
                axes.text(x, y, words, **{"va": "center"} | style)


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw the budget `result`, as `hls.budget.report` returns it, into a .svg or .png file.

    Raises
    ------
    Refusal
        Another ending, or a place that cannot be written.
    """
    must_be_a_picture(path)
    numbers = {entry["layer"]: i for i, entry in enumerate(result["layers"], 1)}
    canvas = _Canvas()
    bottom = _title(canvas, result)
    left = _blocks(canvas, result, numbers, bottom)
    left = _luts(canvas, result, numbers, left)
    left = _legend(canvas, left)
    width, right = _table(canvas, result, numbers, bottom)
    canvas.save(path, width, max(left, right) + MARGIN)


def _title(canvas: _Canvas, result: Mapping[str, Any]) -> float:
    used, available, luts = result["used"], result["available"], result["luts"]
    verdict, colour = ("fits", "#276749") if result["fits"] else ("does not fit", RED)
    canvas.text(MARGIN, 30, f"{result['name']} on {result['board']}", 17, weight="bold")
    parts = [f"{used['bram36']:g} of {available['bram36']} RAMB36"]
    if available["uram"] or used["uram"]:
        parts.append(f"{used['uram']:g} of {available['uram']} UltraRAM")
    parts.append(f"{luts['all']:,} of {luts['board']:,} LUTs, {luts['memory']:,} of them memory")
    parts.append(f"{result['interval_cycles']:,} cycles a frame")
    if result["weight_fill"] is not None:
        parts.append(f"weight RAM {100 * result['weight_fill']:.1f} % full")
    canvas.text(MARGIN, 52, verdict, 10.5, weight="bold", color=colour)
    indent = 42 if result["fits"] else 92
    canvas.text(MARGIN + indent, 52, "   ".join(parts), 10.5)
    return 84


def _blocks(canvas: _Canvas, result: Mapping[str, Any], numbers: Mapping, y: float) -> float:
    """Draw block RAM and UltraRAM as grids of cells; return where they end."""
    for title, key, primitives in (
        ("Block RAM, a cell is a RAMB36", "bram36", (Primitive.RAMB36, Primitive.RAMB18)),
        ("UltraRAM, a cell is a URAM288", "uram", (Primitive.URAM288,)),
    ):
        limit = result["available"][key]
        units, taken = _units(result["memories"], primitives, numbers)
        if not (limit or units):
            continue
        cells = max(limit, taken)
        side = min(FULLEST, math.floor(math.sqrt(AREA / cells)))
        columns = LEFT // side
        free = max(0, limit - result["used"][key])
        over = result["used"][key] - limit
        state = f"{over:g} too many" if over > 0 else f"{free:g} free"
        canvas.text(MARGIN, y, f"{title}: {result['used'][key]:g} of {limit}, {state}", 10.5)
        y += 12
        for cell in range(cells):
            row, column = divmod(cell, columns)
            edge, line = (LINE, 0.5) if cell < limit else (RED, 1.2)
            canvas.box(MARGIN + column * side, y + row * side, side, side, "white", edge, line)
        for unit in units:
            _unit(canvas, unit, *_place(unit.cell, columns, side, y), side)
        y += -(-cells // columns) * side + GAP
    return y


def _place(cell: int, columns: int, side: float, y: float) -> tuple[float, float]:
    row, column = divmod(cell, columns)
    return MARGIN + column * side, y + row * side


def _unit(canvas: _Canvas, unit: _Unit, x: float, y: float, side: float) -> None:
    strong, pale = COLOURS[unit.kind]
    inset = side / 18
    width, height = side - 2 * inset, unit.size * side - 2 * inset
    bottom = y + side - unit.low * side - inset
    canvas.box(x + inset, bottom - height, width, height, pale)
    canvas.box(x + inset, bottom - unit.fill * height, width, unit.fill * height, strong)
    # in the larger part of the two, so that the number crosses no edge
    used = unit.fill > 0.5
    part = max(unit.fill, 1 - unit.fill) * height
    middle = bottom - part / 2 if used else bottom - height + part / 2
    size = min(0.4 * side, max(0.8 * part, 0.6 * height))
    if size >= 3.4:
        style = {"ha": "center", "color": "white" if used else INK, "va": "center_baseline"}
        canvas.text(x + side / 2, middle, str(unit.number), size, **style)


def _units(
    rows: Sequence[Mapping[str, Any]], primitives: Sequence[Primitive], numbers: Mapping
) -> tuple[list[_Unit], int]:
    """Return the parts of cells that memories take, and how many cells there are.

    Weights first; two RAMB18, or two memories that share one, in a cell.
    """
    free: dict[int, float] = {}  # what is left of begun cells
    found, cells = [], 0
    for row in _ordered(rows, primitives):
        kind, primitive = Kind(row["kind"]), Primitive(row["primitive"])
        fill = row["bits"] / (row["count"] * BITS[primitive])
        for part in _parts(row["count"]):
            size = part * SIZES[primitive]
            cell = next((c for c, left in free.items() if left >= size), None)
            if cell is None:
                cell, cells = cells, cells + 1
                free[cell] = 1.0
            low = 1 - free[cell]
            free[cell] -= size
            if free[cell] <= 0:
                del free[cell]
            found.append(_Unit(cell, low, size, kind, numbers[row["layer"]], min(1.0, fill)))
    return found, cells


def _parts(count: float) -> Iterator[float]:
    yield from (1.0 for _ in range(int(count)))
    if count % 1:
        yield count % 1


def _ordered(
    rows: Sequence[Mapping[str, Any]], primitives: Sequence[Primitive]
) -> list[Mapping[str, Any]]:
    order = {kind: i for i, kind in enumerate(COLOURS)}
    held = [row for row in rows if row["primitive"] in primitives and row["count"]]
    return sorted(held, key=lambda row: order[Kind(row["kind"])])


def _luts(canvas: _Canvas, result: Mapping[str, Any], numbers: Mapping, y: float) -> float:
    """Draw the board's LUTs as one bar, and those with memory, layer by layer, as another."""
    luts, limit = result["luts"], result["available"]["lut"]
    whole = max(luts["board"], luts["all"])
    title = f"LUTs: {luts['memory']:,} hold memory, at most {limit:,} may; about {luts['logic']:,}"
    canvas.text(MARGIN, y, f"{title} are logic; the board has {luts['board']:,}", 10.5)
    y += 12
    scale, height = LEFT / whole, 22
    rows = _ordered(result["memories"], (Primitive.LUTROM, Primitive.LUTRAM))
    canvas.box(MARGIN, y, luts["board"] * scale, height, "white", LINE, 0.8)
    x = float(MARGIN)
    for kind, (strong, _) in COLOURS.items():
        width = sum(row["count"] for row in rows if row["kind"] == kind) * scale
        canvas.box(x, y, width, height, strong)
        x += width
    canvas.box(x, y, luts["logic"] * scale, height, LOGIC)
    if luts["logic"] * scale > 60:
        style = {"ha": "center", "color": "white"}
        canvas.text(x + luts["logic"] * scale / 2, y + height / 2, "logic", 9, **style)
    for at, colour in ((limit, INK), (luts["board"], RED if whole > luts["board"] else LINE)):
        canvas.box(MARGIN + at * scale - 0.5, y - 3, 1, height + 6, colour)
    y += height + 8
    if not luts["memory"]:
        return y + GAP
    x, scale = float(MARGIN), LEFT / luts["memory"]
    for row in rows:
        strong, pale = COLOURS[Kind(row["kind"])]
        width = row["count"] * scale
        full = min(1.0, row["bits"] / (row["count"] * LUT_BITS))
        canvas.box(x, y, width, 30, pale)
        canvas.box(x, y + 30 * (1 - full), width, 30 * full, strong)
        if width > 2:
            canvas.box(x + width - 0.5, y, 0.5, 30, "white")
        number = str(numbers[row["layer"]])
        if width > 4.6 * len(number):
            colour = "white" if full > 0.5 else INK
            middle = y + (30 - 15 * full if full > 0.5 else 15 * (1 - full))
            canvas.text(x + width / 2, middle, number, 6.5, ha="center", color=colour)
        x += width
    canvas.text(MARGIN, y + 39, "the LUTs with memory, enlarged: layer by layer", 8, color=GREY)
    return y + 39 + GAP


def _legend(canvas: _Canvas, y: float) -> float:
    x = float(MARGIN)
    for kind, (strong, pale) in COLOURS.items():
        canvas.box(x, y - 6, 12, 12, pale)
        canvas.box(x, y - 1, 12, 7, strong)
        canvas.text(x + 17, y, NAMES.get(kind, str(kind)), 9)
        x += 80
    canvas.box(x, y - 6, 12, 12, LOGIC)
    canvas.text(x + 17, y, "logic", 9)
    canvas.box(x + 62, y - 6, 12, 12, "white", LINE, 0.8)
    canvas.text(x + 79, y, "free", 9)
    canvas.text(x + 118, y, "pale: taken, but empty;  number: layer", 9, color=GREY)
    return y + 8


def _table(
    canvas: _Canvas, result: Mapping[str, Any], numbers: Mapping, y: float
) -> tuple[float, float]:
    """Draw the table of layers and the sums; return where it ends, to the right and below."""
    left = MARGIN + LEFT + GAP
    columns = [*COLUMNS]
    if result["available"]["uram"] or result["used"]["uram"]:
        columns.insert(4, ("UltraRAM", 56))

    def line(y: float, values: Sequence[str], **style: Any) -> None:
        x = float(left)
        for i, ((_, width), value) in enumerate(zip(columns, values, strict=True)):
            right = i > 1
            canvas.text(x + (width if right else 0), y, value, 8.2, ha="right" if right else "left")
            if style:
                canvas.texts[-1][3].update(style)
            x += width

    def amounts(entry: Mapping[str, Any]) -> list[str]:
        found = [f"{entry['bits'] / 1000:,.1f}", f"{entry['bram36']:g}"]
        found += [f"{entry['uram']:g}"] if len(columns) > len(COLUMNS) else []
        return ["" if text == "0" else text for text in (*found, f"{entry['lut']:,g}")]

    line(y, [name for name, _ in columns], color=GREY)
    width = sum(width for _, width in columns)
    y += 9
    canvas.box(left, y, width, 0.8, LINE)
    for i, entry in enumerate(result["layers"]):
        y += ROW
        if i % 2:
            canvas.box(left - 3, y - ROW / 2, width + 6, ROW, "#f5f7fa")
        name = entry["layer"]
        line(y, [str(numbers[name]), name, *amounts(entry)])
    y += ROW / 2 + 2
    canvas.box(left, y, width, 0.8, LINE)
    for key in ("parameters", "activations"):
        y += ROW
        line(y, ["", key, *amounts(result[key])], weight="bold")
    maps = result["full_maps"]
    y += ROW + 4
    canvas.text(
        left, y, f"all feature maps whole: {maps['bits'] / 1e6:,.2f} Mbit,", 8.2, color=GREY
    )
    words = f"{maps['bram36']:,} RAMB36; twice, to overlap layers: {maps['double_bram36']:,}"
    canvas.text(left, y + ROW, words, 8.2, color=GREY)
    return left + width + MARGIN, y + ROW
