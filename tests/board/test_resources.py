"""What cells cost."""

import pytest

from zynqfire.board.resources import count
from zynqfire.hls.memory import Estimate


def test_kinds_add_up():
    """LUTs with inverters, RAM and shift registers apart; a RAMB18 is half a RAMB36."""
    cells = {
        **{"LUT1": 1, "LUT6": 2, "LUT6_2": 3, "INV": 4, "MUXF7": 9, "CARRY4": 5, "FDRE": 6},
        **{"FDSE": 1, "RAM32M": 2, "RAM64X1D": 1, "SRL16E": 7, "SRLC32E": 1, "RAMB18E1": 3},
        **{"RAMB36E1": 2, "DSP48E1": 8, "$scopeinfo": 11, "GND": 1},
    }
    assert count(cells) == Estimate(
        lut=10, lutram=2 * 4 + 2, srl=8, ff=7, carry=5, bram36=3.5, uram=0, dsp=8
    )


def test_an_unknown_cell_is_an_error():
    """Nothing is free by accident."""
    with pytest.raises(ValueError, match="cell type RAMB99 is not known"):
        count({"RAMB99": 1})
