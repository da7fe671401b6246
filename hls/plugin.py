"""The hls4ml backend `zynqfire`: exact types, the integer interpreter, a BUILD folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hls4ml.backends.fpga.fpga_backend import FPGABackend
from hls4ml.model.flow import register_flow
from hls4ml.model.layers import Activation, Constant, Input, Pooling2D, Quant
from hls4ml.model.optimizer import ModelOptimizerPass
from hls4ml.model.optimizer.passes.infer_precision import InferPrecisionTypes
from hls4ml.model.types import FixedPrecisionType, UnspecifiedPrecisionType
from hls4ml.writer.writers import Writer

from .. import Refusal
from . import interpret
from .backend import NAME
from .ir import Network
from .lower import lower

_PARSE = [  # what hls4ml does to QONNX, without the passes for scales that are no powers of two
    "quant_constant_parameters",
    "fuse_quant_with_constant",
    "quant_to_activation",
    "conv_to_conv_x_d",
]


class DefaultToAuto(ModelOptimizerPass):
    """Types come from the quantizers: hls4ml's model-wide default (fixed<16,6>) means nothing.

    Types that a configuration sets for a layer or a class of layers stay.
    """

    def __init__(self):
        super().__init__("default_to_auto", self.transform)

    def transform(self, model: Any) -> bool:
        """Reset the types that come from the default, and give inputs their quantizer's."""
        config = model.config
        config.model_precision = {"default": "auto"}
        for node in model.graph.values():
            if isinstance(node, Constant):
                continue
            variable = node.get_output_variable()
            variable.type.precision, _ = config.get_precision(node, "result")
            if isinstance(node, Input) and isinstance(
                variable.type.precision, UnspecifiedPrecisionType
            ):
                variable.type.precision = _entry_type(node)
        return False


def _entry_type(node: Any) -> FixedPrecisionType:
    quant = next((n for n in node.get_output_nodes() if isinstance(n, Quant)), None)
    if quant is None:
        raise Refusal(f"model: its input {node.name} must go through a Quant node first")
    scale, bits = (
        float(quant.get_input_node(quant.inputs[i]).get_attr("value").ravel()[0]) for i in (1, 3)
    )
    saturation = "SAT_SYM" if quant.get_attr("narrow") else "SAT"
    integer = int(bits) + int(np.log2(scale))
    return FixedPrecisionType(int(bits), integer, quant.get_attr("signed"), "RND_CONV", saturation)


class ExactPrecision(InferPrecisionTypes):
    """hls4ml's inference of result types, with exact ones for averages and rectifiers."""

    def _infer_precision(self, node: Any, types_to_infer: list[str]) -> list[str]:
        if isinstance(node, Pooling2D) and node.get_attr("pool_op") == "Average":
            area = node.get_attr("pool_height") * node.get_attr("pool_width")
            return self._set(node, types_to_infer, _pooled(self._input_type(node), area))
        if isinstance(node, Activation):
            result = self._input_type(node)
            if node.get_attr("activation").lower() == "relu" and result.signed:
                result = FixedPrecisionType(
                    max(result.width - 1, 1), result.integer - 1, signed=False
                )
            return self._set(node, types_to_infer, result)
        return super()._infer_precision(node, types_to_infer)

    @staticmethod
    def _input_type(node: Any) -> FixedPrecisionType:
        return node.get_input_variable().type.precision

    @staticmethod
    def _set(node: Any, names: list[str], precision: FixedPrecisionType) -> list[str]:
        done = [name for name in names if name in ("accum_t", "result_t")]
        for name in done:
            node.types[name].name = f"{node.name}_{name}"
            node.types[name].precision = precision
        return done

    def _infer_default_type(self, node: Any, type_name: str) -> None:
        if type_name == "bias_t" and not np.any(node.weights["bias"].data):
            precision = FixedPrecisionType(1, 1, signed=False)  # there is none
            node.weights["bias"].update_precision(precision)
        elif type_name == "table_t":
            precision = FixedPrecisionType(18, 8)  # of activations, which nothing here reads
        else:
            raise Refusal(
                f"layer {node.name}: no exact {type_name} follows from its inputs; quantize its "
                "weights and its input"
            )
        node.types[type_name].precision = precision

    def _get_default_precision(self, node: Any) -> FixedPrecisionType:
        raise Refusal(
            f"layer {node.name}: no exact type follows from its inputs; quantize its weights and "
            "its input"
        )


