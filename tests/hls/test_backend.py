"""The backend `zynqfire` in anybody's hls4ml script."""

import contextlib
import io
import subprocess
import sys

import numpy as np
import pytest
from onnx import numpy_helper
from qonnx_nets import Net, codes, fire_net, pixels

from zynqfire import Refusal
from zynqfire.hls import backend, interpret, prepare
from zynqfire.hls.ir_text import dumps
from zynqfire.hls.lower import from_onnx, lower


@pytest.fixture
def model():
    return fire_net(np.random.default_rng(2)).model()


def convert(model, out, **settings):
    """Convert as a script does, quietly."""
    from hls4ml.converters import convert_from_onnx_model

    with contextlib.redirect_stdout(io.StringIO()):
        return convert_from_onnx_model(
            prepare(model), backend="zynqfire", output_dir=str(out), **settings
        )


def test_found_through_the_entry_point():
    """A fresh Python finds the backend by importing hls4ml, without a warning."""
    script = (
        "from hls4ml.backends import get_available_backends as b; "
        "assert 'zynqfire' in b(), b(); import zynqfire.hls.backend as z; z.ensure_registered()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout


def test_importing_ours_first_works():
    """Importing our package before hls4ml must not close a circle."""
    script = (
        "import zynqfire.hls.lower, zynqfire.hls.backend, hls4ml; "
        "assert 'zynqfire' in hls4ml.backends.get_available_backends()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout


def test_a_registration_that_failed_is_noticed(monkeypatch):
    """hls4ml swallows errors of plugins; we do not."""
    from hls4ml.backends import backend as registry

    monkeypatch.setattr(registry, "backend_map", {})
    monkeypatch.setattr(backend, "register", lambda *_: None)
    with pytest.raises(Refusal, match="the backend zynqfire could not be registered"):
        backend.ensure_registered()


@pytest.mark.parametrize("granularity", [None, "model", "type", "name"])
def test_any_configuration_of_hls4ml_is_exact(model, tmp_path, granularity):
    """hls4ml's default of fixed<16,6> for everything means nothing here."""
    settings = {}
    if granularity:
        from hls4ml.utils.config import config_from_onnx_model

        with contextlib.redirect_stdout(io.StringIO()):
            settings["hls_config"] = config_from_onnx_model(
                prepare(model), granularity=granularity, backend="zynqfire"
            )
    graph = convert(model, tmp_path / "out", **settings)
    assert dumps(lower(graph, "small")) == dumps(from_onnx(model))


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_predict_takes_values_and_returns_values(model, tmp_path, monkeypatch, frames, dtype):
    """Pixels * 2**-8 in, logits out, as hls4ml's own backends have it."""
    graph = convert(model, tmp_path / "out")
    with pytest.raises(Refusal, match="must be compiled before predict"):
        graph.predict(np.zeros((1, 8, 8, 3), dtype))
    monkeypatch.setattr(graph.config.backend, "write", lambda _: None)
    graph.compile()
    x = pixels(np.random.default_rng(0), frames)
    network = from_onnx(model)
    expected = interpret.decode(network, interpret.outputs(network, x))
    found = graph.predict((x * 2.0**-8).astype(dtype))
    assert found.dtype == dtype
    assert np.array_equal(found, expected.astype(dtype) if frames > 1 else expected[0])
    assert np.array_equal(graph.predict((x * 2.0**-8 + 0.001).astype(dtype)), found)  # rounded


def test_predict_follows_an_edited_weight(model, tmp_path, monkeypatch):
    """What is compiled is the graph as it is then."""
    graph = convert(model, tmp_path / "out")
    monkeypatch.setattr(graph.config.backend, "write", lambda _: None)
    x = pixels(np.random.default_rng(0), 4) * 2.0**-8
    graph.compile()
    before = graph.predict(x)
    layer = next(node for node in graph.get_layers() if node.name.endswith("conv10"))
    layer.get_weights("bias").data[1] += 1.0
    assert np.array_equal(graph.predict(x), before)
    graph.compile()
    changed = graph.predict(x) - before
    assert np.array_equal(changed, np.tile([0, 1.0, 0, 0], (4, 1)))


def test_write_and_build(model, tmp_path, monkeypatch):
    """`write` leaves a build folder for the board, `build` hands it to synthesis."""
    graph = convert(model, tmp_path / "out", board="zedboard")
    graph.write()
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert '"zedboard"' in (tmp_path / "out" / "manifest.json").read_text()
    from zynqfire.board import synth

    seen = {}
    monkeypatch.setattr(
        synth, "synth", lambda build, tool="yosys", report=None: seen.update(tool=tool) or seen
    )
    assert graph.build(tool="vivado") == {"tool": "vivado"}


def test_float_models_are_refused_by_the_backend(tmp_path):
    """A channels-last model that did not come from `prepare` may have no quantizers."""
    net = Net()
    net.conv(net.last, codes(np.random.default_rng(0), 4, 3, (1, 1)), name="conv")
    prepared = prepare(net.model())
    (quant,) = (node for node in prepared.graph.node if node.name == "conv__weight")
    (conv,) = (node for node in prepared.graph.node if node.op_type == "Conv")
    conv.input[1] = quant.input[0]
    (weights,) = (item for item in prepared.graph.initializer if item.name == quant.input[0])
    values = numpy_helper.to_array(weights) * np.float32(0.3)
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    unused = [item for item in prepared.graph.initializer if item.name in quant.input[1:]]
    prepared.graph.node.remove(quant)
    for item in unused:
        prepared.graph.initializer.remove(item)
    graph = convert(prepared, tmp_path / "out")
    with pytest.raises(Refusal, match=r"layer conv: weights must have 2 to 8 bits, not \d\d"):
        graph.compile()
