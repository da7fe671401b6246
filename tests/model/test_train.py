"""Training: the run folder, resuming, and that it learns."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from zynqfire import Refusal
from zynqfire.model import train as training
from zynqfire.model.config import load
from zynqfire.model.exact import integers
from zynqfire.model.export import export_run
from zynqfire.model.network import Network
from zynqfire.model.run import load_run
from zynqfire.model.train import train
from zynqfire.model.training import loop, teach
from zynqfire.model.training.average import averaged
from zynqfire.model.training.loop import Loop


def _weights(run):
    return torch.load(run / "checkpoint.pt", weights_only=True)["network"]


def _same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


def test_a_run_is_complete_and_learns(stripes, brief, tmp_path):
    lines = []
    config = brief(**{"training.float_epochs": 8, "training.batch": 8})
    result = train(config, "stripes", tmp_path / "run", report=lines.append)
    assert result["finished"] and result["epochs"] == 12
    assert result["accuracy_float"] > 0.9 and result["accuracy_quantized"] > 0.9
    assert result["seconds"] > 0
    assert result["checkpoint"] == str(tmp_path / "run" / "checkpoint.pt")
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == result
    assert sum("epoch" in line for line in lines) == 12
    network, pictures = load_run(tmp_path / "run")
    assert np.array_equal(pictures, stripes.test_images)
    outputs = integers(network, pictures)[0]
    hits = outputs.argmax(1) == stripes.test_labels
    assert hits.mean() == result["accuracy_quantized"]
    exported = export_run(tmp_path / "run", tmp_path / "x.onnx")
    with np.load(exported["golden"]) as golden:
        assert np.array_equal(golden["inputs"][:16], pictures[:16])
        assert np.array_equal(golden["outputs"][:16], outputs[:16])


def test_a_finished_run_is_returned_as_it_is(stripes, brief, tmp_path, monkeypatch):
    result = train(brief(), "stripes", tmp_path / "run")
    monkeypatch.setattr(training, "load", None)
    assert train(brief(), "stripes", tmp_path / "run") == result


class _Killed(BaseException):
    pass


RECIPES = {
    "scratch": {"training.label_smoothing": 0.1},
    "distilled": {"training.distill": 0.5, "training.optimizer": "sgd", "training.rate": 0.1},
    "pruned": {"training.sparsity": 0.5, "training.pruning": "gradual", "training.ema": 0.9},
    "dsd": {
        "training.sparsity": 0.5,
        "training.dsd": True,
        "training.schedule": "step",
        "training.every": 1,
        "training.weight_decay": 0.01,
        "training.augment.noise": 0.1,
    },
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_killed_run_ends_as_an_unbroken_one(stripes, brief, tmp_path, monkeypatch, recipe):
    scratch = recipe == "scratch"
    epochs = {"float": 1, "sparse": 2, "dense": 1, "quantized": 2, "merged": 1}
    epochs = {f"training.{stage}_epochs": count for stage, count in epochs.items()}
    config = brief(**epochs, **RECIPES[recipe])
    whole = train(config, "stripes", tmp_path / "whole", scratch=scratch)
    # A kill in every epoch: before its end, or between its checkpoint and its result.
    step, record = Loop._step, Loop._record
    kills = iter(range(100))

    def dying_step(self, engine, batch):
        if engine.state.iteration % self.steps == 3 and next(kills) % 3 != 2:
            raise _Killed
        return step(self, engine, batch)

    def dying_record(self, finished):
        if next(kills) % 3 == 2:
            raise _Killed
        return record(self, finished)

    monkeypatch.setattr(Loop, "_step", dying_step)
    monkeypatch.setattr(Loop, "_record", dying_record)
    deaths = 0
    while True:
        try:
            broken = train(config, "stripes", tmp_path / "broken", scratch=scratch)
            break
        except _Killed:
            deaths += 1
    assert deaths > 4
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "broken"))
    if not scratch:
        kept = [torch.load(tmp_path / name / "float.pt") for name in ("whole", "broken")]
        assert _same(*kept)
    for key in ("accuracy_float", "accuracy_quantized", "epochs", "history"):
        assert whole[key] == broken[key]
    assert (whole["accuracy_float"] is None) == scratch


def test_recipes_train_otherwise(stripes, brief, tmp_path):
    """Every field of a recipe reaches the weights."""
    changes = {
        "none": {},
        "cosine": {"training.schedule": "polynomial"},
        "warm": {"training.warmup_steps": 1},
        "sgd": {"training.optimizer": "sgd"},
        "decay": {"training.weight_decay": 0.1},
        "smooth": {"training.label_smoothing": 0.2},
        "still": {"training.augment.shift": 0.2},
        "turned": {"training.augment.rotate": 10},
        "distill": {"training.distill": 0.5},
        "hot": {"training.distill": 0.5, "training.temperature": 1},
        "ema": {"training.ema": 0.9},
    }
    weights = []
    for name, change in changes.items():
        config = brief(**change, **{"training.quantized_epochs": 0})
        train(config, "stripes", tmp_path / name, epochs=2)
        weights.append(_weights(tmp_path / name)["conv1.weight"])
    for n, one in enumerate(weights):
        assert not any(torch.equal(one, other) for other in weights[:n]), list(changes)[n]


def test_momentum_and_decay_are_sgd_s(stripes, brief, tmp_path, monkeypatch):
    """A step is PyTorch's; only the convolutions' weights decay."""
    seen = []
    step = Loop._step

    def looked(self, engine, batch):
        result = step(self, engine, batch)
        seen.append(self.optimizer)
        return result

    monkeypatch.setattr(Loop, "_step", looked)
    sgd = {"training.optimizer": "sgd", "training.momentum": 0.5, "training.weight_decay": 0.01}
    train(brief(**sgd), "stripes", tmp_path / "run", epochs=3)
    assert isinstance(seen[0], torch.optim.SGD)
    weights, others = seen[0].param_groups
    assert weights["momentum"] == others["momentum"] == 0.5
    assert (weights["weight_decay"], others["weight_decay"]) == (0.01, 0.0)
    assert all(p.ndim == 4 for p in weights["params"]) and all(
        p.ndim == 1 for p in others["params"]
    )


def test_an_average_is_what_is_evaluated_and_exported(stripes, brief, tmp_path):
    config = brief(**{"training.ema": 0.95})
    result = train(config, "stripes", tmp_path / "run")
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    average = {
        name.removeprefix("module."): value
        for name, value in state["average"].items()
        if name != "n_averaged"
    }
    assert _same(state["network"], average) and not _same(state["network"], state["trained"])
    network, pictures = load_run(tmp_path / "run")
    hits = integers(network, pictures)[0].argmax(1) == stripes.test_labels
    assert hits.mean() == result["accuracy_quantized"]


def test_an_average_follows_its_formula(tiny):
    network = Network(tiny(), quantized=False, normalized=True)
    average, expected = averaged(network, 0.7), None
    for n in range(12):
        with torch.no_grad():
            network.conv1.weight.fill_(float(n))
            network.conv1_bn.running_mean.fill_(float(-n))
            network.conv1_bn.num_batches_tracked.fill_(n)
        average.update_parameters(network)
        decay = min(0.7, (1 + n) / (10 + n))
        expected = float(n) if n == 0 else decay * expected + (1 - decay) * n
        assert torch.allclose(average.module.conv1.weight, torch.tensor(expected))
        assert torch.allclose(average.module.conv1_bn.running_mean, torch.tensor(-expected))
        assert average.module.conv1_bn.num_batches_tracked == n


def test_a_loss_with_a_teacher_is_hinton_s(tiny):
    rng = torch.Generator().manual_seed(0)
    logits, told = torch.randn(2, 5, 10, generator=rng)
    labels = torch.arange(5)
    training = tiny(**{"training.distill": 0.3, "training.temperature": 2}).training
    p, q = (torch.softmax(values / 2, 1) for values in (told, logits))
    divergence = (p * (p / q).log()).sum(1).mean()
    plain = torch.nn.functional.cross_entropy(logits, labels)
    expected = 0.7 * plain + 0.3 * 4 * divergence
    assert torch.allclose(teach.loss(training, logits, labels, told), expected)
    assert torch.equal(teach.loss(training, logits, labels, None), plain)


def test_a_teacher_is_another_run(stripes, brief, tmp_path):
    train(brief(), "stripes", tmp_path / "teacher", epochs=3)
    student = brief(**{"training.distill": 0.5, "weight_bits": 3})
    alone, run = tmp_path / "alone", tmp_path / "run"
    train(student, "stripes", alone, epochs=3)
    train(student, "stripes", run, epochs=3, teacher=tmp_path / "teacher")
    assert not _same(torch.load(alone / "float.pt"), torch.load(run / "float.pt"))
    with pytest.raises(Refusal, match=r"was started with teacher float.pt of sha256 \w+, not None"):
        train(student, "stripes", run, epochs=3)
    with pytest.raises(Refusal, match=r"a teacher needs --set training\.distill=WEIGHT above 0"):
        train(brief(), "stripes", tmp_path / "x", teacher=run)
    with pytest.raises(Refusal, match=r"^teacher .*: classes must be the network's 11, not 10$"):
        other = brief(classes=11, **{"training.distill": 0.5})
        train(other, "stripes", tmp_path / "x", teacher=run)
    with pytest.raises(Refusal, match=r"^teacher .*: must be a run whose float stage is done"):
        train(student, "stripes", tmp_path / "x", teacher=tmp_path)


def test_bits_by_layer_and_scales_by_channel_train(stripes, brief, tmp_path):
    widths = {"layers.conv1.weight_bits": 8, "layers.conv10.weight_bits": 2, "per_channel": True}
    config = brief(**widths, **{"training.float_epochs": 8, "training.batch": 8})
    result = train(config, "stripes", tmp_path / "run")
    assert result["accuracy_quantized"] > 0.9
    network, _ = load_run(tmp_path / "run")
    for name, layer in network.convolutions():
        weight = layer.quant_weight()
        codes = (weight.value / weight.scale).round()
        bits = {"conv1": 8, "conv10": 2}.get(name, 4)
        assert codes.abs().max() <= 2 ** (bits - 1) - 1 and weight.scale.numel() == len(codes)
        if name == "conv1":
            assert codes.abs().max() > 7


def test_seeds_differ_and_repeat(stripes, brief, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(brief(), "stripes", tmp_path / name, epochs=3, seed=seed)
    assert _same(_weights(tmp_path / "a"), _weights(tmp_path / "b"))
    assert not _same(_weights(tmp_path / "a"), _weights(tmp_path / "c"))


def test_the_caller_s_random_state_is_left_alone(stripes, brief, tmp_path):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(brief(), "stripes", tmp_path / "run", epochs=3)
    assert torch.equal(before, torch.get_rng_state())


def test_epochs_are_shared_out(stripes, brief, tmp_path):
    history = train(brief(), "stripes", tmp_path / "run", epochs=4)["history"]
    stages = [entry["stage"] for entry in history]
    assert len(stages) == 4
    assert [stages.count(name) for name in ("float", "quantized", "merged")] == [1, 1, 2]
    with pytest.raises(Refusal, match="epochs must be at least 3, not 2"):
        train(brief(), "stripes", tmp_path / "few", epochs=2)


def test_other_settings_in_the_same_folder_are_refused(stripes, brief, tmp_path):
    run = tmp_path / "run"
    train(brief(), "stripes", run, epochs=3)
    with pytest.raises(Refusal, match="was started with seed 0, not 1; choose another folder"):
        train(brief(), "stripes", run, epochs=3, seed=1)
    with pytest.raises(Refusal, match="was started with data stripes, not digits"):
        train(brief(), "digits", run, epochs=3)
    with pytest.raises(Refusal, match="than tiny, its weight_bits is 4, not 3; choose"):
        train(brief(weight_bits=3), "stripes", run, epochs=3)
    with pytest.raises(Refusal, match="must be a new, an empty or a run's folder"):
        train(brief(), "stripes", tmp_path)


def test_a_data_set_of_too_many_classes_is_refused(brief, tmp_path):
    with pytest.raises(Refusal, match="classes must be at least the 10 of data set digits, not 2"):
        train(brief(classes=2), "digits", tmp_path / "run")


def test_a_batch_of_one_value_a_channel_is_refused(stripes, brief, tmp_path):
    config = brief(input=2, **{"training.batch": 1})
    sentence = "at least 2 pictures, for layer fire2/squeeze puts out a map of one pixel, not 1$"
    with pytest.raises(Refusal, match=sentence):
        train(config, "stripes", tmp_path / "run")
    with pytest.raises(Refusal, match="processes must be at most the 96 training pictures of "):
        training._enough(config, stripes, 97)
    assert not (tmp_path / "run").exists()


def test_an_unfinished_run_is_not_exported(stripes, brief, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    run = tmp_path / "run"
    monkeypatch.setattr(loop, "integers", stop)
    lines = []
    with pytest.raises(KeyboardInterrupt):
        train(brief(), "stripes", run, epochs=3, report=lines.append)
    assert lines[-1] == "tiny: stopped; the same command goes on after the last epoch"
    with pytest.raises(Refusal, match="training must have finished, start train again"):
        export_run(run, tmp_path / "x.onnx")


PROGRAM = """
import sys
from zynqfire.model.config import load
from zynqfire.model.train import train
train(load(sys.argv[1]), "digits", sys.argv[2], report=lambda text: print(text, flush=True))
"""


def test_a_real_kill_leaves_a_run_that_resumes(tiny, tmp_path):
    (tmp_path / "net.json").write_text(tiny(**{"training.batch": 512}).to_json())
    config = load(tmp_path / "net.json")
    run = tmp_path / "run"
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, tmp_path / "net.json", run]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "epoch 1/" in line:
            os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    left = sorted(path.name for path in run.iterdir() if not path.name.startswith("."))
    assert left[-4:] == ["heldout.npz", "network.json", "result.json", "settings.json"]
    assert left[:-4] in (["checkpoint.pt"], ["checkpoint.pt", "float.pt"])
    done = torch.load(run / "checkpoint.pt", weights_only=True)["epoch"]
    assert 1 <= done < 3
    resumed = train(config, "digits", run)
    shutil.rmtree(run)
    whole = train(config, "digits", run)
    assert resumed["history"] == whole["history"]
    assert resumed["accuracy_quantized"] == whole["accuracy_quantized"]
