"""Every shipped network: its published totals, and whether it can be built."""

import json
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from tiny_networks import TINY

from zynqfire import Refusal
from zynqfire.hls import interpret
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import NETWORKS, load, names
from zynqfire.model.export import export_untrained
from zynqfire.model.graph import Op
from zynqfire.model.legal import deployable
from zynqfire.model.profile import profile
from zynqfire.model.sketch import sketch

TABLE_2 = {  # Jha et al., table II: millions of MACs, parameters and activations
    "alexnet": (723, 60.97, 2.05),
    "squeezenet-v1.0": (848, 1.25, 12.3),
    "squeezenet-v1.1": (349, 1.24, 7.2),
    "squeezenext-1.0-g-23": (221, 0.54, 17.81),
    "squeezenext-1.0-23": (273, 0.72, 17.81),
    "squeezenext-1.0-23v5": (225, 0.93, 14.06),
    "squeezenext-2.0-23": (726, 2.36, 32.21),
    "squeezenext-2.0-23v5": (703, 3.22, 24.66),
    "mobilenet-v1": (574, 4.23, 20.32),
    "densenet-121": (3080, 7.98, 69.99),
    "googlenet": (1590, 7.00, 10.06),
}
COUNTED = {
    "alexnet": "layer norm1 is an LRN, which has no quantized form: the network can only be "
    "counted",
    "googlenet": "layer norm1 is an LRN, which has no quantized form: the network can only be "
    "counted",
    "densenet-121": "layer norm1 is a normalization apart from a convolution, which has no "
    "quantized form: the network can only be counted",
    "nin": "layer conv1 has a stride of 4, only 1 and 2 are built: the network can only be counted",
}
ALIGNED = re.compile(r"/\d+/quant$")  # what brings a map to the other's grid, or a sum to codes
UNTRAINED = {*COUNTED, "vgg-19"}  # too large for any board


@pytest.mark.parametrize("name", TABLE_2)
def test_the_rows_of_jha_s_table_2(name):
    """Within a percent, as netscope counts and at 224 pixels, as the table does."""
    counts = profile(load(name, {"input": 224}), "netscope")
    found = [counts[key] / 1e6 for key in ("macs", "parameters", "activations")]
    assert found == pytest.approx(TABLE_2[name], rel=0.01)


@pytest.mark.parametrize(
    ("name", "settings", "parameters", "macs"),
    [
        ("alexnet", {}, 60_965_224, 724_406_816),
        ("googlenet", {}, 6_998_552, 1_582_671_872),
        ("nin", {}, 7_595_176, 1_100_188_800),
        ("vgg-19", {}, 143_667_240, 19_632_062_464),
        ("squeezenet-v1.0", {"input": 227}, 1_248_424, 861_339_936),
        ("squeezenet-v1.0-simple-bypass", {"input": 227}, 1_248_424, 861_339_936),
        ("squeezenet-v1.1", {"input": 227}, 1_235_496, 387_747_520),
        ("squeezenet-v1.1-w3", {"input": 227}, 1_235_496, 387_747_520),
        ("densenet-121", {"pool1.ceil": False}, 7_978_856, 2_834_161_664),
        ("mobilenet-v1", {"input": 224}, 4_231_976, 568_740_352),
        ("zynqnet", {}, 2_528_800, 529_301_504),
        ("resnet-8", {}, 78_666 - 960, 12_501_632),
    ],
)
def test_published_totals(name, settings, parameters, macs):
    """To the last one: all parameters, and the multiplications of convolutions and fc."""
    config = load(name, settings)
    assert profile(config, "netscope")["parameters"] == parameters
    assert profile(config)["macs"] == macs


@pytest.mark.parametrize(
    ("name", "blocks", "convolutions"),
    [
        ("squeezenext-1.0-23", [6, 6, 8, 1], 111),
        ("squeezenext-1.0-23v5", [2, 4, 14, 1], 111),
        ("squeezenext-2.0-23v5", [2, 4, 14, 1], 111),
    ],
)
def test_squeezenext_has_the_released_layers(name, blocks, convolutions):
    """The released networks number their convolutions; a stage's first block projects, always."""
    config = load(name)
    stages = [module for module in config.modules if module.kind == "squeezenext"]
    assert [stage.blocks for stage in stages] == blocks
    assert sum(node.op is Op.CONV for node in config.nodes) == convolutions
    shortcuts = [node.name for node in config.nodes if node.name.endswith("_shortcut")]
    assert shortcuts == [f"stage{number}/block1_shortcut" for number in (2, 3, 4, 5)]
    sides = [node.kernel for node in config.nodes if node.name.startswith("stage2/block")]
    assert sides.count((3, 1)) == sides.count((1, 3)) == blocks[0]


@pytest.mark.parametrize(("name", "reads"), [("-23", "stage2/block6_add"), ("-23v5", "stage3")])
def test_a_branch_of_v5_reads_the_shortcut(name, reads):
    nodes = {node.name: node for node in load(f"squeezenext-1.0{name}").nodes}
    branch = nodes["stage3/block1_squeeze1"]
    assert branch.inputs[0].startswith(reads)
    assert branch.stride == ((1, 1) if name == "-23v5" else (2, 2))


def test_groups_are_those_of_the_released_g_variant():
    groups = {node.name: node.groups for node in load("squeezenext-1.0-g-23").nodes}
    parts = {part: groups[f"stage3/block2_{part}"] for part in ("squeeze1", "tall", "flat")}
    assert parts == {"squeeze1": 2, "tall": 2, "flat": 2}
    assert groups["stage3/block2_squeeze2"] == groups["stage3/block2_expand"] == 1


