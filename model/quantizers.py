"""The Brevitas quantizers of our networks: power-of-two scales, zero-points 0, round half to even.

A scale is a stored exponent that `calibrate` functions choose and training leaves alone: a
checkpoint then holds everything, and a scale never jumps in the middle of a stage.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from ._brevitas import (
    Int8WeightPerChannelFixedPoint,
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    QuantConv2d,
    QuantIdentity,
    QuantReLU,
    ScalingImplType,
    Uint8ActPerTensorFixedPoint,
)
from .codebook import CodebookConv2d
from .graph import Node

CLAMPED = 0.001  # of the positive values, at least
PIXEL_FRAC = 8  # a pixel p has the value p * 2**-8


class Weight(Int8WeightPerTensorFixedPoint):
    """Signed narrow weights with one scale for the tensor."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


class ChannelWeight(Int8WeightPerChannelFixedPoint):
    """Signed narrow weights with a scale for every output channel."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


class Activation(Uint8ActPerTensorFixedPoint):
    """Unsigned activations after a ReLU."""

    scaling_impl_type = ScalingImplType.PARAMETER
    scaling_init = 1.0


class Pixel(Uint8ActPerTensorFixedPoint):
    """Bytes of a picture, value = byte * 2**-8 whatever the data."""

    scaling_impl_type = ScalingImplType.CONST
    scaling_init = 1.0


def convolution(
    node: Node, bits: int, per_channel: bool = False, codebook_bits: int = 0
) -> QuantConv2d:
    """Return a convolution with quantized weights and a 32-bit bias on the accumulator's grid.

    With `codebook_bits` its weights are indices of so many bits into a table of quantized values.
    """
    settings = {
        "stride": node.stride,
        "padding": node.pad,
        "groups": node.groups,
        "bias": True,
        "weight_quant": ChannelWeight if per_channel else Weight,
        "weight_bit_width": bits,
        "bias_quant": Int32Bias,
    }
    sizes = node.in_shape[2], node.channels, node.kernel
    if codebook_bits:
        return CodebookConv2d(*sizes, bits=codebook_bits, **settings)
    return QuantConv2d(*sizes, **settings)


def relu(bits: int) -> QuantReLU:
    """Return a ReLU with quantized result."""
    return QuantReLU(act_quant=Activation, bit_width=bits, return_quant_tensor=True)


def pixels() -> QuantIdentity:
    """Return the quantizer of the network's input."""
    return QuantIdentity(act_quant=Pixel, bit_width=8, return_quant_tensor=True)


def calibrate_weights(layer: QuantConv2d) -> None:
    """Choose the weight scales of `layer` that leave the least squared error, and its codebook."""
    bits = int(layer.weight_quant.bit_width())
    weight = layer.weight
    if isinstance(layer, CodebookConv2d):
        layer.choose()
        weight = layer.table
    weight = weight.detach().double()
    exponent = _exponent(layer)
    rows = weight.flatten(1) if exponent.ndim else weight.reshape(1, -1)
    top = (1 << (bits - 1)) - 1
    best = _best(rows, -top, top)
    exponent.data.copy_((best + bits - 1).reshape(exponent.shape).to(exponent.dtype))


def calibrate_activation(
    layer: QuantReLU, branches: list[torch.Tensor], clamped: float = CLAMPED
) -> None:
    """Choose the scale of `layer` with the least squared error over its inputs `branches`.

    In every branch at least the share `clamped` of the positive values is made to clamp, by default
    one in a thousand, so that the clamp is at work wherever the network is compared with its
    hardware. Training makes up for it; without, it costs much at 8 bits.
    """
    high = (1 << int(layer.act_quant.bit_width())) - 1
    passed = [values.detach().double().flatten().relu() for values in branches]
    exponent = int(_best(torch.cat(passed)[None], 0, high))
    for values in passed if clamped else ():
        if (positive := values[values > 0]).numel():
            rank = max(1, math.ceil(positive.numel() * (1 - clamped)))
            top = positive.kthvalue(rank).values.item()
            exponent = min(exponent, math.ceil(math.log2(top / (high + 0.5))) - 1)
    set_activation(layer, exponent)


def set_activation(layer: QuantReLU, log2_scale: int) -> None:
    """Give `layer` the scale ``2**log2_scale``."""
    _exponent(layer).data.fill_(log2_scale + int(layer.act_quant.bit_width()))


def log2_scale(layer: QuantConv2d | QuantReLU) -> int:
    """Return log2 of the scale of `layer`, of the finest channel where they differ."""
    quant = layer.weight_quant if isinstance(layer, QuantConv2d) else layer.act_quant
    bits = int(quant.bit_width()) - isinstance(layer, QuantConv2d)
    return round(_exponent(layer).min().item()) - bits


def _best(rows: torch.Tensor, low: int, high: int, span: int = 5) -> torch.Tensor:
    """Return the log2 of the best scale of each row, at most 2**span below the one that clips none.

    A row of zeros gets the scale 1.
    """
    peak = rows.abs().amax(1)
    safe = torch.where(peak > 0, peak / high, torch.ones_like(peak)).log2().ceil()
    error = []
    for down in range(span + 1):
        scale = torch.exp2(safe - down)[:, None]
        codes = (rows / scale).round().clamp(low, high)
        error.append((codes * scale - rows).square().sum(1))
    return safe - torch.stack(error).argmin(0)


def _exponent(layer: nn.Module) -> nn.Parameter:
    """Return log2 of the clipping threshold, ``scale * 2**(bits - signed)``."""
    if isinstance(layer, QuantConv2d):
        return layer.weight_quant.tensor_quant.scaling_impl.value
    return layer.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value
