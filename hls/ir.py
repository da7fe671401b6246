"""The typed network between ONNX and hardware: quantized types, tensors and operations.

Everything is integers. A tensor holds codes ``q`` of a `QType`; the value of a code is
``q * 2**-frac``. Shapes are channels last, ``(height, width, channels)``, without the frame axis.
The integer interpreter (`zynqfire.hls.interpret`) is the meaning of this IR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from .. import Refusal


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


class _Weighted:
    """What memories hold of weights: these, or their places in the codebook."""

    weights: np.ndarray
    weight_bits: int
    codebook: tuple[int, ...]

    @property
    def stored(self) -> np.ndarray:
        """What memories hold, in the shape of the weights."""
        return np.searchsorted(self.codebook, self.weights) if self.codebook else self.weights

    @property
    def stored_bits(self) -> int:
        """Width of what memories hold of a weight."""
        if not self.codebook:
            return self.weight_bits
        return max(1, (len(self.codebook) - 1).bit_length())


@dataclass(frozen=True, eq=False)
class Conv(_Weighted):
    """Convolution: exact accumulators ``sum(w * a) + b``, padding is code 0.

    Attributes
    ----------
    weights : ndarray of int64, (M, KH, KW, C)
        Codes; channel m has the scale ``2**-(output.qtype.frac - output.align[m] - in.frac)``.
    weight_bits : int
        Width of a weight as multipliers take it, 2 to 8.
    bias : ndarray of int64, (M,)
        Codes at the channel's accumulator scale.
    stride : (int, int)
        Rows, columns.
    pads : (int, int, int, int)
        Top, left, bottom, right.
    codebook : tuple of int
        The different weights, ascending, at most 32: memories hold places in it (`stored`). Empty
        where they hold the weights themselves.

    """

    name: str
    input: str
    output: Tensor
    weights: np.ndarray
    weight_bits: int
    bias: np.ndarray
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    codebook: tuple[int, ...] = ()

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
class Depthwise(_Weighted):
    """Convolution of each channel with a kernel of its own: exact ``sum(w * a) + b``, padding is 0.

    Attributes
    ----------
    weights : ndarray of int64, (C, KH, KW)
        Codes; scales as for `Conv`.
    weight_bits : int
        Width of a weight as multipliers take it, 2 to 8.
    bias : ndarray of int64, (C,)
        Codes at the channel's accumulator scale.
    stride : (int, int)
        Rows, columns.
    pads : (int, int, int, int)
        Top, left, bottom, right.
    codebook : tuple of int
        The different weights, ascending, at most 32: memories hold places in it (`stored`). Empty
        where they hold the weights themselves.

    """

    name: str
    input: str
    output: Tensor
    weights: np.ndarray
    weight_bits: int
    bias: np.ndarray
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    codebook: tuple[int, ...] = ()

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
