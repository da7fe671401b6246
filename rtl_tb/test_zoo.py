"""The zoo's kinds of modules, tiny, into RTL: rectangular kernels, groups, all shortcuts."""

import numpy as np
import pytest
from tiny_networks import TINY

from zynqfire.board.catalog import load as load_board
from zynqfire.hls.compile import compile_model
from zynqfire.model.config import load
from zynqfire.model.export import export_untrained
from zynqfire.rtl_tb.simulate import simulate


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("squeezenext", {"stage2.blocks": 1}),
        pytest.param("squeezenext", {}, marks=pytest.mark.long),
        pytest.param("separable", {}, marks=pytest.mark.long),
        pytest.param("bypasses", {}, marks=pytest.mark.long),
    ],
)
def test_a_tiny_network_is_bit_exact_and_as_fast_as_predicted(kind, settings, tmp_path):
    path, build = tmp_path / f"{kind}.toml", tmp_path / "build"
    path.write_text(TINY[kind])
    exported = export_untrained(load(path, settings), tmp_path / "model.onnx")
    assert all(entry["alive"] for entry in exported["live"])
    result = compile_model(tmp_path / "model.onnx", load_board("pynq-z2"), build, interval=1500)
    free = simulate(build, frames=4)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"] <= 1500
    assert free["latency_cycles"] == result["latency_cycles"]
    with np.load(exported["golden"]) as golden:
        assert np.array_equal(np.load(free["outputs"]), golden["outputs"][:4])
    assert simulate(build, frames=4, stalls=5)["bit_exact"]
