"""What a person sees of an answer: plain tables of the same numbers as the JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table


def facts(title: str, data: Mapping[str, Any]) -> Table:
    """Return the scalars of `data`, a row each."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in data.items():
        if not isinstance(value, dict | list | tuple):
            table.add_row(key.replace("_", " "), text(value))
    return table


def rows(items: Sequence[Mapping[str, Any]], title: str | None = None) -> Table:
    """Return `items`, a row each, with the keys of the first as columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    keys = list(items[0]) if items else []
    for key in keys:
        numbers = all(isinstance(item[key], int | float) for item in items)
        table.add_column(
            key.replace("_", " "), justify="right" if numbers else "left", no_wrap=True
        )
    for item in items:
        table.add_row(*(text(item[key]) for key in keys))
    return table


def text(value: Any) -> str:
    """Return `value` as people write it: 12,345 or 0.9876 or 3 x 3."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return " x ".join(text(item) for item in value)
    return str(value)


def compiled(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `compile`."""
    return [*_optional_rows(result, "layers"), facts("Compiled", result)]


def synthesized(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `synth`."""
    layers = [{"layer": name} | dict(use) for name, use in result.get("by_layer", {}).items()]
    return [*([rows(layers)] if layers else []), facts("Synthesized", result)]


def profiled(net: str, result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `profile`."""
    return [*_optional_rows(result, "layers"), facts(net, result)]


def budget(result: Mapping[str, Any]) -> list[Any]:
    """Return the tables of `budget`: a row a memory, then the totals against the board."""
    return [
        *_optional_rows(result, "memories"),
        against(result["used"], result["available"], f"On-chip memory on {result['board']}"),
        facts("Budget", {k: v for k, v in result.items() if k != "board"}),
    ]


def against(used: Mapping[str, Any], available: Mapping[str, Any], title: str) -> Table:
    """Return `used` beside `available` with the share in percent."""

    def share(kind: str) -> str:
        whole = available.get(kind)
        return f"{100 * used[kind] / whole:.1f} %" if whole else "-"

    return rows(
        [
            {"memory": kind, "used": used[kind], "board": available.get(kind), "share": share(kind)}
            for kind in used
        ],
        title,
    )


def board(item: Any) -> dict[str, Any]:
    """Return the columns of `boards` for one board."""
    keys: Iterable[str] = ("name", "part", "lut", "ff", "dsp", "bram36", "uram", "clock_mhz")
    return {key: getattr(item, key) for key in keys}


def demo(result: Mapping[str, Any]) -> list[Table]:
    """Return the one table of `demo`."""
    table = Table(title="zynqfire demo", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", style="bold", no_wrap=True)
    table.add_column("", overflow="fold")
    for name, value in result["table"]:
        table.add_row(name, value)
    return [table]


def _optional_rows(result: Mapping[str, Any], key: str) -> list[Table]:
    return [rows(result[key])] if result.get(key) else []