def test_complex_bypass_adds_a_convolution_to_every_other_fire_module():
    plain, bypassed = (profile(load(f"squeezenet-v1.0{x}")) for x in ("", "-complex-bypass"))
    rows = {row["name"]: row for row in bypassed["layers"]}
    added = {name: rows[name]["parameters"] for name in rows if name.endswith("/shortcut")}
    sizes = {2: (96, 128), 4: (128, 256), 6: (256, 384), 8: (384, 512)}
    assert added == {f"fire{n}/shortcut": (c + 1) * m for n, (c, m) in sizes.items()}
    assert bypassed["parameters"] - plain["parameters"] == sum(added.values())


def test_zynqnet_64_keeps_all_rules_within_a_small_board():
    counts = profile(load("zynqnet-64"), on_chip_bits=140 * 36 * 1024)  # of an XC7Z020
    assert all(rule["pass"] for rule in counts["rules"].values())
    assert counts["weights"] == 695_648 and counts["macs"] == 24_608_768


@pytest.mark.parametrize("name", names())
def test_what_cannot_be_built_says_why(name):
    config = load(name)
    if name in COUNTED:
        with pytest.raises(Refusal, match=f"^network {name}: {COUNTED[name]}$"):
            deployable(config)
    else:
        built = deployable(config)
        assert built[-1].op in (Op.AVERAGE, Op.FC)
        assert config.classifier in built


@pytest.mark.parametrize("name", names())
def test_a_file_says_its_source_and_how_it_is_trained(name):
    text = (NETWORKS / f"{name}.toml").read_text()
    assert text.startswith("# ")
    chain = tomllib.loads(text)
    while "training" not in chain and "base" in chain:
        chain = tomllib.loads((NETWORKS / f"{chain['base']}.toml").read_text())
    assert ("training" in chain) == (name not in UNTRAINED)


@pytest.mark.parametrize("name", ["squeezenet-v1.1", "zynqnet-32"])
def test_metaparameters_are_taken_by_networks_of_fire_modules(name):
    """SR alone keeps the expansions: squeezes of a quarter of them."""
    wide = load(name, {"SR": 0.25})
    fires = [module for module in wide.modules if module.kind == "fire"]
    assert all(4 * fire.squeeze == fire.expand1 + fire.expand3 for fire in fires)
    assert [fire.expand3 for fire in fires] == [
        module.expand3 for module in load(name).modules if module.kind == "fire"
    ]


def structure(network):
    """Return the operations; alignments before an addition depend on the scales."""
    sources, rows = {}, []
    for op in network.operations:
        inputs = [sources.get(name, name) for name in op.inputs]
        if ALIGNED.search(op.name):
            sources[op.output.name] = inputs[0]
        else:
            rows.append((type(op), op.name, inputs, op.output.shape))
    return rows


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("squeezenext", {}),
        ("separable", {"per_channel": True}),
        ("bypasses", {}),
        ("bypasses", {"per_channel": True, "weight_bits": 3}),
    ],
)
def test_tiny_networks_are_exported_as_they_compute(kind, settings, tmp_path):
    """The interpreter gives the goldens; the sketch has the same layers, names and widths."""
    (tmp_path / f"{kind}.toml").write_text(TINY[kind])
    config = load(tmp_path / f"{kind}.toml", settings)
    result = export_untrained(config, tmp_path / "x.onnx")
    assert all(entry["alive"] for entry in result["live"])
    with np.load(result["golden"]) as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    real, quick = from_onnx(tmp_path / "x.onnx"), from_onnx(sketch(config))
    assert np.array_equal(interpret.outputs(real, inputs), outputs)
    assert len(np.unique(outputs, axis=0)) == len(outputs)
    assert structure(quick) == structure(real)
    for mine, theirs in zip(quick.convolutions, real.convolutions, strict=True):
        assert (mine.kernel, mine.stride, mine.pads) == (theirs.kernel, theirs.stride, theirs.pads)
        assert mine.weight_bits == theirs.weight_bits
        assert mine.weights.shape == theirs.weights.shape


def test_networks_lists_what_is_deployable():
    """Through the command, and a network that is not through `compile`."""

    def zynqfire(*words):
        command = [sys.executable, "-m", "zynqfire.cli", *words, "--json"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return result.returncode, json.loads(result.stdout)

    code, answer = zynqfire("networks")
    rows = {row["name"]: row for row in answer["networks"]}
    assert code == 0 and list(rows) == names()
    assert {name for name, row in rows.items() if not row["deployable"]} == UNTRAINED
    assert rows["vgg-19"]["why"] == (
        "network vgg-19: its weights take 574,610,176 bits, zcu111 holds 63,406,080"
    )
    assert "SR" in rows["zynqnet-64"]["metaparameters"]
    assert rows["resnet-8"]["metaparameters"] == ["width"]
    refusal = {"error": f"network alexnet: {COUNTED['alexnet']}"}
    assert zynqfire("compile", "alexnet", "-o", "build") == (2, refusal)


def test_width_scales_every_module_but_the_classifier():
    half = load("mobilenet-v1", {"width": 0.5, "input": 224})
    parameters = profile(half, "netscope")["parameters"]
    assert parameters == pytest.approx(1.3e6, rel=0.03)  # Howard et al., table 6
    assert profile(half)["macs"] == pytest.approx(149e6, rel=0.01)
    assert half.classifier.channels == 1000
