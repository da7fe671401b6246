"""How a convolution is computed: what of it happens in one cycle, and its weights in that order.

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

from dataclasses import dataclass

import numpy as np

from .. import Refusal
from .ir import Conv
from .packing import Packing


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
