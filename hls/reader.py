"""QONNX as Brevitas exports it, to the channels-last QONNX that hls4ml's parser takes.

Every operator of the graph becomes a step (`zynqfire.hls.steps`); filters that a final Slice drops
are cut; `zynqfire.hls.layout` writes the steps channels last. What cannot be computed exactly with
power-of-two scales is refused here, by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from .. import Refusal
from . import codebook, layout, names, onnx_graph, parameters
from .onnx_graph import Node, OnnxGraph
from .simplify import merge_twins, prune
from .steps import Codes, Convolve, Join, MaxPool, Pool, Quantize, Rectify, Select, Step, Steps, Sum

SUPPORTED = (
    "Add, AveragePool, Concat, Conv, Dropout, Flatten, Gather, Gemm, GlobalAveragePool, Identity, "
    "MaxPool, Mul, Pad, Quant, ReduceMean, Relu, Reshape, Slice, Squeeze"
)


def prepare(source: str | Path | onnx.ModelProto) -> onnx.ModelProto:
    """Return a channels-last model that hls4ml 1.3 parses, exactly equal to `source`.

    Parameters
    ----------
    source : path or ModelProto
        QONNX, channels first, untidied; a model that was prepared before is returned as it is.

    Returns
    -------
    onnx.ModelProto
        Per-channel weight scales are widened to one scale (trailing zeros), filters whose outputs
        a final Slice drops are gone, layers have readable names.

    Raises
    ------
    Refusal
        Where the file is not ONNX, an operator is not supported, or arithmetic would not be exact.

    """
    name, model = onnx_graph.load(source)
    if onnx_graph.is_channels_last(model):
        return model
    return layout.write(read_steps(name, model))


def read_steps(name: str, model: onnx.ModelProto) -> Steps:
    """Return `model`, channels first, as steps without dead filters."""
    _must_be_quantized(name, model)
    graph = onnx_graph.read(name, model)
    return _Reader(graph).steps()


def _must_be_quantized(name: str, model: onnx.ModelProto) -> None:
    if not any(node.op_type in ("Quant", "IntQuant") for node in model.graph.node):
        raise Refusal(
            f"model {name}: must be quantized, but has no Quant node; train it with Brevitas' "
            "FixedPoint quantizers and export it with export_qonnx"
        )


@dataclass(frozen=True)
class _Map:
    """A feature map under a name of the graph: the step's tensor, shape, rank and zero padding."""

    tensor: str
    shape: tuple[int, int, int]
    flat: bool = False
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


