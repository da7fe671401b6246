"""Weights to start from: torchvision's names and pixels, other runs, and what does not fit."""

import numpy as np
import pytest
import torch
from torch import nn

from zynqfire import Refusal
from zynqfire.model.config import load
from zynqfire.model.exact import tensor
from zynqfire.model.network import Network
from zynqfire.model.run import load_float
from zynqfire.model.train import train
from zynqfire.model.training.init import DEVIATION, MEAN, imported, transparent

# The layers of torchvision's SqueezeNets: fire modules by their place in `features`.
VERSIONS = {
    "squeezenet-v1.0": {
        "stem": (96, 7),
        "fire": {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128)}
        | {8: (256, 48, 192), 9: (384, 48, 192), 10: (384, 64, 256), 12: (512, 64, 256)},
        "pools": (2, 6, 11),
    },
    "squeezenet-v1.1": {
        "stem": (64, 3),
        "fire": {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)}
        | {9: (256, 48, 192), 10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)},
        "pools": (2, 5, 8),
    },
}


def _published(version, classes=20):
    """Return a state dict of the published names and shapes."""
    torch.manual_seed(3)
    layers = {"features.0": (VERSIONS[version]["stem"][0], 3, VERSIONS[version]["stem"][1])}
    for n, (inputs, squeeze, expand) in VERSIONS[version]["fire"].items():
        layers[f"features.{n}.squeeze"] = (squeeze, inputs, 1)
        layers[f"features.{n}.expand1x1"] = (expand, squeeze, 1)
        layers[f"features.{n}.expand3x3"] = (expand, squeeze, 3)
    layers["classifier.1"] = (classes, 512, 1)
    state = {}
    for name, (outputs, inputs, kernel) in layers.items():
        weight = torch.empty(outputs, inputs, kernel, kernel)
        state[f"{name}.weight"] = nn.init.kaiming_normal_(weight)
        state[f"{name}.bias"] = 0.1 * torch.randn(outputs)
    return state


def _reference(version, state, pixels, head_pad):
    """Run torchvision's network by hand on its own input, without its last ReLU."""
    x = tensor(pixels, torch.float64) * 256 / 255
    x = (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]

    def convolve(name, x, **options):
        weight, bias = (state[f"{name}.{kind}"].double() for kind in ("weight", "bias"))
        return nn.functional.conv2d(x, weight, bias, **options)

    x = convolve("features.0", x, stride=2).relu()
    for n in range(2, 13):
        if n in VERSIONS[version]["pools"]:
            x = nn.functional.max_pool2d(x, 3, 2, ceil_mode=True)
        else:
            squeezed = convolve(f"features.{n}.squeeze", x).relu()
            one = convolve(f"features.{n}.expand1x1", squeezed)
            three = convolve(f"features.{n}.expand3x3", squeezed, padding=1)
            x = torch.cat([one, three], 1).relu()
    return convolve("classifier.1", x, padding=head_pad).mean((2, 3))


@pytest.fixture
def save(tmp_path):
    """Return a function that saves a state dict and returns its path."""

    def saved(state, name="weights.pth"):
        torch.save(state, tmp_path / name)
        return tmp_path / name

    return saved


@pytest.mark.parametrize("version", VERSIONS)
def test_torchvision_s_weights_give_torchvision_s_answers(version, save):
    config = load(version, {"input": 63, "classes": 20, "head": 20})
    state, lines = _published(version), []
    ours, bare = imported(save(state), config, lines.append)
    assert bare and lines == [
        f"{config.name}: torchvision's names; its input normalization goes into conv1"
    ]
    network = Network(config, quantized=False, normalized=True).double().eval()
    network.load_state_dict(ours)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 63, 63, 3), dtype=np.uint8)
    with torch.no_grad():
        logits = network(tensor(pixels, torch.float64))
        expected = _reference(version, state, pixels, int(version == "squeezenet-v1.0"))
    assert expected.std() > 0.1
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_our_own_names_and_a_run_are_taken_as_they_are(stripes, brief, tmp_path, save):
    config = brief(**{"training.ema": 0.9})
    result = train(config, "stripes", tmp_path / "run", epochs=3)
    kept = torch.load(tmp_path / "run" / "float.pt", weights_only=True)
    for init in (tmp_path / "run", save(kept)):
        state, bare = imported(init, config)
        assert not bare and state.keys() == kept.keys()
        assert all(torch.equal(state[name], kept[name]) for name in kept)
    network = load_float(tmp_path / "run").eval()
    with torch.no_grad():
        hits = network(tensor(stripes.test_images)).argmax(1).numpy() == stripes.test_labels
    assert hits.mean() == result["accuracy_float"]


def test_a_variant_starts_quantized_from_a_run(stripes, brief, tmp_path):
    first = train(brief(), "stripes", tmp_path / "run")
    variant = brief(weight_bits=3, **{"training.float_epochs": 0, "training.distill": 0.3})
    run = tmp_path / "variant"
    result = train(variant, "stripes", run, init=tmp_path / "run")
    assert [entry["stage"] for entry in result["history"]] == ["quantized"] * 2 + ["merged"] * 2
    assert result["accuracy_float"] == first["accuracy_float"]
    floats = [
        torch.load(folder / "float.pt", weights_only=True) for folder in (tmp_path / "run", run)
    ]
    assert all(torch.equal(floats[0][name], floats[1][name]) for name in floats[0])
    assert train(variant, "stripes", run, init=tmp_path / "run") == result
    with pytest.raises(Refusal, match=r"was started with init float.pt of sha256 \w+, not None"):
        train(variant, "stripes", run)


