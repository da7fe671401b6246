"""hls4ml's ModelGraph to the IR; the only reader of hls4ml's attributes.

A layer of hls4ml computes exactly and then casts to its result type. Here, the exact result is a
tensor of its own, and a cast that can change a value becomes a `Requantize`; one that cannot
becomes nothing. A rectifier only sets the lower clamp of the cast that follows it.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from .. import Refusal
from . import codebook, narrow, nodes, verify
from .ir import (
    Add,
    Concat,
    Conv,
    Depthwise,
    Input,
    MaxPool,
    Network,
    Operation,
    Output,
    QType,
    Requantize,
    SumPool,
    Tensor,
)
from .passes import widths
from .passes.joins import merge_joins
from .types import Type


def from_onnx(source: str | Path | onnx.ModelProto) -> Network:
    """Return the IR of a QONNX file: prepare, hls4ml's parser and passes, lower.

    Raises
    ------
    Refusal
        Where the file cannot be taken; see `zynqfire.hls.prepare`.
    """
    from . import prepare
    from .backend import NAME, ensure_registered

    model = prepare(source)
    name = Path(source).stem if isinstance(source, str | Path) else model.graph.name
    with contextlib.redirect_stdout(io.StringIO()):  # hls4ml tells every layer
        from hls4ml.converters import convert_from_onnx_model

        ensure_registered()
        graph = convert_from_onnx_model(
            model, backend=NAME, project_name=name, output_dir=name, hls_config={}
        )
    return lower(graph, name)


def lower(model_graph: Any, name: str | None = None) -> Network:
    """Return the IR of an hls4ml ModelGraph of the backend `zynqfire`, as it is now.

    Parameters
    ----------
    model_graph : hls4ml.model.ModelGraph
        Weights and types edited after conversion count.
    name : str, optional
        Of the network; default is the project's.

    Raises
    ------
    Refusal
        Where a layer is not supported or would not be exact, naming it.
    """
    lowering = _Lowering(codebook.marks(model_graph))
    for node in model_graph.get_layers():
        must_be_supported(node)
        _HANDLERS[node.class_name](lowering, node)
    if len(model_graph.outputs) != 1:
        raise Refusal(f"model: must have one output, not {len(model_graph.outputs)}")
    lowering.finish(model_graph.outputs[0])
    network = Network(name or model_graph.config.get_project_name(), tuple(lowering.operations))
    return verify.check(merge_joins(verify.check(network)))


def must_be_supported(node: Any) -> None:
    """Refuse a layer of hls4ml that has no counterpart here."""
    if node.class_name not in _HANDLERS:
        raise Refusal(
            f"layer {nodes.name(node)}: hls4ml's {node.class_name} is not supported, only "
            f"{', '.join(_HANDLERS)} are"
        )
    order = node.get_attr("data_format", "channels_last")
    if order != "channels_last":
        raise Refusal(f"layer {nodes.name(node)}: data_format must be channels_last, not {order}")


@dataclass(frozen=True)
class _Value:
    """A tensor to come: codes of `tensor`, rectified or not, or divided by `divisor`."""

    tensor: Tensor
    layer: str
    rectified: bool = False
    divisor: int = 1


class _Lowering:
    """Operations so far, and what each output of hls4ml's layers is among them."""

    def __init__(self, marked: dict[str, np.ndarray]):
        self.marked = marked  # layers whose weights may be stored as indices
        self.operations: list[Operation] = []
        self.values: dict[str, _Value] = {}
        self.ranges: dict[str, widths.Range] = {}

    def emit(self, op: Operation) -> Tensor:
        """Append `op` and note the proven range of its result."""
        if isinstance(op, SumPool):
            low, high = self.ranges[op.input]
            area = self.area(op.input)
            found = (low * area, high * area)
        else:
            found = widths.output_range(op, [self.ranges[name] for name in op.inputs])
        self.ranges[op.output.name] = found
        self.operations.append(op)
        return op.output

    def area(self, tensor: str) -> int:
        shape = next(op.output.shape for op in self.operations if op.output.name == tensor)
        return shape[0] * shape[1]

    def source(self, node: Any, index: int = 0) -> _Value:
        """Return what an input of `node` is; a sum over no power of two may only leave."""
        value = self.values[node.inputs[index]]
        if value.divisor != 1:
            raise Refusal(
                f"layer {value.layer}: an average over {value.divisor} positions, no power of two, "
                "must be the last layer"
            )
        return value

    def result(self, node: Any, value: _Value) -> None:
        """Note `value`, cast to the result type of `node`, as the output of `node`."""
        self.values[node.outputs[0]] = self.cast(value, nodes.result_type(node), nodes.name(node))

    def cast(self, value: _Value, kind: Type, layer: str) -> _Value:
        """Return `value` cast to a type: itself where nothing changes."""
        lo, hi = self.ranges[value.tensor.name]
        lo = max(lo, 0) if value.rectified else lo
        highest = max(value.tensor.align, default=0)
        if kind.holds(value.tensor.qtype.frac, lo << highest, hi << highest):
            return value
        if not kind.exact_cast:
            raise Refusal(
                f"layer {layer}: its result type must round half to even and saturate (RND_CONV, "
                f"SAT) or hold every value, but {kind.qtype} does not"
            )
        if value.divisor != 1:
            raise Refusal(
                f"layer {layer}: an average over {value.divisor} positions, no power of two, "
                "cannot be quantized"
            )
        bound = max(kind.lo, 0) if value.rectified else kind.lo
        return replace(value, tensor=self.requantize(value, kind.qtype, bound), rectified=False)

    def requantize(self, value: _Value, qtype: QType, lo: int) -> Tensor:
        """Return the tensor of `value` on another grid; called after its layer."""
        taken = {op.output.name for op in self.operations}
        name, number = value.layer, 1
        while name in taken:
            number += 1
            name = f"{value.layer}/{number}"
        tensor = Tensor(name, value.tensor.shape, qtype)
        return self.emit(Requantize(f"{name}/quant", value.tensor.name, tensor, lo, qtype.hi))

    def exactly(self, value: _Value, qtype: QType) -> Tensor:
        """Return the tensor of `value` with another type that holds it, unrectified, unaligned."""
        if value.tensor.qtype == qtype and not value.tensor.align and not value.rectified:
            return value.tensor
        return self.requantize(value, qtype, 0 if value.rectified else qtype.lo)

    def extent(self, value: _Value, frac: int) -> widths.Range:
        """Return the range of `value` on a grid of `frac` fraction bits, as fine as its own."""
        lo, hi = self.ranges[value.tensor.name]
        lo = max(lo, 0) if value.rectified else lo
        shift = frac - value.tensor.qtype.frac + max(value.tensor.align, default=0)
        return lo << shift, hi << shift

    def plain(self, value: _Value, finer: int = 0) -> Tensor:
        """Return `value` unaligned, its rectifier applied, its grid by `finer` bits finer."""
        if not value.tensor.align and not value.rectified and not finer:
            return value.tensor
        frac = value.tensor.qtype.frac + finer
        return self.exactly(value, QType.holding(*self.extent(value, frac), frac))

    # ------------------------------------------------------------------------------------- layers
    def input(self, node: Any) -> None:
        if self.operations:
            raise Refusal(f"model: must have one input, not also {nodes.name(node)}")
        kind = nodes.result_type(node)
        shape = tuple(int(size) for size in node.get_output_variable().shape)
        if len(shape) != 3:
            raise Refusal(
                f"model: its input must have rows, columns and channels, not the shape {shape}"
            )
        tensor = self.emit(Input("input", Tensor("input", shape, kind.qtype)))
        self.values[node.outputs[0]] = self.cast(_Value(tensor, "input"), kind, "input")

    def conv(self, node: Any) -> None:
        nodes.must_not_be_dilated(node)
        weights = node.get_weights("weight").data.transpose(3, 0, 1, 2)
        self.convolve(node, weights, nodes.stride(node), nodes.pads(node))

    def depthwise(self, node: Any) -> None:
        nodes.must_not_be_dilated(node)
        values, channels = node.get_weights("weight").data, self.source(node).tensor.shape[2]
        kernel, kernels = values.shape[:2], values.shape[2] * values.shape[3]
        if kernels != channels:
            raise Refusal(
                f"layer {nodes.name(node)}: a depthwise convolution must have one kernel for each "
                f"of its {channels} channels, not {kernels}"
            )
        weights = values.reshape(*kernel, channels, 1).transpose(2, 0, 1, 3)
        self.convolve(node, weights, nodes.stride(node), nodes.pads(node), Depthwise)

    def dense(self, node: Any) -> None:
        self.must_be_a_pixel(node)
        weights = node.get_weights("weight").data.T
        self.convolve(node, weights[:, np.newaxis, np.newaxis], (1, 1), (0,) * 4)

    def must_be_a_pixel(self, node: Any) -> None:
        """Refuse to flatten a map: its pixels come one after the other."""
        height, width, _ = self.source(node).tensor.shape
        if (height, width) != (1, 1):
            raise Refusal(
                f"layer {nodes.name(node)}: hls4ml's {node.class_name} may only follow a 1x1 map, "
                f"not {height}x{width}"
            )

    def reshape(self, node: Any) -> None:
        self.must_be_a_pixel(node)
        source, shape = self.source(node), list(node.get_output_variable().shape)
        if shape[-1] != source.tensor.elements:
            raise Refusal(
                f"layer {nodes.name(node)}: the last axis must stay the "
                f"{source.tensor.elements} channels, not become {_size(shape)}"
            )
        self.result(node, source)

    def quantizer(self, node: Any) -> None:
        self.result(node, self.source(node))

    def convolve(
        self,
        node: Any,
        values: np.ndarray,
        stride: tuple[int, int],
        pads: tuple[int, ...],
        kind: type[Conv | Depthwise] = Conv,
    ) -> None:
        layer = nodes.name(node)
        value, biases = self.source(node), node.get_weights("bias").data
        stored = Type.of(node.get_weights("weight").type.precision, layer, "weight")
        grid = (stored.qtype.bits, stored.qtype.frac, stored.lo, stored.qtype.hi)
        weights = narrow.weights(layer, values, *grid)
        # a quantizer finer than what it reads changes nothing and is gone; biases know it still
        own = value.tensor.qtype.frac
        room = max(verify.ACTIVATION_BITS) - QType.holding(*self.extent(value, own), own).bits
        source = self.plain(value, narrow.missing(biases, own + weights.frac, room))
        frac = source.qtype.frac + weights.frac
        codes = narrow.bias(layer, biases, frac)
        weights, codes, align, table = codebook.aligned(layer, weights, codes, self.marked)
        lo, hi = widths.accumulator(weights.codes, codes, self.ranges[source.name])
        highest = max(align, default=0)
        nodes.must_accumulate(node, frac, lo << highest, hi << highest)
        tensor = Tensor(f"{layer}/acc", nodes.shape(node), QType.holding(lo, hi, frac), align)
        kernels = weights.codes if kind is Conv else weights.codes[..., 0]
        op = kind(layer, source.name, tensor, kernels, weights.bits, codes, stride, pads, table)
        self.result(node, _Value(self.emit(op), layer))

    def activation(self, node: Any) -> None:
        function = node.get_attr("activation").lower()
        if function == "thresholdedrelu" and node.get_attr("activ_param") == 0:
            function = "relu"  # hls4ml's name for keras.layers.ReLU
        if function not in ("linear", "relu"):
            raise Refusal(
                f"layer {nodes.name(node)}: activation {function} is not supported, only relu and "
                "quantizers are"
            )
        value = self.source(node)
        if function == "relu" and self.ranges[value.tensor.name][0] < 0:
            value = replace(value, rectified=True)
        self.result(node, value)

    def concat(self, node: Any) -> None:
        tensors = self.alike(node)
        layer = nodes.name(node)
        names = tuple(tensor.name for tensor in tensors)
        shape = (*tensors[0].shape[:2], sum(tensor.shape[2] for tensor in tensors))
        if shape != nodes.shape(node):
            raise Refusal(
                f"layer {layer}: a concatenation must join channels to {_size(shape)}, not make "
                f"{_size(nodes.shape(node))}"
            )
        tensor = self.emit(Concat(layer, names, Tensor(layer, shape, tensors[0].qtype)))
        self.result(node, _Value(tensor, layer))

    def add(self, node: Any) -> None:
        layer = nodes.name(node)
        if node.get_attr("op") != "add":
            raise Refusal(
                f"layer {layer}: two maps may be added, not {node.get_attr('op')} be applied"
            )
        tensors = self.alike(node)
        names = tuple(tensor.name for tensor in tensors)
        ranges = [self.ranges[name] for name in names]
        lo, hi = (sum(bounds) for bounds in zip(*ranges, strict=True))
        source = tensors[0].qtype
        exact = QType.holding(lo, hi, source.frac)
        bits = max(exact.bits + (source.signed and not exact.signed), source.bits)
        tensor = Tensor(layer, tensors[0].shape, replace(source, bits=bits))
        self.emit(Add(layer, names, tensor))
        self.result(node, _Value(tensor, layer))

    def alike(self, node: Any) -> list[Tensor]:
        """Return the inputs of `node` with one type, on the finest of their grids."""
        values = [self.source(node, index) for index in range(len(node.inputs))]
        frac = max(value.tensor.qtype.frac for value in values)
        ranges = [self.extent(value, frac) for value in values]
        lo, hi = min(r[0] for r in ranges), max(r[1] for r in ranges)
        first = values[0].tensor.qtype
        if all(v.tensor.qtype == first and not v.tensor.align and not v.rectified for v in values):
            qtype = first
        else:
            qtype = QType.holding(lo, hi, frac)
        return [self.exactly(value, qtype) for value in values]

    def pool(self, node: Any) -> None:
        layer = nodes.name(node)
        source = self.plain(self.source(node))
        window, pads = nodes.window(node), nodes.pads(node)
        if node.get_attr("pool_op") == "Max":
            stride = nodes.stride(node) if node.get_attr("stride_height") else window
            tensor = Tensor(layer, nodes.shape(node), source.qtype)
            pooled = self.emit(MaxPool(layer, source.name, tensor, window, stride, pads))
            self.result(node, _Value(pooled, layer))
            return
        if window != source.shape[:2] or any(pads):
            raise Refusal(
                f"layer {layer}: an average must be of the whole map of "
                f"{source.shape[0]}x{source.shape[1]}, not of {window[0]}x{window[1]}"
                f"{' with padding' if any(pads) else ''}"
            )
        area = window[0] * window[1]
        grown = (area - 1).bit_length()
        exact = area == 1 << grown
        frac = source.qtype.frac + (grown if exact else 0)
        lo, hi = self.ranges[source.name]
        nodes.must_accumulate(node, source.qtype.frac, lo * area, hi * area)
        qtype = QType.holding(lo * area, hi * area, frac)
        tensor = Tensor(layer, (1, 1, source.shape[2]), qtype)
        pooled = self.emit(SumPool(layer, source.name, tensor))
        self.result(node, _Value(pooled, layer, divisor=1 if exact else area))

    def finish(self, output: str) -> None:
        """Append the output."""
        value = self.values[output]
        tensor = self.plain(value)
        result = replace(tensor, name="output")
        self.emit(Output("output", tensor.name, result, value.divisor))


_HANDLERS = {
    "Input": _Lowering.input,
    "InputLayer": _Lowering.input,
    "Conv2D": _Lowering.conv,
    "PointwiseConv2D": _Lowering.conv,
    "DepthwiseConv2D": _Lowering.depthwise,
    "Dense": _Lowering.dense,
    "Activation": _Lowering.activation,
    "ParametrizedActivation": _Lowering.activation,
    "FixedPointQuantizer": _Lowering.quantizer,
    "Reshape": _Lowering.reshape,
    "Concatenate": _Lowering.concat,
    "Merge": _Lowering.add,
    "Pooling2D": _Lowering.pool,
    "AveragePooling2D": _Lowering.pool,
    "MaxPooling2D": _Lowering.pool,
    "GlobalPooling2D": _Lowering.pool,
}


def _size(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))
