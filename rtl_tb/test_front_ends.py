"""Networks from Keras 3 and HGQ2 through hls4ml: its C++ emulation, the interpreter and the RTL."""

import contextlib
import io
import json

import numpy as np
import pytest
from keras_nets import convert, hgq, plain

from zynqfire.hls import interpret
from zynqfire.hls.lower import lower
from zynqfire.rtl_tb.simulate import simulate

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
FRAMES = np.random.default_rng(1).integers(0, 256, (8, 8, 8, 3))
VALUES = np.ldexp(FRAMES.astype(np.float32), -8)


def written(graph, folder):
    """Write and simulate the build folder of `graph`; return its values and its manifest."""
    graph.write()
    simulated = simulate(folder, inputs=FRAMES)
    assert simulated["bit_exact"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert simulated["interval_cycles"] == manifest["interval_cycles"]
    codes = np.load(simulated["outputs"])
    return np.ldexp(codes, -simulated["output_frac"]), manifest


def config(precisions, **layers):
    """Return a configuration of hls4ml with types and more settings for layers."""
    named = {name: {"Precision": dict(kinds)} for name, kinds in precisions.items()}
    for name, settings in layers.items():
        named.setdefault(name, {}).update(settings)
    return {"Model": {"Precision": "fixed<16,6>"}, "LayerName": named}


def test_keras_is_what_the_emulation_computes(tmp_path):
    """hls4ml infers too narrow a sum, and too narrow a mean: those types it is told."""
    model, precisions = plain()
    small = {"ReuseFactor": 12}  # quickly built
    settings = config(precisions, **dict.fromkeys(("conv1", "conv2", "side", "output"), small))
    graph = convert(model, tmp_path / "rtl", hls_config=settings)
    results = interpret.run(lower(graph), FRAMES)
    assert {name: n for name, x in results.items() if (n := len(np.unique(x))) < 8} == {}
    told = {"add": {"result": "ufixed<5,1>"}, "mean": {"accum": "ufixed<16,4>"}}
    auto = dict.fromkeys(("result", "accum"), "auto")
    for name in ("conv1", "side", "conv2", "output"):
        told[name] = auto | precisions[name]
    for name in ("join", "pool", "drop", "flat"):
        told[name] = {"result": "auto", "accum": "auto"}
    told["mean"] |= precisions["mean"]
    with contextlib.redirect_stdout(io.StringIO()):
        stock = convert(model, tmp_path / "vitis", "Vitis", hls_config=config(precisions | told))
        stock.compile()
    emulated = np.reshape(stock.predict(VALUES), (len(FRAMES), -1))
    assert len(np.unique(emulated, axis=0)) == len(FRAMES)
    assert np.array_equal(written(graph, tmp_path / "rtl")[0], emulated)


def test_hgq_is_what_keras_computes(tmp_path):
    """And a ReuseFactor is the cycles of an output pixel."""
    model = hgq()
    reuse = {"conv2": {"ReuseFactor": 72}, "head": {"ReuseFactor": 30}}
    graph = convert(model, tmp_path / "rtl", hls_config=config({}, **reuse))
    found, manifest = written(graph, tmp_path / "rtl")
    assert np.array_equal(found, model(VALUES).detach().numpy())
    cycles = {layer["name"]: layer["cycles"] for layer in manifest["layers"]}
    assert (cycles["conv2"], cycles["head"]) == (72 * 3 * 3, 30)
    assert manifest["interval_cycles"] == 72 * 3 * 3