class _Reader:
    """Walks a graph once; `maps` and `parameters` say what each of its names stands for."""

    def __init__(self, graph: OnnxGraph):
        self.graph = graph
        channels, height, width = graph.input_shape
        self.maps = {graph.input: _Map(graph.input, (height, width, channels))}
        self.parameters: dict[str, Codes] = {}
        self.found: list[Step] = []
        self.names = names.Names("input", "output", layout.input_name(graph.input))

    def steps(self) -> Steps:
        """Return the graph as steps."""
        for node in self.graph.nodes:
            handler = _HANDLERS.get(node.op)
            if handler is None:
                raise Refusal(_unsupported(node))
            handler(self, node)
        result = self.maps.get(self.graph.output)
        if result is None or any(result.pads):
            raise Refusal(f"model {self.graph.name}: its output must be a feature map")
        shape = self.maps[self.graph.input].shape
        model = Steps(self.graph.name, self.graph.input, shape, tuple(self.found), result.tensor)
        model = merge_twins(model)
        _check_entry(model)
        return prune(model)

    def map(self, node: Node, index: int = 0, padded: bool = False) -> _Map:
        """Return the feature map at an input of `node`."""
        name = node.inputs[index]
        if name not in self.maps:
            raise Refusal(
                f"layer {node.name}: input {index} of {node.op} must be a feature map, not the "
                f"constant {name}"
            )
        found = self.maps[name]
        if any(found.pads) and not padded:
            raise Refusal(f"layer {node.name}: a Pad must be followed by a Conv, not {node.op}")
        if found.flat and found.shape[:2] != (1, 1) and node.op not in ("Identity", "Dropout"):
            raise Refusal(
                f"layer {node.name}: only a 1x1 map may be flattened before {node.op}, not "
                f"{found.shape[0]}x{found.shape[1]}"
            )
        return found

    def add(self, node: Node, step: Step, flat: bool = False) -> None:
        """Note `step` as what makes the output of `node`."""
        self.found.append(step)
        self.maps[node.outputs[0]] = _Map(step.output, step.shape, flat)

    def constant(self, node: Node, index: int, key: str) -> np.ndarray | None:
        """Return a parameter given as an attribute or as a constant input."""
        if key in node.attributes:
            return np.atleast_1d(np.asarray(node.attributes[key]))
        if index >= len(node.inputs) or not node.inputs[index]:
            return None
        if node.inputs[index] not in self.graph.constants:
            raise Refusal(f"layer {node.name}: {key} of {node.op} must be a constant")
        return np.atleast_1d(self.graph.constants[node.inputs[index]])

    def quant(self, node: Node) -> None:
        quantizer = parameters.quantizer(node, self.graph.constants)
        if node.inputs[0] in self.graph.constants:
            values = self.graph.constants[node.inputs[0]]
            self.parameters[node.outputs[0]] = parameters.codes(node, values, quantizer)
            return
        source = self.map(node)
        single = parameters.single(node, quantizer)
        name = self.names.after(source.tensor, "quant")
        self.names.of[node.outputs[0]] = self.names.of.get(source.tensor, "input")
        self.add(
            node, Quantize(name, source.tensor, node.outputs[0], source.shape, single), source.flat
        )

    def gather(self, node: Node) -> None:
        table = self.parameters.get(node.inputs[0])
        indices = self.graph.constants.get(node.inputs[1])
        layer = codebook.layer(node, self.graph)
        self.parameters[node.outputs[0]] = codebook.looked_up(node, layer, table, indices)

    def mul(self, node: Node) -> None:
        for weights, factors in (node.inputs, node.inputs[::-1]):
            if weights in self.parameters:
                found, layer = self.parameters[weights], codebook.layer(node, self.graph)
                factors = self.graph.constants.get(factors)
                self.parameters[node.outputs[0]] = codebook.scaled(node, layer, found, factors)
                return
        raise Refusal(f"layer {node.name}: Mul must scale quantized weights, not a feature map")

    def conv(self, node: Node) -> None:
        source = self.map(node, padded=True)
        name = self.names.layer(node, self.graph)
        dense = node.op == "Gemm"  # a convolution of the 1x1 map that was flattened
        found = parameters.of_gemm if dense else parameters.of_conv
        weights, bias = found(node, name, self.parameters, self.graph.constants)
        kernel = weights.codes.shape[2:]
        geometry = parameters.geometry(node, name, source.shape, source.pads, kernel)
        weights, depthwise = parameters.grouped(node, name, weights, source.shape[2])
        shape = parameters.output_shape(name, source.shape, weights.codes.shape, geometry)
        self.names.of[node.outputs[0]] = name
        self.add(
            node,
            Convolve(
                name, source.tensor, node.outputs[0], shape, weights, bias, *geometry, depthwise
            ),
            dense,
        )

    def relu(self, node: Node) -> None:
        source = self.map(node)
        name = self.names.after(source.tensor, "relu")
        self.names.of[node.outputs[0]] = self.names.of.get(source.tensor, name)
        self.add(node, Rectify(name, source.tensor, node.outputs[0], source.shape), source.flat)

    def concat(self, node: Node) -> None:
        sources = [self.map(node, index) for index in range(len(node.inputs))]
        axis = node.attributes.get("axis", 1)
        if axis not in (1, -1 if sources[0].flat else -3):
            raise Refusal(f"layer {node.name}: Concat must join channels (axis 1), not axis {axis}")
        spatial = {source.shape[:2] for source in sources}
        if len(spatial) > 1:
            raise Refusal(
                f"layer {node.name}: Concat needs maps of one size, not "
                f"{', '.join(f'{h}x{w}' for h, w in sorted(spatial))}"
            )
        shape = (*sources[0].shape[:2], sum(source.shape[2] for source in sources))
        tensors = tuple(source.tensor for source in sources)
        name = self.names.joining(tensors, node)
        self.names.of[node.outputs[0]] = name
        self.add(node, Join(name, tensors, node.outputs[0], shape), sources[0].flat)

    def sum(self, node: Node) -> None:
        left, right = (self.map(node, index) for index in range(2))
        if left.shape != right.shape or left.flat != right.flat:
            raise Refusal(
                f"layer {node.name}: Add needs maps of one shape, not "
                f"{_size(left.shape)} and {_size(right.shape)}"
            )
        name = self.names.adding(node)
        self.names.of[node.outputs[0]] = name
        tensors = (left.tensor, right.tensor)
        self.add(node, Sum(name, tensors, node.outputs[0], left.shape), left.flat)

    def average_pool(self, node: Node) -> None:
        source = self.map(node)
        kernel = tuple(node.attributes.get("kernel_shape", ()))
        padded = any(node.attributes.get("pads", ()))
        if kernel != source.shape[:2] or padded:
            raise Refusal(
                f"layer {node.name}: AveragePool must cover the whole map of "
                f"{source.shape[0]}x{source.shape[1]} without padding, not "
                f"{'x'.join(map(str, kernel))}{' with padding' if padded else ''}"
            )
        self._pool(node, source, flat=False)

    def max_pool(self, node: Node) -> None:
        source = self.map(node)
        kernel, stride, pads, size = parameters.pooling(node, source.shape)
        name = self.names.after(source.tensor, "pool")
        self.names.of[node.outputs[0]] = self.names.of.get(source.tensor, name)
        shape = (*size, source.shape[2])
        self.add(node, MaxPool(name, source.tensor, node.outputs[0], shape, kernel, stride, pads))

    def reduce_mean(self, node: Node) -> None:
        source = self.map(node)
        axes = self.constant(node, 1, "axes")
        axes = sorted(int(a) % 4 for a in axes) if axes is not None else []
        if axes != [2, 3]:
            raise Refusal(
                f"layer {node.name}: ReduceMean must average the rows and columns (axes 2 and 3), "
                f"not {axes or 'everything'}"
            )
        self._pool(node, source, flat=not node.attributes.get("keepdims", 1))

    def global_pool(self, node: Node) -> None:
        self._pool(node, self.map(node), flat=False)

    def _pool(self, node: Node, source: _Map, flat: bool) -> None:
        shape = (1, 1, source.shape[2])
        name = self.names.unique("pool")
        self.names.of[node.outputs[0]] = name
        self.add(node, Pool(name, source.tensor, node.outputs[0], shape, source.shape[:2]), flat)

    def slice(self, node: Node) -> None:
        source = self.map(node)
        starts, ends = self.constant(node, 1, "starts"), self.constant(node, 2, "ends")
        axes, strides = self.constant(node, 3, "axes"), self.constant(node, 4, "steps")
        axes = np.arange(len(starts)) if axes is None else axes
        strides = np.ones_like(starts) if strides is None else strides
        height, width, channels = source.shape
        sizes = (1, channels) if source.flat else (1, channels, height, width)
        chosen = np.arange(channels)
        for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
            axis = int(axis) % len(sizes)
            picked = np.arange(sizes[axis])[int(start) : int(end) : int(stride)]
            if axis == 1:
                chosen = chosen[picked]
            elif len(picked) != sizes[axis]:
                raise Refusal(
                    f"layer {node.name}: Slice must choose channels (axis 1), not axis {axis}"
                )
        if not len(chosen):
            raise Refusal(f"layer {node.name}: Slice must leave at least one channel, not none")
        if np.array_equal(chosen, np.arange(channels)):
            self.maps[node.outputs[0]] = source
            return
        name = self.names.of.get(source.tensor)
        if name:
            self.names.of[node.outputs[0]] = name
        shape = (height, width, len(chosen))
        step = Select(node.name, source.tensor, node.outputs[0], shape, tuple(map(int, chosen)))
        self.add(node, step, source.flat)

    def reshape(self, node: Node) -> None:
        source = self.map(node)
        height, width, channels = source.shape
        flat = True
        if node.op == "Reshape":
            target = [int(size) for size in self.constant(node, 1, "shape")]
            tail = target[1:]
            flat = len(target) == 2
            if not flat and tail not in ([channels, height, width], [-1, height, width]):
                raise Refusal(
                    f"layer {node.name}: Reshape may only flatten a map, not make it {target}"
                )
        elif node.op == "Flatten" and node.attributes.get("axis", 1) not in (1, -3):
            raise Refusal(
                f"layer {node.name}: Flatten must keep the frame axis (axis 1), not axis "
                f"{node.attributes['axis']}"
            )
        elif node.op == "Squeeze":
            axes = self.constant(node, 1, "axes")
            axes = sorted(int(a) % 4 for a in axes) if axes is not None else []
            if source.shape[:2] != (1, 1) or axes != [2, 3]:
                raise Refusal(
                    f"layer {node.name}: Squeeze must drop the two axes of a 1x1 map, not {axes} "
                    f"of {height}x{width}"
                )
        self.maps[node.outputs[0]] = _Map(source.tensor, source.shape, flat)

    def pad(self, node: Node) -> None:
        source = self.map(node, padded=True)
        mode, value = node.attributes.get("mode", "constant"), self.constant(node, 2, "value")
        if mode != "constant" or (value is not None and np.any(value != 0)):
            what = mode if mode != "constant" else f"the value {float(value[0])}"
            raise Refusal(f"layer {node.name}: Pad must add zeros, not {what}")
        pads = [int(p) for p in self.constant(node, 1, "pads")]
        axes = self.constant(node, 3, "axes")
        full = np.zeros((2, 4), dtype=int)
        order = [int(a) % 4 for a in axes] if axes is not None else list(range(len(pads) // 2))
        full[:, order] = np.reshape(pads, (2, -1))
        if full[:, :2].any() or (full < 0).any():
            raise Refusal(
                f"layer {node.name}: Pad must add zeros to rows and columns only, not {pads}"
            )
        added = (full[0, 2], full[0, 3], full[1, 2], full[1, 3])
        both = tuple(int(a + b) for a, b in zip(source.pads, added, strict=True))
        self.maps[node.outputs[0]] = _Map(source.tensor, source.shape, pads=both)

    def skip(self, node: Node) -> None:
        if node.inputs[0] in self.parameters:
            self.parameters[node.outputs[0]] = self.parameters[node.inputs[0]]
        else:
            self.maps[node.outputs[0]] = self.map(node, padded=True)


_HANDLERS: dict[str, Callable[[_Reader, Node], None]] = {
    "Add": _Reader.sum,
    "AveragePool": _Reader.average_pool,
    "Concat": _Reader.concat,
    "Conv": _Reader.conv,
    "Dropout": _Reader.skip,
    "Flatten": _Reader.reshape,
    "Gather": _Reader.gather,
    "Gemm": _Reader.conv,
    "GlobalAveragePool": _Reader.global_pool,
    "Identity": _Reader.skip,
    "IntQuant": _Reader.quant,
    "MaxPool": _Reader.max_pool,
    "Mul": _Reader.mul,
    "Pad": _Reader.pad,
    "Quant": _Reader.quant,
    "ReduceMean": _Reader.reduce_mean,
    "Relu": _Reader.relu,
    "Reshape": _Reader.reshape,
    "Slice": _Reader.slice,
    "Squeeze": _Reader.reshape,
}


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


def _unsupported(node: Node) -> str:
    if node.op == "BatchNormalization":
        return (
            f"layer {node.name}: BatchNormalization must be merged into the convolution before "
            "export (brevitas.nn.utils.merge_bn)"
        )
    return f"layer {node.name}: operator {node.op} is not supported, only {SUPPORTED} are"


def _check_entry(model: Steps) -> None:
    readers = model.readers(model.input)
    if not readers or not any(isinstance(step, Convolve) for step in model.steps):
        raise Refusal(f"model {model.name}: must have at least one convolution, not none")
    for step in readers:
        if not isinstance(step, Quantize):
            raise Refusal(
                f"model {model.name}: its input {model.input} must go through a Quant node first "
                f"(a QuantIdentity with Uint8ActPerTensorFixedPoint), not into {step.name}"
            )
    if len(readers) > 1:
        raise Refusal(
            f"model {model.name}: its input {model.input} must go through one Quant node, not "
            f"{len(readers)} different ones"
        )
