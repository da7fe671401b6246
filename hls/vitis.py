"""hls4ml's own Vitis HLS project of a network, exact to the last bit, and its C++ emulation.

The project is stock hls4ml (io_stream, Resource strategy). Only types that hls4ml would infer
inexactly are set from the IR, and streams are as deep as they need to be, not a whole map.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from .. import Refusal
from . import folder, onnx_graph
from .interpret import decode
from .ir import Conv, Depthwise, MaxPool, Network, QType, SumPool
from .lower import from_onnx
from .names import from_identifier
from .passes import widths
from .reader import prepare

PROJECT = "zynqfire_net"
PART = "xc7z020clg400-1"
_MARK = "hls4ml_config.yml"  # what tells an old project from somebody's folder


def write_project(
    source: Path | str | onnx.ModelProto,
    out: Path | str,
    *,
    part: str = PART,
    clock_period: float = 10.0,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Write hls4ml's Vitis HLS project of a QONNX model.

    Parameters
    ----------
    source : path or ModelProto
        As for `zynqfire.hls.prepare`.
    out : path
        Folder of the project; an old project there is replaced when the new one is whole.
    part : str
        Device.
    clock_period : float
        Nanoseconds.

    Returns
    -------
    dict
        build, backend, project (the top function), part, layers (name, reuse_factor), stream_bits
        (what all streams hold together), seconds.

    Raises
    ------
    Refusal
        Where the model cannot be taken, or the folder holds something else.

    """
    start = time.monotonic()
    out = Path(out)
    folder.check(out, _MARK, "hls4ml project")  # before the work, not after
    say = report or (lambda text: None)
    say(f"reading {source if not isinstance(source, onnx.ModelProto) else source.graph.name}")
    with folder.replaced(out, _MARK, "hls4ml project") as beside:
        graph = convert(source, beside, part=part, clock_period=clock_period)
        say(f"writing {out}")
        with _quiet():
            graph.write()
    return {
        "build": str(out),
        "backend": "vitis",
        "project": PROJECT,
        "part": part,
        "layers": [
            {"name": _readable(node), "reuse_factor": int(node.get_attr("reuse_factor"))}
            for node in graph.get_layers()
            if "Conv" in node.class_name
        ],
        "stream_bits": sum(_stream_bits(variable) for variable in _streams(graph)),
        "seconds": round(time.monotonic() - start, 3),
    }


def convert(
    source: Path | str | onnx.ModelProto,
    out: Path | str,
    *,
    part: str = PART,
    clock_period: float = 10.0,
) -> Any:
    """Return hls4ml's ModelGraph of the Vitis backend, with exact types, for the folder `out`."""
    prepared = prepare(source)
    network = from_onnx(prepared)
    for op in network.operations:
        if getattr(op, "divisor", 1) != 1:
            raise Refusal(
                f"layer {op.input}: hls4ml cannot average over {op.divisor} positions exactly, "
                "only over a power of two"
            )
        if isinstance(op, MaxPool) and any(op.pads):
            raise Refusal(
                f"layer {op.name}: hls4ml cannot pad a pool in a stream, not by {op.pads}"
            )
        if isinstance(op, MaxPool) and op.kernel != op.stride:
            raise Refusal(
                f"layer {op.name}: a pool of hls4ml in a stream must have the stride of its "
                f"kernel, {op.kernel}, not {op.stride}"
            )
    with _quiet():
        from hls4ml.converters import convert_from_onnx_model

        graph = convert_from_onnx_model(
            prepared,
            backend="Vitis",
            project_name=PROJECT,
            output_dir=str(out),
            io_type="io_stream",
            part=part,
            clock_period=clock_period,
            hls_config=_config(prepared, network),
        )
    _order_kernels(graph)
    _size_streams(graph)
    return graph


