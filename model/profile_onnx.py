"""The layers of an ONNX file, quantized or not, for `zynqfire.model.profile`."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
from onnx import numpy_helper, shape_inference

from .. import Refusal
from .profile import Layer
from .ratios import FLOAT_BITS, accumulator_bits

QUANTIZERS = ("Quant", "IntQuant", "BipolarQuant", "FloatQuant", "Trunc")
OPERATORS = {
    "Conv": "conv",
    "Gemm": "fc",
    "MatMul": "fc",
    "Relu": "relu",
    "Concat": "concat",
    "Add": "add",
    "MaxPool": "max",
    "AveragePool": "average",
    "GlobalAveragePool": "average",
    "ReduceMean": "average",
    "BatchNormalization": "batchnorm",
    "LRN": "lrn",
    "Softmax": "softmax",
    "Dropout": "dropout",
}
MOVED = {"Concat", "Dropout", "Flatten", "Identity", "MaxPool", "Pad", "Relu"}
MOVED |= {"Reshape", "Slice", "Squeeze", "Transpose"}  # results are some of the inputs, or zero


def layers(path: Path) -> tuple[list[Layer], tuple[int, int, int]]:
    """Return the layers of the ONNX file `path` in order, and the shape of its input."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise Refusal(f"model {path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # protobuf's decoder and the checker raise their own kinds
        first = str(error).strip().splitlines()[0] if str(error).strip() else "not ONNX"
        raise Refusal(f"model {path}: must be ONNX ({first})") from None
    bits = _weight_bits(model.graph)
    return _Graph(model, path, bits).layers()


def _weight_bits(graph: onnx.GraphProto) -> dict[str, int]:
    """Return the width of every quantizer's output whose width is stored in the file."""
    constants = _constants(graph)
    return {
        node.output[0]: int(constants[node.input[3]])
        for node in graph.node
        if node.op_type in ("Quant", "IntQuant") and node.input[3] in constants
    }


def _constants(graph: onnx.GraphProto) -> dict[str, float]:
    """Return the scalars among the initializers and the Constant nodes."""
    tensors = {item.name: item for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            tensors[node.output[0]] = node.attribute[0].t
    return {
        name: numpy_helper.to_array(item).item()
        for name, item in tensors.items()
        if prod(item.dims) == 1
    }


class _Graph:
    """An ONNX graph with quantizers taken for wires and every shape inferred."""

    def __init__(self, model: onnx.ModelProto, path: Path, bits: dict[str, int]):
        self.path, self.bits = path, dict(bits)
        self.read = {n.input[0]: bits[n.output[0]] for n in model.graph.node if n.output[0] in bits}
        plain = onnx.ModelProto()
        plain.CopyFrom(model)
        for node in plain.graph.node:
            if node.op_type in QUANTIZERS:
                node.op_type, node.domain = "Identity", ""
                del node.input[1:], node.attribute[:]
        plain = shape_inference.infer_shapes(plain, data_prop=True)
        self.graph = plain.graph
        self.constant = {item.name for item in self.graph.initializer}
        self.constant |= {n.output[0] for n in self.graph.node if n.op_type == "Constant"}
        for node in self.graph.node:
            if node.op_type == "Identity" and node.input[0] in self.constant:
                self.constant.add(node.output[0])
        self.dims = {item.name: list(item.dims) for item in self.graph.initializer}
        for item in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            shape = item.type.tensor_type.shape
            self.dims.setdefault(item.name, [dim.dim_value for dim in shape.dim])

    def layers(self) -> tuple[list[Layer], tuple[int, int, int]]:
        """Return the layers in order and the input's shape."""
        entry = next(item for item in self.graph.input if item.name not in self.constant)
        found = []
        weighted = (self._name(x) for x in self.graph.node if x.op_type in ("Conv", "Gemm"))
        scopes = {name.rpartition("/")[0] for name in weighted}
        ends = [self._name(node) for node in self.graph.node if self._joins(node)]
        joined = {name if name in scopes else name.rpartition("/")[0] for name in ends}
        for node in self.graph.node:
            op = OPERATORS.get(node.op_type)
            data = [name for name in node.input if name and name not in self.constant]
            widths = [self.bits.get(name) for name in data]
            if node.op_type in MOVED and widths and None not in widths:
                self.bits.setdefault(node.output[0], max(widths))
            if op and data:
                found.append(self._layer(node, op, data[0], joined))
        return found, self._shape(entry.name)

    def _layer(self, node: onnx.NodeProto, op: str, data: str, joined: set[str]) -> Layer:
        shape, out = self._shape(data), self._shape(node.output[0])
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        name = self._name(node)
        kernel = tuple(attributes.get("kernel_shape", (1, 1)))
        stride = tuple(attributes.get("strides", (1, 1)))
        macs = weights = biases = 0
        bits = bias_bits = None
        table = 0
        if op in ("conv", "fc"):
            dims = self.dims[node.input[1]]
            weights = prod(dims)
            bits, table, width = self._stored(node.input[1])
            macs = prod(out[:2]) * weights if op == "conv" else weights
            biases = prod(self.dims[node.input[2]]) if len(node.input) > 2 else 0
            fan_in = weights // out[2]
            bias_bits = biases * accumulator_bits(fan_in, width, self.bits.get(data))
            kernel = tuple(dims[2:]) if op == "conv" else kernel
        elif op == "batchnorm":  # netscope's BatchNorm and Scale together
            biases, macs = 2 * shape[2], prod(out)
        elif op == "lrn":
            macs = 5 * prod(out)
        parts, result = name.split("/"), node.output[0]
        within = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        module = next((scope for scope in within if scope in joined), name)
        result_bits = self.bits.get(result) or self.read.get(result)
        sizes = macs, weights, biases, module, bits, table, bias_bits, result_bits
        return Layer(name, op, shape, out, kernel, stride, *sizes)

    def _stored(self, name: str) -> tuple[int | None, int, int | None]:
        """Return the bits of a stored weight of the tensor `name`, of its table, and of a value."""
        makers = {output: node for node in self.graph.node for output in node.output}
        while name in makers and makers[name].op_type == "Mul":
            name = makers[name].input[0]
        maker, bits = makers.get(name), self.bits.get(name)
        if maker is None or maker.op_type != "Gather":
            return bits, 0, bits
        values = self.bits.get(maker.input[0])
        entries = prod(self.dims[maker.input[0]])
        return (entries - 1).bit_length(), entries * (values or FLOAT_BITS), values

    def _joins(self, node: onnx.NodeProto) -> bool:
        """Return whether the scope of `node` is a module; without such a node each layer is one."""
        if node.op_type == "Conv":
            dims = self.dims.get(node.input[1], [0, 0])
            return dims[1] == 1 < dims[0] and self._shape(node.input[0])[2] > 1  # depthwise
        return node.op_type in ("Add", "Concat")

    def _name(self, node: onnx.NodeProto) -> str:
        """Return the layer's name: that of the module whose operator this is."""
        name = node.name or node.output[0]
        parts = [part for part in name.split("/") if part]
        if len(parts) > 1 and parts[-1].startswith(node.op_type):
            parts.pop()
        return "/".join(parts)

    def _shape(self, name: str) -> tuple[int, int, int]:
        dims = self.dims.get(name, [])
        if len(dims) not in (2, 4) or min(dims[1:]) < 1:
            raise Refusal(
                f"model {self.path}: the tensor {name} must have a fixed shape of 2 or 4 axes, "
                f"not {dims}"
            )
        return (dims[2], dims[3], dims[1]) if len(dims) == 4 else (1, 1, dims[1])
