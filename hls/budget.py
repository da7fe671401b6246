"""The memory budget of a design: every memory by layer and primitive, totals against the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import manifest as form
from .cuts import LUT_BITS, RAMB18_BITS, RAMB36_BITS, Primitive
from .ir import Add, Conv, Depthwise, Input, MaxPool, Network, Requantize, SumPool
from .memory import LUT_SHARE, Estimate, Kind

_BLOCK_BITS = {Primitive.RAMB18: RAMB18_BITS, Primitive.RAMB36: RAMB36_BITS}
_BRAM36 = {Primitive.RAMB18: 0.5, Primitive.RAMB36: 1.0}
_LUTS = (Primitive.LUTROM, Primitive.LUTRAM)
PARAMETERS = (Kind.WEIGHTS, Kind.BIAS)
ACTIVATIONS = (Kind.WINDOW, Kind.FIFO)

Row = Mapping[str, Any]
KEYS = (
    *("name", "board", "limits", "interval_cycles", "estimate", "estimate_by_layer"),
    *("full_maps", "memories"),
)


@dataclass(frozen=True)
class Need:
    """Something of a board, how much of it a design needs, and which layer takes most of it."""

    what: str
    need: float
    limit: float
    unit: str
    layer: str
    layer_need: float

    @property
    def share(self) -> float:
        """What is needed over what is there."""
        return self.need / max(self.limit, 0.5)

    def words(self, board: str) -> str:
        """Return one line: what is over, by how much, and which layer takes most of it."""
        return (
            f"{self.what}: {_number(self.need)} of {board}'s {_number(self.limit)} {self.unit}, "
            f"{self.layer} alone {_number(self.layer_need)}"
        )


def budget(build: Path | str) -> dict[str, Any]:
    """Return the on-chip memory of a build, see `report`.

    Raises
    ------
    Refusal
        The folder is no build.
    """
    return report(form.read(build, *KEYS))


def report(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of `zynqfire budget`, but for advice.

    Parameters
    ----------
    facts : mapping
        What a manifest says at `KEYS`.

    Returns
    -------
    dict
        Bits are stored bits, padding apart; ``lut`` counts the LUTs that hold memory. `parameters`
        are weights and biases, `activations` windows and FIFOs, those of pools among them.
        `full_maps` is what it would cost to hold every feature map whole, once or twice.
        `placement` is the share of the board that memories take, summed over LUTs, block RAM and
        UltraRAM, and the proven bound of that. ``weight_fill`` is null where no block RAM holds
        weights. `over` says what does not fit.
    """
    rows: Sequence[Row] = facts["memories"]
    limits: Mapping[str, int] = facts["limits"]
    bits = Counter[str]()
    for row in rows:
        bits[row["primitive"]] += row["bits"]
    whole = amounts(rows)
    memory_luts = int(limits["lut"] * LUT_SHARE)
    estimate, by_layer = facts["estimate"], facts["estimate_by_layer"]
    needs = _over(rows, limits, estimate, by_layer)
    return {
        "name": facts["name"],
        "board": facts["board"],
        "interval_cycles": facts["interval_cycles"],
        "fits": not needs,
        "used": {
            "bram36": whole["bram36"],
            "uram": whole["uram"],
            "lut_rom_bits": bits[Primitive.LUTROM],
            "lutram_bits": bits[Primitive.LUTRAM],
            "lut": whole["lut"],
        },
        "available": {
            "bram36": limits["bram36"],
            "uram": limits["uram"],
            "lut_rom_bits": memory_luts * LUT_BITS,
            "lutram_bits": min(limits["slicem_lut"], memory_luts) * LUT_BITS,
            "lut": memory_luts,
        },
        "luts": {
            "memory": whole["lut"],
            "logic": round(_luts(estimate) - whole["lut"]),
            "all": _luts(estimate),
            "board": limits["lut"],
        },
        "placement": facts.get("placement"),
        "weight_bits": sum(row["bits"] for row in rows if row["kind"] == Kind.WEIGHTS),
        "weight_fill": weight_fill(rows),
        "parameters": amounts(row for row in rows if row["kind"] in PARAMETERS),
        "activations": amounts(row for row in rows if row["kind"] in ACTIVATIONS),
        "full_maps": facts["full_maps"],
        "over": [asdict(need) | {"text": need.words(facts["board"])} for need in needs],
        "advice": [],
        "layers": _by_layer(rows, by_layer),
        "memories": [dict(row) for row in rows],
    }


def facts(
    network: Network,
    board: str,
    limits: Mapping[str, int],
    interval: int,
    rows: Sequence[Row],
    costs: Mapping[str, Estimate],
    placement: Mapping[str, float],
) -> dict[str, Any]:
    """Return what a manifest says at `KEYS`, of a design that is counted and not written.

    `costs` are those of layers, logic and memories; `placement` is how near the best they are.
    """
    return {
        "name": network.name,
        "board": board,
        "limits": dict(limits),
        "interval_cycles": interval,
        "estimate": entry(sum(costs.values(), Estimate())),
        "estimate_by_layer": {layer: entry(cost) for layer, cost in costs.items()},
        "full_maps": full_maps(network),
        "memories": list(rows),
        "placement": dict(placement),
    }


