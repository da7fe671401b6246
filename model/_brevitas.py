"""What we use of Brevitas, imported in silence.

It warns of a GPU kernel that is absent and of its own old modules; nothing here uses either.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from brevitas.export import export_qonnx
    from brevitas.inject.enum import ScalingImplType
    from brevitas.nn import QuantConv2d, QuantIdentity, QuantReLU
    from brevitas.nn.utils import merge_bn
    from brevitas.quant.fixed_point import (
        Int8WeightPerChannelFixedPoint,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPoint,
    )
    from brevitas.quant.scaled_int import Int32Bias

__all__ = [
    "Int8WeightPerChannelFixedPoint",
    "Int8WeightPerTensorFixedPoint",
    "Int32Bias",
    "QuantConv2d",
    "QuantIdentity",
    "QuantReLU",
    "ScalingImplType",
    "Uint8ActPerTensorFixedPoint",
    "export_qonnx",
    "merge_bn",
]
