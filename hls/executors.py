"""Executors of one exported network: each takes input codes and returns output codes.

Inputs are (N, H, W, C) integer codes, results int64 (N, elements), channels last. Brevitas in
PyTorch and the simulated RTL are the two others; they live in `model` and `rtl_tb`.
"""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import onnx

from . import interpret, onnx_graph, vitis
from .ir import Add, Conv, Depthwise, Network, SumPool
from .lower import from_onnx
from .passes import widths

FLOAT32_EXACT = 1 << 24
_READABLE_IR = 10  # of the models that qonnx makes of single nodes; onnxruntime reads up to 13


def by_interpreter(source: Path | str | onnx.ModelProto, inputs: np.ndarray) -> np.ndarray:
    """Run the IR's integer interpreter."""
    return interpret.outputs(from_onnx(source), inputs)


def by_vitis(
    source: Path | str | onnx.ModelProto, inputs: np.ndarray, folder: Path | str | None = None
) -> np.ndarray:
    """Run hls4ml's compiled Vitis emulation; takes a C++ build."""
    return vitis.emulate(source, inputs, folder)


def qonnx_limit(network: Network) -> str | None:
    """Return why qonnx, which computes in float32, would be inexact; None where it is exact."""
    ranges = widths.ranges(network)
    for op in network.operations:
        if isinstance(op, Conv | Depthwise):
            bound = widths.gemm_bound(op, ranges[op.input]) << max(op.output.align, default=0)
        elif isinstance(op, SumPool | Add):
            bound = max(abs(code) for code in ranges[op.output.name])
        else:
            continue
        if bound >= FLOAT32_EXACT:
            return f"layer {op.name}: sums may reach {bound}, float32 is exact below 2^24"
    if network.output.divisor != 1:
        return f"an average over {network.output.divisor} positions is no multiple of 2^-n"
    return None


def by_qonnx(source: Path | str | onnx.ModelProto, inputs: np.ndarray) -> np.ndarray | str:
    """Run qonnx's `execute_onnx` on the model as it came, channels first, frame by frame.

    Returns
    -------
    ndarray or str
        The codes, or the reason why float32 cannot give them exactly.

    """
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    network = from_onnx(source)
    reason = qonnx_limit(network)
    if reason:
        return reason
    _, model = onnx_graph.load(source)
    model = copy.deepcopy(model)
    model.ir_version = min(model.ir_version, _READABLE_IR)
    wrapper = ModelWrapper(model).transform(InferShapes())
    initializers = {item.name for item in model.graph.initializer}
    entry = next(item.name for item in model.graph.input if item.name not in initializers)
    leave = model.graph.output[0].name
    qtype = network.input.output.qtype
    frames = np.ldexp(np.asarray(inputs, np.float64), -qtype.frac).astype(np.float32)
    frames = frames.transpose(0, 3, 1, 2)
    make = partial(onnx_exec.qonnx_make_model, ir_version=_READABLE_IR)
    with mock.patch.object(onnx_exec, "qonnx_make_model", make):
        values = [
            onnx_exec.execute_onnx(wrapper, {entry: frames[index : index + 1]})[leave]
            for index in range(len(frames))
        ]
    return _codes(np.concatenate(values).astype(np.float64), network)


def _codes(values: np.ndarray, network: Network) -> np.ndarray:
    """Return channels-first values as channels-last codes; a value off the grid is an error."""
    height, width, channels = network.output.output.shape
    values = values.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    scaled = np.ldexp(values.reshape(len(values), -1), network.output.output.qtype.frac)
    codes = scaled.astype(np.int64)
    if not np.array_equal(codes, scaled):
        raise AssertionError(f"values off the grid of {network.output.output.qtype}")
    return codes
