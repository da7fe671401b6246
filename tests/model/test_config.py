"""Networks as data: what is shipped, metaparameters, overrides, and every refusal's text."""

import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.config import Fire, Stem, load, names

SMALL = """
input = 16
classes = 4
conv1 = { channels = 8 }
fire = [{ squeeze = 4, expand1 = 4, expand3 = 4 }]
"""


def test_shipped_networks_load():
    assert {"zynqnet", "zynqnet-32", "resnet-8"} <= set(names())
    assert {f"squeezenet-v1.{i}" for i in (0, 1)} <= set(names())
    assert {"squeezenet-v1.0-simple-bypass", "squeezenet-v1.1-w3"} <= set(names())
    for name in names():
        assert load(name).name == name


def test_a_strided_squeeze_is_3x3_and_halves_the_map():
    layers = {conv.name: conv for conv in load("zynqnet").convolutions()}
    strided, plain = layers["fire2/squeeze"], layers["fire3/squeeze"]
    assert (strided.kernel, strided.stride, strided.pad) == (3, 2, 1)
    assert (strided.in_size, strided.out_size) == ((128, 128), (64, 64))
    assert (plain.kernel, plain.stride, plain.pad) == (1, 1, 0)
    assert layers["conv10"].outputs == 1024
    assert layers["conv10"].out_size == (8, 8)


def test_a_shortcut_is_a_convolution_only_where_the_shape_changes():
    config = load("resnet-8", {"residual3.channels": 16})
    layers = {conv.name: conv for conv in config.convolutions()}
    assert [name for name in layers if "shortcut" in name] == [
        "residual3/shortcut",
        "residual4/shortcut",
    ]
    for number, inputs, outputs in ((3, 16, 16), (4, 16, 64)):
        first, shortcut, second = (
            layers[f"residual{number}/{part}"] for part in ("conv1", "shortcut", "conv2")
        )
        assert (shortcut.kernel, shortcut.stride, shortcut.pad) == (1, 2, 0)
        assert (shortcut.inputs, shortcut.outputs) == (inputs, outputs)
        assert shortcut.in_size == first.in_size and shortcut.out_size == second.out_size
    assert (layers["fc"].inputs, layers["fc"].in_size) == (64, (1, 1))
    assert config.pooled == (8, 8)


def test_metaparameters_give_squeezenet(write):
    text = """
    input = 32
    classes = 10
    conv1 = { channels = 96, kernel = 7, pad = 3 }
    [metaparameters]
    base_e = 128
    incr_e = 128
    freq = 2
    pct3x3 = 0.5
    SR = 0.125
    strided = [4]
    bypass = [3]
    """
    config = load(write(text))
    squeezes = [fire.squeeze for fire in config.fire]
    assert squeezes == [16, 16, 32, 32, 48, 48, 64, 64]  # SqueezeNet's table 1
    assert [fire.expand1 for fire in config.fire] == [4 * s for s in squeezes]
    assert [fire.expand3 for fire in config.fire] == [4 * s for s in squeezes]
    assert config.fire[2] == Fire(32, 128, 128, stride=2)
    assert config.fire[1].bypass
    wider = load(write(text), {"metaparameters.SR": "0.25"})
    assert [fire.squeeze for fire in wider.fire] == [2 * s for s in squeezes]


