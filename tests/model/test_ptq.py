"""Post-training quantization: what it costs, what each step gains, and what it leaves."""

import copy
import json

import numpy as np
import pytest
import torch

from zynqfire import Refusal, cli
from zynqfire.hls.executors import by_interpreter
from zynqfire.model import ptq
from zynqfire.model.config import load
from zynqfire.model.data import load as pictures_of
from zynqfire.model.equalize import equalize, links
from zynqfire.model.exact import integers, tensor
from zynqfire.model.export import export_run
from zynqfire.model.network import Network
from zynqfire.model.ptq import of_file, of_run, quantize
from zynqfire.model.rounding import rounded
from zynqfire.model.run import load_run
from zynqfire.model.threads import threads
from zynqfire.model.watch import by_channel

SMALL = """
input = 8
classes = 10
head = 12

[modules]
conv1 = { channels = 16 }
fire2 = { squeeze = 8, expand1 = 16, expand3 = 16, stride = 2 }
fire3 = { squeeze = 8, expand1 = 16, expand3 = 16, bypass = true }
fire4 = { squeeze = 8, expand1 = 16, expand3 = 16 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
POOLED = """
input = 16
classes = 10

[modules]
conv1 = { channels = 8, stride = 2 }
pool1 = {}
fire2 = { squeeze = 4, expand1 = 6, expand3 = 10 }
separable3 = { channels = 12 }
conv4 = { channels = 12, groups = 3 }
pool = { kind = "average" }
fc = {}
"""
EIGHT = {"weight_bits": 8, "activation_bits": 8}


@pytest.fixture(scope="module")
def digits():
    return pictures_of("digits", (8, 8))


@pytest.fixture(scope="module")
def run(tmp_path_factory, digits):
    """Train a small network in float on digits; return the folder of its run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "small.toml").write_text(SMALL)
    config = load(folder / "small.toml")
    with torch.random.fork_rng(devices=[]), threads(config, 64):
        torch.manual_seed(0)
        network = Network(config, quantized=False, normalized=True)
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        order = torch.cat([torch.randperm(len(digits.train_labels)) for _ in range(4)]).split(64)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, len(order))
        for index in order:
            optimizer.zero_grad()
            logits = network(tensor(digits.train_images[index.numpy()]))
            labels = torch.from_numpy(digits.train_labels)[index]
            torch.nn.functional.cross_entropy(logits, labels).backward()
            optimizer.step()
            schedule.step()
    (folder / "small.toml").unlink()
    (folder / "network.json").write_text(config.to_json())
    (folder / "settings.json").write_text(json.dumps({"data": "digits", "seed": 0}))
    torch.save(dict(network.state_dict()), folder / "float.pt")
    return folder


@pytest.fixture(autouse=True)
def _read_once(monkeypatch, digits):
    monkeypatch.setattr(
        ptq, "load", lambda data, size: digits if data == "digits" else pictures_of(data, size)
    )


@pytest.fixture
def merged(run):
    network = of_run(run, {}).network.eval()
    network.merge()
    return network


@pytest.fixture(scope="module")
def pictures(digits):
    return tensor(digits.train_images[:200])


def _logits(network, pictures):
    with torch.no_grad():
        return network.eval()(pictures)


def test_eight_bits_are_within_a_point_of_float(run, tmp_path, digits):
    lines = []
    result = quantize(of_run(run, EIGHT), tmp_path / "run", report=lines.append)
    assert result["accuracy_float"] > 0.85
    assert result["accuracy_quantized"] > result["accuracy_float"] - 0.01
    assert [step["name"] for step in result["steps"]] == [
        "rounding",
        "equalization",
        "bias correction",
    ]
    kept = [step for step in result["steps"] if step["kept"]]
    gains = sum(step["gain"] for step in kept)
    assert gains == pytest.approx(result["accuracy_quantized"] - result["accuracy_float"])
    assert kept[-1]["accuracy"] == result["accuracy_quantized"]
    assert kept[-1]["error"] == min(step["error"] for step in result["steps"]) < 0.01
    assert result["images"] == 256 and result["held_out"] == 360 and result["seconds"] > 0
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert sum("accuracy" in line for line in lines) == 3
    with np.load(tmp_path / "run" / "heldout.npz") as heldout:
        assert np.array_equal(heldout["images"], digits.test_images)
        assert np.array_equal(heldout["labels"], digits.test_labels)
    again = of_run(tmp_path / "run", {})  # its float weights are kept, for other widths
    with torch.no_grad():
        assert torch.equal(
            _logits(again.network, tensor(digits.test_images)),
            _logits(of_run(run, {}).network, tensor(digits.test_images)),
        )