def test_normalizations_that_are_added_change_nothing(stripes, brief, save):
    """In evaluation exactly, in training up to the difference between batches."""
    config = brief(**{"dropout.share": 0})
    torch.manual_seed(0)
    plain = Network(config, quantized=False, normalized=False).eval()
    with torch.no_grad():
        for _, layer in plain.convolutions():
            layer.bias += 0.3 * torch.randn(len(layer.bias))
    state, bare = imported(save(plain.state_dict()), config)
    network = Network(config, quantized=False, normalized=True)
    network.load_state_dict(state)
    x = tensor(stripes.train_images)
    with torch.no_grad():
        expected = plain(x)
        assert bare and torch.allclose(network.eval()(x), expected, rtol=1e-5, atol=1e-5)
        transparent(network, x)
        assert torch.allclose(network.eval()(x), expected, rtol=1e-4, atol=1e-4)
        assert torch.allclose(network.train()(x), expected, rtol=0.02, atol=0.02)
    assert network.conv1_bn.weight.std() > 0.01


def test_training_goes_on_from_a_file(stripes, brief, tmp_path, save):
    """Without normalizations in the file, the first float epoch starts where the file was."""
    config = brief(**{"training.float_epochs": 6, "training.batch": 8})
    train(config, "stripes", tmp_path / "run")
    merged = load_float(tmp_path / "run")
    merged.merge()
    weights = save(merged.state_dict())
    gentle = brief(**{"training.float_epochs": 1, "training.rate": 1e-5})
    result = train(gentle, "stripes", tmp_path / "next", init=weights)
    assert result["history"][0]["accuracy"] > 0.9


def test_another_number_of_classes_leaves_the_classifier(save):
    config = load("squeezenet-v1.1", {"input": 63, "classes": 7, "head": 7})
    lines, published = [], _published("squeezenet-v1.1")
    torch.manual_seed(11)
    initial = Network(config, quantized=False, normalized=True).state_dict()
    torch.manual_seed(11)
    state, _ = imported(save(published), config, lines.append)
    assert lines[-1] == (
        f"{config.name}: weights.pth has 20 classes, not 7: the classifier starts untrained"
    )
    assert torch.equal(state["conv10.weight"], initial["conv10.weight"])
    assert torch.equal(state["fire9.squeeze.weight"], published["features.12.squeeze.weight"])


def test_outputs_that_are_padding_are_zero(save, tiny):
    config = tiny()  # 10 classes, 12 outputs
    state = Network(config, quantized=False, normalized=False).state_dict()
    cut = {
        name: value[:10] if name.startswith("conv10") else value for name, value in state.items()
    }
    filled, _ = imported(save(cut), config)
    assert torch.equal(filled["conv10.weight"][:10], state["conv10.weight"][:10])
    assert not filled["conv10.weight"][10:].any()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"fire2.squeeze.weight": torch.zeros(5, 8, 3, 3)},
            r"layer fire2/squeeze needs a weight of \[4, 8, 3, 3\], not \[5, 8, 3, 3\]$",
        ),
        ({"conv10.weight": torch.zeros(12, 99, 1, 1)}, r"needs a weight of \[12, 16, 1, 1\], not"),
        ({"fire4.squeeze.weight": torch.zeros(1)}, "the network has no layer fire4/squeeze"),
        ({"conv1.bias": None}, "the network's layer conv1 is missing, no conv1.bias$"),
        ({"conv1.bias": 5}, "must hold tensors by name, a state dict, and holds other things"),
        ({5: torch.zeros(1)}, "must hold tensors by name, a state dict, and holds other things"),
        ({"conv1.bias": torch.full((8,), torch.nan)}, "the values of conv1.bias must be finite"),
        (
            {"conv1.bias": torch.zeros(8, dtype=torch.complex64)},
            "conv1.bias must be a plain tensor, not one of torch.complex64$",
        ),
        ({"features.0.weight": torch.zeros(1)}, "conv1.weight is no tensor of torchvision's"),
    ],
)
def test_what_does_not_fit_is_refused(save, tiny, change, sentence):
    state = Network(tiny(), quantized=False, normalized=False).state_dict() | change
    path = save({name: value for name, value in state.items() if value is not None})
    with pytest.raises(Refusal, match=rf"^init {path}: .*{sentence}"):
        imported(path, tiny())


def test_other_files_are_refused(stripes, save, tiny, tmp_path):
    with pytest.raises(Refusal, match=r"must be a run's folder or a .pt or .pth file, not x.onnx"):
        imported("x.onnx", tiny())
    with pytest.raises(Refusal, match=r"^init .*: must be a run whose float stage is done"):
        imported(tmp_path, tiny())
    with pytest.raises(Refusal, match=r"weights.pth cannot be read \("):
        imported(save(tiny()), tiny())  # an object, whose class a loader would have to import
    with pytest.raises(Refusal, match="must be a dictionary"):
        imported(save([torch.zeros(1)]), tiny())
    with pytest.raises(Refusal, match="layer conv1 is missing"):
        train(tiny(), "stripes", tmp_path / "run", init=save({}))
    assert not (tmp_path / "run").exists()
