"""A network whose weights are looked up in tables: QONNX, interpreter and RTL, bit for bit."""

import json

import numpy as np
import onnx
import pytest
from codebooks import with_codebooks

from zynqfire.board.catalog import load
from zynqfire.hls import executors, interpret
from zynqfire.hls.compile import compile_model
from zynqfire.hls.ir import Requantize
from zynqfire.hls.lower import from_onnx
from zynqfire.model import config
from zynqfire.model.export import export_untrained
from zynqfire.rtl_tb.simulate import simulate

NETWORK = """
input = 16
classes = 10
head = 12
per_channel = true
weight_bits = 8

[modules]
conv1 = { channels = 8, stride = 2 }
fire2 = { squeeze = 4, expand1 = 8, expand3 = 8 }
conv3 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
ENTRIES = 13


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return the file of an untrained network, its weights in tables, and frames for it."""
    folder = tmp_path_factory.mktemp("coded")
    (folder / "net.toml").write_text(NETWORK)
    plain = export_untrained(config.load(folder / "net.toml"), folder / "plain.onnx")
    onnx.save(with_codebooks(onnx.load(folder / "plain.onnx"), ENTRIES), folder / "net.onnx")
    with np.load(plain["golden"]) as golden:
        return folder / "net.onnx", golden["inputs"]


def test_the_network_is_alive(exported):
    """Equality on a dead network would prove nothing."""
    model, frames = exported
    network = from_onnx(model)
    tensors = interpret.run(network, frames)
    for op in network.operations:
        if isinstance(op, Requantize) and op.output.qtype.bits <= 8:
            codes = tensors[op.output.name]
            assert len(np.unique(codes)) >= 8, op.name
            assert 0.1 <= (codes != 0).mean() <= 0.9, op.name
            assert (codes == op.hi).any(), op.name
    assert any(conv.output.align for conv in network.convolutions)
    outputs = interpret.outputs(network, frames)
    assert len(np.unique(outputs, axis=0)) == len(frames)


def test_looked_up_weights_are_exact(exported, tmp_path):
    """Memories hold places, of 4 bits; frames go through free and under stalls."""
    model, frames = exported
    result = compile_model(model, load("pynq-z2"), tmp_path / "build", interval=1024)
    for layer in result["layers"]:
        assert (layer["codebook"], layer["weight_bits"]) == (ENTRIES, 4), layer
    manifest = json.loads((tmp_path / "build" / "manifest.json").read_text())
    held = [i["parameters"].get("IndexBits") for i in manifest["instances"]]
    assert held.count(4) >= 2
    simulated = simulate(tmp_path / "build", inputs=frames)
    assert simulated["bit_exact"]
    assert simulated["interval_cycles"] == result["interval_cycles"]
    outputs = np.load(simulated["outputs"])
    assert np.array_equal(executors.by_interpreter(model, frames), outputs)
    assert np.array_equal(executors.by_qonnx(model, frames), outputs)
    assert simulate(tmp_path / "build", frames=6, stalls=5)["bit_exact"]