@pytest.mark.parametrize("per_channel", [False, True])
def test_what_is_written_exports_and_reads_as_it_computes(run, tmp_path, per_channel):
    start = of_run(run, {**EIGHT, "per_channel": per_channel})
    result = quantize(start, tmp_path / "run", images=64)
    network, held_out = load_run(tmp_path / "run")
    assert network.config == start.config
    exported = export_run(tmp_path / "run", tmp_path / "x.onnx")
    with np.load(exported["golden"]) as golden:
        assert np.array_equal(golden["inputs"][:16], held_out[:16])
        assert np.array_equal(
            by_interpreter(tmp_path / "x.onnx", golden["inputs"]), golden["outputs"]
        )
    found = by_interpreter(tmp_path / "x.onnx", held_out).argmax(1)
    with np.load(tmp_path / "run" / "heldout.npz") as heldout:
        assert np.mean(found == heldout["labels"]) == result["accuracy_quantized"]


def test_a_finished_run_is_returned_as_it_is_and_others_are_refused(run, tmp_path, monkeypatch):
    out = tmp_path / "run"
    result = quantize(of_run(run, EIGHT), out, images=32)
    monkeypatch.setattr(ptq, "load", None)  # no data set is read any more
    assert quantize(of_run(run, EIGHT), out, images=32) == result
    with pytest.raises(Refusal, match="was started with images 32, not 64; choose another folder"):
        quantize(of_run(run, EIGHT), out, images=64)
    with pytest.raises(Refusal, match="was started with corrected True, not False"):
        quantize(of_run(run, EIGHT), out, images=32, corrected=False)
    with pytest.raises(Refusal, match="than small, its weight_bits is 8, not 4"):
        quantize(of_run(run, {}), out, images=32)
    with pytest.raises(Refusal, match=r"was started with float None, not float\.pt of sha256"):
        quantize(of_run(run, {}), run)
    with pytest.raises(Refusal, match="must be a new, an empty or a run's folder"):
        quantize(of_run(run, {}), tmp_path)


def test_an_unfinished_folder_is_begun_anew(run, tmp_path, monkeypatch):
    out = tmp_path / "run"
    whole = quantize(of_run(run, EIGHT), out, images=32)
    (out / "result.json").unlink()
    (out / "checkpoint.pt").write_bytes(b"half")
    again = quantize(of_run(run, EIGHT), out, images=32)
    assert again["steps"] == whole["steps"]
    load_run(out)


def test_steps_can_be_left_out(run, tmp_path):
    result = quantize(
        of_run(run, EIGHT), tmp_path / "run", images=32, equalized=False, corrected=False
    )
    assert [step["name"] for step in result["steps"]] == ["rounding"]


def test_links_are_where_scales_pass(run):
    found = {link.source: dict(link.readers) for link in links(load(run / "network.json"))}
    assert found == {
        "conv1": {"fire2/squeeze": 0},
        "fire2/squeeze": {"fire2/expand1": 0, "fire2/expand3": 0},
        # fire2's expansions are added to fire3's by the bypass
        "fire3/squeeze": {"fire3/expand1": 0, "fire3/expand3": 0},
        "fire4/squeeze": {"fire4/expand1": 0, "fire4/expand3": 0},
        "fire4/expand1": {"conv10": 0},
        "fire4/expand3": {"conv10": 16},
    }
    resnet = {link.source: dict(link.readers) for link in links(load("resnet-8"))}
    assert resnet == {f"residual{n}/conv1": {f"residual{n}/conv2": 0} for n in (2, 3, 4)}


