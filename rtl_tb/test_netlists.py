"""Netlists that Yosys makes of whole layers, simulated with models of the chip's cells."""

import json
import os
import random
from itertools import chain
from pathlib import Path

import cocotb
import numpy as np
import pytest
from random_networks import Builder, fire

from zynqfire.board.catalog import load
from zynqfire.board.synth import Unit, synthesize
from zynqfire.hls.compile import build
from zynqfire.hls.emit import LIBRARY, PRIMITIVES, library_sources
from zynqfire.hls.ir import Fold, QType
from zynqfire.hls.packing import packings
from zynqfire.rtl_tb import cells, simulator, test_zf_conv
from zynqfire.rtl_tb.simulate import simulate
from zynqfire.rtl_tb.stream import Bench
from zynqfire.rtl_tb.test_zf_conv import SAME, Setup

FOUR = packings(4, True, 4, 25)[0]  # two pixels times two channels a DSP
LAYERS = {
    "small": Setup((4, 5, 4), 4, (3, 3), Fold(2, 1, 4, 2, FOUR), (1, 1), SAME, bias_bits=9),
    "luts": Setup((4, 4, 2), 4, (3, 3), Fold(2, 3, 2, 1), (1, 1), SAME, bias_bits=9),
}
WHOLE = {
    "expand": Setup((16, 16, 16), 64, (3, 3), Fold(4, 1, 16, 2, FOUR), (1, 1), SAME, bias_bits=11),
    "squeeze": Setup((16, 16, 128), 16, (1, 1), Fold(4, 1, 16, 2, FOUR), bias_bits=11),
}
SETUPS = LAYERS | WHOLE
STALLS = (("never", "never"), ("half", "half"), ("bursts", "rare"), ("rare", "bursts"))
BENCH = "zynqfire.rtl_tb.test_netlists"


@cocotb.test()
async def exact(dut):
    """Give the codes of frames back to back, under stalls, after a reset in mid-frame."""
    name = simulator.config()["layer"]
    setup = SETUPS[name]
    model = test_zf_conv._model(setup, name)
    bench, rng = Bench(dut), random.Random(random.getrandbits(64))
    for patterns in STALLS[: simulator.config()["patterns"]]:
        await bench.reset(4, rng)
        frames = [setup.frame(rng)[0] for _ in range(2)]
        expected = [model([frame])[0] for frame in frames]
        words = [[list(chain.from_iterable(port))] for port in (frames, expected)]
        await bench.play(*words, patterns, rng, cycles=rng.randint(50, 500))
        await bench.reset(2, rng)
        await bench.play(*words, patterns, rng)


def _check(name: str, folder: Path, patterns: int = len(STALLS)) -> None:
    setup, library = SETUPS[name], library_sources()
    instance = setup.instance(name)
    unit = Unit(
        instance.module,
        {**instance.parameters, "RomBlock": 0, "RamBlock": 0, "Primitives": 1},
        {path: text.encode() for path, text in instance.files().items()},
    )
    netlist = folder / "netlist.v"
    synthesize(unit, {file: (LIBRARY / file).read_bytes() for file in library}, verilog=netlist)
    sources = [netlist, cells.write(folder, netlist.read_text())]
    built = simulator.build(instance.module, sources, options=("-Wno-fatal",))
    config = {"layer": name, "patterns": patterns}
    simulator.run(built, BENCH, testcase="exact", config=config)


@pytest.mark.parametrize("name", LAYERS)
def test_a_small_layer(name, tmp_path):
    """The netlist gives what the layer is to give."""
    _check(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_layer(name, tmp_path):
    """The same for a squeeze and a 3x3 expand of a fire module, 128 products a cycle each."""
    _check(name, tmp_path, 2)


def test_a_fire_module(tmp_path, monkeypatch):
    """A network of one fire module as the compiler emits it, pixels to logits, under stalls."""
    if simulator.CACHE not in os.environ:  # where benches keep Verilator's runtime
        monkeypatch.setenv(simulator.CACHE, str(Path("build", "sim").absolute()))
    builder = Builder(np.random.default_rng(0), (6, 6, 4), QType(4, False, 4))
    tensor = fire(builder, "fire2", builder.operations[0].output, 4, 4, 4)
    network = builder.output(builder.sum_pool("pool", tensor))
    for conv in network.convolutions:  # two weights in a DSP are narrow
        np.maximum(conv.weights, -7, out=conv.weights)
    folding = {
        "fire2/squeeze": {"pe": 2, "simd": 4},
        "fire2/expand1": {"pe": 2, "simd": 2, "pixels": 2},
        "fire2/expand3": {"pe": 2, "simd": 4, "pixels": 2},
    }
    folder = tmp_path / "build"
    build(network, load("pynq-z2"), folder, folding=folding)
    manifest = json.loads((folder / "manifest.json").read_text())
    shared = [i["parameters"].get("DspChannels") for i in manifest["instances"]]
    assert 2 in shared, "some products share a DSP"
    files = {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.glob("mem/*")}
    sources = {name: (folder / name).read_bytes() for name in manifest["sources"]}
    netlist = folder / "rtl" / "netlist.v"
    unit = Unit(manifest["top"], {"Primitives": PRIMITIVES[manifest["family"]]}, files)
    synthesize(unit, sources, verilog=netlist)
    made = (netlist, cells.write(folder / "rtl", netlist.read_text()))
    manifest["sources"] = [file.relative_to(folder).as_posix() for file in made]
    manifest["streams"] = []  # the netlist does not have them all
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for stalls in (None, 1, 2):
        result = simulate(folder, frames=3, stalls=stalls)
        assert result["bit_exact"], result