def emulate(
    source: Path | str | onnx.ModelProto, inputs: np.ndarray, folder: Path | str | None = None
) -> np.ndarray:
    """Compile the project's C++ emulation and run it: output codes, int64 (N, elements).

    Parameters
    ----------
    source : path or ModelProto
        As for `zynqfire.hls.prepare`.
    inputs : ndarray of integers, (N, H, W, C)
        Input codes.
    folder : path, optional
        Where to build; default is a folder that is deleted afterwards.

    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="zynqfire-vitis-") as temporary:
            return emulate(source, inputs, temporary)
    network = from_onnx(source)
    graph = convert(source, folder)
    with _quiet():
        graph.compile()
    values = np.ldexp(np.asarray(inputs, np.float64), -network.input.output.qtype.frac)
    results = [graph.predict(np.ascontiguousarray(frame)) for frame in values]
    frac = network.output.output.qtype.frac
    scaled = np.ldexp(np.asarray(results).reshape(len(values), -1), frac)
    codes = scaled.astype(np.int64)
    if not np.array_equal(decode(network, codes), np.ldexp(scaled, -frac)):
        raise AssertionError(f"the emulation's outputs are not multiples of 2^{-frac}")
    return codes


def _config(prepared: onnx.ModelProto, network: Network) -> dict[str, Any]:
    """Return the hls4ml configuration that makes the stock backend exact."""
    graph = onnx_graph.read(network.name, prepared)
    readers: dict[str, list[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.op)
    tensors = {op.name: op for op in network.operations}
    ranges = widths.ranges(network)
    layers: dict[str, Any] = {graph.input: {"Precision": {"result": _entry(network)}}}
    makers: dict[str, str] = {}  # ONNX tensor -> the convolution it comes from
    for node in graph.nodes:
        makers[node.outputs[0]] = makers.get(node.inputs[0], node.name)
        precisions = dict.fromkeys(("result", "accum", "weight", "bias"), "auto")
        settings: dict[str, Any] = {"Precision": precisions}
        if node.op == "Conv":
            conv = tensors[from_identifier(node.name)]
            makers[node.outputs[0]] = node.name
            settings["ReuseFactor"] = int(conv.weights[0].size)
        if node.op in ("Conv", "Relu") and readers.get(node.outputs[0]) != ["Quant"]:
            # alone before a quantizer, hls4ml would give the layer that quantizer's type
            maker = tensors.get(from_identifier(makers[node.outputs[0]]))
            if isinstance(maker, Conv | Depthwise):
                kind = _wide(maker, ranges[maker.output.name], node.op == "Relu")
                precisions["result"] = kind
        if node.op == "AveragePool":
            pool = tensors[from_identifier(node.name)]
            assert isinstance(pool, SumPool)
            precisions["result"] = _precision(pool.output.qtype)
        layers[node.name] = settings
    return {
        "Model": {
            "Precision": {"default": "fixed<16,6>"},  # of tables that nothing reads
            "ReuseFactor": 1,
            "Strategy": "Resource",
            "BramFactor": 1_000_000_000,
        },
        "LayerName": layers,
    }


def _wide(conv: Conv | Depthwise, found: widths.Range, rectified: bool) -> str:
    """Return the type of an accumulator with its channels aligned."""
    lo, hi = (bound << max(conv.output.align, default=0) for bound in found)
    return _precision(QType.holding(0 if rectified else lo, hi, conv.output.qtype.frac))


def _precision(qtype: QType, modes: str = "") -> str:
    sign = "" if qtype.signed else "u"
    return f"{sign}fixed<{qtype.bits},{qtype.bits - qtype.frac}{modes}>"


def _entry(network: Network) -> str:
    return _precision(network.input.output.qtype, ",RND_CONV,SAT")


def _readable(node: Any) -> str:
    return from_identifier(node.name.removeprefix("Conv2D_").removeprefix("DepthwiseConv2D_"))


def _order_kernels(graph: Any) -> None:
    """Put the channels of depthwise kernels last, where hls4ml's C++ reads them.

    Its pass for the Resource strategy moves them first, as if they were filters.
    """
    for node in graph.get_layers():
        if node.class_name == "DepthwiseConv2D":
            weights = node.weights["weight"]
            weights.data = weights.data.transpose(3, 1, 2, 0)  # from (C, KH, KW, 1)


def _streams(graph: Any) -> list[Any]:
    return [variable for node in graph.get_layers() for variable in node.get_variables()]


def _stream_bits(variable: Any) -> int:
    depth = variable.pragma[1] if isinstance(variable.pragma, tuple) else 0
    return int(depth) * int(variable.shape[-1]) * int(variable.type.precision.width)


def _size_streams(graph: Any) -> None:
    """Give a stream the rows by which the branches of a fork can lag, others a few pixels.

    A branch with a K x K window lags K rows behind one without, and padding comes in rows. The
    branches of a concatenation differ by one window, those of an addition by any number.
    """
    classes = [node.class_name for node in graph.get_layers()]
    heights = [
        node.get_attr("filt_height", 1) for node in graph.get_layers() if "Conv" in node.class_name
    ]
    rows = sum(heights) if "Merge" in classes else max(heights, default=1)
    joined = "Merge" in classes or "Concatenate" in classes
    for variable in _streams(graph):
        if isinstance(getattr(variable, "pragma", None), tuple):
            pixels = int(np.prod(variable.shape[:-1]))
            width = int(variable.shape[-2]) if len(variable.shape) > 1 else 1
            depth = (rows * width if joined else 0) + 16
            variable.pragma = ("stream", max(min(pixels, depth), 2))


@contextlib.contextmanager
def _quiet():
    """Keep to itself what hls4ml prints about every layer."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