@pytest.mark.parametrize("kind", ["small", "pooled", "residual", "squeeze"])
def test_equalization_keeps_the_function(kind, request, write):
    own = {"small": SMALL, "pooled": POOLED}
    config = load(write(own[kind])) if kind in own else request.getfixturevalue(kind)()
    torch.manual_seed(3)
    network = Network(config, quantized=False, normalized=False)
    for _, layer in network.convolutions():
        layer.weight.data *= torch.exp2(torch.randint(-4, 5, (len(layer.weight), 1, 1, 1)))
        layer.bias.data.normal_(std=layer.weight.abs().mean().item())
    x = torch.rand(8, 3, *config.input)
    before, weights = _logits(network, x), copy.deepcopy(network.state_dict())
    equalize(network, x)
    after = _logits(network, x)
    assert torch.allclose(after, before, rtol=1e-4, atol=1e-5 * before.abs().max().item())
    moved = {
        name.rpartition(".")[0].replace(".", "/")
        for name, value in network.state_dict().items()
        if not torch.equal(value, weights[name])
    }
    linked = {name for link in links(config) for name in (link.source, *dict(link.readers))}
    assert moved == linked and moved


def test_bias_correction_takes_the_mean_error_off(merged, run, pictures):
    config = load(run / "network.json", {"weight_bits": 6, "activation_bits": 3})
    mean = lambda values: values.mean((0, 2, 3))  # noqa: E731
    wanted = by_channel(merged, pictures, mean)
    errors = []
    for correct in (False, True):
        found = by_channel(rounded(merged, config, pictures, correct), pictures, mean)
        errors.append({name: (found[name] - wanted[name]).abs().max() for name in wanted})
    for name in wanted:  # up to the grid of biases
        assert errors[1][name] < 0.25 * errors[0][name], name
    assert errors[0]["conv10"] > 0.01


def test_equalization_rescues_badly_scaled_channels(run, tmp_path):
    start = of_run(run, EIGHT)
    network, rng = start.network, np.random.default_rng(0)
    for link in links(start.config):
        layers = dict(network.convolutions())
        scale = torch.from_numpy(np.exp2(rng.integers(-8, 9, len(layers[link.source].weight))))
        scale = scale.float()
        norm = network.get_submodule(link.source.replace("/", ".") + "_bn")
        norm.weight.data *= scale
        norm.bias.data *= scale
        for name, first in link.readers:
            layers[name].weight.data[:, first : first + len(scale)] /= scale[:, None, None]
    quantize(of_run(run, EIGHT), tmp_path / "good", equalized=False, corrected=False)
    steps = quantize(start, tmp_path / "bad")["steps"]
    good = json.loads((tmp_path / "good" / "result.json").read_text())["accuracy_quantized"]
    assert steps[0]["accuracy"] < good - 0.2
    assert steps[1]["accuracy"] > good - 0.01 and steps[1]["kept"]


def test_a_channel_of_bias_alone_is_not_blown_up(merged, pictures):
    layer = merged.get_submodule("fire4.squeeze")
    with torch.no_grad():
        layer.weight[3], layer.bias[3] = 1e-20, 1.0
    before = _logits(merged, pictures)
    equalize(merged, pictures)
    peaks = by_channel(merged, pictures, lambda values: values.amax((0, 2, 3)))["fire4/squeeze"]
    assert peaks[3] < 4 * peaks[:3].max()
    assert torch.allclose(_logits(merged, pictures), before, atol=1e-4 * before.abs().max().item())


