"""The formulas of `hls.resources` against what Yosys makes of a module."""

from pathlib import Path

import pytest

from zynqfire.board.catalog import load
from zynqfire.board.synth import Unit, synthesize
from zynqfire.hls.design import Stream
from zynqfire.hls.ir import QType, Requantize, Tensor
from zynqfire.hls.memory import signature, total
from zynqfire.hls.passes import units
from zynqfire.hls.passes.placement import place
from zynqfire.hls.resources import logic

RTL = Path(__file__).parents[2] / "hls" / "rtl"


@pytest.mark.parametrize(
    ("align", "luts", "ffs"),
    [
        ((), (0.9, 1.1), (0.75, 1)),
        # shifts of each channel: Yosys finds what they have in common, the formula does not
        ((0, 1, 2, 5, 4, 0, 3, 2), (1, 2), (0.6, 1)),
    ],
    ids=["one shift", "a shift a channel"],
)
def test_a_rescale_costs_what_is_estimated(align, luts, ffs):
    """Estimated over synthesized, of LUTs with shift registers and of flip-flops."""
    before = Tensor("before", (2, 2, 8), QType(12, True, 6), align)
    after = Tensor("after", before.shape, QType(8, True, 2))
    op = Requantize("after", "before", after, -128, 127)
    unit = units.rescale(op, Stream("before", before, 4, "a"), Stream("after", after, 4, "a"))
    files = {path: text.encode() for path, text in unit.files().items()}
    sources = {path.name: path.read_bytes() for path in RTL.glob("*.sv")}
    found = synthesize(Unit(unit.module, dict(unit.parameters), files), sources).estimate
    stored = total(place(unit.memories, load("pynq-z2")).placed)
    guess = logic(unit) + stored
    assert found.lutram == stored.lutram > 0
    assert luts[0] <= guess.lut / (found.lut + found.srl) <= luts[1]
    assert ffs[0] <= guess.ff / found.ff <= ffs[1]


@pytest.mark.parametrize("width", [64, 288])
def test_a_signature_costs_what_is_estimated(width):
    """And adds no longer path than a layer has."""
    sources = {"zf_signature.sv": (RTL / "zf_signature.sv").read_bytes()}
    result = synthesize(Unit("zf_signature", {"Width": width, "Depth": 576}, {}), sources)
    found, guess = result.estimate, signature(width)
    assert 0.9 <= guess.lut / found.lut <= 1.1 and guess.ff == found.ff
    assert result.path.levels <= 5
