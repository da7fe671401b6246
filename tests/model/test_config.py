"""Networks as data: what is shipped, metaparameters, overrides, and every refusal's text."""

import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.config import load, names
from zynqfire.model.graph import Graph
from zynqfire.model.legal import deployable
from zynqfire.model.modules import Conv, Fire

SMALL = """
input = 16
classes = 4

[modules]
conv1 = { channels = 8, stride = 2 }
fire2 = { squeeze = 4, expand1 = 4, expand3 = 4 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
RULE = "base_e = 128\nincr_e = 128\nfreq = 2\npct3x3 = 0.5\nSR = 0.125\n"


def fires(config):
    """Return the fire modules of `config`."""
    return [module for module in config.modules if isinstance(module, Fire)]


def layers(config):
    """Return the convolutions of `config` by name."""
    return {node.name: node for node in config.convolutions()}


def test_shipped_networks_load():
    assert {"zynqnet", "zynqnet-32", "resnet-8"} <= set(names())
    assert {f"squeezenet-v1.{i}" for i in (0, 1)} <= set(names())
    assert {"squeezenet-v1.0-simple-bypass", "squeezenet-v1.1-w3"} <= set(names())
    for name in names():
        assert load(name).name == name


def test_a_strided_squeeze_is_3x3_and_halves_the_map():
    found = layers(load("zynqnet"))
    strided, plain = found["fire2/squeeze"], found["fire3/squeeze"]
    assert (strided.kernel, strided.stride, strided.pad) == ((3, 3), (2, 2), (1, 1))
    assert (strided.in_shape, strided.out_shape) == ((128, 128, 64), (64, 64, 16))
    assert (plain.kernel, plain.stride, plain.pad) == ((1, 1), (1, 1), (0, 0))
    assert found["conv10"].out_shape == (8, 8, 1024)


def test_a_shortcut_is_a_convolution_only_where_the_shape_changes():
    found = layers(load("resnet-8", {"residual3.channels": 16}))
    assert [name for name in found if "shortcut" in name] == [
        "residual3/shortcut",
        "residual4/shortcut",
    ]
    for number, inputs, outputs in ((3, 16, 16), (4, 16, 64)):
        first, shortcut, second = (
            found[f"residual{number}/{part}"] for part in ("conv1", "shortcut", "conv2")
        )
        assert (shortcut.kernel, shortcut.stride, shortcut.pad) == ((1, 1), (2, 2), (0, 0))
        assert (shortcut.in_shape[2], shortcut.channels) == (inputs, outputs)
        assert shortcut.in_shape == first.in_shape and shortcut.out_shape == second.out_shape
    assert found["fc"].in_shape == (1, 1, 64) and found["fc"].weights == 640


def test_metaparameters_give_squeezenet(write):
    names = "".join(f"fire{number} = {{}}\n" for number in range(2, 10))
    text = f"{RULE}{SMALL.replace('fire2 =', names + 'fire10 =')}"
    config = load(write(text))
    squeezes = [fire.squeeze for fire in fires(config)]
    assert squeezes == [16, 16, 32, 32, 48, 48, 64, 64, 80]  # SqueezeNet's table 1, and on
    assert [fire.expand1 for fire in fires(config)] == [4 * s for s in squeezes]
    assert [fire.expand3 for fire in fires(config)] == [4 * s for s in squeezes]
    wider = load(write(text), {"SR": "0.25"})
    assert [fire.squeeze for fire in fires(wider)] == [2 * s for s in squeezes]


def test_metaparameters_change_what_a_file_lists():
    """Only what they say: the rest stays as in the modules."""
    plain, changed = load("zynqnet-32"), load("zynqnet-32", {"SR": "0.5"})
    for before, after in zip(fires(plain), fires(changed), strict=True):
        assert (after.expand1, after.expand3, after.stride) == (
            *(before.expand1, before.expand3),
            before.stride,
        )
        assert after.squeeze == (before.expand1 + before.expand3) // 2
    changed = load("zynqnet-32", {"pct3x3": "0.25"})
    for before, after in zip(fires(plain), fires(changed), strict=True):
        whole = before.expand1 + before.expand3
        assert (after.expand1, after.expand3) == (whole * 3 // 4, whole // 4)
        assert after.squeeze == before.squeeze
    changed = load("zynqnet-32", {"base_e": 64, "incr_e": 32, "freq": "3"})
    sizes = [64, 64, 64, 96, 96, 96, 128, 128]
    assert [fire.expand1 + fire.expand3 for fire in fires(changed)] == sizes
    assert [fire.squeeze for fire in fires(changed)] == [size // 4 for size in sizes]


def test_width_multiplies_all_channels_but_the_classifier_s():
    plain, wide = load("zynqnet-32"), load("zynqnet-32", {"width": 1.5})
    for before, after in zip(plain.convolutions(), wide.convolutions(), strict=True):
        if before.name != "conv10":
            assert after.channels == before.channels * 3 // 2
    assert wide.classifier.channels == 16


def test_squeezenet_is_the_published_one():
    config = load("squeezenet-v1.0", {"input": 227})
    assert config.modules[0] == Conv("conv1", 96, kernel=7, stride=2, pad=0)
    found = layers(config)
    sizes = [111, 55, 55, 55, 27, 27, 27, 27, 13]  # its table 1
    starts = ["conv1", *(f"fire{n}/expand3" for n in range(2, 10))]
    assert [found[name].out_shape[:2] for name in starts] == [(n, n) for n in sizes]
    assert found["conv10"].in_shape[:2] == (13, 13) and found["conv10"].out_shape[:2] == (15, 15)
    assert not any(fire.bypass for fire in fires(config))
    bypassed = load("squeezenet-v1.0-simple-bypass")
    assert [fire.bypass for fire in fires(bypassed)] == [False, True] * 4
    assert bypassed.name.endswith("bypass") and layers(bypassed).keys() == found.keys()
    around = load("squeezenet-v1.0-complex-bypass")
    extra = [f"fire{n}/shortcut" for n in (2, 4, 6, 8)]
    assert [name for name in layers(around) if name not in found] == extra
    assert len([node for node in around.nodes if node.op == "add"]) == 8
    newer = load("squeezenet-v1.1", {"input": 227})
    assert newer.modules[0] == Conv("conv1", 64, kernel=3, stride=2, pad=0)
    assert fires(newer) == fires(config)
    found = layers(newer)
    sizes = [113, 56, 56, 28, 28, 14, 14, 14, 14]
    assert [found[name].out_shape[:2] for name in starts] == [(n, n) for n in sizes]
    assert found["conv10"].out_shape[:2] == (14, 14)
    narrow = load("squeezenet-v1.1-w3")
    assert (narrow.weight_bits, narrow.activation_bits) == (3, 4)
    assert load("squeezenet-v1.1", {"weight_bits": 3, "name": narrow.name}) == narrow


@pytest.mark.parametrize("ceil", [True, False])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_a_pool_s_sizes_are_pytorch_s(kernel, ceil):
    for stride in range(1, kernel + 1):
        for pad in range(kernel // 2 + 1):
            pool = torch.nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)
            for size in range(max(1, kernel - 2 * pad), 9):
                graph = Graph("network x", (size, 9), 1)
                node = graph.max_pool("pool", graph.input, kernel, stride, pad, ceil)
                expected = tuple(pool(torch.zeros(1, 1, size, 9)).shape[2:])
                assert node.out_shape[:2] == expected


def test_what_a_host_does_is_counted_and_not_built():
    """Of SqueezeNet the softmax and the ReLU behind the classifier."""
    config = load("squeezenet-v1.1")
    counted, built = ([node.name for node in x] for x in (config.nodes, deployable(config)))
    assert [name for name in counted if name not in built] == ["conv10/relu", "softmax"]
    assert deployable(config)[-1].inputs == ("conv10",)
    assert "conv10" not in config.activations()


def test_a_base_is_replaced_field_by_field(write):
    config_file = write(SMALL, "small.toml")
    changes = 'base = "small.toml"\ninput = 32\nmodules.conv1.stride = 1\n'
    config = load(write(changes, "larger.toml"), {"weight_bits": 3})
    changed = {"name": "larger", "input": 32, "conv1.stride": 1, "weight_bits": 3}
    assert config == load(config_file, changed)
    third = write('base = "larger.toml"\nclasses = 7\n', "third.toml")
    assert load(third).classes == 7 and load(third).modules[0] == Conv("conv1", 8, stride=1)
    shipped = write('base = "zynqnet-32"\n', "mine.toml")
    assert load(shipped).modules == load("zynqnet-32").modules and load(shipped).name == "mine"


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("3", "network wrong: base must be text, not 3"),
        ('"wrong.toml"', "network wrong: its base must not be based on it, not wrong.toml"),
        ('"other.toml"', "network wrong: its base must not be based on it, not other.toml"),
        ('"alexnet-9"', "network must be a .toml file or one of "),
    ],
)
def test_a_base_that_cannot_be_is_refused(write, base, sentence):
    write('base = "wrong.toml"\n', "other.toml")
    with pytest.raises(Refusal) as refusal:
        load(write(f"base = {base}\n", "wrong.toml"))
    assert str(refusal.value).startswith(sentence)


def test_modules_of_metaparameters_can_be_changed():
    config = load("squeezenet-v1.1", {"SR": "0.25", "fire3.squeeze": "17"})
    assert [fire.squeeze for fire in fires(config)][:3] == [32, 17, 64]


def test_overrides_take_text_as_toml():
    changed = load(
        "zynqnet-32",
        {
            "input": "64",
            "weight_bits": "3",
            "per_channel": "true",
            "fire2.squeeze": "24",
            "conv1.channels": 32,
            "layers.fire2/squeeze.weight_bits": "8",
            "layers.fire2/expand.activation_bits": "5",
            "training.batch": "32",
            "name": "mine",
        },
    )
    assert changed.input == (64, 64)
    assert changed.per_channel and changed.name == "mine"
    assert fires(changed)[0].squeeze == 24
    assert changed.modules[0].channels == 32
    assert changed.weight_bits_of("conv1") == 3
    assert changed.weight_bits_of("fire2/squeeze") == 8
    assert changed.activation_bits_of("fire2/expand") == 5
    assert changed.training.batch == 32


def test_a_run_s_json_is_the_same_network(tmp_path):
    config = load("zynqnet-32", {"layers.conv1.weight_bits": 8, "fire3.bypass": True})
    path = tmp_path / "network.json"
    path.write_text(config.to_json())
    assert load(path) == config
    config = load("squeezenet-v1.0-simple-bypass")
    path.write_text(config.to_json())
    assert load(path) == config


def test_the_head_is_as_wide_as_the_classes_unless_said(write):
    assert load(write(SMALL)).head == 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"colour": 1}, "network small: unknown key colour, the keys are name, input, classes,"),
        (
            {"conv1.size": 1},
            "network small: conv1: unknown key size, the keys are name, channels, kernel",
        ),
        ({"weight_bits": 9}, "network small: weight_bits must be from 2 to 8, not 9"),
        ({"weight_bits": "true"}, "network small: weight_bits must be an integer, not True"),
        ({"input": "wide"}, "network small: input must be a number or a list of 2, not 'wide'"),
        ({"input": "[8]"}, "network small: input must be a number or a list of 2, not [8]"),
        ({"classes": 1}, "network small: classes must be from 2 to 65536, not 1"),
        ({"head": 3}, "network small: head must be at least 4, not 3"),
        ({"head": 65537}, "network small: head must be at most 65536, not 65537"),
        ({"modules": 3}, "network small: modules must be a table, not 3"),
        ({"modules": {}}, "network small: modules must hold a layer with weights, not nothing"),
        ({"modules.conv1": 3}, "network small: conv1 must be a table, not 3"),
        ({"conv1": 3}, "network small: conv1 must be a table, not 3"),
        ({"conv1.kind": "x"}, "network small: conv1: kind must be one of conv, fc, fire, "),
        ({"conv1.kind": "[]"}, "network small: conv1: kind must be one of conv, fc, fire, "),
        ({"modules.conv1.kind": "{}"}, "network small: conv1: kind must be one of conv, fc, fire,"),
        ({"conv1.name": "x"}, "network small: conv1: a module has the name of its table, not"),
        (
            {"name": "../x"},
            "a network's name must be printable, without / and without . at its start, not '../x'",
        ),
        ({"input": "[" * 9999}, "network small: input must be a number or a list of 2, not '[[["),
        ({"input": "9" * 5000}, "network small: input must be a number or a list of 2, not '999"),
        (
            {"modules.stage.channels": 3},
            "network small: stage: kind must be one of conv, fc, fire, residual, squeezenext, ",
        ),
        (
            {"modules": {"pool1": {}, "a/b": {"kind": "fc"}}},
            "network small: a module's name must be letters, digits and _, not input and without "
            "_bn or _relu at its end, not a/b",
        ),
        (
            {"conv10.channels": 8},
            "network small: conv10: channels must be left out or be the 4 of head, not 8",
        ),
        (
            {"conv10.channels": 3},
            "network small: conv10: the classifier must have at least 4 channels, not 3",
        ),
        (
            {"modules.residual3": {"channels": 0}},
            "network small: residual3: channels must be from 1 to 65536, not 0",
        ),
        (
            {"modules.residual3": {"channels": 8, "stride": 3}},
            "network small: residual3: stride must be from 1 to 2, not 3",
        ),
        (
            {"modules.residual3": {"channels": 8, "bypass": True}},
            "network small: residual3: unknown key bypass, the keys are name, channels, stride",
        ),
        ({"fire2.squeeze": 0}, "network small: fire2: squeeze must be from 1 to 65536, not 0"),
        ({"fire2.stride": 3}, "network small: fire2: stride must be from 1 to 2, not 3"),
        ({"conv1.groups": 2}, "network small: layer conv1: 2 groups must divide its inputs, not 3"),
        ({"input.x": 4}, "--set input.x: input is a value, it has no fields"),
        (
            {"layers.fire9.weight_bits": 4},
            "network small: weight_bits of a layer needs one of conv1, fire2/squeeze, "
            "fire2/expand1, fire2/expand3, conv10, not fire9",
        ),
        (
            {"layers.conv1.activation_bits": 1},
            "network small: layers.conv1: activation_bits must be from 2 to 8, not 1",
        ),
        (
            {"conv1.kernel": 7, "conv1.pad": 0, "input": 5},
            "network small: layer conv1 needs a map of at least 7 by 7, not 5 by 5",
        ),
        (
            {"modules.pool3": {"stride": 4}},
            "network small: pool3: stride must be from 1 to 3, not 4",
        ),
        (
            {"modules.pool3": {"kernel": 16}},
            "network small: pool3: kernel must be from 1 to 15, not 16",
        ),
        ({"modules.pool3": {"pad": 2}}, "network small: pool3: pad must be from 0 to 1, not 2"),
        ({"training.rate": 0}, "network small: training: rate must be above 0, not 0.0"),
        (
            {"freq": 2},
            "network small: base_e, incr_e and freq belong together, not freq = 2",
        ),
        (
            {"base_e": 8, "incr_e": 8, "freq": 0},
            "network small: freq must be at least 1, not 0",
        ),
        ({"SR": 0}, "network small: SR must be above 0 and at most 1, not 0.0"),
        ({"pct3x3": 1.5}, "network small: pct3x3 must be above 0 and at most 1, not 1.5"),
        ({"width": "wide"}, "network small: width must be a number, not 'wide'"),
        (
            {"width": 0.5, "modules.conv1.channels": "x"},
            "network small: conv1: channels must be an integer, not 'x'",
        ),
        (
            {"SR": 0.5, "modules.fire2.expand1": 10**400},
            "network small: fire2: expand1 must be from 0 to 65536, not 1000",
        ),
        (
            {"base_e": 10**400, "incr_e": 8, "freq": 2},
            "network small: base_e must be at most 65536 either way, not 1000",
        ),
    ],
)
def test_refusals_name_object_rule_and_value(write, change, sentence):
    with pytest.raises(Refusal) as refusal:
        load(write(SMALL, "small.toml"), change)
    assert str(refusal.value).startswith(sentence)


@pytest.mark.parametrize(
    ("net", "change", "sentence"),
    [
        (
            "resnet-8",
            {"input": 48},
            "network resnet-8: layer pool averages before a layer, so its map must have a power "
            "of two of positions, not 144",
        ),
        (
            "zynqnet-32",
            {"modules.norm11": {}},
            "network zynqnet-32: layer norm11 is a normalization apart from a convolution, which "
            "has no quantized form: the network can only be counted",
        ),
        (
            "zynqnet-32",
            {"conv1.relu": False},
            "network zynqnet-32: layer fire2/squeeze must read what is quantized, not the sums of "
            "conv1",
        ),
    ],
)
def test_what_cannot_be_built_is_counted_only(net, change, sentence):
    config = load(net, change)
    assert sum(node.macs for node in config.nodes)
    with pytest.raises(Refusal) as refusal:
        deployable(config)
    assert str(refusal.value) == sentence


def test_metaparameters_need_fire_modules():
    with pytest.raises(Refusal) as refusal:
        load("resnet-8", {"SR": 0.5})
    sentence = "network resnet-8: it has no fire modules, SR = 0.5 are of them"
    assert str(refusal.value) == sentence


def test_a_missing_key_is_refused(write):
    with pytest.raises(Refusal, match="network small: the key classes is missing"):
        load(write("input = 3", "small.toml"))


def test_what_is_no_network_is_refused(write, tmp_path):
    with pytest.raises(Refusal, match=r"a \.toml file or one of .*zynqnet.*, not alexnet-9"):
        load("alexnet-9")
    with pytest.raises(Refusal, match=r"absent\.toml: cannot be read \(No such file"):
        load(tmp_path / "absent.toml")
    for text, rule in (("[]", r"must be a table, not \[\]"), ("[" * 99999, "not JSON")):
        with pytest.raises(Refusal, match=rf"bad\.json: {rule}"):
            load(write(text, "bad.json"))
    with pytest.raises(Refusal, match=r"bad\.toml: not TOML"):
        load(write("input = = 3", "bad.toml"))
