"""How full the block RAM with weights is, at the size of ImageNet; as budget counts it."""

import pytest

from zynqfire.board.catalog import load as load_board
from zynqfire.hls.count import counted
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load
from zynqfire.model.sketch import sketch

LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("net", "board", "interval", "fill"),
    [
        ("zynqnet", "zc706", 262144, 0.92),
        pytest.param("zynqnet", "zc706", 131072, 0.92, marks=LONG),
        pytest.param("squeezenet-v1.1-w3", "pynq-z2", 394272, 0.90, marks=LONG),
        pytest.param("squeezenet-v1.1-w3", "pynq-z2", 197136, 0.90, marks=LONG),
    ],
)
def test_block_ram_is_full_of_weights(net, board, interval, fill):
    """And holds at least 85 % of them, so that the figure is not bought with LUTs."""
    network = from_onnx(sketch(load(net)))
    result = counted(network, load_board(board), interval, lambda text: None)
    held = sum(
        row["bits"]
        for row in result["memories"]
        if row["kind"] == "weights" and row["primitive"].startswith("RAMB")
    )
    assert result["fits"] and result["interval_cycles"] <= interval
    assert result["weight_fill"] >= fill
    assert held >= 0.85 * result["weight_bits"]
