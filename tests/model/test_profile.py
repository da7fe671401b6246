"""Counts against the published tables, and ZynqNet's rules."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zynqfire import Refusal
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load
from zynqfire.model.export import export_untrained
from zynqfire.model.picture import draw, short
from zynqfire.model.profile import profile, profile_onnx
from zynqfire.model.ratios import accumulator_bits
from zynqfire.model.sketch import sketch


def test_zynqnet_s_counts_are_the_published_ones():
    counts = profile(load("zynqnet"))
    assert counts["macs"] == 529_301_504
    assert counts["weights"] == 2_524_352
    assert counts["biases"] == 4_448
    assert counts["parameters"] == 2_524_352 + 4_448
    assert counts["activations"] == 3_239_936
    assert len(counts["layers"]) == 26  # the two halves of conv10 are one convolution here
    rows = {row["name"]: row for row in counts["layers"]}
    assert rows["fire8/squeeze"] == {
        "name": "fire8/squeeze",
        "module": "fire8",
        "op": "conv",
        "kernel": [3, 3],
        "stride": [2, 2],
        "in_shape": [16, 16, 384],
        "out_shape": [8, 8, 112],
        "macs": 8 * 8 * 112 * 9 * 384,
        "parameters": 387_072 + 112,
        "activations": 8 * 8 * 112,
        "intensity": round(64 * 387_072 / (387_184 + 256 * 384 + 64 * 112), 3),
    }
    assert max(row["activations"] for row in counts["layers"]) == 128 * 128 * 64


def test_zynqnet_passes_its_own_rules():
    rules = profile(load("zynqnet"))["rules"]
    assert all(rule["pass"] and not rule["where"] for rule in rules.values())
    assert "fire8/squeeze: 112 output channels" in rules["powers_of_two"]["reported"]


def test_zynqnet_32_keeps_all_rules_and_its_size():
    config = load("zynqnet-32")
    counts = profile(config, on_chip_bits=5_040 * 1024 // 2)
    assert all(rule["pass"] for rule in counts["rules"].values())
    assert not counts["rules"]["powers_of_two"]["reported"]
    fires = [module for module in config.modules if module.kind == "fire"]
    assert len(fires) == 8
    assert sum(fire.stride > 1 for fire in fires) >= 3
    assert counts["weights"] >= 100_000
    assert counts["weight_bits"] >= 8 * 36_864
    assert 3e6 < counts["macs"] < 8e6


def test_resnet_8_s_counts_are_those_of_mlperf_tiny():
    """The reference has 78,666 parameters: 960 more, the batch normalizations merged here."""
    counts = profile(load("resnet-8"))
    assert counts["macs"] == 12_501_632
    assert counts["weights"] == 77_360
    assert counts["parameters"] == 78_666 - 960
    assert counts["layers"][-1]["op"] == "fc"
    assert all(rule["pass"] for rule in counts["rules"].values())
    netscope = profile(load("resnet-8"), "netscope")
    ops = [row["op"] for row in netscope["layers"]]
    assert ops[-2:] == ["average", "fc"]
    assert ops.count("conv") == 9 and ops.count("add") == 3 and ops.count("relu") == 7
    sums = 16_384 + 8_192 + 4_096  # of which each adds a map and its ReLU another
    relus = 16_384 * 2 + 8_192 + 4_096
    outputs = counts["activations"] + 2 * sums + relus
    assert netscope["activations"] == outputs + 64 + 32 * 32 * 3


@pytest.mark.parametrize(
    ("name", "parameters", "weights", "macs"),
    [
        ("squeezenet-v1.0", 1_248_424, 1_244_448, 861_339_936),
        ("squeezenet-v1.1", 1_235_496, 1_231_552, 387_747_520),
    ],
)
def test_squeezenet_s_counts_are_the_published_ones(name, parameters, weights, macs):
    counts = profile(load(name, {"input": 227}))
    assert counts["macs"] == macs
    assert counts["parameters"] == parameters and counts["weights"] == weights


def test_max_pools_are_counted_and_break_a_rule():
    counts = profile(load("squeezenet-v1.1"), "netscope")
    rows = {row["name"]: row for row in counts["layers"] if row["op"] == "max"}
    assert list(rows) == ["pool1", "pool3", "pool5"]
    assert rows["pool3"] == {
        "name": "pool3",
        "module": "pool3",
        "op": "max",
        "kernel": [3, 3],
        "stride": [2, 2],
        "in_shape": [55, 55, 128],
        "out_shape": [27, 27, 128],
        "macs": 0,
        "parameters": 0,
        "activations": 27 * 27 * 128,
        "intensity": 0,
    }
    pools = [f"{name}: max-pooling" for name in rows]
    assert counts["rules"]["no_max_pooling"] == {"pass": False, "where": pools}
    assert counts["weight_bits"] == 4 * 1_231_552
    assert profile(load("squeezenet-v1.1-w3"))["weight_bits"] == 3 * 1_231_552
    plain, bypassed = (profile(load(f"squeezenet-v1.0{x}")) for x in ("", "-simple-bypass"))
    assert plain["layers"] == bypassed["layers"]


def test_an_exported_network_is_counted_as_its_description(squeeze, tmp_path):
    config = squeeze()
    path = export_untrained(config, tmp_path / "x.onnx")["model"]
    ours, theirs = (count(x) for count, x in ((profile, config), (profile_onnx, path)))
    names = "layers", "rules"  # of which layers below a convolution are named otherwise
    for key in set(ours) - set(names):
        assert ours[key] == theirs[key], key
    pools = [
        [(row["in_shape"], row["out_shape"], row["kernel"], row["stride"]) for row in rows]
        for rows in (
            [row for row in count(x, "netscope")["layers"] if row["op"] == "max"]
            for count, x in ((profile, config), (profile_onnx, path))
        )
    ]
    assert pools[0] == pools[1] and len(pools[0]) == 2


@pytest.mark.parametrize(
    ("change", "rule", "where"),
    [
        ({"input": 224}, "powers_of_two", "conv1: input of 224 by 224"),
        ({"fire4.stride": 1}, "equal_capacity", "fire4: 1048576 outputs after the 524288"),
        ({"fire8.expand1": 8}, "equal_capacity", "fire8: 16896 outputs after the 98304"),
        ({"fire8.expand1": 8}, "equal_capacity", "fire9: 47104 outputs after the 16896"),
        ({"weight_bits": 8, "fire9.squeeze": 512}, "parameters_on_chip", "weights take 3"),
    ],
)
def test_a_broken_rule_says_where(change, rule, where):
    rules = profile(load("zynqnet", change))["rules"]
    assert not rules[rule]["pass"]
    assert any(sentence.startswith(where) for sentence in rules[rule]["where"])


def test_a_narrow_residual_block_breaks_the_rule_of_equal_capacity():
    where = profile(load("resnet-8", {"residual4.channels": 16}))["rules"]["equal_capacity"][
        "where"
    ]
    assert where == ["residual4: 1024 outputs after the 8192 of residual3"]


def test_netscope_counts_every_layer_and_the_input():
    config = load("zynqnet-32")
    conv, netscope = profile(config), profile(config, "netscope")
    assert netscope["macs"] == conv["macs"]
    ops = [row["op"] for row in netscope["layers"]]
    assert ops.count("conv") == 26 and ops.count("concat") == 8 and ops.count("average") == 1
    outputs = conv["activations"] * 2 - 16 * 16  # every convolution but conv10 has a ReLU
    concats = sum(np.prod(r["out_shape"]) for r in netscope["layers"] if r["op"] == "concat")
    assert netscope["activations"] == outputs + concats + 16 + 32 * 32 * 3
    bypassed = profile(load("zynqnet-32", {"fire3.bypass": True}), "netscope")
    assert bypassed["activations"] == netscope["activations"] + 2 * 16 * 16 * 32


def test_ratios_and_intensity():
    """Of all counts, and of a layer that is computed by hand."""
    counts = profile(load("zynqnet"))
    ratios = ("activations_per_parameter", "macs_per_parameter", "macs_per_activation")
    macs, parameters, activations = 529_301_504, 2_528_800, 3_239_936
    hand = activations / parameters, macs / parameters, macs / activations
    assert [counts[key] for key in ratios] == [round(value, 4) for value in hand]
    rows = {row["name"]: row for row in counts["layers"]}
    conv1 = 128 * 128 * 64 * 27 / (256 * 256 * 3 + 64 * 28 + 128 * 128 * 64)
    assert rows["conv1"]["intensity"] == round(conv1, 3)
    moved = [np.prod(r["in_shape"]) + r["parameters"] + r["activations"] for r in rows.values()]
    assert counts["intensity"] == round(macs / sum(moved), 3)
    netscope = profile(load("zynqnet"), "netscope")
    assert netscope["macs_per_activation"] < counts["macs_per_activation"]


def test_capacities_are_those_of_the_modules():
    """Of zynqnet-32, where a strided squeeze halves it; the classifier is none."""
    found = profile(load("zynqnet-32"))["capacity"]
    assert [entry["module"] for entry in found] == ["conv1", *(f"fire{n}" for n in range(2, 10))]
    sizes = [16_384, *(2 * [8_192] + 2 * [4_096] + 4 * [2_048])]
    assert [entry["activations"] for entry in found] == sizes
    assert [entry["ratio"] for entry in found] == [None, 0.5, 1, 0.5, 1, 0.5, 1, 1, 1]
    wide = profile(load("zynqnet-32", {"fire3.expand1": 64}))["capacity"]
    assert [entry["even"] for entry in wide[:4]] == [True, True, False, False]


def test_bits_on_a_chip():
    """Weights and activations at their widths, biases at that of the sums."""
    settings = {"layers.conv1.weight_bits": 8, "layers.conv1.activation_bits": 6}
    chip = profile(load("zynqnet-32", settings))["on_chip"]
    assert chip["weights"] == 4 * (134_960 - 432) + 8 * 432
    assert (chip["largest_map"], chip["largest_map_bits"]) == ("conv1", 6 * 32 * 32 * 16)
    assert accumulator_bits(27, 8, 8) == 1 + (27 * 127 * 255).bit_length()
    assert accumulator_bits(9, None, 8) == 32
    plain = profile(load("zynqnet-32"))
    sums = [  # of inputs of 8 bits, then 4, and weights of 4
        row["out_shape"][2] * (1 + (row["macs"] // row["activations"] * 7 * top).bit_length())
        for row, top in zip(plain["layers"], [255] + 25 * [15], strict=True)
    ]
    assert plain["on_chip"]["biases"] == sum(sums)
    assert profile(load("zynqnet-32", {"codebook_bits": 2}))["on_chip"]["weights"] == (
        2 * 134_960 + 26 * 4 * 8
    )


def test_an_unknown_convention_is_refused():
    with pytest.raises(Refusal, match="convention must be conv or netscope, not both"):
        profile(load("zynqnet"), "both")


def _model(nodes, initializers, out, path):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path


def test_a_foreign_onnx_file_is_counted(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "stem", kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("LRN", ["a"], ["l"], "norm", size=3),
        helper.make_node("MaxPool", ["l"], ["b"], "max", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "v", "u"], ["y"], "fc"),
    ]
    arrays = {"w": (8, 3, 3, 3), "v": (32, 5), "u": (5,)}
    floats = {name: np.zeros(shape, np.float32) for name, shape in arrays.items()}
    path = _model(nodes, floats, [1, 5], tmp_path / "x.onnx")
    counts = profile_onnx(path)
    assert counts["macs"] == 4 * 4 * 8 * 27 + 32 * 5
    assert (counts["weights"], counts["biases"]) == (8 * 27 + 160, 5)
    assert counts["activations"] == 4 * 4 * 8 + 5
    assert counts["layers"][1]["out_shape"] == [1, 1, 5]
    assert counts["rules"]["no_max_pooling"] == {"pass": False, "where": ["max: max-pooling"]}
    assert not counts["rules"]["powers_of_two"]["pass"]
    netscope = profile_onnx(path, "netscope")
    assert netscope["macs"] == counts["macs"] + 5 * 4 * 4 * 8
    assert netscope["activations"] == 243 + 128 + 128 + 32 + 5


def test_a_channel_shuffle_is_counted_and_cannot_be_built(tmp_path):
    """ShuffleNet's: a fourth and a fifth axis, swapped."""
    model = sketch(load("zynqnet-32", {"input": 16}))
    graph = model.graph
    before = next(node for node in graph.node if node.name == "/conv1_relu/act_quant/Quant")
    for node in graph.node:
        node.input[:] = ["mixed" if x == before.output[0] else x for x in node.input]
    shapes = {"apart": (1, 2, 8, 16, 16), "together": (1, 16, 16, 16)}
    for name, shape in shapes.items():
        graph.initializer.append(numpy_helper.from_array(np.array(shape), name))
    place = list(graph.node).index(before) + 1
    for op, inputs, output, more in (
        ("Reshape", ["swapped", "together"], "mixed", {}),
        ("Transpose", ["split"], "swapped", {"perm": [0, 2, 1, 3, 4]}),
        ("Reshape", [before.output[0], "apart"], "split", {}),
    ):
        node = helper.make_node(op, inputs, [output], f"/shuffle/{output}", **more)
        graph.node.insert(place, node)
    onnx.save(model, tmp_path / "x.onnx")
    counts, plain = profile_onnx(tmp_path / "x.onnx"), profile(load("zynqnet-32", {"input": 16}))
    for key in ("macs", "parameters", "activations", "weight_bits", "on_chip"):
        assert counts[key] == plain[key]
    with pytest.raises(Refusal, match=r"^layer /shuffle/split: Reshape may only flatten a map"):
        from_onnx(tmp_path / "x.onnx")


