"""What the cells of a Xilinx netlist cost, as an `Estimate`, and that as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..hls.memory import Estimate

KEYS = ("lut", "lutram", "srl", "ff", "bram36", "uram", "dsp")  # of an estimate, in JSON

# LUTs of a cell that is RAM; those of a true 64-deep bit are one a read port.
_LUTRAM = {
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM128X1S": 2,
    "RAM256X1S": 4,
    "RAM512X1S": 8,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1D": 4,
    "RAM256X1D": 8,
    "RAM32M": 4,
    "RAM64M": 4,
    "RAM32M16": 8,
    "RAM64M8": 8,
    "RAM64X8SW": 8,
}
_COSTS = (
    (re.compile(r"LUT[1-6]|LUT6_2|INV"), Estimate(lut=1)),
    (re.compile(r"FD[RSCP]E(_1)?|LD[CP]E"), Estimate(ff=1)),
    (re.compile(r"SRL16E|SRLC16E|SRLC32E"), Estimate(srl=1)),
    (re.compile(r"CARRY[48]"), Estimate(carry=1)),
    (re.compile(r"RAMB18E[12]"), Estimate(bram36=0.5)),
    (re.compile(r"RAMB36E[12]"), Estimate(bram36=1)),
    (re.compile(r"URAM288(_BASE)?"), Estimate(uram=1)),
    (re.compile(r"DSP48E[12]"), Estimate(dsp=1)),
    (re.compile(r"MUXF[789]|VCC|GND|BUFG|IBUF|OBUF|\$scopeinfo"), Estimate()),
)


def cell(kind: str) -> Estimate:
    """Return what one cell of the type `kind` costs."""
    if kind in _LUTRAM:
        return Estimate(lutram=_LUTRAM[kind])
    for pattern, cost in _COSTS:
        if pattern.fullmatch(kind):
            return cost
    raise ValueError(f"cell type {kind} is not known")


def count(cells: Mapping[str, int]) -> Estimate:
    """Return what `cells`, a number a type, cost together."""
    return sum((cell(kind) * number for kind, number in cells.items()), Estimate())


def entry(estimate: Estimate) -> dict[str, int | float]:
    """Return an estimate as the JSON of `synth` has it."""
    return {key: getattr(estimate, key) for key in KEYS}
