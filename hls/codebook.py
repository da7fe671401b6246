"""Weights out of a table: QONNX's Gather, the way through hls4ml, and the table found again.

A constant of at most 32 entries goes through a per-tensor `Quant`, a `Gather` of constant indices
makes it the weights of a layer, and a `Mul` by a power of two for each channel may follow. hls4ml
takes the weights as values; a mark on their convolution says that memories may hold indices. The
table is read off the weights again, so that edits in hls4ml's graph count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from .. import Refusal
from . import narrow
from .names import Names, from_identifier
from .narrow import Weights
from .onnx_graph import Node, OnnxGraph
from .steps import Codes
from .verify import CODEBOOK_ENTRIES

MARK = "zynqfire.codebook"  # metadata of a convolution: the shift of each channel, or nothing


def layer(node: Node, graph: OnnxGraph) -> str:
    """Return the name of the layer whose parameter `node` makes; its own where there is none."""
    tensors, found = set(node.outputs), None
    for reader in graph.nodes:  # in topological order
        if tensors & set(reader.inputs):
            tensors |= set(reader.outputs) if reader.op == "Mul" else set()
            found = reader if reader.op in ("Conv", "Gemm") else found
    return Names().layer(found, graph) if found else node.name


def looked_up(node: Node, name: str, table: Codes | None, indices: np.ndarray | None) -> Codes:
    """Return the weights that a Gather takes out of a quantized table for the layer `name`.

    Raises
    ------
    Refusal
        The table is not quantized, not flat, too long or has several scales; the indices are not
        constant or out of range.

    """
    if table is None:
        raise Refusal(
            f"layer {name}: Gather {node.name} must look weights up in a constant that goes "
            f"through a Quant node, not in {node.inputs[0]}"
        )
    if table.codes.ndim != 1 or not 0 < table.codes.size <= CODEBOOK_ENTRIES or table.indexed:
        shape = "x".join(map(str, table.codes.shape))
        raise Refusal(
            f"layer {name}: its table of weights must be a list of 1 to {CODEBOOK_ENTRIES} values, "
            f"not {shape}"
        )
    if len(np.unique(table.fracs)) > 1:
        raise Refusal(
            f"layer {name}: its table of weights must have one scale, not "
            f"{len(np.unique(table.fracs))} different ones"
        )
    if (axis := node.attributes.get("axis", 0)) not in (0, -1):
        raise Refusal(f"layer {name}: Gather {node.name} must be along axis 0, not {axis}")
    if indices is None or indices.dtype.kind not in "iu" or not indices.ndim:
        what = "computed" if indices is None else f"{indices.dtype} of {indices.ndim} axes"
        raise Refusal(
            f"layer {name}: the indices of its weights must be constant integers, one a weight, "
            f"not {what}"
        )
    entries = len(table.codes)
    if indices.size and not -entries <= indices.min() <= indices.max() < entries:
        wrong = indices[(indices < -entries) | (indices >= entries)].flat[0]
        raise Refusal(
            f"layer {name}: the indices of its weights must be from 0 to {entries - 1}, not {wrong}"
        )
    fracs = np.full(len(indices), table.fracs[0])
    return replace(table, codes=table.codes[indices], fracs=fracs, indexed=True)


def scaled(node: Node, name: str, weights: Codes, factors: np.ndarray | None) -> Codes:
    """Return weights times a power of two for each channel of the layer `name`.

    Raises
    ------
    Refusal
        The factors are something else.

    """
    channels, axes = len(weights.codes), weights.codes.ndim
    shapes = [(), (1,) * axes, (channels,) + (1,) * (axes - 1)]
    if factors is None or factors.shape not in shapes:
        what = "computed" if factors is None else f"of the shape {factors.shape}"
        raise Refusal(
            f"layer {name}: the factors of its weights must be constants of the shape "
            f"{shapes[-1]}, not {what}"
        )
    if factors.dtype.kind != "f":
        raise Refusal(
            f"layer {name}: the factors of its weights must be floats, not {factors.dtype}"
        )
    mantissa, exponent = np.frexp(factors.astype(np.float64).ravel())
    if np.any(mantissa != 0.5):
        wrong = factors.ravel()[mantissa != 0.5][0]
        raise Refusal(
            f"layer {name}: the factors of its weights must be powers of two, not {wrong:g}"
        )
    fracs = weights.fracs - (exponent.astype(np.int64) - 1)
    return replace(weights, fracs=fracs, quantizer=replace(weights.quantizer, frac=fracs.max()))


def mark(node: onnx.NodeProto, weights: Codes) -> onnx.NodeProto:
    """Return a convolution marked where its weights were looked up."""
    if weights.indexed:
        shifts = weights.fracs.max() - weights.fracs
        each = ",".join(map(str, shifts.tolist())) if shifts.any() else ""
        node.metadata_props.add(key=MARK, value=each)
    return node


def marks(model_graph: Any) -> dict[str, np.ndarray]:
    """Return the layers of hls4ml's graph whose weights were looked up, and channels' shifts."""
    model = model_graph.config.get_config_value("OnnxModel")
    if isinstance(model, str):
        model = onnx.load(model, load_external_data=False)
    return {
        from_identifier(node.name): np.array([int(n) for n in entry.value.split(",") if n])
        for node in (model.graph.node if model else ())
        for entry in node.metadata_props
        if entry.key == MARK
    }


def aligned(
    layer: str, wide: Weights, biases: np.ndarray, marked: Mapping[str, np.ndarray]
) -> tuple[Weights, np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """Return what `narrow.aligned` does, and the codebook of a marked layer.

    Such a layer's channels are shifted as far as they were. It has no codebook, the last result
    empty, where indices would be as wide as weights: with edited weights, or few values.
    """
    if layer not in marked:
        return *narrow.aligned(wide, biases), ()
    shifts = marked[layer]
    if not shifts.any():
        shifts = np.zeros(len(biases), int)
    each = shifts.reshape(-1, 1, 1, 1)
    weights = wide.codes >> each
    bits = narrow.bits(weights)
    exact = np.array_equal(weights << each, wide.codes)
    if not exact or bits > narrow.MAX_BITS or np.any(biases & ((1 << shifts) - 1)):
        return *narrow.aligned(wide, biases), ()
    entries = np.unique(weights)
    few = len(entries) <= CODEBOOK_ENTRIES and len(entries) <= 1 << (bits - 1)
    align = tuple(shifts.tolist()) if shifts.any() else ()
    found = replace(wide, codes=weights, bits=bits)
    return found, biases >> shifts, align, tuple(entries.tolist()) if few else ()
