"""One network, five executors, one answer: handwritten digits and full-range random pixels."""

import contextlib
import io

import numpy as np
import pytest

from zynqfire.board.catalog import load
from zynqfire.hls import executors, interpret, ir, ir_text, prepare
from zynqfire.hls.compile import compile_model
from zynqfire.hls.lower import from_onnx
from zynqfire.model import config, exact
from zynqfire.model.export import export_run, export_untrained
from zynqfire.model.run import load_run
from zynqfire.model.train import train
from zynqfire.rtl_tb.simulate import simulate

NETWORK = """
input = 32
classes = 10
head = 16

[modules]
conv1 = { channels = 8, stride = 2 }
fire2 = { squeeze = 4, expand1 = 8, expand3 = 8, stride = 2 }
fire3 = { squeeze = 4, expand1 = 8, expand3 = 8, bypass = true }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder with a run, its ONNX file and its build, and frames: digits and noise."""
    folder = tmp_path_factory.mktemp("five")
    (folder / "small.toml").write_text(NETWORK)
    with contextlib.redirect_stdout(io.StringIO()):
        train(config.load(folder / "small.toml"), "digits", folder / "run", epochs=3)
        export_run(folder / "run", folder / "small.onnx")
        compile_model(folder / "small.onnx", load("pynq-z2"), folder / "build", interval=2048)
    _, digits = load_run(folder / "run")
    noise = np.random.default_rng(7).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    return folder, np.concatenate([digits[:6], noise])


def test_five_executors_give_identical_integers(trained):
    folder, frames = trained
    network = ir_text.loads((folder / "build" / "network.json").read_text())
    interpreted = interpret.outputs(network, frames)
    torch_codes, frac, divisor = exact.integers(load_run(folder / "run")[0], frames)
    simulated = simulate(folder / "build", inputs=frames)
    assert simulated["bit_exact"]
    answers = {
        "Brevitas": torch_codes,
        "qonnx": executors.by_qonnx(folder / "small.onnx", frames),
        "Vitis emulation": executors.by_vitis(folder / "small.onnx", frames),
        "RTL": np.load(simulated["outputs"]),
    }
    for name, codes in answers.items():
        assert np.array_equal(codes, interpreted), name
    assert (frac, divisor) == (simulated["output_frac"], 1)
    assert len(np.unique(interpreted, axis=0)) == len(frames)


RESIDUAL = """
input = 8
classes = 10
per_channel = true

[modules]
conv1 = { channels = 8 }
residual2 = { channels = 8 }
residual3 = { channels = 12, stride = 2 }
pool = { kind = "average" }
fc = {}
"""


def test_residual_blocks_give_identical_integers(tmp_path):
    """Shortcuts with and without a convolution, and a fully connected layer, untrained."""
    (tmp_path / "net.toml").write_text(RESIDUAL)
    model = tmp_path / "net.onnx"
    exported = export_untrained(config.load(tmp_path / "net.toml"), model)
    assert all(entry["alive"] for entry in exported["live"])
    compiled = compile_model(model, load("pynq-z2"), tmp_path / "build", interval=1152)
    with np.load(exported["golden"]) as golden:
        frames, expected = golden["inputs"], golden["outputs"]
    simulated = simulate(tmp_path / "build", inputs=frames)
    assert simulated["bit_exact"]
    assert simulated["interval_cycles"] == compiled["interval_cycles"]
    answers = {
        "interpreter": executors.by_interpreter(model, frames),
        "qonnx": executors.by_qonnx(model, frames),
        "Vitis emulation": executors.by_vitis(model, frames),
        "RTL": np.load(simulated["outputs"]),
    }
    for name, codes in answers.items():
        assert np.array_equal(codes, expected), name
    assert simulate(tmp_path / "build", frames=6, stalls=3)["bit_exact"]


def test_every_activation_is_alive(trained):
    """Equality on a dead network would prove nothing (numeric contract, live tests)."""
    folder, frames = trained
    network = ir_text.loads((folder / "build" / "network.json").read_text())
    assert [op.name for op in network.operations if isinstance(op, ir.Add)] == ["fire3/add"]
    for op in network.operations:
        if isinstance(op, ir.Requantize):
            codes = interpret.run(network, frames)[op.output.name]
            assert len(np.unique(codes)) >= 8, op.name
            assert 0.1 <= (codes != 0).mean() <= 0.9, op.name
            assert (codes == op.hi).any(), op.name


def test_weight_edited_in_the_model_graph_reaches_memory_and_rtl(trained, tmp_path):
    """hls4ml's graph is the source of the weights: an edit there is an edit on the chip."""
    from hls4ml.converters import convert_from_onnx_model

    folder, frames = trained
    with contextlib.redirect_stdout(io.StringIO()):
        graph = convert_from_onnx_model(
            prepare(folder / "small.onnx"), backend="zynqfire", output_dir=str(tmp_path / "a")
        )
        graph.write()
        layer = next(node for node in graph.get_layers() if "conv10" in node.name)
        weights = layer.weights["weight"].data
        step = np.abs(weights[weights != 0]).min()
        weights.flat[0] += step if weights.flat[0] <= 0 else -step
        graph.config.config["OutputDir"] = str(tmp_path / "b")
        graph.write()
    before, after = (tmp_path / "a" / "mem", tmp_path / "b" / "mem")
    changed = [p.name for p in before.iterdir() if p.read_text() != (after / p.name).read_text()]
    assert "conv10.weights.mem" in changed
    # The biases take back the offsets of packed lanes, which are sums of weights.
    assert set(changed) <= {"conv10.weights.mem", "conv10.bias.mem"}
    simulated = simulate(tmp_path / "b", inputs=frames)
    assert simulated["bit_exact"]
    original = interpret.outputs(from_onnx(folder / "small.onnx"), frames)
    assert not np.array_equal(np.load(simulated["outputs"]), original)
