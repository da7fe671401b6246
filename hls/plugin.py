"""The hls4ml backend `zynqfire`: exact types, the integer interpreter, a BUILD folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hls4ml.backends.fpga.fpga_backend import FPGABackend
from hls4ml.model.flow import register_flow
from hls4ml.writer.writers import Writer

from .. import Refusal
from . import interpret
from .backend import NAME
from .ir import Network
from .lower import lower
from .nodes import reuse_factors
from .passes import reuse
from .precision import DefaultToAuto, ExactPrecision

_PARSE = [  # what hls4ml does to QONNX, without the passes for scales that are no powers of two
    "quant_constant_parameters",
    "fuse_quant_with_constant",
    "quant_to_activation",
    "conv_to_conv_x_d",
    "conv_to_depthwise_conv_x_d",
]


class ZynqfireWriter(Writer):
    """Writes the BUILD folder of a model."""

    def write_hls(self, model: Any) -> None:
        """Compile `model` for its board into its output folder."""
        from ..board.catalog import load
        from .compile import build

        config = model.config
        network = lower(model)
        build(
            network,
            load(config.get_config_value("Board")),
            Path(config.get_output_dir()),
            kept=reuse.from_factors(network, reuse_factors(model)),
        )


class ZynqfireBackend(FPGABackend):
    """Streams of integers in handwritten SystemVerilog, every weight in on-chip memory."""

    def __init__(self):
        super().__init__(NAME)
        for attributes in self.attribute_map.values():
            for attribute in attributes:
                if attribute.name == "reuse_factor":
                    attribute.value_type = None  # `reuse` says what is wrong with a value
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
