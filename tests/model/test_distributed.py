"""Several processes train as one does; a death or a refusal of any ends all."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zynqfire import Refusal
from zynqfire.model.network import Network
from zynqfire.model.train import train
from zynqfire.model.training import launch
from zynqfire.model.training.distributed import (
    Group,
    WholeBatchDropout,
    WholeBatchNorm2d,
    whole_batch,
)
from zynqfire.model.training.loop import Loop


@pytest.fixture
def pictures(tmp_path):
    """Write a data set of 60 small pictures of two classes and return its folder."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 6)):
        for label, level in (("dark", 80), ("light", 176)):
            folder = tmp_path / "pictures" / part / label
            folder.mkdir(parents=True)
            for n in range(count):
                noise = rng.integers(-60, 60, (8, 8, 3)) + level
                Image.fromarray(noise.astype(np.uint8)).save(folder / f"{n}.png")
    return tmp_path / "pictures"


STEPS = {
    "training.batch": 9,  # which two processes cannot share evenly
    "training.optimizer": "sgd",
    "training.rate": 0.02,
    "training.warmup_steps": 2,
    "training.augment.noise": 0.05,
    "training.ema": 0.5,
    "dropout.share": 0.2,
}


def _weights(run, key="network"):
    return torch.load(run / "checkpoint.pt", weights_only=True)[key]


def _close(one, two, tolerance):
    assert one.keys() == two.keys()
    worst = max(float((one[key] - two[key]).abs().max()) for key in one)
    assert worst <= tolerance, worst
    return worst


def test_two_processes_train_as_one_does(tiny, pictures, tmp_path):
    """In float, with quantizers and merged."""
    config = tiny(**STEPS)
    one, two = tmp_path / "one", tmp_path / "two"
    lines = []
    alone = train(config, pictures, one)
    shared = train(config, pictures, two, nproc=2, report=lines.append)
    assert lines[0] == "tiny: starting 2 processes" and "epoch 3/3 (merged)" in lines[-1]
    floats = [torch.load(run / "float.pt", weights_only=True) for run in (one, two)]
    _close(*floats, 1e-5)
    _close(_weights(one), _weights(two), 1e-3)
    _close(_weights(one, "trained"), _weights(two, "trained"), 1e-3)
    for key in ("accuracy_float", "epochs", "held_out"):
        assert alone[key] == shared[key]
    losses = [[entry["loss"] for entry in result["history"]] for result in (alone, shared)]
    assert np.allclose(*losses, atol=1e-3)


def test_what_two_processes_began_one_or_two_go_on_with(tiny, pictures, tmp_path, monkeypatch):
    config, save = tiny(**STEPS), Loop._save

    def dying(self, stage):
        save(self, stage)
        raise KeyboardInterrupt

    whole = train(config, pictures, tmp_path / "whole")
    lines = []
    with monkeypatch.context() as patched:
        patched.setattr(Loop, "_save", dying)  # in the first process, which ends the other
        with pytest.raises(KeyboardInterrupt):
            train(config, pictures, tmp_path / "run", nproc=2, report=lines.append)
    assert lines[-1] == "tiny: stopped; the same command goes on after the last epoch"
    assert not multiprocessing.active_children()
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    for name, nproc in (("run", 2), ("copy", 1)):
        resumed = train(config, pictures, tmp_path / name, nproc=nproc)
        assert resumed["finished"] and resumed["epochs"] == whole["epochs"] == 3
        _close(_weights(tmp_path / "whole"), _weights(tmp_path / name), 1e-3)
    assert train(config, pictures, tmp_path / "run", nproc=2) == json.loads(
        (tmp_path / "run" / "result.json").read_text()
    )


COMMAND = [sys.executable, "-m", "zynqfire", "train"]


@pytest.fixture
def start():
    """Return a function that starts a command in a session of its own, which ends with the test."""
    processes = []

    def started(arguments, **options):
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell's background job has Ctrl-C ignored, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **options,
        )
        processes.append(process)
        return process

    yield started
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _children(pid):
    """Return the processes that `pid` has started to train, not their helpers."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(int(child))
    return found


def _until_the_first_epoch(process):
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "epoch 1/" in line:
            return
    raise AssertionError("".join(seen))


@pytest.fixture
def endless(tiny, tmp_path):
    """Write the tiny network with a recipe of minutes, and return its path."""
    path = tmp_path / "net.json"
    path.write_text(tiny(**STEPS, **{"training.float_epochs": 2000}).to_json())
    return path


def test_a_process_that_dies_ends_all_with_a_sentence(start, endless, pictures, tmp_path):
    run = ["--data", pictures, "--out", tmp_path / "run", "--nproc", 2]
    process = start([*COMMAND, endless, *run])
    _until_the_first_epoch(process)
    (child,) = _children(process.pid)
    os.kill(child, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert errors.splitlines()[-1] == (
        "zynqfire: train: process 2 of 2 was killed by signal 9; the same command goes on after "
        "the last epoch"
    )
    assert "Traceback" not in errors


@pytest.mark.parametrize("whom", ["all", "first"])
def test_an_end_of_the_first_ends_all(start, endless, pictures, tmp_path, whom):
    """Ctrl-C reaches every process; a kill of the first one does not."""
    run = ["--data", pictures, "--out", tmp_path / "run", "--nproc", 2]
    process = start([*COMMAND, endless, *run])
    _until_the_first_epoch(process)
    (child,) = _children(process.pid)
    if whom == "all":
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert errors.strip().splitlines()[-1] == (
            "tiny: stopped; the same command goes on after the last epoch"
        )
        assert "Traceback" not in errors
    else:
        process.kill()
        process.communicate(timeout=60)
    for _ in range(600):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"process {child} goes on")


def test_a_refusal_of_another_process_is_the_answer(tiny, pictures, tmp_path):
    """The second process's part of the held-out pictures holds one that is broken."""
    broken = sorted((pictures / "test" / "light").iterdir())[-1]
    broken.write_bytes(b"no picture")
    with pytest.raises(Refusal, match=rf"^picture {broken}: cannot be decoded"):
        train(tiny(**STEPS), pictures, tmp_path / "run", nproc=2)


