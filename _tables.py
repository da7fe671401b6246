"""What a person sees of an answer: plain tables of the same numbers as the JSON object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

MOST_LINES = 6  # of what breaks a rule


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


def quantized(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `quantize`."""
    return [rows(result["steps"], "Quantized without training"), facts("Accuracy", result)]


def compiled(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `compile`."""
    return [*_optional_rows(result, "layers"), facts("Compiled", result)]


def synthesized(result: Mapping[str, Any]) -> list[Table | str]:
    """Return the tables of `synth`; where the tool is Vivado, our own numbers beside its."""
    if "estimate" in result:
        return _beside_ours(result)
    layers = [{"layer": name} | dict(use) for name, use in result.get("by_layer", {}).items()]
    return [*([rows(layers)] if layers else []), facts("Synthesized", result)]


def _beside_ours(result: Mapping[str, Any]) -> list[Table | str]:
    """Return estimate / Vivado by layer, and what the whole design takes of the part."""
    ours, keys = result["estimate"], list(result["whole"])
    lines = [(name, cost, result["by_layer"].get(name)) for name, cost in ours["by_layer"].items()]
    lines.append(("accelerator", ours, result))
    lost = ", ".join(result["dissolved"])
    remark = [f"Vivado put these into others, they are in the sum only: {lost}"] if lost else []

    def beside(guess: Mapping[str, Any], found: Mapping[str, Any] | None, key: str) -> str:
        return f"{text(guess[key])} / {text(found and found[key])}"

    return [
        rows(
            [
                {"layer": name} | {key: beside(guess, found, key) for key in keys}
                for name, guess, found in lines
            ],
            "Estimated / Vivado; the accelerator has its ports, too",
        ),
        *remark,
        against(result["whole"], result["available"], "The whole bitstream"),
        facts("Synthesized", result),
    ]


def archive(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `package`."""
    return [facts("Packed", dict(result) | {"files": len(result["files"])})]


def profiled(net: str, result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `profile`: layers, modules, bits, ZynqNet's rules, sums and ratios."""
    from .hls.cuts import RAMB36_BITS

    chip = result["on_chip"]
    bits = [
        {"what": what, "bits": chip[key], "RAMB36": -(-chip[key] // RAMB36_BITS)}
        for what, key in (
            ("weights", "weights"),
            ("biases", "biases"),
            (f"largest map: {chip['largest_map']}", "largest_map_bits"),
        )
    ]
    layers = [{k: v for k, v in layer.items() if k != "module"} for layer in result["layers"]]
    return [
        *([rows(layers)] if layers else []),
        *([rows(result["capacity"], "Capacity of the modules")] if result["capacity"] else []),
        rows(bits, "Bits on a chip, and the block RAM that holds as many"),
        rows(_rules(result["rules"]), "ZynqNet's design rules"),
        facts(net, result),
    ]


def _rules(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    from .model.rules import TITLES

    found = []
    for rule, each in result.items():
        where = each["where"]
        lines = where[:MOST_LINES]
        if len(where) > MOST_LINES:
            lines.append(f"and {len(where) - MOST_LINES} more")
        found.append(
            {"rule": TITLES[rule], "kept": each["pass"], "broken by": "\n".join(lines) or None}
        )
    return found


def networks(items: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return what `networks` shows."""
    shown = [
        {key: item[key] for key in ("name", "macs", "weights", "biases")}
        | {"hardware": "deployable" if item["deployable"] else "only counted"}
        | {"metaparameters": ", ".join(item["metaparameters"])}
        for item in items
    ]
    return [rows(shown), "A metaparameter is set on the command line: --set SR=0.25"]


def budget(result: Mapping[str, Any]) -> list[Any]:
    """Return what `budget` shows: layers, the board, parameters and activations, advice."""
    used, luts = dict(result["used"]), result["luts"]
    used["lut"] = luts["memory"]
    whole = used | {"logic lut": luts["logic"], "all lut": luts["all"]}
    board = result["available"] | {"all lut": luts["board"]}
    title = f"{result['name']} on {result['board']}: {result['interval_cycles']:,} cycles a frame"
    shown = [
        rows([_budget_layer(layer) for layer in result["layers"]], "Bits and primitives by layer"),
        against(whole, board, title),
        rows(_sides(result), "Parameters and activations"),
        facts("Budget", {key: result[key] for key in ("fits", "weight_bits", "weight_fill")}),
    ]
    shown += [f"does not fit: {need['text']}" for need in result["over"]]
    advice = [f"{i}. {each['text']}" for i, each in enumerate(result["advice"], 1)]
    if not result["fits"]:
        shown += ["would fit:", *advice] if advice else ["no change found that fits"]
    return shown


def _budget_layer(layer: Mapping[str, Any]) -> dict[str, Any]:
    kinds = ("weights", "bias", "window", "fifo")
    return (
        {"layer": layer["layer"]}
        | {kind: layer[kind]["bits"] for kind in kinds}
        | {"RAMB36": layer["bram36"], "UltraRAM": layer["uram"]}
        | {"memory LUTs": layer["lut"], "logic LUTs": layer["logic_lut"]}
    )


def _sides(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    maps = result["full_maps"]
    found = [
        {"what": what, "bits": one["bits"], "RAMB36": one["bram36"]}
        | {"UltraRAM": one["uram"], "LUTs": one["lut"]}
        for what, one in (
            ("parameters: weights, biases", result["parameters"]),
            ("activations: windows, FIFOs", result["activations"]),
        )
    ]
    for what, key in (("all maps held whole", ""), ("and twice", "double_")):
        bits, blocks = maps[f"{key}bits"], maps[f"{key}bram36"]
        found.append(
            {"what": f"instead: {what}", "bits": bits, "RAMB36": blocks}
            | {"UltraRAM": None, "LUTs": None}
        )
    return found


def matrix(result: Mapping[str, Any]) -> Table:
    """Return the matrix of `budget`: a row a board, a column a width."""
    cells = result["matrix"]
    title = f"{result['network']}: RAMB36, UltraRAM, cycles a frame, weight RAM full"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True)
    table.add_column("board", no_wrap=True)
    widths = list(dict.fromkeys(cell["bits"] for cell in cells))
    for bits in widths:
        table.add_column("own bits" if bits is None else f"{bits} bits", no_wrap=True)
    for board in dict.fromkeys(cell["board"] for cell in cells):
        table.add_row(board, *(_cell(cell) for cell in cells if cell["board"] == board))
    return table


def _cell(cell: Mapping[str, Any]) -> str:
    if not cell["fits"]:
        why = cell["why"].replace(" of ", "/", 1).replace(" for ", "\nfor ")
        return f"no\n{why}" if len(why) < 30 else "no: no folding\nis that fast"
    used, available, fill = cell["used"], cell["available"], cell["weight_fill"]
    lines = [f"{text(used['bram36'])}/{available['bram36']}"]
    if available["uram"]:
        lines.append(f"{text(used['uram'])}/{available['uram']} URAM")
    lines.append(text(cell["interval_cycles"]))
    return "\n".join([*lines, "-" if fill is None else f"{100 * fill:.0f} %"])


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


def packed(result: Mapping[str, Any]) -> list[Table]:
    """Return the tables of `pack`: layers, stages, and the file."""
    keys = ("layer", "weights", "nonzeros", "bits", "quantized_bits", "packed_bits", "entropy_bits")
    layers = [
        {key: layer[key] for key in keys}
        | {"bits a weight": layer["packed_bits"] / layer["weights"], "coding": layer["coding"]}
        | {"gap bits": layer["gap_bits"] or None}
        for layer in result["layers"]
    ]
    stages = [
        {"weights": each["stage"], "bits": each["bits"], "times smaller": each["ratio"]}
        | {"share of what is saved": f"{100 * each['share']:.1f} %"}
        for each in result["stages"]
    ]
    parts = [{"part": name, "bytes": size} for name, size in result["sections"].items()]
    shown = {key: value for key, value in result.items() if key != "rounded"}
    shown |= {"rounded tensors": len(result["rounded"])}
    return [
        rows(layers, "Bits by layer"),
        rows(stages, "Stage by stage"),
        rows(parts, "The file"),
        facts("Packed", shown),
    ]


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