def test_squeezenet_is_the_published_one():
    config = load("squeezenet-v1.0", {"input": 227})
    assert config.conv1 == Stem(96, kernel=7, stride=2, pad=0)
    layers = {conv.name: conv for conv in config.convolutions()}
    sizes = [111, 55, 55, 55, 27, 27, 27, 27, 13]  # its table 1
    starts = ["conv1", *(f"fire{n}/expand3" for n in range(2, 10))]
    assert [layers[name].out_size for name in starts] == [(n, n) for n in sizes]
    assert layers["conv10"].in_size == (13, 13) and layers["conv10"].out_size == (15, 15)
    assert config.dropout == 0.5 and not any(fire.bypass for fire in config.fire)
    bypassed = load("squeezenet-v1.0-simple-bypass")
    assert [fire.bypass for fire in bypassed.fire] == [False, True] * 4
    assert bypassed.max_pool == config.max_pool and bypassed.name.endswith("bypass")
    newer = load("squeezenet-v1.1", {"input": 227})
    assert newer.conv1 == Stem(64, kernel=3, stride=2, pad=0) and newer.fire == config.fire
    layers = {conv.name: conv for conv in newer.convolutions()}
    sizes = [113, 56, 56, 28, 28, 14, 14, 14, 14]
    assert [layers[name].out_size for name in starts] == [(n, n) for n in sizes]
    assert layers["conv10"].out_size == (14, 14)
    narrow = load("squeezenet-v1.1-w3")
    assert (narrow.weight_bits, narrow.activation_bits) == (3, 4)
    assert load("squeezenet-v1.1", {"weight_bits": 3, "name": narrow.name}) == narrow


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_a_pool_s_last_window_may_hang_over_as_in_pytorch(write, kernel):
    for stride in range(1, kernel + 1):
        pool = torch.nn.MaxPool2d(kernel, stride, ceil_mode=True)
        changes = {"max_pool.kernel": kernel, "max_pool.stride": stride, "conv1.stride": 1}
        config = load(write(SMALL), {"max_pool.after": ["conv1"]} | changes)
        least = kernel - stride + 1
        for size in range(least, 9):
            expected = tuple(pool(torch.zeros(1, 1, size, 9)).shape[2:])
            assert config.after_pool("conv1", (size, 9)) == expected
            assert config.after_pool("fire2", (size, 9)) == (size, 9)


def test_a_base_is_replaced_field_by_field(write):
    config_file = write(SMALL, "small.toml")
    changes = 'base = "small.toml"\ninput = 32\nconv1 = { stride = 1 }\n'
    config = load(write(changes, "larger.toml"), {"weight_bits": 3})
    changed = {"name": "larger", "input": 32, "conv1.stride": 1, "weight_bits": 3}
    assert config == load(config_file, changed)
    third = write('base = "larger.toml"\nclasses = 7\n', "third.toml")
    assert load(third).classes == 7 and load(third).conv1 == Stem(8, stride=1)
    shipped = write('base = "zynqnet-32"\n', "mine.toml")
    assert load(shipped).fire == load("zynqnet-32").fire and load(shipped).name == "mine"


@pytest.mark.parametrize(
    ("base", "sentence"),
    [
        ("3", "network wrong: base must be text, not 3"),
        ('"wrong.toml"', "network wrong: its base must not be based on it, not wrong.toml"),
        ('"other.toml"', "network wrong: its base must not be based on it, not other.toml"),
        ('"alexnet"', "network must be a .toml file or one of "),
    ],
)
def test_a_base_that_cannot_be_is_refused(write, base, sentence):
    write('base = "wrong.toml"\n', "other.toml")
    with pytest.raises(Refusal) as refusal:
        load(write(f"base = {base}\n", "wrong.toml"))
    assert str(refusal.value).startswith(sentence)


