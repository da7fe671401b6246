"""Widths from a few numbers: SqueezeNet's metaparameters, and a width for any network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from .. import Refusal
from .tables import typed


@dataclass(frozen=True)
class Metaparameters:
    """SqueezeNet's rule for its fire modules, and the width of all modules.

    Attributes
    ----------
    base_e, incr_e, freq : int
        Module i, from 0, expands to ``e_i = base_e + incr_e * floor(i / freq)`` channels
        (Iandola et al. 2016, section 5.1). All three or none.
    pct3x3, SR : float
        ``pct3x3 * e_i`` of the expansions are 3x3, and ``SR * e_i`` channels are squeezed to. What
        is not given is as in the module.
    width : float
        Multiplies the channels of every module but the classifier's.
    """

    base_e: int | None = None
    incr_e: int | None = None
    freq: int | None = None
    pct3x3: float | None = None
    SR: float | None = None
    width: float | None = None


MOST = 65536  # channels of a layer
METAPARAMETERS = tuple(item.name for item in fields(Metaparameters))


def accepted(kinds: Iterable[str]) -> list[str]:
    """Return the metaparameters that a network of modules of these `kinds` takes."""
    return list(METAPARAMETERS) if "fire" in kinds else ["width"]


def apply(
    tree: dict[str, Any],
    modules: dict[str, dict[str, Any]],
    scaled: dict[str, tuple[str, ...]],
    where: str,
) -> dict[str, dict[str, Any]]:
    """Return `modules` with the widths that the metaparameters in `tree` say, taken out of it.

    `scaled` are the fields of each kind of module that are numbers of channels.
    """
    given = {key: tree.pop(key) for key in METAPARAMETERS if key in tree}
    meta = typed(Metaparameters, given, where)
    rule = (meta.base_e, meta.incr_e, meta.freq)
    if None in rule and rule != (None, None, None):
        raise Refusal(f"{where}: base_e, incr_e and freq belong together, not {_shown(given)}")
    if meta.freq is not None and meta.freq < 1:
        raise Refusal(f"{where}: freq must be at least 1, not {meta.freq}")
    for key in ("base_e", "incr_e"):
        value = getattr(meta, key)
        if value is not None and abs(value) > MOST:
            raise Refusal(f"{where}: {key} must be at most {MOST} either way, not {value}")
    for key in ("pct3x3", "SR", "width"):
        value = getattr(meta, key)
        top = 16 if key == "width" else 1
        if value is not None and not 0 < value <= top:
            raise Refusal(f"{where}: {key} must be above 0 and at most {top}, not {value}")
    fires = [name for name, table in modules.items() if table["kind"] == "fire"]
    of_fires = {key: value for key, value in given.items() if key != "width"}
    if of_fires and not fires:
        raise Refusal(f"{where}: it has no fire modules, {_shown(of_fires)} are of them")
    result = dict(modules)
    for index, name in enumerate(fires):
        if of_fires:
            result[name] = _fire(modules[name], meta, index, f"{where}: {name}")
    if meta.width is not None:
        for name, table in result.items():
            given = {key: table[key] for key in scaled.get(table["kind"], ()) if key in table}
            counts = {key: _channels(given, key, f"{where}: {name}") for key in given}
            wider = {key: max(1, round(n * meta.width)) for key, n in counts.items() if n}
            result[name] = table | wider
    return result


def _fire(table: dict[str, Any], meta: Metaparameters, index: int, where: str) -> dict[str, Any]:
    """Return the fire module `table`, number `index`, with the widths of `meta`."""
    squeeze, expand1, expand3 = (
        _channels(table, key, where) for key in ("squeeze", "expand1", "expand3")
    )
    expand = expand1 + expand3
    share3 = meta.pct3x3 if meta.pct3x3 is not None else expand3 / max(1, expand)
    ratio = meta.SR if meta.SR is not None else squeeze / max(1, expand)
    if meta.base_e is not None:
        expand = meta.base_e + meta.incr_e * (index // meta.freq)
    expand3 = round(share3 * expand)
    widths = {"squeeze": round(ratio * expand), "expand1": expand - expand3, "expand3": expand3}
    return table | widths


def _channels(table: dict[str, Any], key: str, where: str) -> int:
    count = typed(int, table.get(key, 0), f"{where}: {key}")
    if not 0 <= count <= MOST:
        raise Refusal(f"{where}: {key} must be from 0 to {MOST}, not {count}")
    return count


def _shown(given: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in given.items())
