"""SqueezeNet's ways with maps, small: max pools, bypasses and a padded classifier, into RTL."""

import numpy as np
import pytest

from zynqfire.board.catalog import load as load_board
from zynqfire.hls.compile import compile_model
from zynqfire.model.config import load
from zynqfire.model.export import export_untrained
from zynqfire.rtl_tb.simulate import simulate

SMALL = {
    "input": 23,
    "classes": 10,
    "weight_bits": 3,
    "base_e": 8,
    "incr_e": 8,
    "freq": 2,
    "pct3x3": 0.5,
    "SR": 0.25,
    "modules": {
        "conv1": {"channels": 6, "kernel": 7, "stride": 2, "pad": 0},
        "pool1": {},
        "fire2": {},
        "fire3": {"bypass": True},
        "fire4": {},
        "pool4": {},
        "fire5": {"bypass": True},
        "conv10": {"kernel": 1, "pad": 1},
        "pool": {"kind": "average"},
        "softmax": {},
    },
}


def test_a_small_squeezenet_is_bit_exact_and_as_fast_as_predicted(tmp_path):
    config = load("squeezenet-v1.0", SMALL)
    exported = export_untrained(config, tmp_path / "model.onnx")
    assert all(entry["alive"] for entry in exported["live"])
    board, build = load_board("pynq-z2"), tmp_path / "build"
    result = compile_model(tmp_path / "model.onnx", board, build, interval=4000)
    free = simulate(build, frames=5)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"] <= 4000
    assert free["latency_cycles"] == result["latency_cycles"]
    with np.load(exported["golden"]) as golden:
        assert np.array_equal(np.load(free["outputs"]), golden["outputs"][:5])
    assert simulate(build, frames=5, stalls=5)["bit_exact"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "board", "interval"),
    [
        ("squeezenet-v1.1-w3", "pynq-z2", 394_272),
        ("squeezenet-v1.1-w3", "pynq-z2", 197_136),
        ("squeezenet-v1.0-simple-bypass", "zc706", 394_272),
    ],
)
def test_a_shipped_squeezenet_fits_and_is_bit_exact(name, board, interval, tmp_path):
    exported = export_untrained(load(name), tmp_path / "model.onnx")
    assert all(entry["alive"] for entry in exported["live"])
    build = tmp_path / "build"
    result = compile_model(tmp_path / "model.onnx", load_board(board), build, interval=interval)
    assert result["estimate"]["bram36"] <= load_board(board).bram36
    free = simulate(build, frames=3)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"] <= interval
    assert free["latency_cycles"] == result["latency_cycles"]