def test_modules_of_metaparameters_can_be_changed():
    config = load("squeezenet-v1.1", {"metaparameters.SR": "0.25", "fire3.squeeze": "17"})
    assert [fire.squeeze for fire in config.fire][:3] == [32, 17, 64]


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
    assert changed.fire[0].squeeze == 24
    assert changed.conv1.channels == 32
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
            "network small: conv1: unknown key size, the keys are channels, kernel",
        ),
        ({"weight_bits": 9}, "network small: weight_bits must be from 2 to 8, not 9"),
        ({"weight_bits": "true"}, "network small: weight_bits must be an integer, not True"),
        ({"dropout": 1}, "network small: dropout must be from 0 to below 1, not 1.0"),
        ({"input": "wide"}, "network small: input must be a number or a list of 2, not 'wide'"),
        ({"input": "[8]"}, "network small: input must be a number or a list of 2, not [8]"),
        ({"classes": 1}, "network small: classes must be from 2 to 65536, not 1"),
        ({"head": 3}, "network small: head must be at least 4, not 3"),
        (
            {"fire": []},
            "network small: there must be either fire modules or residual blocks, not none",
        ),
        (
            {"residual": [{"channels": 8}]},
            "network small: there must be either fire modules or residual blocks, not both",
        ),
        (
            {"fire": [], "residual": [{"channels": 0}]},
            "network small: residual2: channels must be from 1 to 65536, not 0",
        ),
        (
            {"fire": [], "residual": [{"channels": 8, "stride": 3}]},
            "network small: residual2: stride must be 1 or 2, not 3",
        ),
        (
            {"fire": [], "residual": [{"channels": 8, "bypass": True}]},
            "network small: residual: unknown key bypass, the keys are channels, stride",
        ),
        (
            {"fc": True, "input": 12},
            "network small: fc: the map averaged before it must have a power of two of positions, "
            "not 36",
        ),
        ({"fire2.squeeze": 0}, "network small: fire2: squeeze must be from 1 to 65536, not 0"),
        ({"fire2.stride": 3}, "network small: fire2: stride must be 1 or 2, not 3"),
        ({"fire3.squeeze": 4}, "--set fire3.squeeze: the network has no fire3"),
        ({"input.x": 4}, "--set input.x: input is a value, it has no fields"),
        (
            {"fire2.bypass": True, "fire2.stride": 2},
            "network small: fire2: a bypass needs stride 1, not 2",
        ),
        (
            {"fire2.bypass": True, "fire2.expand1": 8},
            "network small: fire2: a bypass needs as many outputs as inputs, 8, not 12",
        ),
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
            {"max_pool.after": ["fire3"]},
            "network small: max_pool: after takes conv1, fire2, not fire3",
        ),
        ({"max_pool.stride": 4}, "network small: max_pool: stride must be from 1 to 3, not 4"),
        ({"max_pool.kernel": 16}, "network small: max_pool: kernel must be from 1 to 15, not 16"),
        ({"max_pool.after": "conv1"}, "network small: max_pool: after must be a list, not 'conv1'"),
        (
            {"max_pool.pad": 1},
            "network small: max_pool: unknown key pad, the keys are after, kernel, stride",
        ),
        (
            {"max_pool.after": ["fire2"], "input": 2},
            "network small: the max pool after fire2 needs a map of at least 2 by 2, not 1 by 1",
        ),
        ({"head_pad": -1}, "network small: head_pad must be from 0 to 4096, not -1"),
        (
            {"fc": True, "head_pad": 1},
            "network small: fc: head_pad is for conv10, it must be 0, not 1",
        ),
        ({"training.rate": 0}, "network small: training: rate must be above 0, not 0.0"),
        (
            {"metaparameters.freq": 2},
            "network small: takes either [metaparameters] or [[fire]], not both",
        ),
    ],
)
def test_refusals_name_object_rule_and_value(write, change, sentence):
    with pytest.raises(Refusal) as refusal:
        load(write(SMALL, "small.toml"), change)
    assert str(refusal.value).startswith(sentence)


def test_a_missing_key_is_refused(write):
    with pytest.raises(Refusal, match="network small: the key classes is missing"):
        load(write("input = 3", "small.toml"))


def test_what_is_no_network_is_refused(write, tmp_path):
    with pytest.raises(Refusal, match=r"must be a \.toml file or one of .*zynqnet.*, not alexnet"):
        load("alexnet")
    with pytest.raises(Refusal, match=r"absent\.toml: cannot be read \(No such file"):
        load(tmp_path / "absent.toml")
    with pytest.raises(Refusal, match=r"bad\.toml: not TOML"):
        load(write("input = = 3", "bad.toml"))
