"""Netlists that Yosys makes of whole layers, simulated with models of the chip's cells."""

import json
import random
from dataclasses import replace
from itertools import chain
from pathlib import Path

import cocotb
import numpy as np
import pytest
from random_networks import Builder, fire

from zynqfire.board.catalog import load
from zynqfire.board.synth import Unit, synthesize
from zynqfire.hls import choose
from zynqfire.hls import compile as compiler
from zynqfire.hls.emit import LIBRARY, PRIMITIVES, library_sources
from zynqfire.hls.fold import Fold
from zynqfire.hls.ir import QType
from zynqfire.hls.packing import packings
from zynqfire.hls.passes import folding
from zynqfire.rtl_tb import cells, simulator, test_zf_conv
from zynqfire.rtl_tb.simulate import simulate
from zynqfire.rtl_tb.stream import Bench
from zynqfire.rtl_tb.test_zf_conv import BYTE, SAME, Setup

PAIRS = packings(8, True, 4, 25)[1]  # two channels a DSP
FOUR = packings(4, True, 4, 25)[0]  # two pixels times two channels a DSP
LAYERS = {
    "small": Setup((4, 5, 4), 4, (3, 3), Fold(2, 1, 4, 2, FOUR), (1, 1), SAME, bias_bits=9),
    "luts": Setup((4, 4, 2), 4, (3, 3), Fold(2, 3, 2, 1), (1, 1), SAME, bias_bits=9),
    "coded": Setup((3, 4, 4), 4, (1, 1), Fold(2, 1, 2, 1, PAIRS), **BYTE, codebook=16),
}
WHOLE = {
    "expand": Setup((16, 16, 16), 64, (3, 3), Fold(4, 1, 16, 2, FOUR), (1, 1), SAME, bias_bits=11),
    "squeeze": Setup((16, 16, 128), 16, (1, 1), Fold(4, 1, 16, 2, FOUR), bias_bits=11),
    "coded_luts": Setup((3, 4, 2), 4, (1, 1), Fold(2, 1, 1), **BYTE, codebook=11),
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


def _unit(name: str) -> Unit:
    """Return a layer with its weights in LUTs."""
    instance = SETUPS[name].instance(name)
    return Unit(
        instance.module,
        {**instance.parameters, "Primitives": 1},
        {path: text.encode() for path, text in instance.files().items()},
    )


def _library() -> dict[str, bytes]:
    return {file: (LIBRARY / file).read_bytes() for file in library_sources()}


# LUT, FF and DSP: an expand, and a squeeze, of 128 products a cycle with all that belongs to it
@pytest.mark.parametrize(
    ("name", "most"), [("expand", (1100, 800, 32)), ("squeeze", (700, 800, 32))]
)
def test_a_layer_stays_small(name, most):
    """Window, weights, control, requantization and handshakes; and paths of five levels."""
    result = synthesize(_unit(name), _library())
    found = (result.estimate.lut, result.estimate.ff, result.estimate.dsp)
    assert all(need <= have for need, have in zip(found, most, strict=True)), result.estimate
    assert result.path.levels <= 5, result.path


def _check(name: str, folder: Path, patterns: int = len(STALLS)) -> None:
    unit, netlist = _unit(name), folder / "netlist.v"
    synthesize(unit, _library(), verilog=netlist)
    sources = [netlist, cells.write(folder, netlist.read_text())]
    built = simulator.build(unit.module, sources, options=("-Wno-fatal",))
    config = {"layer": name, "patterns": patterns}
    simulator.run(built, BENCH, testcase="exact", config=config)


@pytest.mark.parametrize("name", LAYERS)
def test_a_small_layer(name, tmp_path):
    """The netlist gives what the layer is to give."""
    _check(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_layer(name, tmp_path):
    """The same for a squeeze and a 3x3 expand of a fire module, 128 products a cycle each.

    And for products of LUTs that take in the tables of a codebook.
    """
    _check(name, tmp_path, 2)


def test_a_fire_module(tmp_path, monkeypatch):
    """A network of one fire module as the compiler emits it, pixels to logits, under stalls."""
    builder = Builder(np.random.default_rng(0), (6, 6, 4), QType(4, False, 4))
    tensor = fire(builder, "fire2", builder.operations[0].output, 4, 4, 4)
    network = builder.output(builder.sum_pool("pool", tensor))
    for conv in network.convolutions:  # two weights in a DSP are narrow
        np.maximum(conv.weights, -7, out=conv.weights)
    folds = {
        "fire2/squeeze": Fold(2, 1, 4),
        "fire2/expand1": Fold(2, 1, 2, 2, FOUR),
        "fire2/expand3": Fold(2, 1, 4, 2, FOUR),
    }

    def options(network, conv, board, given=None):
        plain = (replace(folds[conv.name], packing=None),)
        found = folding.options(network, conv, board, plain)
        return [option for option in found if option.fold == folds[conv.name]]

    monkeypatch.setattr(choose, "options", options)
    folder = tmp_path / "build"
    compiler.build(network, load("pynq-z2"), folder, must_fit=False)
    manifest = json.loads((folder / "manifest.json").read_text())
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
