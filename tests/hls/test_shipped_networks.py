"""The folding of the shipped networks: as fast as promised, and as the board allows."""

import pytest

from zynqfire.board.catalog import load
from zynqfire.hls.compile import compile_model
from zynqfire.hls.passes import solve
from zynqfire.model.config import load as load_network
from zynqfire.model.export import export_untrained

EIGHT = {"weight_bits": 8, "activation_bits": 8}
ZYNQNET_32_MACS = 4_296_704


@pytest.mark.parametrize(
    ("name", "settings", "board", "most"),
    [
        ("zynqnet-32", {}, "pynq-z2", ZYNQNET_32_MACS // 1200),
        ("resnet-8", {}, "pynq-z2", 9216),
        ("resnet-8", EIGHT, "pynq-z2", 30000),
        pytest.param("zynqnet", {}, "zc706", 65536, marks=pytest.mark.long),
    ],
)
def test_the_fastest_folding(name, settings, board, most, tmp_path):
    """At most so many cycles, within 5 % of the proven bound, on a part of the board."""
    export_untrained(load_network(name, settings), tmp_path / "model.onnx")
    result = compile_model(tmp_path / "model.onnx", load(board), tmp_path / "build")
    assert result["interval_cycles"] <= most
    assert result["interval_cycles"] <= 1.05 * result["bound_cycles"]
    assert result["binding"]
    need, limits = result["estimate"], solve.limits(load(board))
    have = dict(zip(("lut", "lutram", "ff", "dsp"), limits, strict=False))
    assert all(need[key] <= limit for key, limit in have.items())
