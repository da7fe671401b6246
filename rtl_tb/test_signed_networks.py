"""Every kind of weight memory that has a signature, in one network; a wrong one is named."""

import json
import shutil

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board import catalog
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import emit
from zynqfire.hls.cuts import Row, whole
from zynqfire.hls.ir import QType
from zynqfire.hls.memory import Placed
from zynqfire.rtl_tb.simulate import simulate

FOLDS = {
    "coded": {"pe": 4, "simd": 9, "pixels": 1},
    "cascade": {"pe": 2, "simd": 24, "pixels": 2},
    "split": {"pe": 5, "simd": 6, "pixels": 1},
    "one": {"pe": 1, "simd": 5, "pixels": 1},
    "other": {"pe": 1, "simd": 4, "pixels": 1},
    "plain": {"pe": 1, "simd": 2, "pixels": 1},
}
SIGNED = ("coded", "cascade", "split", "deep", "one", "other")


def network():
    """Return six convolutions and a depthwise one; the first has a codebook."""
    values = iter((9, *[0] * 6)).__next__
    grown = Builder(np.random.default_rng(7), (6, 6, 3), QType(8, False, 8), values)
    tensor = grown.operations[0].output
    for name, outputs, kernel in (("coded", 8, 3), ("cascade", 6, 3), ("split", 10, 3)):
        pads = (kernel // 2,) * 4
        bits = 8 if name == "coded" else 4
        tensor = grown.convolution(name, tensor, outputs, (kernel,) * 2, (1, 1), pads, bits=bits)
        tensor = grown.requantize(name, tensor)
    tensor = grown.requantize("deep", grown.depthwise("deep", tensor, (3, 3), (1, 1), (1,) * 4))
    for name, outputs in (("one", 8), ("other", 6), ("plain", 5)):
        tensor = grown.convolution(name, tensor, outputs, (1, 1), (1, 1), (0,) * 4)
        tensor = grown.requantize(name, tensor) if name != "plain" else tensor
    return grown.output(tensor)


def placed_as(layer, memory, family):
    """Return where a layer's weights are; None as they were placed."""
    width, depth = memory.width, memory.depth
    match layer:
        case "coded":  # UltraRAM and block RAM
            return Placed(memory, whole(width - 73, depth), family, 73)
        case "split":  # low bits in block RAM, the others in LUTs
            return Placed(memory, (Row(depth, 512, 36),), family)
        case "one" | "other":  # in a block RAM that both share, and in one of their own
            bits = min(width, 16)
            return Placed(
                memory, whole(width - bits, depth) if width > bits else (), family, bits, half=True
            )
        case "cascade" | "deep":
            return Placed(memory, whole(width, depth), family)
    return None


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a build in which each layer's weights lie in memory of another kind."""
    folder, plain = tmp_path_factory.mktemp("signed") / "build", emit.emit

    def placed_so(design, placed, facts):
        for instance in design.instances:
            if instance.module in ("zf_conv", "zf_depthwise"):
                own = placed_as(instance.layer, instance.memories[0], "xcup")
                if own:
                    placed[instance.name] = (own, *placed[instance.name][1:])
        return plain(design, placed, facts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emit, "emit", placed_so)
        hls_compile.build(network(), catalog.load("kv260"), folder, folding=FOLDS)
    return folder


def test_every_kind_has_the_signature_of_its_words(built):
    manifest = json.loads((built / "manifest.json").read_text())
    assert [each["layer"] for each in manifest["signatures"]] == list(SIGNED)
    assert [each["memory"] for each in manifest["loads"]] == ["u_coded"]
    units = {i["instance"]: i["parameters"] for i in manifest["instances"]}
    assert units["u_coded"]["IndexBits"] and units["u_cascade"]["Chains"] < 24
    assert "DspChannels" not in units["u_one"] and units["u_plain"]["RomCut"] == 0
    result = simulate(built, frames=3, stalls=4)
    assert result["bit_exact"] and result["signatures_ok"], result


def flip(lines):
    """Flip a bit of a word."""
    lines[1] = f"{int(lines[1], 16) ^ 1:0{len(lines[1])}x}"


def exchange(lines):
    """Exchange two words that differ."""
    other = next(n for n, line in enumerate(lines) if line != lines[0])
    lines[0], lines[other] = lines[other], lines[0]


@pytest.mark.parametrize(
    ("file", "change", "layer"),
    [
        ("coded.weights.mem", flip, "coded"),
        ("cascade.weights.mem.000", exchange, "cascade"),
        ("split.weights.mem.001", flip, "split"),
        ("deep.weights.mem", exchange, "deep"),
        ("pair_0.mem", flip, "one"),
    ],
)
def test_a_corrupted_memory_is_named(built, file, change, layer, tmp_path):
    folder = shutil.copytree(built, tmp_path / "build")
    path = folder / "mem" / file
    lines = path.read_text().split()
    change(lines)
    path.write_text("\n".join(lines) + "\n")
    result = simulate(folder, frames=1)
    assert not result["bit_exact"] and not result["signatures_ok"]
    assert f"memory u_{layer} (layer {layer}): the layer read words of" in result["message"]
    assert result["message"].count("the layer read words") == 1
