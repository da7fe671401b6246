"""The typed network between ONNX and hardware: quantized types, tensors and operations.

Everything is integers. A tensor holds codes ``q`` of a `QType`; the value of a code is
``q * 2**-frac``. Shapes are channels last, ``(height, width, channels)``, without the frame axis.
The integer interpreter (`zynqfire.hls.interpret`) is the meaning of this IR.

Weight order
------------
`Fold` maps a convolution of M output channels, K = KH x KW taps and C input channels to PE output
channels times SIMD = taps * lanes inputs a cycle, with PE | M, taps in {1, KH, KH*KW} and
lanes | C. One output pixel takes, outermost first: the M/PE output groups; the remaining taps (all
KH*KW of them row by row for taps = 1; the KW columns for taps = KH; none for taps = KH*KW); the
C/lanes channel groups. Output channel ``g * PE + p`` is lane p of group g. Input lane
``t * lanes + c`` is tap t of the word (taps = KH: row t of the column) and channel c of the group.
A cycle's word holds its PE x SIMD weights lane by lane, those of the PE outputs next to each other.
`fold_weights` returns weights in exactly this order; nothing else knows it but the window unit.
With several pixels a step, that many neighbouring output pixels of a row are computed side by side
with the same weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from .. import Refusal
from .packing import Packing


@dataclass(frozen=True)
class QType:
    """Integer type of a tensor's codes; value = code * 2**-frac."""

    bits: int
    signed: bool
    frac: int

    @property
    def lo(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest code."""
        return (1 << (self.bits - self.signed)) - 1

    @classmethod
    def holding(cls, lo: int, hi: int, frac: int) -> QType:
        """Return the narrowest type for codes from `lo` to `hi`; unsigned where lo >= 0."""
        signed = lo < 0
        bits = max(int(hi).bit_length(), int(-lo - 1).bit_length() if signed else 0) + signed
        return cls(max(bits, 1), signed, frac)

    def __str__(self) -> str:
        """Render as s4.3 or u8.8: sign, bits, fraction bits."""
        return f"{'s' if self.signed else 'u'}{self.bits}.{self.frac}"


@dataclass(frozen=True)
class Tensor:
    """A named feature map; channel m of code q has the value ``q * 2**(align[m] - frac)``.

    `align` is empty (all zero) but for outputs of convolutions with per-channel weight scales.
    """

    name: str
    shape: tuple[int, int, int]
    qtype: QType
    align: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """Codes in one frame."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Input:
    """The frame that enters the network."""

    name: str
    output: Tensor

    inputs: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, eq=False)
