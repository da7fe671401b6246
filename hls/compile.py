"""ONNX to a build folder: lower, fold, wire, place, emit."""

from __future__ import annotations

import io
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from .. import Refusal
from . import budget, count, emit, ip, manifest, perf
from .board import Board
from .choose import Choice
from .design import CONVOLUTIONS, Design, Instance
from .fold import Fold
from .ir import Network
from .memory import Placed
from .passes.folding import from_file

OVERRIDE = "--over-budget writes the RTL all the same"
IP = ("in_bits", "out_bits", "interval_cycles")  # of the manifest's key ip
OVER = ("what", "need", "limit", "unit")


def compile_model(
    onnx: Path | str,
    board: Board,
    out: Path | str,
    *,
    folding: Mapping[str, Any] | Path | str | None = None,
    interval: int | None = None,
    must_fit: bool = True,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write the build folder of an ONNX file for a board.

    Parameters
    ----------
    onnx : path
        QONNX as Brevitas exports it; golden vectors beside it are taken along.
    board : Board
    out : path
        Build folder; an old build there is replaced when the new one is whole.
    folding : mapping or path, optional
        Layer to ``{"pe", "simd"}``, or a JSON file of that.
    interval : int, optional
        Cycles a frame to keep with the fewest multipliers; default is as fast as the board holds.
    must_fit : bool
        Refuse what does not fit, else write it; the manifest says so.

    Returns
    -------
    dict
        The keys of ``zynqfire compile --json``.

    Raises
    ------
    Refusal
        The model cannot be taken, or does not fit the board.

    """
    from .lower import from_onnx  # hls4ml takes seconds to import

    start = time.monotonic()
    say = report or (lambda text: None)
    say(f"reading {onnx}")
    network = from_onnx(Path(onnx))
    golden = Path(onnx).with_suffix(".golden.npz")
    extra = {"golden.npz": _golden(golden, network)} if golden.is_file() else {}
    result = build(
        network,
        board,
        Path(out),
        folding=folding,
        interval=interval,
        extra=extra,
        must_fit=must_fit,
        report=report,
    )
    return result | {"seconds": round(time.monotonic() - start, 3)}


def build(
    network: Network,
    board: Board,
    out: Path,
    *,
    folding: Mapping[str, Any] | Path | str | None = None,
    interval: int | None = None,
    kept: Mapping[str, Mapping[str, int]] | None = None,
    extra: Mapping[str, bytes] | None = None,
    must_fit: bool = True,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write the build folder of a lowered network and `extra` files; see `compile_model`.

    `kept` is the folding of some layers, in the form of `folding`; the others are chosen.
    """
    say = report or (lambda text: None)
    given = {}
    if folding is not None:
        given = from_file(network, _mapping(folding))
    elif kept:
        given = {
            c.name: (Fold.of(c, **kept[c.name]),) for c in network.convolutions if c.name in kept
        }
    if must_fit:
        count.must_be_possible(network, board, OVERRIDE)
    choice = count.folded(network, board, given, interval, say)
    design, placed = choice.design, choice.placed
    cycles, what = design.bottleneck
    say(f"interval {cycles} cycles, set by the {what}")
    counted = count.facts(network, choice, board)
    result = budget.report(counted)
    if not result["fits"]:
        excess = budget.refusal(result)
        if must_fit:
            _refuse(network, board, given, interval, excess, say)
        say(f"warning: network {network.name} {excess}; this is written over budget")
    over = [{key: need[key] for key in OVER} for need in result["over"]]
    facts = counted | _facts(choice, board) | {"over_budget": over}
    say(f"writing {out}")
    files = emit.emit(design, _by_instance(design, placed), facts)
    described = json.loads(files[manifest.NAME])
    if sentence := ip.bound(described):
        say(f"warning: {sentence}")
    emit.write(files | (extra or {}), out)
    keys = (
        *("board", "interval_cycles", "latency_cycles", "in_lanes", "out_lanes", "multipliers"),
        *("utilization", "bound_cycles", "binding", "estimate", "layers"),
    )
    divisor = {"output_divisor": network.output.divisor}
    written = {"build": str(out)} | {key: facts[key] for key in keys}
    written |= {f"ip_{key}": described["ip"][key] for key in IP}
    return written | {"fits": not over, "over_budget": over} | divisor


def _refuse(
    network: Network,
    board: Board,
    given: Mapping[str, tuple[Fold, ...]],
    interval: int | None,
    excess: str,
    say: Callable[[str], None],
) -> None:
    """Refuse what does not fit, with the least interval that does where one was asked for."""
    rule = excess
    if interval is not None and len(given) < len(network.convolutions):
        fastest = count.folded(network, board, given, None, say)
        if count.report(network, fastest, board)["fits"]:
            least = fastest.design.interval
            rule = f"interval must be at least {least} cycles on {board.name}, not {interval}: "
            rule += f"it {excess}"
    raise Refusal(f"network {network.name}: {rule}; {OVERRIDE}")


def _golden(path: Path, network: Network) -> bytes:
    """Return golden vectors with outputs as the network's codes.

    Channels that only padded the classes may have had the finest scale: without them, the logits'
    common scale is coarser, and every code is divisible by the difference.
    """
    data = path.read_bytes()
    wanted = {"inputs": network.input.output.shape, "outputs": (network.output.output.elements,)}
    try:
        with np.load(io.BytesIO(data)) as arrays:
            found = dict(arrays)
        shapes = {
            "inputs": found["inputs"].shape[1:],
            "outputs": (found["outputs"][:1].size,),
        }
        whole = all(found[name].dtype.kind in "iu" for name in wanted)
    except (OSError, KeyError, ValueError, EOFError, BadZipFile, zlib.error):
        raise Refusal(
            f"golden vectors {path}: must hold the arrays inputs and outputs, delete the file or "
            "export the model again"
        ) from None
    if shapes != wanted or not whole or len(found["inputs"]) != len(found["outputs"]):
        raise Refusal(
            f"golden vectors {path}: inputs must be integers of {wanted['inputs']} and outputs of "
            f"{wanted['outputs']} a frame, not {shapes['inputs']} and {shapes['outputs']}"
        )
    finer = int(found.get("output_frac", 0)) - network.output.output.qtype.frac
    if "output_frac" not in found or finer <= 0:
        return data
    found["outputs"] = found["outputs"] >> finer
    found["output_frac"] = found["output_frac"] - finer
    text = io.BytesIO()
    np.savez_compressed(text, **found)
    return text.getvalue()


def _by_instance(design: Design, placed: Sequence[Placed]) -> dict[str, tuple[Placed, ...]]:
    places = iter(placed)
    return {i.name: tuple(next(places) for _ in i.memories) for i in design.instances}


def _mapping(wanted: Mapping | Path | str) -> Mapping[str, Any]:
    if isinstance(wanted, Mapping):
        return wanted
    try:
        data = json.loads(Path(wanted).read_text(), object_pairs_hook=_once)
    except OSError as error:
        raise Refusal(f"folding file {wanted}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(f"folding file {wanted}: must be JSON: {error}") from error
    if not isinstance(data, dict):
        raise Refusal(f"folding file {wanted}: must map layers to pe and simd, not {data!r}")
    return data


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key in found if sum(key == name for name, _ in pairs) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return found


def _facts(choice: Choice, board: Board) -> dict[str, Any]:
    """Return what the manifest says beside the structure and what `count.facts` has."""
    design = choice.design
    first = design.instances[0].sinks[0]
    return {
        "part": board.part,
        "family": board.family,
        "clock_mhz": board.clock_mhz,
        "latency_cycles": perf.latency(design),
        "in_lanes": first.lanes,
        "out_lanes": 1,
        "multipliers": design.multipliers,
        "utilization": design.utilization,
        "bound_cycles": choice.bound,
        "binding": list(choice.binding),
        "layers": [_layer(design, i) for i in design.instances if i.module in CONVOLUTIONS],
    }


def _layer(design: Design, instance: Instance) -> dict[str, Any]:
    """Return how a layer is computed; one multiplier a lane where it is depthwise."""
    op, lanes = instance.operation, instance.sources[0].lanes
    fold = design.folds.get(op.name, Fold(lanes))
    return {
        "name": op.name,
        "pe": fold.pe,
        "simd": fold.simd,
        "pixels": fold.pixels,
        "dsp": fold.dsps,
        "cycles": instance.cycles,
        "weight_bits": op.stored_bits,
        "codebook": len(op.codebook),
        "acc_bits": op.output.qtype.bits + (not op.output.qtype.signed),
    }
