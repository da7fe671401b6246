"""Quantizers, weights, biases and geometry of a QONNX convolution, checked to be exact."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .. import Refusal
from .onnx_graph import Node
from .steps import Codes, Quantizer

MAX_WEIGHT_BITS = 8
MAX_SPREAD_BITS = 48  # of a parameter's codes on its finest channel's grid
Geometry = tuple[tuple[int, int], tuple[int, int, int, int]]  # stride; top, left, bottom, right


def quantizer(node: Node, constants: dict[str, np.ndarray]) -> tuple[Quantizer, np.ndarray]:
    """Return the quantizer of a Quant node and the fraction bits of each of its scales.

    The quantizer's own `frac` is the largest of them.
    """
    for index, key in enumerate(("scale", "zero-point", "bit width"), start=1):
        if index >= len(node.inputs) or node.inputs[index] not in constants:
            raise Refusal(f"quantizer {node.name}: the {key} must be a constant")
    scale, zero, bits = (constants[name].astype(np.float64) for name in node.inputs[1:4])
    if np.any(zero != 0):
        wrong = float(zero.ravel()[np.flatnonzero(zero)[0]])
        raise Refusal(f"quantizer {node.name}: the zero-point must be 0, not {wrong:g}")
    if not scale.size or not bits.size:
        raise Refusal(f"quantizer {node.name}: must have a scale and a bit width, not none")
    mantissa, exponent = np.frexp(scale)
    if np.any(mantissa != 0.5):
        wrong = float(scale.ravel()[np.flatnonzero(mantissa != 0.5)[0]])
        raise Refusal(
            f"quantizer {node.name}: the scale must be a power of two, not {wrong:g}; use "
            "Brevitas' FixedPoint quantizers (Int8WeightPerTensorFixedPoint, "
            "Uint8ActPerTensorFixedPoint)"
        )
    width = float(bits.ravel()[0])
    if bits.size != 1 or width != int(width) or not 1 <= width <= 32:
        raise Refusal(
            f"quantizer {node.name}: the bit width must be one whole number from 1 to 32, not "
            f"{bits.ravel().tolist() if bits.size != 1 else f'{width:g}'}"
        )
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ("ROUND", "HALF_EVEN"):
        raise Refusal(f"quantizer {node.name}: the rounding mode must be ROUND, not {mode}")
    signed, narrow = (bool(node.attributes.get(key, 0)) for key in ("signed", "narrow"))
    if narrow and not signed:
        raise Refusal(f"quantizer {node.name}: a narrow range must be signed, not unsigned")
    fracs = 1 - exponent.astype(np.int64)
    return Quantizer(int(width), signed, narrow, int(fracs.max())), fracs


def single(node: Node, quantized: tuple[Quantizer, np.ndarray]) -> Quantizer:
    """Return the quantizer of a feature map, which has one scale."""
    found, fracs = quantized
    if fracs.min() != fracs.max():
        raise Refusal(
            f"quantizer {node.name}: a feature map must have one scale, not {fracs.size} "
            "different ones"
        )
    return found


def codes(node: Node, values: np.ndarray, quantized: tuple[Quantizer, np.ndarray]) -> Codes:
    """Return what a Quant node makes of a constant, its scales along the first axis only."""
    found, fracs = quantized
    values = np.atleast_1d(values.astype(np.float64))
    if not np.isfinite(values).all():
        wrong = values[~np.isfinite(values)].flat[0]
        raise Refusal(f"quantizer {node.name}: its values must be finite, not {wrong}")
    if fracs.size > 1 and fracs.shape[0] != fracs.size:
        raise Refusal(
            f"quantizer {node.name}: scales of a parameter must run along its first axis, not "
            f"shape {fracs.shape}"
        )
    per_channel = np.broadcast_to(fracs.ravel(), values.shape[:1]) if fracs.ndim else fracs
    per_channel = np.broadcast_to(per_channel, values.shape[:1]).astype(np.int64)
    scaled = np.ldexp(values, per_channel.reshape(-1, *[1] * (values.ndim - 1)))
    rounded = np.clip(np.rint(scaled), found.lo, found.hi).astype(np.int64)
    return Codes(rounded, per_channel, found)


def of_conv(
    node: Node, name: str, quantized: dict[str, Codes], constants: dict[str, np.ndarray]
) -> tuple[Codes, Codes | None]:
    """Return weights and bias of a convolution; weights are signed, 2 to 8 bits."""
    weights = quantized.get(node.inputs[1])
    if weights is None:
        what = "float constants" if node.inputs[1] in constants else "computed"
        raise Refusal(
            f"layer {name}: weights must come from a Quant node (Brevitas' "
            f"Int8WeightPerTensorFixedPoint), but are {what}"
        )
    bits = weights.quantizer.bits + (not weights.quantizer.signed)
    if bits > MAX_WEIGHT_BITS or bits < 2:
        raise Refusal(
            f"layer {name}: weights must have 2 to {MAX_WEIGHT_BITS} bits, not "
            f"{weights.quantizer.bits}{'' if weights.quantizer.signed else ' unsigned'}"
        )
    if not weights.codes.size:
        shape = "x".join(map(str, weights.codes.shape))
        raise Refusal(f"layer {name}: must have at least one weight, not {shape}")
    if weights.codes.ndim != 4:
        raise Refusal(
            f"layer {name}: a convolution must have two spatial axes, not {weights.codes.ndim - 2}"
        )
    if len(node.inputs) < 3 or not node.inputs[2]:
        return _on_one_grid(name, weights, None)
    bias = quantized.get(node.inputs[2])
    if bias is None and not np.any(constants.get(node.inputs[2], 1)):
        return _on_one_grid(name, weights, None)  # all zero: exact whatever its scale
    if bias is None:
        raise Refusal(
            f"layer {name}: the bias must come from a Quant node (bias_quant=Int32Bias), but is "
            "float"
        )
    if bias.codes.shape != weights.codes.shape[:1]:
        raise Refusal(
            f"layer {name}: the bias must have a value for each of the {len(weights.codes)} "
            f"output channels, not the shape {bias.codes.shape}"
        )
    return _on_one_grid(name, weights, bias)


def of_gemm(
    node: Node, name: str, quantized: dict[str, Codes], constants: dict[str, np.ndarray]
) -> tuple[Codes, Codes | None]:
    """Return weights and bias of a fully connected layer as those of a 1x1 convolution."""
    for key, default, wanted in (
        ("alpha", 1, 1),
        ("beta", 1, 1),
        ("transA", 0, 0),
        ("transB", 0, 1),
    ):
        value = node.attributes.get(key, default)
        if value != wanted:
            raise Refusal(f"layer {name}: {key} of Gemm must be {wanted}, not {value:g}")
    weights = quantized.get(node.inputs[1])
    if weights is not None:
        weights = replace(weights, codes=weights.codes[..., None, None])
        quantized = quantized | {node.inputs[1]: weights}
    return of_conv(node, name, quantized, constants)


def _on_one_grid(name: str, weights: Codes, bias: Codes | None) -> tuple[Codes, Codes | None]:
    """Return both with the scales of dead channels, which say nothing, as large as the others'.

    Raises
    ------
    Refusal
        Where the scales that remain are so far apart that 64-bit integers could not hold them.
    """
    dead = ~weights.codes.reshape(len(weights.codes), -1).any(axis=1)
    if bias is not None:
        dead &= bias.codes == 0
    found = []
    for part in (weights, bias):
        if part is None:
            found.append(None)
            continue
        fracs = part.fracs.copy()
        fracs[dead] = fracs[~dead].min() if not dead.all() else fracs.min()
        spread = int(fracs.max() - fracs.min())
        most = int(np.abs(part.codes).max(initial=0)).bit_length()
        if most + spread > MAX_SPREAD_BITS:
            raise Refusal(
                f"layer {name}: scales of its channels must lie within a factor of "
                f"2^{MAX_SPREAD_BITS - most}, not 2^{spread}"
            )
        frac = int(fracs.max())
        found.append(replace(part, fracs=fracs, quantizer=replace(part.quantizer, frac=frac)))
    return tuple(found)


def grouped(node: Node, name: str, weights: Codes, channels: int) -> tuple[Codes, bool]:
    """Return the weights of a convolution of `channels`, and whether it is depthwise.

    Other groups become one: each output channel has zeros for the input channels it does not see.
    """
    groups, (outputs, seen, *kernel) = node.attributes.get("group", 1), weights.codes.shape
    if groups < 1 or seen * groups != channels:
        raise Refusal(
            f"layer {name}: weights must have {channels} input channels, not {seen}"
            + (f" in each of {groups} groups" if groups != 1 else "")
        )
    if outputs % groups:
        raise Refusal(f"layer {name}: {groups} groups must divide its {outputs} output channels")
    if groups == 1 or groups == channels == outputs:
        return weights, groups > 1
    dense = np.zeros((groups, outputs // groups, groups, seen, *kernel), weights.codes.dtype)
    for group, own in enumerate(weights.codes.reshape(groups, -1, seen, *kernel)):
        dense[group, :, group] = own
    return replace(weights, codes=dense.reshape(outputs, channels, *kernel)), False


def geometry(
    node: Node,
    name: str,
    shape: tuple[int, int, int],
    added: tuple[int, int, int, int],
    kernel: tuple[int, int],
) -> Geometry:
    """Return stride and padding of a convolution, `added` from a Pad node before it included."""
    dilations = node.attributes.get("dilations", (1, 1))
    if any(d != 1 for d in dilations):
        raise Refusal(
            f"layer {name}: dilation must be 1, not {'x'.join(str(d) for d in dilations)}"
        )
    stride = tuple(node.attributes.get("strides", (1, 1)))
    mode = node.attributes.get("auto_pad", "NOTSET")
    pads = tuple(node.attributes.get("pads", (0, 0, 0, 0)))
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        padded = (shape[0] + added[0] + added[2], shape[1] + added[1] + added[3])
        pads = _same(kernel, stride, padded, mode)
    elif mode == "VALID":
        pads = (0, 0, 0, 0)
    return stride, tuple(int(p + a) for p, a in zip(pads, added, strict=True))


def pooling(
    node: Node, shape: tuple[int, int, int]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, int]]:
    """Return kernel, stride, pads and output size of a MaxPool over a map of `shape`.

    The pads are those that windows reach: ceil mode adds some below and to the right, and a window
    that would begin beyond the map is none (PyTorch's rule).
    """
    attributes = node.attributes
    kernel = tuple(int(k) for k in attributes["kernel_shape"])
    stride = tuple(int(s) for s in attributes.get("strides", (1,) * len(kernel)))
    pads = tuple(int(p) for p in attributes.get("pads", (0,) * 4))
    mode = attributes.get("auto_pad", "NOTSET")
    if len(kernel) != 2 or mode != "NOTSET":
        raise Refusal(f"layer {node.name}: MaxPool must be of rows and columns with explicit pads")
    if any(d != 1 for d in attributes.get("dilations", (1, 1))):
        raise Refusal(f"layer {node.name}: dilation of MaxPool must be 1")
    sizes, after = [], []
    for axis in range(2):
        k, s, n, low, high = kernel[axis], stride[axis], shape[axis], pads[axis], pads[axis + 2]
        room = n + low + high - k
        steps = -(-room // s) if attributes.get("ceil_mode", 0) else room // s
        if steps * s >= n + low:
            steps -= 1
        if room < 0 or max(low, high) >= k:
            raise Refusal(
                f"layer {node.name}: MaxPool's window of {k} with padding {low} and {high} must "
                f"fit {n} positions and be larger than its padding"
            )
        sizes.append(steps + 1)
        after.append(max(steps * s + k - n - low, 0))
    return kernel, stride, (pads[0], pads[1], after[0], after[1]), (sizes[0], sizes[1])


def _same(kernel: tuple, stride: tuple, size: tuple, mode: str) -> tuple[int, int, int, int]:
    before, after = [], []
    for k, s, n in zip(kernel, stride, size, strict=True):
        total = max((math.ceil(n / s) - 1) * s + k - n, 0)
        small, large = total // 2, total - total // 2
        before.append(small if mode == "SAME_UPPER" else large)
        after.append(large if mode == "SAME_UPPER" else small)
    return (*before, *after)


def output_shape(
    name: str, shape: tuple[int, int, int], weights: tuple[int, ...], geometry: Geometry
) -> tuple[int, int, int]:
    """Return height, width and channels of a convolution's result."""
    outputs, _, kh, kw = weights
    stride, (top, left, bottom, right) = geometry
    height = (shape[0] + top + bottom - kh) // stride[0] + 1
    width = (shape[1] + left + right - kw) // stride[1] + 1
    if height < 1 or width < 1:
        raise Refusal(
            f"layer {name}: a {kh}x{kw} kernel does not fit into its padded input of "
            f"{shape[0] + top + bottom}x{shape[1] + left + right}"
        )
    return height, width, outputs
