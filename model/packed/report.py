"""How small a packed model is, by layer and by stage: Deep Compression's tables, of our files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .coding import GAPS, Coded, relative
from .huffman import entropy
from .zfz import CODINGS, Tensor

FLOAT_BITS = 32


@dataclass(frozen=True, eq=False)
class Written:
    """A tensor of a packed model, and how its codes were written."""

    tensor: Tensor
    code: Coded


def report_of(
    written: list[Written], sizes: dict[str, int], packed_bytes: int, onnx_bytes: int
) -> dict[str, Any]:
    """Return the size report of a packed model.

    Returns
    -------
    dict
        `layers`: a row a weight tensor, with its codebook where it has one: `weights`, `nonzeros`,
        bits as float32 (`float_bits`), as quantized (`quantized_bits`) and as packed, code tables
        included (`packed_bits`), the least that weights coded one by one need (`entropy_bits`),
        `coding`, `gap_bits`, and `stage_bits`: those of `stages`. `biases`: the sums of all other
        tensors. `stages`: the bits of all weights as float32 and after pruning, quantizing and
        Huffman coding, with the ratio to float32 and the share in what was saved. `bytes` of the
        file, `sections` its parts, `onnx_bytes`, `ratio_float` (of weights and biases as float32)
        and `ratio_onnx`.
    """
    tables = {one.tensor.layer: one for one in written if one.tensor.role == "table"}
    rows, stages, used = [], np.zeros(4, np.int64), set()
    for one in written:
        if one.tensor.role in ("weights", "indices"):
            table = tables.get(one.tensor.layer) if one.tensor.role == "indices" else None
            if table is not None:
                used.add(table.tensor.name)
            row, steps = _layer(one, table)
            rows.append(row)
            stages += steps
    others = [
        one
        for one in written
        if one.tensor.role not in ("weights", "indices") and one.tensor.name not in used
    ]
    sums = {key: sum(row[key] for row in rows) for key in ("weights", "nonzeros")}
    biases = {
        "biases": sum(one.tensor.codes.size for one in others),
        "quantized_bits": sum(_quantized(one) for one in others),
        "packed_bits": sum(8 * one.code.size for one in others),
    }
    floats = FLOAT_BITS * (sums["weights"] + biases["biases"]) / 8
    return {
        "bytes": packed_bytes,
        "onnx_bytes": onnx_bytes,
        "ratio_float": round(floats / packed_bytes, 3),
        "ratio_onnx": round(onnx_bytes / packed_bytes, 3),
        **sums,
        "layers": rows,
        "biases": biases,
        "stages": _stages(stages.tolist()),
        "sections": sizes,
    }


def _layer(one: Written, table: Written | None) -> tuple[dict[str, Any], list[int]]:
    codes = one.tensor.codes.ravel()
    # a table that is not ours to know leaves no weight known to be zero
    if table is not None:
        zero = table.tensor.codes.ravel()[codes] == 0
    else:
        zero = (codes == 0) & bool(one.tensor.fracs)
    weights, places = codes.size, np.flatnonzero(~zero)
    book = 0 if table is None else _quantized(table)
    packed = 8 * (one.code.size + (0 if table is None else table.code.size))
    entries = [(len(relative(places, weights, bits)[0]), bits) for bits in GAPS]

    def least(bits: int) -> int:
        """Return the bits of dense weights, or of sparse ones with gaps of the best width."""
        return min(weights * bits, *(count * (bits + gap) for count, gap in entries))

    dense = weights * one.tensor.bits + book
    steps = [weights * FLOAT_BITS, least(FLOAT_BITS), least(one.tensor.bits) + book, packed]
    row = {
        "layer": one.tensor.layer,
        "weights": weights,
        "nonzeros": len(places),
        "bits": one.tensor.bits,
        "float_bits": steps[0],
        "quantized_bits": dense,
        "packed_bits": packed,
        "entropy_bits": round(entropy(np.unique(codes, return_counts=True)[1]), 1),
        "coding": CODINGS[one.code.coding],
        "gap_bits": one.code.gap_bits,
        "stage_bits": steps,
    }
    return row, steps


def _quantized(one: Written) -> int:
    return one.tensor.codes.size * one.tensor.bits


def _stages(bits: list[int]) -> list[dict[str, Any]]:
    """Return what each stage leaves and its share in everything that is saved."""
    saved = bits[0] - bits[-1]
    rows = [{"stage": "float32", "bits": bits[0], "ratio": 1.0, "share": 0.0}]
    for name, before, after in zip(
        ("pruned", "quantized", "huffman"), bits, bits[1:], strict=False
    ):
        ratio, share = bits[0] / after, (before - after) / saved if saved else 0.0
        rows.append(
            {"stage": name, "bits": after, "ratio": round(ratio, 3), "share": round(share, 4)}
        )
    return rows
