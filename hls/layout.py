"""Writes steps as channels-last QONNX in the dialect of hls4ml's ONNX parser.

That dialect: parameters through per-tensor `Quant` nodes with one-element constants, a shape for
every tensor, convolutions and pools in qonnx's channels-last domain, concatenations of two.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import codebook, parameters
from .names import to_identifier
from .onnx_graph import CHANNELS_LAST
from .steps import Convolve, Join, MaxPool, Pool, Quantize, Quantizer, Rectify, Steps, Sum

_QUANT_DOMAIN = "qonnx.custom_op.general"
_IR_VERSION = 10  # onnxruntime 1.31 reads up to 13
_OPSETS = (("", 13), (_QUANT_DOMAIN, 2), (CHANNELS_LAST, 1))


def write(model: Steps) -> onnx.ModelProto:
    """Return `model` as a channels-last ModelProto."""
    return _Writer(model).model()


class _Writer:
    def __init__(self, model: Steps):
        self.source = model
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.written = {model.input: input_name(model.input)}  # step tensor -> ONNX tensor

    def model(self) -> onnx.ModelProto:
        source = self.source
        entry = self.written[source.input]
        for step in source.steps:
            name = to_identifier(step.name)
            self.written[step.output] = name
            self.shapes[name] = (1, *step.shape)
            match step:
                case Quantize():
                    self.quant(name, self.written[step.input], step.quantizer)
                case Convolve():
                    self.conv(name, step)
                case Rectify():
                    self.nodes.append(
                        helper.make_node("Relu", [self.written[step.input]], [name], name=name)
                    )
                case Join():
                    self.join(name, step)
                case Sum():
                    inputs = [self.written[tensor] for tensor in step.inputs]
                    self.nodes.append(helper.make_node("Add", inputs, [name], name=name))
                case Pool():
                    self.pool(name, step, "AveragePool", step.kernel, (0,) * 4)
                case MaxPool():
                    self.pool(name, step, "MaxPool", step.stride, step.pads)
        result = self.written[source.output]
        graph = helper.make_graph(
            self.nodes,
            source.name,
            [helper.make_tensor_value_info(entry, TensorProto.FLOAT, (1, *source.shape))],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, self.shapes.pop(result))],
            initializer=[numpy_helper.from_array(v, n) for n, v in self.constants.items()],
            value_info=[
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in self.shapes.items()
            ],
        )
        opsets = [helper.make_opsetid(*opset) for opset in _OPSETS]
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="zynqfire"
        )

    def constant(self, name: str, value: np.ndarray) -> str:
        """Note a constant; float64 only where float32 would round it."""
        single = np.asarray(value, dtype=np.float32)
        self.constants[name] = single if np.array_equal(single, value) else np.asarray(value)
        self.shapes[name] = single.shape
        return name

    def quant(self, name: str, source: str, quantizer: Quantizer) -> str:
        """Write a per-tensor Quant node called `name`, as its result is."""
        settings = {"scale": 2.0**-quantizer.frac, "zero_point": 0.0, "bit_width": quantizer.bits}
        inputs = [source] + [
            self.constant(f"{name}__{key}", np.asarray([value], dtype=np.float64))
            for key, value in settings.items()
        ]
        self.nodes.append(
            helper.make_node(
                "Quant",
                inputs,
                [name],
                name=name,
                domain=_QUANT_DOMAIN,
                signed=int(quantizer.signed),
                narrow=int(quantizer.narrow),
                rounding_mode="ROUND",
            )
        )
        return name

    def conv(self, name: str, step: Convolve) -> None:
        weights, quantizer = step.weights.widened(least=parameters.MAX_WEIGHT_BITS + 1)
        values = np.ldexp(weights.transpose(0, 2, 3, 1).astype(np.float64), -quantizer.frac)
        kernel = values.shape[1:3]
        inputs = [self.written[step.input], self.parameter(f"{name}__weight", values, quantizer)]
        if step.bias is not None:
            bias, quantizer = step.bias.widened()
            values = np.ldexp(bias.astype(np.float64), -quantizer.frac)
            inputs.append(self.parameter(f"{name}__bias", values, quantizer))
        node = helper.make_node(
            "Conv",
            inputs,
            [name],
            name=name,
            domain=CHANNELS_LAST,
            group=step.shape[2] if step.depthwise else 1,
            dilations=[1, 1],
            kernel_shape=kernel,
            strides=step.stride,
            pads=step.pads,
        )
        self.nodes.append(codebook.mark(node, step.weights))

    def parameter(self, name: str, values: np.ndarray, quantizer: Quantizer) -> str:
        """Write a quantized parameter and return the tensor that holds it."""
        self.shapes[name] = values.shape
        return self.quant(name, self.constant(f"{name}__data", values), quantizer)

    def join(self, name: str, step: Join) -> None:
        """Write a concatenation as a chain of twos, the last called `name`."""
        tensors = [self.written[tensor] for tensor in step.inputs]
        done = tensors[0]
        for index, tensor in enumerate(tensors[1:], start=1):
            result = name if index == len(tensors) - 1 else f"{name}__{index}"
            channels = self.channels(done) + self.channels(tensor)
            self.shapes[result] = (1, *step.shape[:2], channels)
            self.nodes.append(
                helper.make_node("Concat", [done, tensor], [result], name=result, axis=3)
            )
            done = result
        self.written[step.output] = done

    def channels(self, tensor: str) -> int:
        if tensor == self.written[self.source.input]:
            return self.source.shape[2]
        return self.shapes[tensor][-1]

    def pool(
        self, name: str, step: Pool | MaxPool, op: str, stride: tuple, pads: tuple[int, ...]
    ) -> None:
        self.nodes.append(
            helper.make_node(
                op,
                [self.written[step.input]],
                [name],
                name=name,
                domain=CHANNELS_LAST,
                kernel_shape=step.kernel,
                strides=stride,
                pads=pads,
            )
        )


def input_name(name: str) -> str:
    """Return an identifier for the input; hls4ml reserves the word input."""
    clean = "".join(c if c.isalnum() else "_" for c in name).strip("_") or "input"
    clean = f"input_{clean}" if clean[0].isdigit() else clean
    return f"{clean}_1" if clean == "input" else clean
