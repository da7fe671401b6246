"""Small QONNX models for the tests of packed models."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"


def quantized(values, name, frac, bits, narrow=1):
    """Return the Quant node of a constant, and its initializers by name."""
    scale = np.ldexp(np.float32(1), -np.asarray(frac)).astype(np.float32)
    constants = {
        name: np.asarray(values, np.float32),
        f"{name}.scale": scale,
        f"{name}.zero": np.float32(0),
        f"{name}.bits": np.float32(bits),
    }
    settings = {"signed": 1, "narrow": narrow, "rounding_mode": "ROUND"}
    node = helper.make_node(
        "Quant", list(constants), [f"{name}.quantized"], f"/{name}/Quant", domain=DOMAIN, **settings
    )
    return node, constants


def model(nodes, constants, channels):
    """Return a model of `nodes` that ends in `y`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, 4, 4))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def convolution(codes, frac=3, bits=8, bias=None, narrow=1):
    """Return a model of one convolution `conv1` with the weights codes * 2**-frac."""
    codes = np.asarray(codes)
    frac = np.asarray(frac)
    each = frac.reshape(-1, 1, 1, 1) if frac.ndim else frac
    values = np.ldexp(codes.astype(np.float64), -each)
    node, constants = quantized(values, "conv1.weight", each, bits, narrow)
    nodes, inputs = [node], ["x", node.output[0]]
    if bias is not None:
        node, more = quantized(np.ldexp(np.float64(bias), -8), "conv1.bias", 8, 32)
        nodes, constants, inputs = [*nodes, node], constants | more, [*inputs, node.output[0]]
    nodes.append(helper.make_node("Conv", inputs, ["y"], "/conv1/Conv"))
    return model(nodes, constants, codes.shape[1])


def codebook(table, indices):
    """Return a model of one convolution `conv1` whose weights are table[indices] / 128."""
    node, constants = quantized(np.asarray(table) / 128, "conv1.table", 7, 8)
    constants["conv1.indices"] = np.asarray(indices, np.int64)
    gather = helper.make_node(
        "Gather", [node.output[0], "conv1.indices"], ["conv1.w"], "/conv1/Gather", axis=0
    )
    conv = helper.make_node("Conv", ["x", "conv1.w"], ["y"], "/conv1/Conv")
    return model([node, gather, conv], constants, np.shape(indices)[1])
