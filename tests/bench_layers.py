"""`make bench`: what two layers cost at the foldings at which peers were measured.

Layer A: 3x3 pad 1, 16 to 64 channels, 16x16. Layer B: 1x1, 128 to 16, 16x16. 4-bit weights in
[-7, 7], 4-bit codes in and out. The peer is FINN's open RTL of 2026-04, synthesized by the same
Yosys, its threshold unit included.
"""

import sys

from zynqfire.board.synth import Unit, synthesize
from zynqfire.hls.emit import LIBRARY, library_sources
from zynqfire.hls.fold import Fold
from zynqfire.hls.packing import packings
from zynqfire.rtl_tb.test_zf_conv import SAME, Setup

FOUR, _, TWO, _ = packings(4, True, 4, 25)  # 2x2, 2x1, 1x2 and 1x1 products a DSP

# layer, PE x SIMD, our folding, FINN's LUTs and DSPs
ROWS = [
    ("A", "8 x 16", Fold(4, 1, 16, 2, FOUR), "5,221", "32"),
    ("A", "32 x 16", Fold(16, 1, 16, 2, FOUR), "17,389", "128"),
    ("A", "64 x 16", Fold(32, 1, 16, 2, FOUR), "29,024", "256"),
    ("A", "8 x 144", Fold(8, 9, 16, 1, TWO), "-", "-"),
    ("B", "8 x 16", Fold(4, 1, 16, 2, FOUR), "4,271", "32"),
    ("B", "16 x 32", Fold(8, 1, 32, 2, FOUR), "13,145", "128"),
    ("A", "8 x 16, LUT products", Fold(8, 1, 16), "-", "-"),
]


def layer(name: str, fold: Fold) -> Setup:
    """Return layer A or B with random weights."""
    if name == "A":
        return Setup((16, 16, 16), 64, (3, 3), fold, (1, 1), SAME, bias_bits=11)
    return Setup((16, 16, 128), 16, (1, 1), fold, bias_bits=11)


def main():
    """Synthesize and print the table."""
    library = {file: (LIBRARY / file).read_bytes() for file in library_sources()}
    print(
        "| layer | PE x SIMD | cycles | LUT | LUTRAM, SRL | FF | DSP | levels | FINN: LUT | DSP |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, shape, fold, luts, dsps in ROWS:
        print(f"layer {name}, {shape}", file=sys.stderr)
        instance = layer(name, fold).instance("layer")
        parameters = {**instance.parameters, "Primitives": 1}
        files = {path: text.encode() for path, text in instance.files().items()}
        result = synthesize(Unit(instance.module, parameters, files), library)
        cost = result.estimate
        print(
            f"| {name} | {shape} | {instance.cycles:,} | {cost.lut:,} | {cost.lutram}, {cost.srl} "
            f"| {cost.ff:,} | {cost.dsp} | {result.path.levels:.2f} | {luts} | {dsps} |"
        )


if __name__ == "__main__":
    main()
