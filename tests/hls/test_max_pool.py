"""Maxima: sizes, padding and ceil mode as onnxruntime has them."""

import itertools

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from zynqfire.hls import interpret, parameters
from zynqfire.hls.ir import Input, MaxPool, Network, Output, QType, Tensor
from zynqfire.hls.onnx_graph import Node

CHANNELS, QTYPE = 2, QType(4, True, 0)


def by_onnxruntime(codes, settings):
    """Return what onnxruntime makes of codes (N, H, W, C)."""
    node = helper.make_node("MaxPool", ["x"], ["y"], **settings)
    frames = codes.transpose(0, 3, 1, 2).astype(np.float32)
    graph = helper.make_graph(
        [node],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, frames.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": frames})[0].transpose(0, 2, 3, 1)


def by_interpreter(codes, settings):
    """Return what the interpreter makes of codes (N, H, W, C)."""
    shape = codes.shape[1:]
    node = Node("MaxPool", "pool", ("x",), ("y",), settings, ())
    kernel, stride, pads, size = parameters.pooling(node, shape)
    pooled = Tensor("pooled", (*size, CHANNELS), QTYPE)
    network = Network(
        "pool",
        (
            Input("input", Tensor("x", shape, QTYPE)),
            MaxPool("pool", "x", pooled, kernel, stride, pads),
            Output("output", "pooled", pooled),
        ),
    )
    return interpret.run(network, codes)["pooled"]


def test_every_small_pool_equals_onnxruntime():
    rng = np.random.default_rng(0)
    count = 0
    for kernel, stride, ceil in itertools.product((1, 2, 3), (1, 2, 3), (0, 1)):
        for low, high in itertools.product(range(kernel), repeat=2):
            for size in range(max(kernel - low - high, 1), 9):
                codes = rng.integers(QTYPE.lo, QTYPE.hi + 1, (2, size, 4, CHANNELS))
                settings = {"kernel_shape": [kernel, 2], "strides": [stride, 1]}
                settings |= {"pads": [low, 0, high, 1], "ceil_mode": ceil}
                expected = by_onnxruntime(codes, settings)
                assert np.array_equal(by_interpreter(codes, settings), expected), (size, settings)
                count += 1
    assert count > 300
