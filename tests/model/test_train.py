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
from zynqfire.model import loop
from zynqfire.model import train as training
from zynqfire.model.config import load
from zynqfire.model.data import Dataset
from zynqfire.model.exact import integers
from zynqfire.model.export import export_run
from zynqfire.model.loop import Loop
from zynqfire.model.run import load_run
from zynqfire.model.train import train


@pytest.fixture
def stripes(monkeypatch):
    """Replace the data sets by 96 small pictures of two classes: upright and level stripes."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % 2
    wave = np.where(np.arange(8) % 4 < 2, 0, 160)
    images = (
        rng.integers(0, 96, (160, 8, 8, 3))
        + np.where(labels[:, None, None] == 1, wave[None, None, :], wave[None, :, None]).astype(
            int
        )[..., None]
    )
    images = images.astype(np.uint8)
    data = Dataset(
        "stripes", ("level", "upright"), images[:96], labels[:96], images[96:], labels[96:], False
    )
    monkeypatch.setattr(training, "load", lambda *_: data)
    return data


@pytest.fixture
def brief(tiny):
    """Return a function that loads the tiny network for a short training with dropout."""
    settings = {"training.batch": 16, "training.rate": 0.01, "dropout": 0.1}
    settings |= {f"training.{stage}_epochs": 2 for stage in ("float", "quantized", "merged")}
    return lambda **overrides: tiny(**(settings | overrides))


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


@pytest.mark.parametrize("scratch", [False, True])
def test_a_killed_run_ends_as_an_unbroken_one(stripes, brief, tmp_path, monkeypatch, scratch):
    config = brief()
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
    assert deaths > 5
    assert _same(_weights(tmp_path / "whole"), _weights(tmp_path / "broken"))
    for key in ("accuracy_float", "accuracy_quantized", "epochs", "history"):
        assert whole[key] == broken[key]
    assert (whole["accuracy_float"] is None) == scratch


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
    with pytest.raises(Refusal, match="was started with another network than tiny"):
        train(brief(weight_bits=3), "stripes", run, epochs=3)
    with pytest.raises(Refusal, match="must be a new, an empty or a run's folder"):
        train(brief(), "stripes", tmp_path)


def test_a_data_set_of_too_many_classes_is_refused(brief, tmp_path):
    with pytest.raises(Refusal, match="classes must be at least the 10 of data set digits, not 2"):
        train(brief(classes=2), "digits", tmp_path / "run")


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
    assert left == ["checkpoint.pt", "heldout.npz", "network.json", "result.json", "settings.json"]
    done = torch.load(run / "checkpoint.pt", weights_only=True)["epoch"]
    assert 1 <= done < 3
    resumed = train(config, "digits", run)
    shutil.rmtree(run)
    whole = train(config, "digits", run)
    assert resumed["history"] == whole["history"]
    assert resumed["accuracy_quantized"] == whole["accuracy_quantized"]
