"""Networks whose weights are few values: QONNX rewritten to a table and a Gather for each layer."""

import copy

import numpy as np
import onnx
from onnx import helper, numpy_helper

QUANT_DOMAIN = "qonnx.custom_op.general"
BITS = 8  # of a value


def with_codebooks(model: onnx.ModelProto, entries: int) -> onnx.ModelProto:
    """Return `model` with the weights of all layers from tables of `entries` values of 8 bits.

    A table has the means of equal shares of the layer's weights, and so as many values as there
    are room for, whatever the weights had; channels keep their scales as factors.
    """
    model = copy.deepcopy(model)
    graph = model.graph
    constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm")]
    added: dict[str, np.ndarray] = {}
    for layer in layers:
        quant = makers[layer.input[1]]
        values, scale = (constants[name].astype(float) for name in quant.input[:2])
        each = scale if scale.size > 1 else None
        plain = values / each if each is not None else values
        indices, table = _clustered(plain, entries)
        step = 2.0 ** (np.ceil(np.log2(np.abs(table).max())) - BITS + 1)
        added[f"{quant.input[0]}.table"] = np.clip(table, -127 * step, 127 * step)
        added[f"{quant.input[0]}.index"] = indices
        settings = {"scale": step, "zero": 0.0, "bits": float(BITS)}
        added |= {f"{quant.name}.{key}": np.array(value) for key, value in settings.items()}
        made = f"{quant.output[0]}.values"
        gathered = f"{quant.output[0]}.gathered" if each is not None else quant.output[0]
        nodes = [
            helper.make_node(
                "Quant",
                [f"{quant.input[0]}.table", *(f"{quant.name}.{key}" for key in settings)],
                [made],
                f"{quant.name}.table",
                domain=QUANT_DOMAIN,
                **{"signed": 1, "narrow": 1, "rounding_mode": "ROUND"},
            ),
            helper.make_node(
                "Gather", [made, f"{quant.input[0]}.index"], [gathered], f"{quant.name}.gather"
            ),
        ]
        if each is not None:
            nodes.append(
                helper.make_node("Mul", [gathered, quant.input[1]], [quant.output[0]], quant.name)
            )
        place = list(graph.node).index(quant)
        graph.node.remove(quant)
        for offset, node in enumerate(nodes):
            graph.node.insert(place + offset, node)
    for name, value in added.items():
        kind = np.int64 if name.endswith(".index") else np.float32
        graph.initializer.append(numpy_helper.from_array(np.asarray(value, kind), name))
    return model


def _clustered(values: np.ndarray, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an index for each value and the table, means of equally many values."""
    order = np.argsort(values, axis=None, kind="stable")
    indices = np.empty(values.size, np.int64)
    indices[order] = np.arange(values.size) * entries // values.size
    sums = np.bincount(indices, values.ravel(), minlength=entries)
    table = sums / np.maximum(np.bincount(indices, minlength=entries), 1)
    return indices.reshape(values.shape), table
