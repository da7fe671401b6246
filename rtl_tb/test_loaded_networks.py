"""Networks with weights in UltraRAM: loaded over the registers, bit-exact, and their signatures."""

import json
import shutil

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board import catalog
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import emit, load
from zynqfire.hls.cuts import whole
from zynqfire.hls.design import Design
from zynqfire.hls.ir import QType
from zynqfire.hls.memory import Placed
from zynqfire.rtl_tb.simulate import simulate

FOLDS = {
    "first": {"pe": 4, "simd": 9, "pixels": 1},
    "middle": {"pe": 2, "simd": 8, "pixels": 2},
    "last": {"pe": 1, "simd": 3, "pixels": 1},
}


def network():
    """Return three convolutions; the middle one has words of more than one UltraRAM.

    Memories of the first one's weights, of 8 bits, hold places in a codebook.
    """
    values = iter((9, 0, 0)).__next__
    grown = Builder(np.random.default_rng(7), (6, 6, 3), QType(8, False, 8), values)
    pixels = grown.operations[0].output
    first = grown.convolution("first", pixels, 8, (3, 3), (1, 1), (1,) * 4, bits=8)
    codes = grown.requantize("first", first, 4, False)
    middle = grown.convolution("middle", codes, 6, (3, 3), (2, 2), (1,) * 4)
    codes = grown.requantize("middle", middle, 4, False)
    return grown.output(grown.convolution("last", codes, 5, (1, 1), (1, 1), (0,) * 4))


def share(width: int, layer: str) -> int:
    """Return how many bits of a layer's words lie in UltraRAM, the rest in block RAM."""
    return {"first": min(73, width - 1), "middle": width, "last": 0}[layer]


def apart(monkeypatch, bits):
    """Let builds have so many bits of each layer's words in UltraRAM."""
    plain = emit.emit

    def emitted(design: Design, placed, facts):
        for instance in design.instances:
            if instance.module != "zf_conv":
                continue
            memory = instance.memories[0]
            own = bits(memory.width, instance.layer)
            left = memory.width - own
            cut = whole(left, memory.depth) if left else ()
            placed[instance.name] = (Placed(memory, cut, "xcup", own), *placed[instance.name][1:])
        return plain(design, placed, facts)

    monkeypatch.setattr(emit, "emit", emitted)


def compiled(folder, monkeypatch, bits=share):
    """Write a build of `network` with weights in UltraRAM and return its manifest."""
    apart(monkeypatch, bits)
    hls_compile.build(network(), catalog.load("kv260"), folder, folding=FOLDS)
    monkeypatch.undo()
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a build with weights of two layers in UltraRAM."""
    folder = tmp_path_factory.mktemp("loaded") / "build"
    with pytest.MonkeyPatch.context() as patch:
        compiled(folder, patch)
    return folder


def test_it_is_bit_exact_and_the_signatures_are_right(built):
    manifest = json.loads((built / "manifest.json").read_text())
    assert [each["memory"] for each in manifest["loads"]] == ["u_first", "u_middle"]
    assert [each["layer"] for each in manifest["signatures"]] == ["first", "middle", "last"]
    result = simulate(built, frames=4)
    assert result["bit_exact"] and result["signatures_ok"], result
    words = sum(each["words32"] for each in manifest["loads"])
    assert words < result["load_cycles"] < words + 32
    assert result["interval_cycles"] == manifest["interval_cycles"]
    assert result["latency_cycles"] == manifest["latency_cycles"]


@pytest.mark.parametrize("clock", [30, 400])
def test_a_reset_during_the_load_or_later_begins_it_again(built, clock):
    result = simulate(built, frames=3, stalls=5, reset_at=clock)
    assert result["bit_exact"] and result["signatures_ok"], result


@pytest.mark.parametrize("layer", ["first", "middle"])
def test_a_wrong_bit_shows_in_the_outputs_and_in_the_signature(built, layer, tmp_path):
    folder = shutil.copytree(built, tmp_path / "build")
    manifest = json.loads((folder / "manifest.json").read_text())
    (entry,) = (each for each in manifest["loads"] if each["memory"] == f"u_{layer}")
    file = folder / entry["file"]
    lines = file.read_text().split()
    lines[0] = f"{int(lines[0], 16) ^ 4:08x}"
    file.write_text("\n".join(lines) + "\n")
    result = simulate(folder, frames=3)
    assert result["mismatches"] and not result["bit_exact"] and not result["signatures_ok"]
    assert f"memory {entry['memory']} (layer {layer}): the layer read words" in result["message"]
    assert result["first_mismatch"]["layer"] == layer


def test_a_wrong_signature_alone_fails(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "build")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["signatures"][1]["signature"] ^= 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    result = simulate(folder, frames=3)
    assert not result["mismatches"] and not result["bit_exact"] and not result["signatures_ok"]
    assert result["message"].startswith("memory u_middle (layer middle): the layer read words")


def test_a_load_that_ends_early_holds_the_frames_off(built, tmp_path):
    folder = shutil.copytree(built, tmp_path / "build")
    manifest = json.loads((folder / "manifest.json").read_text())
    file = folder / manifest["loads"][0]["file"]
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    result = simulate(folder, frames=3)
    assert result["latency_cycles"] is None and not result["signatures_ok"]
    assert "valid but not ready: s_axis (frame 0, beat 0/" in result["message"]


def test_the_load_files_hold_the_low_bits_of_the_words(built):
    manifest = json.loads((built / "manifest.json").read_text())
    bits = [i["parameters"]["Width"] for i in manifest["instances"] if i["module"] == "zf_uram"]
    for entry, own, width in zip(manifest["loads"], manifest["signatures"], bits, strict=False):
        pieces = [int(line, 16) for line in (built / entry["file"]).read_text().split()]
        assert len(pieces) == entry["words32"]
        assert entry["words32"] == own["depth"] * sum(load.pieces(width))
    middle = next(i for i in manifest["instances"] if i["instance"] == "u_middle")
    assert "WeightFile" not in middle["parameters"] and middle["parameters"]["Outside"] == 64
