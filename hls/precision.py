"""hls4ml passes that give every layer an exact type, whichever front end it came from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hls4ml.model.layers import Activation, Constant, GlobalPooling2D, Input, Pooling2D, Quant
from hls4ml.model.optimizer import ModelOptimizerPass
from hls4ml.model.optimizer.passes.hgq_proxy_model import FixedPointQuantizer
from hls4ml.model.optimizer.passes.infer_precision import InferPrecisionTypes
from hls4ml.model.types import FixedPrecisionType
from hls4ml.utils.qinterval import minimal_kif

from .. import Refusal
from . import narrow, nodes
from .lower import must_be_supported
from .types import Type, is_auto


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
            if isinstance(node, Input) and is_auto(variable.type.precision):
                variable.type.precision = _entry_type(node)
            if "accum_t" in node.types:
                node.types["accum_t"].precision, _ = config.get_precision(node, "accum")
            for name, what in (("weight", "weights"), ("bias", "biases")):
                if name in node.weights:
                    _settle(node, name, what)
        return False


def _settle(node: Any, name: str, what: str) -> None:
    """Give a parameter the type of its configuration, which must hold it: nothing is rounded.

    hls4ml writes a parameter with as many decimals as its type has fraction bits and leaves the
    rounding to C++: what comes out of that for a value off the grid is nobody's specification.
    """
    parameter = node.weights[name]
    precision, _ = node.model.config.get_precision(node, name)
    parameter.update_precision(precision)
    if not is_auto(precision):
        kind = Type.of(precision, node.name, name)
        narrow.codes(node.name, what, parameter.data, kind.qtype.frac, kind.lo, kind.qtype.hi)


def _entry_type(node: Any) -> FixedPrecisionType:
    readers = node.get_output_nodes()
    if readers and all(isinstance(reader, FixedPointQuantizer) for reader in readers):
        kinds = {str(kind): kind for kind in map(_of_quantizer, readers)}
        if len(kinds) > 1:
            raise Refusal(
                f"model: its input {node.name} must go through one quantizer, not "
                f"{len(kinds)} different ones"
            )
        return kinds.popitem()[1]
    quant = next((n for n in readers if isinstance(n, Quant)), None)
    if quant is None:
        raise Refusal(
            f"model: its input {node.name} must go through a Quant node first, or have a "
            "Precision of its own in the configuration"
        )
    scale, bits = (
        float(quant.get_input_node(quant.inputs[i]).get_attr("value").ravel()[0]) for i in (1, 3)
    )
    saturation = "SAT_SYM" if quant.get_attr("narrow") else "SAT"
    integer = int(bits) + int(np.log2(scale))
    return FixedPrecisionType(int(bits), integer, quant.get_attr("signed"), "RND_CONV", saturation)


def _of_quantizer(node: Any) -> FixedPrecisionType:
    """Return the type of HGQ's quantizer, which must be the same for every element."""
    kinds = np.unique(np.broadcast_arrays(*(np.ravel(a) for a in node.mask_kbi)), axis=1)
    if kinds.shape[1] > 1:
        raise Refusal(
            f"layer {node.name}: its quantizer must have one type for the whole map, not "
            f"{kinds.shape[1]} (HGQ: heterogeneous_axis=())"
        )
    signed, width, integer = (int(value) for value in kinds[:, 0])
    return FixedPrecisionType(width, integer, bool(signed), node.RND, node.SAT)


class ExactPrecision(InferPrecisionTypes):
    """hls4ml's inference of result types, with exact ones for averages and rectifiers."""

    def _infer_precision(self, node: Any, types_to_infer: list[str]) -> list[str]:
        must_be_supported(node)
        if isinstance(node, FixedPointQuantizer):
            return self._set(node, types_to_infer, _of_quantizer(node))
        if isinstance(node, Pooling2D | GlobalPooling2D):
            result = self._input_type(node)
            if node.get_attr("pool_op") == "Average":
                result = _pooled(result, math.prod(nodes.window(node)))
            return self._set(node, types_to_infer, result)
        if isinstance(node, Activation):
            if node.get_attr("activation_quantizer"):
                raise Refusal(
                    f"layer {node.name}: QKeras' quantizer must be in the configuration, as "
                    "config_from_keras_model with granularity='name' puts it there"
                )
            result = self._input_type(node)
            if node.get_attr("activation").lower() in ("relu", "thresholdedrelu") and result.signed:
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
        name = type_name.removesuffix("_t")
        if name in node.weights:  # a front end that quantizes hands over values, not types
            precision = _holding(node.weights[name].data)
            node.weights[name].update_precision(precision)
        elif type_name in ("table_t", "param_t"):
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


def _holding(values: np.ndarray) -> FixedPrecisionType:
    """Return the narrowest type that holds every one of `values`."""
    signs, integers, fractions = minimal_kif(values[values != 0])  # a zero fits any type
    if not len(signs):
        return FixedPrecisionType(1, 1, signed=False)
    integer = int(signs.max()) + int(integers.max())
    return FixedPrecisionType(integer + int(fractions.max()), integer, bool(signs.any()))


def _pooled(source: FixedPrecisionType, area: int) -> FixedPrecisionType:
    """Return the type of an average: more fraction bits, or of the sum where area is no 2**k."""
    grown = (area - 1).bit_length()
    integer = source.integer + (grown if area & (area - 1) else 0)
    return FixedPrecisionType(source.width + grown, integer, source.signed)
