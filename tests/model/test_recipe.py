"""Recipes: schedules against PyTorch's, augmentation, stages, and what is refused."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zynqfire import Refusal
from zynqfire.model.config import load
from zynqfire.model.data import Dataset
from zynqfire.model.training import schedule
from zynqfire.model.training.augment import batches, varied
from zynqfire.model.training.recipe import Augment, Training
from zynqfire.model.training.stages import planned

EPOCH, EPOCHS, PEAK = 7, 6, 0.04


def _torch_rates(make):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], PEAK)
    scheduler, rates = make(optimizer), []
    for _ in range(EPOCH * EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def _rates(**fields):
    training = Training(**({"warmup_steps": 0} | fields))
    steps = EPOCH * EPOCHS
    return [schedule.rate(training, PEAK, step, steps, EPOCH) for step in range(steps)]


@pytest.mark.parametrize(
    ("fields", "make"),
    [
        (
            {"schedule": "cosine"},
            lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, EPOCH * EPOCHS),
        ),
        (
            {"schedule": "polynomial"},
            lambda o: torch.optim.lr_scheduler.PolynomialLR(o, EPOCH * EPOCHS, 1.0),
        ),
        (
            {"schedule": "polynomial", "power": 0.5},
            lambda o: torch.optim.lr_scheduler.PolynomialLR(o, EPOCH * EPOCHS, 0.5),
        ),
        (
            {"schedule": "step", "every": 2, "factor": 0.3},
            lambda o: torch.optim.lr_scheduler.StepLR(o, 2 * EPOCH, 0.3),
        ),
    ],
)
def test_schedules_are_pytorch_s(fields, make):
    assert np.allclose(_rates(**fields), _torch_rates(make), rtol=1e-9, atol=0)


def test_the_rate_warms_up_by_steps_or_epochs():
    plain = _rates()
    for fields, steps in (
        ({"warmup_steps": 5}, 5),
        ({"warmup_steps": 5, "warmup_epochs": 2.0}, 2 * EPOCH),
        ({"warmup_steps": 1000}, EPOCH * EPOCHS),
    ):
        warm = _rates(**fields)
        expected = [r * min(1, (n + 1) / steps) for n, r in enumerate(plain)]
        assert np.allclose(warm, expected, rtol=1e-12, atol=0)


def test_squeezenet_s_schedule():
    """From 0.04 in a straight line to zero."""
    rates = _rates(schedule="polynomial")
    assert rates[0] == 0.04
    assert np.allclose(np.diff(rates), -0.04 / len(rates))


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("schedule", "linear", "schedule must be one of cosine, polynomial, step, not linear"),
        ("optimizer", "lion", "optimizer must be one of adam, sgd, not lion"),
        ("pruning", "often", "pruning must be one of once, gradual, not often"),
        ("momentum", 1.0, "momentum must be from 0 to below 1, not 1.0"),
        ("ema", -0.1, "ema must be from 0 to below 1, not -0.1"),
        ("sparsity", 1.0, "sparsity must be from 0 to below 1, not 1.0"),
        ("layer_sparsity.conv1", 2, "layer_sparsity of conv1 must be from 0 to below 1, not 2.0"),
        ("distill", 1.5, "distill must be from 0 to 1, not 1.5"),
        ("temperature", 0, "temperature must be above 0, not 0.0"),
        ("rate", float("nan"), "rate must be above 0, not nan"),
        ("rate", 1e300, "rate must be at most 1000, not 1e+300"),
        ("weight_decay", -1, "weight_decay must be from 0 to 1, not -1.0"),
        ("every", 0, "every must be from 1 to 100000, not 0"),
        ("dsd", True, "dsd needs a sparsity above 0, not 0"),
        ("augment.rotate", 181, "augment.rotate must be from 0 to 180, not 181.0"),
        ("augment.erase", 2, "augment.erase must be from 0 to 1, not 2.0"),
        ("augment.blur", 1, "augment: unknown key blur, the keys are shift, mirror, rotate"),
    ],
)
def test_what_cannot_be_followed_is_refused(tiny, key, value, sentence):
    with pytest.raises(Refusal) as refused:
        tiny(**{f"training.{key}": value})
    assert str(refused.value).startswith("network tiny: training: " + sentence)


def test_a_recipe_survives_its_json(tiny, tmp_path):
    config = tiny(**{"training.layer_sparsity.conv1": 0, "training.augment.noise": 0.1})
    (tmp_path / "network.json").write_text(config.to_json())
    assert load(tmp_path / "network.json") == config
    assert config.training.layer_sparsity == {"conv1": 0.0}


def _names(config, **arguments):
    return [(stage.name, stage.epochs) for stage in planned(config, **arguments)]


def test_stages(tiny):
    epochs = {"training.float_epochs": 6, "training.quantized_epochs": 6}
    assert _names(tiny(**epochs)) == [("float", 6), ("quantized", 6), ("merged", 1)]
    assert _names(tiny(**epochs), scratch=True) == [("quantized", 12), ("merged", 1)]
    assert _names(tiny(**{"training.float_epochs": 0})) == [("quantized", 1), ("merged", 1)]
    pruned = tiny(**epochs, **{"training.sparsity": 0.5})
    assert [stage.sparse for stage in planned(pruned)] == [False, True, True, True]
    assert _names(pruned)[1] == ("sparse", 6)
    dsd = tiny(**epochs, **{"training.sparsity": 0.5, "training.dsd": True})
    assert [stage.sparse for stage in planned(dsd)] == [False, True, False, False, False]
    assert [stage.name for stage in planned(dsd)][2] == "dense"
    assert sum(epochs for _, epochs in _names(dsd, epochs=9)) == 9
    with pytest.raises(Refusal, match="epochs must be at least 5, not 4"):
        planned(dsd, epochs=4)
    with pytest.raises(Refusal, match="--scratch has no float stage whose weights could be pruned"):
        planned(pruned, scratch=True)


def _pictures(count=12, size=16):
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)


ALL = Augment(rotate=15, scale=0.2, colour=0.3, noise=0.05, erase=0.4)


def test_a_picture_varies_with_seed_epoch_and_number_alone():
    images, numbers = _pictures(), np.arange(12)
    whole = varied(images, ALL, [3, 1], numbers)
    assert whole.dtype == np.uint8 and whole.shape == images.shape
    assert np.array_equal(whole[4:9], varied(images[4:9], ALL, [3, 1], numbers[4:9]))
    for other in ([4, 1], [3, 2]):
        assert not np.array_equal(whole, varied(images, ALL, other, numbers))


def test_processes_see_the_pictures_that_one_sees():
    images = _pictures()
    data = Dataset("x", ("a", "b"), images, np.arange(12) % 2, images, np.arange(12) % 2, True)
    for augment in (Augment(), ALL):
        whole = batches(data, augment, 5, 0, 1, lambda count: slice(0, count))
        parts = [batches(data, augment, 5, 0, 1, part) for part in (_low, _high)]
        for _ in range(5):  # over the end of an epoch
            one, many = next(whole), [next(part) for part in parts]
            for n in range(2):
                assert np.array_equal(one[n], np.concatenate([part[n] for part in many]))


def _low(count):
    return slice(0, count // 2)


def _high(count):
    return slice(count // 2, count)


def test_no_strength_is_no_change():
    images = _pictures()
    assert np.array_equal(varied(images, Augment(), [0, 0], np.arange(12)), images)
    still = batches(
        Dataset("x", ("a", "b"), images, np.arange(12), images, np.arange(12), True),
        Augment(shift=0, mirror=False),
        12,
        0,
        1,
        lambda count: slice(0, count),
    )
    shown, numbers = next(still)
    assert np.array_equal(shown, images[numbers])


def test_a_turn_by_half_a_circle_is_two_flips():
    images = _pictures(64)
    turned = varied(images, Augment(rotate=180), [0], np.arange(64))
    draws = [np.random.default_rng([0, n, 1]).random(12)[0] * 2 - 1 for n in range(64)]
    n = int(np.argmax(np.abs(draws)))  # nearly 180 degrees
    assert abs(draws[n]) > 0.96
    smooth = np.zeros((1, 16, 16, 3), np.uint8)
    smooth[0, 3:9, 5:8] = 200
    shown = varied(smooth, Augment(rotate=180), [0], np.array([n]))[0].astype(int)
    assert np.abs(shown - smooth[0, ::-1, ::-1]).mean() < 12 < np.abs(shown - smooth[0]).mean()
    assert turned.shape == images.shape


def test_each_strength_does_what_it_says():
    grey = np.full((200, 16, 16, 3), 128, np.uint8)
    numbers = np.arange(200)
    noisy = varied(grey, Augment(noise=0.1), [0], numbers).astype(int) - 128
    deviations = noisy.std((1, 2, 3)) / 255
    assert 0.08 < deviations.max() < 0.11 and abs(noisy.mean()) < 1
    holes = (varied(grey, Augment(erase=0.5), [0], numbers) != 128).any(-1).sum((1, 2))
    assert 49 <= holes.max() <= 64 and math.isclose(np.median(holes), 16, abs_tol=9)
    bright = varied(grey, Augment(colour=0.25), [0], numbers).mean((1, 2, 3)) / 128
    assert 0.74 < bright.min() < 0.8 and 1.2 < bright.max() < 1.26
    square = np.zeros((200, 32, 32, 3), np.uint8)
    square[:, 8:24, 8:24] = 255
    area = varied(square, Augment(scale=0.5), [0], numbers).mean((1, 2, 3)) / 255 * 4
    assert 0.42 < area.min() < 0.5 and 2.0 < area.max() < 2.26


def test_the_page_names_every_field():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    for kind in (Training, Augment):
        for item in dataclasses.fields(kind):
            assert f"`{item.name}`" in page
