"""The executors of an exported network side by side: integer pixels in, integer logits out.

Each takes codes (frames, height, width, channels) and returns int64 codes (frames, outputs).
The fifth, the RTL, is `zynqfire.rtl_tb.simulate`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np

ONNXRUNTIME_IR = 13  # the newest version of ONNX's file format that onnxruntime reads


def brevitas(run: Path, codes: np.ndarray) -> np.ndarray:
    """Run the trained network of the folder `run` in PyTorch."""
    from .model.exact import integers
    from .model.run import load_run

    return integers(load_run(run)[0], codes)[0]


def qonnx(model: Path, codes: np.ndarray, output_frac: int) -> np.ndarray:
    """Run the exported file in qonnx, frame by frame as it is exported."""
    from qonnx.core import onnx_exec
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    graph = ModelWrapper(str(model)).transform(InferShapes())
    enter, leave = graph.graph.input[0].name, graph.graph.output[0].name
    frames = (codes.astype(np.float32) * np.float32(2.0**-8)).transpose(0, 3, 1, 2)
    # qonnx wraps each node in a model of onnx's newest version, which onnxruntime cannot read yet.
    readable = partial(onnx_exec.qonnx_make_model, ir_version=ONNXRUNTIME_IR)
    with patch.object(onnx_exec, "qonnx_make_model", readable):
        values = [
            onnx_exec.execute_onnx(graph, {enter: frames[i : i + 1]})[leave]
            for i in range(len(frames))
        ]
    return integers(np.concatenate(values).reshape(len(codes), -1), output_frac)


def interpreter(build: Path, codes: np.ndarray) -> np.ndarray:
    """Run the integer interpreter on the network that a build folder holds."""
    from .hls import interpret, ir

    network = ir.loads((build / "network.json").read_text(encoding="utf-8"))
    return interpret.outputs(network, codes).reshape(len(codes), -1)


def integers(values: np.ndarray, frac: int) -> np.ndarray:
    """Return `values` as codes of `frac` fraction bits; a value off that grid is an error."""
    scaled = values.astype(np.float64) * 2.0**frac
    codes = scaled.round().astype(np.int64)
    if not np.array_equal(codes, scaled):
        raise AssertionError(f"outputs off the grid of 2**-{frac}")
    return codes