def test_a_picture_shows_every_layer_and_module(tmp_path):
    """The same bytes every time; what breaks a rule is red."""
    counts = profile(load("zynqnet-32", {"fire3.expand1": 64}))
    for name in ("a.svg", "b.svg"):
        draw("a network", counts, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    texts = [item.text for item in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a network", "MACs", "capacity of the module"} <= set(texts)
    assert {row["name"] for row in counts["layers"]} <= set(texts)
    assert "20.5k  x 2.5" in texts and "4.1k  x 0.2" in texts
    assert "breaks equal capacity (2)" in texts
    assert (tmp_path / "a.svg").read_text().count("#c53030") == 3  # two modules and the sentence
    draw("a network", profile(load("zynqnet-32")), tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(Refusal, match=r"^picture a\.gif: must end in \.svg or \.png, not '\.gif'$"):
        draw("a network", counts, Path("a.gif"))


@pytest.mark.parametrize(
    ("value", "words"), [(3_100_000, "3.1M"), (387_072, "387k"), (1e9, "1G"), (999_900, "1M")]
)
def test_numbers_in_a_picture(value, words):
    assert short(value) == words


def test_what_is_not_onnx_is_refused(tmp_path):
    path = tmp_path / "x.onnx"
    with pytest.raises(Refusal, match=r"x\.onnx: cannot be read \(No such file"):
        profile_onnx(path)
    path.write_bytes(b"PK\x03\x04 not a network")
    with pytest.raises(Refusal, match=r"x\.onnx: must be ONNX \("):
        profile_onnx(path)