def test_torchrun_with_a_batch_by_process(start, tiny, pictures, tmp_path):
    """Two processes answer once, and train as one does with twice the batch and the rate."""
    (tmp_path / "net.json").write_text(tiny(**STEPS).to_json())
    wide = {"batch": 18, "rate": 0.04, "warmup_epochs": 1 / 18}
    config = tiny(**STEPS | {f"training.{key}": value for key, value in wide.items()})
    one = train(config, pictures, tmp_path / "one")
    arguments = ["--data", pictures, "--out", tmp_path / "two", "--batch-per-process", "--json"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc_per_node=2", "-m", "zynqfire", "train"]
    process = start(
        [*torchrun, tmp_path / "net.json", *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    answer, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    result = json.loads(answer)
    assert result["finished"] and errors.count("epoch 1/3") == 1
    assert (tmp_path / "two" / "network.json").read_text() == config.to_json()
    assert result["history"][0]["loss"] == pytest.approx(one["history"][0]["loss"], abs=1e-4)
    _close(_weights(tmp_path / "one"), _weights(tmp_path / "two"), 1e-3)


def test_how_many_processes(tiny, pictures, tmp_path, monkeypatch):
    with pytest.raises(Refusal, match="at most the 9 pictures of a batch, not 10"):
        train(tiny(**STEPS), pictures, tmp_path / "run", nproc=10)
    assert launch.processes(None) == 1 and launch.processes(3) == 3
    for key, value in (("RANK", 0), ("WORLD_SIZE", 4), ("MASTER_ADDR", "x"), ("MASTER_PORT", 1)):
        monkeypatch.setenv(key, str(value))
    assert launch.processes(None) == 4
    with pytest.raises(Refusal, match="under torchrun it must be absent, not 2"):
        launch.processes(2)


def test_parts_cover_everything_once():
    for size in (1, 2, 3, 7):
        for count in (7, 9, 64):
            parts = [Group(rank, size).part(count) for rank in range(size)]
            numbers = [n for part in parts for n in range(count)[part]]
            assert numbers == list(range(count))
            lengths = [part.stop - part.start for part in parts]
            assert max(lengths) - min(lengths) <= 1


def test_normalization_of_the_whole_batch_is_pytorch_s(tmp_path):
    """With one process: output, gradients and running statistics."""
    torch.manual_seed(0)
    x = (3 * torch.randn(6, 4, 5, 5) + 20).requires_grad_()
    y = x.detach().clone().requires_grad_()
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        plain, whole = torch.nn.BatchNorm2d(4), torch.nn.Sequential(torch.nn.BatchNorm2d(4))
        with torch.no_grad():
            plain.weight.uniform_(0.5, 2)
            plain.bias.uniform_(-1, 1)
        whole[0].load_state_dict(plain.state_dict())
        whole_batch(whole)
        assert isinstance(whole[0], WholeBatchNorm2d)
        probe = torch.randn(6, 4, 5, 5)
        one, two = plain(x), whole(y)
        (one * probe).sum().backward()
        (two * probe).sum().backward()
    finally:
        torch.distributed.destroy_process_group()
    assert torch.allclose(one, two, atol=1e-5) and torch.allclose(x.grad, y.grad, atol=1e-5)
    assert torch.allclose(plain.weight.grad, whole[0].weight.grad, atol=1e-4)
    for name, value in plain.state_dict().items():
        assert torch.allclose(value, whole[0].state_dict()[name], atol=1e-5)
    assert torch.allclose(plain.eval()(x), whole.eval()(x), atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dropout_of_the_whole_batch(layout):
    """The parts of the masks are those that one process draws."""
    x = torch.rand(9, 4, 3, 3).contiguous(memory_format=layout) + 1
    torch.manual_seed(1)
    whole = torch.nn.functional.dropout(x, 0.3)
    parts = []
    for rank in range(2):
        group = Group(rank, 2)
        torch.manual_seed(1)
        with WholeBatchDropout(group, 9):
            mine = x[group.part(9)]
            parts.append(torch.nn.functional.dropout(mine, 0.3))
            assert torch.nn.functional.dropout(mine, 0.3, training=False) is mine
    assert torch.allclose(torch.cat(parts), whole) and (whole == 0).any()


def test_the_network_s_normalizations_are_replaced(tiny):
    network = Network(tiny(), quantized=True, normalized=True)
    names = list(network.state_dict())
    whole_batch(network)
    assert list(network.state_dict()) == names
    found = [type(module) for module in network.modules() if "BatchNorm" in str(type(module))]
    assert found and set(found) == {WholeBatchNorm2d}
    network.merge()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