class Conv:
    """Convolution: exact accumulators ``sum(w * a) + b``, padding is code 0.

    Attributes
    ----------
    weights : ndarray of int64, (M, KH, KW, C)
        Codes; channel m has the scale ``2**-(output.qtype.frac - output.align[m] - in.frac)``.
    weight_bits : int
        Stored width of a weight, 2 to 8.
    bias : ndarray of int64, (M,)
        Codes at the channel's accumulator scale.
    stride : (int, int)
        Rows, columns.
    pads : (int, int, int, int)
        Top, left, bottom, right.

    """

    name: str
    input: str
    output: Tensor
    weights: np.ndarray
    weight_bits: int
    bias: np.ndarray
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)

    @property
    def kernel(self) -> tuple[int, int]:
        """KH, KW."""
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def pointwise(self) -> bool:
        """Whether output pixel n is of input pixel n alone, so that rows do not matter."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.pads)

    @property
    def macs(self) -> int:
        """Multiplications a frame."""
        height, width, _ = self.output.shape
        return height * width * self.weights.size


@dataclass(frozen=True, eq=False)
class Depthwise:
    """Convolution of each channel with a kernel of its own: exact ``sum(w * a) + b``, padding is 0.

    Attributes
    ----------
    weights : ndarray of int64, (C, KH, KW)
        Codes; scales as for `Conv`.
    weight_bits : int
        Stored width of a weight, 2 to 8.
    bias : ndarray of int64, (C,)
        Codes at the channel's accumulator scale.
    stride : (int, int)
        Rows, columns.
    pads : (int, int, int, int)
        Top, left, bottom, right.

    """

    name: str
    input: str
    output: Tensor
    weights: np.ndarray
    weight_bits: int
    bias: np.ndarray
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)

    @property
    def kernel(self) -> tuple[int, int]:
        """KH, KW."""
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def macs(self) -> int:
        """Multiplications a frame."""
        height, width, _ = self.output.shape
        return height * width * self.weights.size


@dataclass(frozen=True, eq=False)
class Requantize:
    """``y = clamp(rhe(x * 2**-s), lo, hi)``, rhe = round half to even, s = frac in - frac out.

    Channel m of an aligned input has the shift ``s - align[m]``; a shift of zero or less is an
    exact left shift. The output's `align` is empty.
    """

    name: str
    input: str
    output: Tensor
    lo: int
    hi: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Concat:
    """Channels of the inputs one after the other; all inputs share one QType."""

    name: str
    inputs: tuple[str, ...]
    output: Tensor


@dataclass(frozen=True, eq=False)
class Add:
    """Exact sum of two inputs, code by code; both share one QType and one shape."""

    name: str
    inputs: tuple[str, ...]
    output: Tensor


@dataclass(frozen=True, eq=False)
class SumPool:
    """Exact sum of each channel over the whole map; output shape (1, 1, C).

    An average over 2**k positions is this sum with k more fraction bits.
    """

    name: str
    input: str
    output: Tensor

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Largest code of each channel in a sliding window; padding is never the largest.

    Attributes
    ----------
    kernel : (int, int)
        Rows, columns.
    stride : (int, int)
        Rows, columns.
    pads : (int, int, int, int)
        Top, left, bottom, right.

    """

    name: str
    input: str
    output: Tensor
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Output:
    """The codes that leave the chip, channels last; their value is code * 2**-frac / divisor."""

    name: str
    input: str
    output: Tensor
    divisor: int = 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tensors read."""
        return (self.input,)


Operation = Input | Conv | Depthwise | Requantize | Concat | Add | SumPool | MaxPool | Output
OPERATIONS: dict[str, type] = {
    cls.__name__: cls
    for cls in (Input, Conv, Depthwise, Requantize, Concat, Add, SumPool, MaxPool, Output)
}


@dataclass(frozen=True, eq=False)
class Network:
    """Operations in topological order; the first is the Input, the last the Output."""

    name: str
    operations: tuple[Operation, ...]

    @property
    def input(self) -> Input:
        """The entry."""
        return self.operations[0]

    @property
    def output(self) -> Output:
        """The exit."""
        return self.operations[-1]

    @property
    def convolutions(self) -> tuple[Conv, ...]:
        """All convolutions in order."""
        return tuple(op for op in self.operations if isinstance(op, Conv))

    def tensor(self, name: str) -> Tensor:
        """Return the tensor called `name`."""
        return self.producer(name).output

    def producer(self, tensor: str) -> Operation:
        """Return the operation that writes `tensor`."""
        if tensor not in self._producers:
            raise Refusal(f"network {self.name}: no operation writes the tensor {tensor}")
        return self._producers[tensor]

    def consumers(self, tensor: str) -> tuple[Operation, ...]:
        """Return the operations that read `tensor`, in order."""
        return tuple(op for op in self.operations if tensor in op.inputs)

    @cached_property
    def _producers(self) -> dict[str, Operation]:
        # an Output passes its tensor on: the first writer counts
        return {op.output.name: op for op in reversed(self.operations)}

    def with_operations(self, operations: list[Operation]) -> Network:
        """Return the same network with other operations."""
        return replace(self, operations=tuple(operations))


@dataclass(frozen=True)
class Fold:
    """How a convolution is computed: PE outputs, SIMD inputs and `pixels` pixels a cycle.

    Attributes
    ----------
    pe : int
        Output channels a cycle.
    taps, lanes : int
        Kernel positions times input channels a cycle; see the weight order above.
    pixels : int
        Neighbouring output pixels that share the weights.
    packing : Packing, optional
        How products share DSPs; none for products made of LUTs.

    """

    pe: int
    taps: int = 1
    lanes: int = 1
    pixels: int = 1
    packing: Packing | None = None

    @property
    def simd(self) -> int:
        """Inputs a cycle."""
        return self.taps * self.lanes

    @property
    def weights(self) -> int:
        """Weights a cycle."""
        return self.pe * self.simd

    @property
    def multipliers(self) -> int:
        """Products a cycle."""
        return self.weights * self.pixels

    @property
    def dsps(self) -> int:
        """DSPs."""
        return self.multipliers // self.packing.products if self.packing else 0

    @classmethod
    def of(
        cls, conv: Conv, pe: int, simd: int, pixels: int = 1, packing: Packing | None = None
    ) -> Fold:
        """Return the folding of `conv`, choosing the fewest taps that `simd` allows.

        Raises
        ------
        Refusal
            Where PE does not divide the output channels or SIMD is not t * s with t in
            {1, KH, KH*KW} and s dividing the input channels, or where the pixels of a step are not
            1, 2 or 4, or more than the words of a product.

        """
        outputs, kh, kw, channels = conv.weights.shape
        if pe < 1 or outputs % pe:
            raise Refusal(
                f"layer {conv.name}: pe must divide its {outputs} output channels, not {pe}"
            )
        for taps in (1, kh, kh * kw):
            if simd >= 1 and simd % taps == 0 and channels % (simd // taps) == 0:
                break
        else:
            raise Refusal(
                f"layer {conv.name}: simd must be t*s with t in {{1, {kh}, {kh * kw}}} and s "
                f"dividing its {channels} input channels, not {simd}"
            )
        fold = cls(pe, taps, simd // taps, pixels, packing)
        if pixels not in PIXELS or (pixels > 1 and pixels > fold.words(conv)):
            most = [str(p) for p in PIXELS if p == 1 or p <= fold.words(conv)]
            raise Refusal(
                f"layer {conv.name}: pixels must be {' or '.join(most)} where a product has "
                f"{fold.words(conv)} words, not {pixels}"
            )
        return fold

    def words(self, conv: Conv) -> int:
        """Cycles of one step of one output group."""
        _, kh, kw, channels = conv.weights.shape
        return kh * kw * channels // self.simd

    def groups(self, conv: Conv) -> int:
        """Output groups, M/PE."""
        return conv.weights.shape[0] // self.pe

    def steps(self, conv: Conv) -> int:
        """Return the steps of a frame: `pixels` pixels each, the last of a row what is left."""
        height, width, _ = conv.output.shape
        if conv.pointwise:  # the map is one row
            return -(-height * width // self.pixels)
        return height * -(-width // self.pixels)

    def cycles(self, conv: Conv) -> int:
        """Cycles of one frame."""
        return self.steps(conv) * self.words(conv) * self.groups(conv)


PIXELS = (1, 2, 4)  # of a step


def fold_weights(conv: Conv, fold: Fold) -> np.ndarray:
    """Return the weights as the multipliers read them, (words of one pixel, SIMD, PE)."""
    outputs, kh, kw, channels = conv.weights.shape
    if fold.taps == 1:  # every tap its own word
        serial, parallel = kh * kw, 1
        taps = conv.weights.reshape(outputs, serial, parallel, channels)
    elif fold.taps == kh:  # a column of taps is a word
        serial, parallel = kw, kh
        taps = conv.weights.transpose(0, 2, 1, 3)
    else:
        serial, parallel = 1, kh * kw
        taps = conv.weights.reshape(outputs, serial, parallel, channels)
    groups, deep = outputs // fold.pe, channels // fold.lanes
    split = taps.reshape(groups, fold.pe, serial, parallel, deep, fold.lanes)
    return split.transpose(0, 2, 4, 3, 5, 1).reshape(groups * serial * deep, fold.simd, fold.pe)
