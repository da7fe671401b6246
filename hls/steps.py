"""What a QONNX graph says, without its layout: one record a layer, integers instead of scales.

`zynqfire.hls.reader` makes these records from any supported graph, `zynqfire.hls.layout` writes
them as the channels-last model that hls4ml reads.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Quantizer:
    """Codes of `bits` bits, value = code * 2**-frac, narrow = without the lowest signed code."""

    bits: int
    signed: bool
    narrow: bool
    frac: int

    @property
    def lo(self) -> int:
        """Smallest code."""
        return -(1 << (self.bits - 1)) + self.narrow if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest code."""
        return (1 << (self.bits - self.signed)) - 1


@dataclass(frozen=True, eq=False)
class Codes:
    """A quantized constant: codes, and the fraction bits of each entry of the first axis.

    `indexed` codes were looked up in a table of few.
    """

    codes: np.ndarray
    fracs: np.ndarray
    quantizer: Quantizer
    indexed: bool = False

    def widened(self, least: int = 0) -> tuple[np.ndarray, Quantizer]:
        """Return the codes on one grid, the finest, and the quantizer that holds them.

        Codes that had several grids get `least` bits at least, so that they can be told apart.
        """
        frac = int(self.fracs.max())
        shifts = (frac - self.fracs).reshape(-1, *[1] * (self.codes.ndim - 1))
        spread = int(shifts.max())
        bits = max(self.quantizer.bits + spread, least) if spread else self.quantizer.bits
        return self.codes << shifts, replace(self.quantizer, bits=bits, frac=frac)

    def take(self, channels: np.ndarray) -> Codes:
        """Return the entries `channels` of the first axis."""
        return replace(self, codes=self.codes[channels], fracs=self.fracs[channels])


@dataclass(frozen=True, eq=False)
class Quantize:
    """A quantizer of a feature map."""

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]
    quantizer: Quantizer

    kind: ClassVar[str] = "quant"


@dataclass(frozen=True, eq=False)
class Convolve:
    """A convolution; weights are (M, C, KH, KW), pads top, left, bottom, right.

    A depthwise one has a kernel a channel, (C, 1, KH, KW).
    """

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]
    weights: Codes
    bias: Codes | None
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    depthwise: bool = False

    kind: ClassVar[str] = "conv"


@dataclass(frozen=True, eq=False)
class Rectify:
    """max(x, 0)."""

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True, eq=False)
class Join:
    """Channels of `inputs` one after the other."""

    name: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, int, int]

    kind: ClassVar[str] = "concat"


@dataclass(frozen=True, eq=False)
class Sum:
    """The two `inputs` added, value by value."""

    name: str
    inputs: tuple[str, ...]
    output: str
    shape: tuple[int, int, int]

    kind: ClassVar[str] = "add"


@dataclass(frozen=True, eq=False)
class Pool:
    """Average over the whole map."""

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]
    kernel: tuple[int, int]

    kind: ClassVar[str] = "pool"


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over a sliding window; pads are top, left, bottom, right and never the maximum."""

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]

    kind: ClassVar[str] = "maxpool"


@dataclass(frozen=True, eq=False)
class Select:
    """Some of the channels; only ever a step on the way (see `zynqfire.hls.simplify`)."""

    name: str
    input: str
    output: str
    shape: tuple[int, int, int]
    channels: tuple[int, ...]

    kind: ClassVar[str] = "select"


Step = Quantize | Convolve | Rectify | Join | Sum | Pool | MaxPool | Select


@dataclass(frozen=True, eq=False)
class Steps:
    """A model as steps in topological order; shapes are (height, width, channels)."""

    name: str
    input: str
    shape: tuple[int, int, int]
    steps: tuple[Step, ...]
    output: str

    def readers(self, tensor: str) -> tuple[Step, ...]:
        """Return the steps that read `tensor`."""
        return tuple(step for step in self.steps if tensor in sources(step))


def sources(step: Step) -> tuple[str, ...]:
    """Return the tensors that `step` reads."""
    return step.inputs if isinstance(step, Join | Sum) else (step.input,)