def _pooled(source: FixedPrecisionType, area: int) -> FixedPrecisionType:
    """Return the type of an average: more fraction bits, or of the sum where area is no 2**k."""
    grown = (area - 1).bit_length()
    integer = source.integer + (grown if area & (area - 1) else 0)
    return FixedPrecisionType(source.width + grown, integer, source.signed)


class ZynqfireWriter(Writer):
    """Writes the BUILD folder of a model."""

    def write_hls(self, model: Any) -> None:
        """Compile `model` for its board into its output folder."""
        from ..board.catalog import load
        from .compile import build

        config = model.config
        build(lower(model), load(config.get_config_value("Board")), Path(config.get_output_dir()))


class ZynqfireBackend(FPGABackend):
    """Streams of integers in handwritten SystemVerilog, every weight in on-chip memory."""

    def __init__(self):
        super().__init__(NAME)
        for name, cls in (("default_to_auto", DefaultToAuto), ("exact_precision", ExactPrecision)):
            self.register_pass(name, cls)
        settle = register_flow("settle", [f"{NAME}:default_to_auto"], backend=NAME)
        parse = register_flow("parse", _PARSE, requires=[settle], backend=NAME)
        infer = register_flow("infer", [f"{NAME}:exact_precision"], requires=[parse], backend=NAME)
        self._default_flow = register_flow("ip", None, requires=[infer], backend=NAME)
        self._writer_flow = register_flow(
            "write", [f"{NAME}:write_hls"], requires=[self._default_flow], backend=NAME
        )

    def _init_file_optimizers(self) -> dict[str, Any]:
        return {}  # `passes` beside this file are of the IR, not of hls4ml's graph

    def get_default_flow(self) -> str:
        """Return the flow that `convert_from_onnx_model` applies."""
        return self._default_flow

    def get_writer_flow(self) -> str:
        """Return the flow that writes the BUILD folder."""
        return self._writer_flow

    def create_initial_config(self, board: str = "pynq-z2", **_: Any) -> dict[str, Any]:
        """Return the configuration that hls4ml starts from; only `board` matters here."""
        return {"Board": board, "IOType": "io_stream", "HLSConfig": {}, "WriterConfig": {}}

    def compile(self, model: Any) -> None:
        """Lower `model`: `predict` runs its integer interpreter. Nothing is built in C++."""
        model.zynqfire = lower(model)
        return None

    def predict(self, model: Any, x: np.ndarray) -> np.ndarray:
        """Return the values of the outputs for values `x`, frame by frame, as hls4ml does.

        Parameters
        ----------
        model : ModelGraph
            A compiled one.
        x : ndarray
            Input values (pixels * 2**-8), channels last; rounded to the input's codes.

        """
        network: Network | None = getattr(model, "zynqfire", None)
        if network is None:
            raise Refusal("model: must be compiled before predict, call compile()")
        codes = interpret.encode(network, x)
        values = interpret.decode(network, interpret.outputs(network, codes))
        values = values.astype(x.dtype if np.issubdtype(x.dtype, np.floating) else np.float64)
        return values[0] if len(values) == 1 else values

    def build(self, model: Any, tool: str = "yosys", **_: Any) -> dict[str, Any]:
        """Write the BUILD folder of `model` and synthesize it with `tool`, yosys or vivado."""
        from ..board.synth import synth

        self.write(model)
        return synth(Path(model.config.get_output_dir()), tool=tool)
