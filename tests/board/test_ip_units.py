"""What is around the core is small and fast: LUTs and logic levels of its units (docs/ip.md)."""

import pytest

from zynqfire.board import synth
from zynqfire.rtl_tb.simulator import library

UNITS = [
    ("zf_receive", {"Bytes": 4}, 120),
    ("zf_receive", {"Bytes": 16}, 360),
    ("zf_repack", {"Bytes": 4, "Lanes": 3}, 220),
    ("zf_repack", {"Bytes": 16, "Lanes": 3}, 640),
    ("zf_repack", {"Bytes": 16, "Lanes": 16}, 500),
    ("zf_frame", {"Lanes": 3, "Beats": 32, "Lines": 32}, 130),
    ("zf_send", {"Width": 32, "Beats": 10}, 110),
    ("zf_control", {"Signatures": 12, "InputBytes": 3072, "OutputBytes": 40}, 610),
    ("zf_control", {"Signatures": 30, "InputBytes": 3072, "OutputBytes": 40}, 900),
]


@pytest.mark.parametrize(("module", "parameters", "most"), UNITS)
def test_a_unit_of_the_ip_is_small_and_fast(module, parameters, most):
    sources = {path.name: path.read_bytes() for path in library(module)}
    result = synth.synthesize(synth.Unit(module, parameters, {}), sources, "xc7")
    assert result.estimate.lut <= most
    assert result.path.levels <= 5, result.path
