"""Reads an ONNX file as a plain graph: nodes with Python attributes, constants as arrays."""

from __future__ import annotations

import ast
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from .. import Refusal

CHANNELS_LAST = "qonnx.custom_op.channels_last"
# Operators that only shape constants on the way to a parameter, as exporters leave them behind.
_FOLDABLE = {"Add", "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Expand", "Flatten"}
_FOLDABLE |= {"Gather", "Identity", "Mul", "Neg", "Range", "Reshape", "Slice", "Squeeze", "Sub"}
_FOLDABLE |= {"Transpose", "Unsqueeze"}
_QUANTS, _QUANT_INPUTS = ("Quant", "IntQuant"), 4


@dataclass(frozen=True, eq=False)
class Node:
    """An operator; `scopes` are the names of the modules it came from, outermost first."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    scopes: tuple[str, ...] = ()


@dataclass(eq=False)
class OnnxGraph:
    """Nodes in topological order; `input_shape` is (channels, height, width)."""

    name: str
    nodes: list[Node]
    constants: dict[str, np.ndarray]
    input: str
    input_shape: tuple[int, ...]
    output: str


def load(source: str | Path | onnx.ModelProto) -> tuple[str, onnx.ModelProto]:
    """Return the name and the model of a path or of a model already loaded.

    Raises
    ------
    Refusal
        Where there is no file or it is no whole ONNX model.

    """
    if isinstance(source, onnx.ModelProto):
        return source.graph.name or "model", source
    path = Path(source)
    if not path.is_file():
        raise Refusal(f"model {path}: there is no such file")
    try:
        model = onnx.load(str(path), format="protobuf")
    except DecodeError:
        raise Refusal(f"model {path}: not an ONNX file, or a truncated one") from None
    except (OSError, onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(f"model {path}: its external weights cannot be read ({reason})") from None
    texts = (t for n in model.graph.node for t in (n.name, n.op_type, *n.input, *n.output))
    damaged = any(isinstance(text, bytes) for text in texts)  # that are not UTF-8
    if damaged or not model.graph.node or not model.opset_import:
        raise Refusal(f"model {path}: not an ONNX file, or a truncated one")
    return path.stem, model


def is_channels_last(model: onnx.ModelProto) -> bool:
    """Tell whether the model already went through `zynqfire.hls.prepare`."""
    return any(node.domain == CHANNELS_LAST for node in model.graph.node)


def read(name: str, model: onnx.ModelProto) -> OnnxGraph:
    """Return the graph of `model` with everything constant folded.

    Raises
    ------
    Refusal
        Where the model has several inputs or outputs, or a shape that is not fixed.

    """
    graph = model.graph
    constants = {item.name: _array(item, name) for item in graph.initializer}
    nodes = []
    # files may be newer than they say
    versions = [onnx.defs.onnx_opset_version()]
    versions += [item.version for item in model.opset_import if item.domain in ("", "ai.onnx")]
    for proto in graph.node:
        node = _node(proto)
        _must_have_its_inputs(node, versions)
        if node.op == "Constant":
            constants[node.outputs[0]] = _constant_value(node, name)
        elif node.op in _FOLDABLE and all(i in constants for i in node.inputs if i):
            _fold(proto, node, constants)
        else:
            nodes.append(node)
    inputs = [item for item in graph.input if item.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise Refusal(
            f"model {name}: must have one input and one output, not {len(inputs)} and "
            f"{len(graph.output)}"
        )
    shape = _shape(inputs[0], name)
    output = graph.output[0].name
    produced = {o for node in nodes for o in node.outputs} | {inputs[0].name}
    for node in nodes:
        for item in node.inputs:
            if item and item not in produced and item not in constants:
                raise Refusal(f"model {name}: no node makes the input {item} of {node.name}")
    if output not in produced:
        raise Refusal(f"model {name}: no node makes its output {output}")
    return OnnxGraph(name, nodes, constants, inputs[0].name, shape, output)


def _array(item: onnx.TensorProto, name: str) -> np.ndarray:
    try:
        return numpy_helper.to_array(item)
    except (ValueError, TypeError, KeyError, OSError, onnx.checker.ValidationError):
        raise Refusal(
            f"model {name}: the values of {item.name} are missing (external data must be loaded "
            "with the model)"
        ) from None


def _node(proto: onnx.NodeProto) -> Node:
    attributes = {}
    for item in proto.attribute:
        value = onnx.helper.get_attribute_value(item)
        if value is not None:
            text = isinstance(value, bytes)
            attributes[item.name] = value.decode(errors="replace") if text else value
    scopes: tuple[str, ...] = ()
    for entry in proto.metadata_props:
        if entry.key == "pkg.torch.onnx.name_scopes":
            with contextlib.suppress(ValueError, SyntaxError):
                scopes = tuple(str(scope) for scope in ast.literal_eval(entry.value))[:-1]
    if not scopes and proto.name.startswith("/"):  # the older exporter: /fire2/squeeze/Conv
        scopes = (proto.name.rsplit("/", 1)[0].lstrip("/").replace("/", "."),)
    return Node(
        proto.op_type,
        proto.name or (proto.output[0] if proto.output else proto.op_type),
        tuple(proto.input),
        tuple(proto.output),
        attributes,
        scopes,
    )


def _constant_value(node: Node, name: str) -> np.ndarray:
    for key, value in node.attributes.items():
        if key == "value":
            return _array(value, name)
        if key.startswith("value_") and not key.endswith(("string", "strings")):
            kind = np.float32 if "float" in key else np.int64
            return np.asarray(value, dtype=kind)
    raise Refusal(f"model {name}: the constant {node.name} is no array of numbers")


def _must_have_its_inputs(node: Node, versions: list[int]) -> None:
    """Refuse an operator that has too few or too many inputs in all of the opsets `versions`."""
    least = most = _QUANT_INPUTS
    if node.op not in _QUANTS:
        try:
            schemas = [onnx.defs.get_schema(node.op, version) for version in versions]
        except onnx.defs.SchemaError:
            return  # no operator of ONNX: refused by its name when it is read
        least, most = min(s.min_input for s in schemas), max(s.max_input for s in schemas)
    if not least <= len(node.inputs) <= most:
        wanted = least if least == most else f"{least} to {most}"
        raise Refusal(
            f"layer {node.name}: {node.op} must have {wanted} inputs, not {len(node.inputs)}"
        )


def _fold(proto: onnx.NodeProto, node: Node, constants: dict[str, np.ndarray]) -> None:
    feeds = {item: constants[item] for item in proto.input if item}
    try:
        results = ReferenceEvaluator(proto).run(None, feeds)
    except Exception as error:  # whatever NumPy says of such constants
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Refusal(
            f"layer {node.name}: {node.op} must fit the constants it is of ({reason})"
        ) from None
    constants.update(zip(proto.output, map(np.asarray, results), strict=False))


def _shape(item: onnx.ValueInfoProto, name: str) -> tuple[int, ...]:
    """Return the dimensions behind the batch axis, which alone may be dynamic."""
    dims = item.type.tensor_type.shape.dim
    for index, dim in enumerate(dims):
        fixed = dim.HasField("dim_value") and dim.dim_value > 0
        if not fixed and index > 0:
            received = dim.dim_param or "an unknown size"
            raise Refusal(
                f"model {name}: input {item.name} must have a fixed shape, but its axis {index} is "
                f"{received}"
            )
    if len(dims) != 4:
        raise Refusal(
            f"model {name}: input {item.name} must have four axes (frame, channel, row, column), "
            f"not {len(dims)}"
        )
    return tuple(dim.dim_value for dim in dims[1:])
