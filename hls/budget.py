"""The memory budget of a build: every memory by layer and primitive, totals against the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import manifest as form
from .cuts import LUT_BITS, RAMB18_BITS, RAMB36_BITS, Primitive
from .memory import Kind

_BLOCK_BITS = {Primitive.RAMB18: RAMB18_BITS, Primitive.RAMB36: RAMB36_BITS}
_BRAM36 = {Primitive.RAMB18: 0.5, Primitive.RAMB36: 1.0}
_LUTS = (Primitive.LUTROM, Primitive.LUTRAM)

Row = Mapping[str, Any]


def budget(build: Path | str) -> dict[str, Any]:
    """Return the on-chip memory of a build, the JSON object of `zynqfire budget`.

    Parameters
    ----------
    build : path
        Folder that `compile` wrote.

    Returns
    -------
    dict
        Bits are stored bits, padding apart; ``used["lut"]`` counts the LUTs that hold memory.
        ``weight_fill`` is null where no block RAM holds weights, ``advice`` where all fits.

    Raises
    ------
    Refusal
        The folder is no build.
    """
    manifest = form.read(build, "board", "limits", "memories")
    rows: Sequence[Row] = manifest["memories"]
    limits: Mapping[str, int] = manifest["limits"]
    count = Counter[str]()
    bits = Counter[str]()
    for row in rows:
        count[row["primitive"]] += row["count"]
        bits[row["primitive"]] += row["bits"]
    used = {
        "bram36": sum(each * count[primitive] for primitive, each in _BRAM36.items()),
        "uram": count[Primitive.URAM288],
        "lut_rom_bits": bits[Primitive.LUTROM],
        "lutram_bits": bits[Primitive.LUTRAM],
        "lut": sum(count[primitive] for primitive in _LUTS),
    }
    available = {
        "bram36": limits["bram36"],
        "uram": limits["uram"],
        "lut_rom_bits": limits["lut"] * LUT_BITS,
        "lutram_bits": limits["slicem_lut"] * LUT_BITS,
        "lut": limits["lut"],
    }
    # What is over is counted in primitives: a shallow memory takes a whole one.
    needs = {
        "block RAM": (used["bram36"], limits["bram36"], "RAMB36", tuple(_BRAM36)),
        "UltraRAM": (used["uram"], limits["uram"], "URAM288", (Primitive.URAM288,)),
        "LUT RAM": (count[Primitive.LUTRAM], limits["slicem_lut"], "LUTs", _LUTS[1:]),
        "memory in LUTs": (used["lut"], limits["lut"], "LUTs", _LUTS),
    }
    over = {what: need for what, need in needs.items() if need[0] > need[1]}
    return {
        "board": manifest["board"],
        "fits": not over,
        "used": used,
        "available": available,
        "weight_bits": sum(row["bits"] for row in rows if row["kind"] == Kind.WEIGHTS),
        "weight_fill": weight_fill(rows),
        "advice": advice(manifest["board"], rows, over) if over else None,
        "memories": [dict(row) for row in rows],
    }


def weight_fill(rows: Sequence[Row]) -> float | None:
    """Return the weight bits in block RAM over the bits of the block RAM that holds them."""
    held = [row for row in rows if row["kind"] == Kind.WEIGHTS and row["primitive"] in _BLOCK_BITS]
    size = sum(_BLOCK_BITS[Primitive(row["primitive"])] * row["count"] for row in held)
    return sum(row["bits"] for row in held) / size if size else None


def advice(board: str, rows: Sequence[Row], over: Mapping[str, tuple]) -> str:
    """Return one line: what is over, which layer takes most of it, what to change."""
    what, (need, have, unit, primitives) = max(
        over.items(), key=lambda item: item[1][0] / max(item[1][1], 0.5)
    )
    by_layer = Counter[str]()
    for row in rows:
        if row["primitive"] in primitives:
            by_layer[row["layer"]] += row["count"] * _BRAM36.get(Primitive(row["primitive"]), 1)
    layer, most = by_layer.most_common(1)[0]
    return (
        f"{what}: {need:g} of {board}'s {have:g} {unit}, {layer} alone {most:g}; "
        "fewer weight bits, a longer --interval or a larger --board would help"
    )