def entry(cost: Estimate) -> dict[str, float]:
    """Return what a manifest says of a cost."""
    return {key: getattr(cost, key) for key in ("lut", "lutram", "srl", "ff", "bram36", "dsp")}


def full_maps(network: Network) -> dict[str, Any]:
    """Return what it would cost to hold all feature maps whole, as Jha et al. count them.

    The input and all that convolutions, pools and additions write, in codes as they are passed on;
    a concatenation only puts together what was counted.
    """
    found = []
    for op in network.operations:
        if isinstance(op, Input | Conv | Depthwise | Add | MaxPool | SumPool):
            readers = network.consumers(op.output.name)
            quantized = len(readers) == 1 and isinstance(readers[0], Requantize)
            tensor = (readers[0] if quantized else op).output
            found.append(tensor.elements * tensor.qtype.bits)
    blocks = sum(-(-bits // RAMB36_BITS) for bits in found)
    return {
        "maps": len(found),
        "bits": sum(found),
        "bram36": blocks,
        "double_bits": 2 * sum(found),
        "double_bram36": 2 * blocks,
    }


def amounts(rows: Any) -> dict[str, float]:
    """Return the bits of memories and the primitives they take."""
    found = {"bits": 0, "bram36": 0.0, "uram": 0, "lut": 0}
    for row in rows:
        found["bits"] += row["bits"]
        if row["primitive"] in _BRAM36:
            found["bram36"] += _BRAM36[row["primitive"]] * row["count"]
        else:
            key = "uram" if row["primitive"] == Primitive.URAM288 else "lut"
            found[key] += row["count"]
    return found


def weight_fill(rows: Sequence[Row]) -> float | None:
    """Return the weight bits in block RAM over the bits of the block RAM that holds them."""
    held = [row for row in rows if row["kind"] == Kind.WEIGHTS and row["primitive"] in _BLOCK_BITS]
    size = sum(_BLOCK_BITS[Primitive(row["primitive"])] * row["count"] for row in held)
    return sum(row["bits"] for row in held) / size if size else None


def refusal(result: Mapping[str, Any]) -> str:
    """Return what must fit and does not, what is most over first, as words after a name."""
    most = result["over"][0]
    return (
        f"must fit {result['board']}'s {_number(most['limit'])} {most['unit']}, it needs about "
        f"{_number(most['need'])}"
    )


def _by_layer(rows: Sequence[Row], costs: Mapping[str, Row]) -> list[dict[str, Any]]:
    """Return every layer with memory: what each kind of it takes, and the LUTs of its logic."""
    held: dict[str, list[Row]] = {}
    for row in rows:
        held.setdefault(row["layer"], []).append(row)
    return [
        {"layer": layer}
        | amounts(own)
        | {"logic_lut": round(_luts(costs[layer]) - amounts(own)["lut"]) if layer in costs else 0}
        | {str(kind): amounts(row for row in own if row["kind"] == kind) for kind in Kind}
        for layer, own in held.items()
    ]


def _over(
    rows: Sequence[Row],
    limits: Mapping[str, int],
    estimate: Mapping[str, float],
    by_layer: Mapping[str, Mapping[str, float]],
) -> list[Need]:
    """Return what does not fit, what is most over first.

    It is counted in primitives: a shallow memory takes a whole one.
    """
    found = []

    def check(what: str, layers: Mapping[str, float], limit: float, unit: str) -> None:
        need = sum(layers.values())
        if need > limit:
            most = max(layers, key=lambda layer: layers[layer])
            found.append(Need(what, need, limit, unit, most, layers[most]))

    def of(*primitives: Primitive) -> Counter[str]:
        layers = Counter[str]()
        for row in rows:
            if row["primitive"] in primitives:
                layers[row["layer"]] += row["count"] * _BRAM36.get(row["primitive"], 1)
        return layers

    def logic(key: str) -> dict[str, float]:
        return {layer: cost[key] for layer, cost in by_layer.items()}

    check("block RAM", of(*_BRAM36), limits["bram36"], "RAMB36")
    check("UltraRAM", of(Primitive.URAM288), limits["uram"], "URAM288")
    check("LUT RAM", of(Primitive.LUTRAM), limits["slicem_lut"], "LUTs for RAM")
    check("memory in LUTs", of(*_LUTS), int(limits["lut"] * LUT_SHARE), "LUTs for memory")
    luts = {layer: _luts(cost) for layer, cost in by_layer.items()}
    check("logic and memory", luts, limits["lut"], "LUTs")
    check("registers", logic("ff"), limits["ff"], "flip-flops")
    check("products", logic("dsp"), limits["dsp"], "DSPs")
    return sorted(found, key=lambda need: -need.share)


def _number(value: float) -> str:
    return f"{value:.10g}"


def _luts(cost: Mapping[str, float]) -> float:
    return cost["lut"] + cost["lutram"] + cost["srl"]
