"""How several narrow products share one DSP48, and how many DSP48 may stand in a cascade.

A DSP48 multiplies an operand on its wide port (25 bits in a DSP48E1, 27 in a DSP48E2) by one of 18
bits. Two codes, or two weights, stand far enough apart in one operand that their products with the
other fall into lanes of the 48-bit sum. A lane must hold the sum of a whole cascade, so that the
cascade is an adder tree; see `hls/rtl/zf_mac_dsp.sv`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

NARROW_PORT = 18
WIDE_PORTS = {"xc7": 25, "xcup": 27}  # DSP48E1, DSP48E2
SUM_BITS = 48
LONGEST = 16  # DSPs in a cascade: no longer than a column, or than a shift register of one LUT


@dataclass(frozen=True)
class Packing:
    """The products of one DSP48: `pixels` codes times `channels` weights.

    Attributes
    ----------
    pixels, channels : int
        1 or 2 each.
    code_at, weight_at : int
        Bit at which the second code and the second weight stand in their operands; 0 without one.
    chain : int
        The most DSPs whose sum the lanes hold.

    """

    pixels: int
    channels: int
    code_at: int
    weight_at: int
    chain: int

    @property
    def products(self) -> int:
        """Products a cycle."""
        return self.pixels * self.channels

    def chains(self, simd: int) -> int:
        """Return the cascades side by side that take `simd` lanes."""
        return -(-simd // self.chain)

    def stages(self, simd: int) -> int:
        """Return the DSPs of the longest cascade."""
        return -(-simd // self.chains(simd))

    def offset(self, pixel: int, signed: bool, bits: int) -> int:
        """Return what a code of `pixel` is raised by on the port.

        The first code of a DSP is unsigned there and the second signed, so that the upper never
        borrows from the lower.
        """
        if pixel % self.pixels == 0:
            return 1 << (bits - 1) if signed else 0
        return 0 if signed else -(1 << (bits - 1))


@cache
def packings(weight_bits: int, narrow: bool, code_bits: int, wide_port: int) -> tuple[Packing, ...]:
    """Return the best packing for each number of pixels and channels that fits.

    Parameters
    ----------
    weight_bits, code_bits : int
        Stored widths.
    narrow : bool
        Whether no weight is -2**(weight_bits-1): two weights in a DSP need it.
    wide_port : int
        Bits of the wide port.

    Returns
    -------
    tuple of Packing
        Most products first.

    """
    found = []
    for pixels, channels in ((2, 2), (2, 1), (1, 2), (1, 1)):
        if channels == 2 and not narrow:
            continue
        options = []
        for code_at in range(1, SUM_BITS) if pixels == 2 else (0,):
            for weight_at in range(1, SUM_BITS) if channels == 2 else (0,):
                chain = _chain(
                    pixels, channels, code_at, weight_at, weight_bits, code_bits, wide_port
                )
                if chain:
                    options.append(Packing(pixels, channels, code_at, weight_at, chain))
        if options:
            found.append(max(options, key=lambda p: (p.chain, -p.code_at, -p.weight_at)))
    return tuple(found)


def _chain(
    pixels: int,
    channels: int,
    code_at: int,
    weight_at: int,
    weight_bits: int,
    code_bits: int,
    wide_port: int,
) -> int:
    """Return the longest cascade with these offsets; 0 where the operands do not fit."""
    code_top = code_at + code_bits if pixels == 2 else code_bits + 1  # as signed numbers
    weight_top = weight_at + weight_bits
    narrow, wide = (code_top, weight_top) if weight_at > code_at else (weight_top, code_top)
    if narrow > NARROW_PORT or wide > wide_port:
        return 0
    if pixels == channels == 2 and code_at == weight_at:
        return 0
    starts = sorted(
        (pixel * code_at + channel * weight_at, pixel)
        for pixel in range(pixels)
        for channel in range(channels)
    )
    ends = [start for start, _ in starts[1:]] + [SUM_BITS]
    chain = LONGEST
    weight = (1 << (weight_bits - 1)) - (channels - 1)  # the largest magnitude
    for (start, pixel), end in zip(starts, ends, strict=True):
        code = (1 << code_bits) - 1 if pixel == 0 else 1 << (code_bits - 1)
        most = (1 << (end - start - 1)) - 1 if end > start else 0
        chain = min(chain, most // (weight * code))
    return chain