def test_a_step_that_makes_logits_worse_is_not_kept(run, tmp_path, monkeypatch):
    def worse(network, pictures):
        network.classifier.weight *= 1.5

    monkeypatch.setattr(ptq, "equalize", worse)
    result = quantize(of_run(run, EIGHT), tmp_path / "run", images=32, corrected=False)
    rounding, equalization = result["steps"]
    assert rounding["kept"] and not equalization["kept"]
    assert equalization["error"] == pytest.approx(0.25, rel=0.1)
    assert result["accuracy_quantized"] == rounding["accuracy"]
    network, pictures = load_run(tmp_path / "run")
    with np.load(tmp_path / "run" / "heldout.npz") as heldout:
        hits = integers(network, pictures)[0].argmax(1) == heldout["labels"]
    assert hits.mean() == rounding["accuracy"]


def test_weights_whose_logits_are_not_finite_are_refused(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load(write(SMALL, "small.toml"), EIGHT)
    huge = Network(config, quantized=False).state_dict()
    torch.save({name: torch.full_like(value, 1e38) for name, value in huge.items()}, "huge.pt")
    with pytest.raises(Refusal, match="small: its logits in float must be finite, and are not all"):
        quantize(of_file(config, "huge.pt"), tmp_path / "run", data="digits", images=4)
    assert not (tmp_path / "run").exists()


def test_weights_of_a_file(run, tmp_path, write):
    config = load(write(SMALL, "small.toml"), EIGHT)
    (tmp_path / "weights.pt").write_bytes((run / "float.pt").read_bytes())
    start = of_file(config, tmp_path / "weights.pt")
    with pytest.raises(Refusal, match="quantize needs --data, the pictures to calibrate on"):
        quantize(start, tmp_path / "file")
    one = quantize(start, tmp_path / "file", data="digits", images=32, corrected=False)
    two = quantize(of_run(run, EIGHT), tmp_path / "run", images=32, corrected=False)
    assert one["steps"] == two["steps"]
    with pytest.raises(Refusal, match=r"must have 7 classes, not 12"):
        of_file(load(write(SMALL), {"classes": 7, "head": 7}), tmp_path / "weights.pt")


def test_a_codebook_is_chosen_without_training(run, tmp_path):
    result = quantize(of_run(run, {**EIGHT, "codebook_bits": 5}), tmp_path / "run", images=64)
    assert result["accuracy_quantized"] > result["accuracy_float"] - 0.1
    network, _ = load_run(tmp_path / "run")
    for _, layer in network.convolutions():
        assert len(layer.quant_weight().value.unique()) <= 32


def test_the_command(run, tmp_path, capfd):
    args = ["quantize", str(run), "-o", str(tmp_path / "run"), "--images"]
    steps = ["--no-equalize", "--no-correct"]
    assert cli.main([*args, "16", *steps, "--set", "weight_bits=8", "--json"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["steps"][0]["name"] == "rounding"
    assert "small: rounding with 16 pictures" in err
    assert cli.main([*args, "16", *steps, "--set", "weight_bits=8"]) == 0
    assert "rounding" in capfd.readouterr().out
    assert cli.main([*args, "32", *steps, "--set", "weight_bits=8"]) == 2
    assert "was started with images 16, not 32" in capfd.readouterr().err
    args = ["quantize", "zynqnet-32", "-o", str(tmp_path / "net")]
    assert cli.main(args) == 2
    assert (
        "must have a run's folder, or --init with a network, not zynqnet-32"
        in capfd.readouterr().err
    )


def test_refusals(run, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(Refusal, match=r"must be a run whose float stage is done, it has no netw"):
        of_run(tmp_path, {})
    (tmp_path / "network.json").write_text((run / "network.json").read_text())
    with pytest.raises(Refusal, match=r"must be a run whose float stage is done, it has no float"):
        of_run(tmp_path, {})
    with pytest.raises(
        Refusal, match=r"per_channel, codebook_bits, layers may be set, not conv1\."
    ):
        of_run(run, {"conv1.channels": 8, "weight_bits": 8})
    with pytest.raises(
        Refusal, match="from 1 to the 8622 training pictures of data set digits, not 9999"
    ):
        quantize(of_run(run, {}), out, images=9999)
    with pytest.raises(Refusal, match=r"data set must be .* or a folder, not nothing"):
        quantize(of_run(run, {}), out, data="nothing")
    assert not out.exists()
