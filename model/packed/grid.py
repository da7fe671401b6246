"""Constants of a QONNX model that a quantizer reads, as integers.

Exporters leave weights as they were trained and round them when the network runs. `on_grid` rounds
them in the file: the network computes the same, and every weight is then a few bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

QUANTIZERS = ("Quant", "IntQuant")
ROUNDED = ("ROUND", "HALF_EVEN")
ON_THE_WAY = ("Quant", "IntQuant", "Gather", "Mul", "Identity", "Transpose", "Reshape")
LAYERS = ("Conv", "Gemm", "MatMul")
MOST_INDEX_BITS = 8


@dataclass(frozen=True, eq=False)
class Grid:
    """The integers that a constant may be: value = code * 2**-frac, low <= code <= high.

    `fracs` are one, one an output channel, or none for indices, which are integers already.
    """

    layer: str
    role: str
    bits: int
    low: int
    high: int
    fracs: tuple[int, ...]

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Return what the quantizer makes of finite `values`, int64."""
        if not self.fracs:
            return values.astype(np.int64)
        scaled = np.ldexp(values.astype(np.float64), self._each(values))
        return np.clip(np.rint(scaled), self.low, self.high).astype(np.int64)

    def values(self, codes: np.ndarray) -> np.ndarray:
        """Return the float32 values of `codes`; there is no -0."""
        return np.ldexp(codes.astype(np.float64), -self._each(codes)).astype(np.float32)

    def _each(self, values: np.ndarray) -> np.ndarray:
        fracs = np.array(self.fracs, np.int64)
        return fracs.reshape(-1, *[1] * (values.ndim - 1)) if len(fracs) > 1 else fracs[0]


def grids(model: onnx.ModelProto) -> dict[str, Grid]:
    """Return the grids of the initializers that are integers of a layer.

    Those are float32 read by one kind of quantizer alone, with a scale that is a power of two, and
    int64 that choose from a codebook of up to 256 values.
    """
    graph = _Graph(model)
    found = {}
    for item in model.graph.initializer:
        grid = graph.grid(item)
        if grid is not None:
            found[item.name] = grid
    return found


def on_grid(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return `model` with every quantized constant as its quantizer makes it."""
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    known = grids(model)
    for item in rounded.graph.initializer:
        grid = known.get(item.name)
        if grid is not None and grid.fracs:
            codes = grid.codes(numpy_helper.to_array(item))
            item.CopyFrom(numpy_helper.from_array(grid.values(codes), item.name))
    return rounded


class _Graph:
    """Who reads a tensor, and what the constants are."""

    def __init__(self, model: onnx.ModelProto):
        self.items = {item.name: item for item in model.graph.initializer}
        self.items |= {
            node.output[0]: node.attribute[0].t
            for node in model.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        self.readers: dict[str, list[tuple[onnx.NodeProto, int]]] = defaultdict(list)
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                self.readers[name].append((node, index))
        self.outputs = {item.name for item in model.graph.output}

    def grid(self, item: onnx.TensorProto) -> Grid | None:
        readers = self.readers[item.name]
        if not readers or item.name in self.outputs or 0 in item.dims or not item.dims:
            return None
        if item.data_type == onnx.TensorProto.INT64:
            return self._indices(item, readers)
        if item.data_type != onnx.TensorProto.FLOAT:
            return None
        if any(node.op_type not in QUANTIZERS or index for node, index in readers):
            return None
        found = [self._quantizer(node, tuple(item.dims)) for node, _ in readers]
        if None in found or len(set(found)) > 1:
            return None
        if not np.isfinite(numpy_helper.to_array(item)).all():
            return None
        bits, low, high, fracs = found[0]
        return Grid(*self._place(*readers[0]), bits, low, high, fracs)

    def _indices(
        self, item: onnx.TensorProto, readers: list[tuple[onnx.NodeProto, int]]
    ) -> Grid | None:
        if any(node.op_type != "Gather" or index != 1 for node, index in readers):
            return None
        values = numpy_helper.to_array(item)
        bits = max(1, int(values.max()).bit_length())
        if values.min() < 0 or bits > MOST_INDEX_BITS:
            return None
        layer, _ = self._place(*readers[0])
        return Grid(layer, "indices", bits, 0, (1 << bits) - 1, ())

    def _quantizer(
        self, node: onnx.NodeProto, shape: tuple[int, ...]
    ) -> tuple[int, int, int, tuple[int, ...]] | None:
        """Return bits, smallest and largest code, and fracs, if it is a quantizer of whole codes.

        What `compile` refuses is none: such constants are kept as they are.
        """
        if any(name not in self.items for name in node.input[1:4]) or len(node.input) < 4:
            return None
        scale, zero, width = (numpy_helper.to_array(self.items[n]) for n in node.input[1:4])
        options = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        mode = options.get("rounding_mode", b"ROUND").decode(errors="replace").upper()
        signed, narrow = (bool(options.get(key, 0)) for key in ("signed", "narrow"))
        if np.any(zero != 0) or width.size != 1 or mode not in ROUNDED or not scale.size:
            return None
        bits = float(width.ravel()[0])
        mantissa, exponent = np.frexp(scale.astype(np.float64))
        if np.any(mantissa != 0.5) or bits not in range(1, 33) or (narrow and not signed):
            return None
        if scale.size > 1 and scale.shape != (shape[0], *[1] * (len(shape) - 1)):
            return None
        fracs = (1 - exponent.astype(int)).ravel()
        if len(set(fracs.tolist())) == 1:
            fracs = fracs[:1]
        elif len(fracs) >= 1 << 16:
            return None
        half = 1 << int(bits) - 1
        low, high = (narrow - half, half - 1) if signed else (0, 2 * half - 1)
        return int(bits), low, high, tuple(fracs.tolist())

    def _place(self, node: onnx.NodeProto, index: int) -> tuple[str, str]:
        """Return the layer that reads the output of `node`, and what for."""
        gathered = ""
        for last, at in self._way(node, index):
            if last.op_type == "Gather":
                gathered = ("table", "indices")[at] if at < 2 else "constant"
            node, index = last, at
        role = "constant"
        if node.op_type in LAYERS:
            role = gathered or {1: "weights", 2: "bias"}.get(index, "constant")
        name = node.name or node.output[0]
        parts = name.strip("/").split("/")
        return "/".join(parts[:-1]) if len(parts) > 1 and node.name else name, role

    def _way(self, node: onnx.NodeProto, index: int) -> Iterator[tuple[onnx.NodeProto, int]]:
        seen: set[str] = set()
        while True:
            yield node, index
            ahead = self.readers.get(node.output[0] if node.output else "", [])
            if node.op_type not in ON_THE_WAY or not ahead or node.output[0] in seen:
                return
            seen.add(node.output[0])
            node, index = ahead[0]
