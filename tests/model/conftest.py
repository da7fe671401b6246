"""Small networks for the tests of the model stage."""

import numpy as np
import pytest

from zynqfire.model import train as training
from zynqfire.model.config import load
from zynqfire.model.data import Dataset

TINY = """
input = 8
classes = 10
head = 12

[modules]
conv1 = { channels = 8 }
fire2 = { squeeze = 4, expand1 = 8, expand3 = 8, stride = 2 }
fire3 = { squeeze = 4, expand1 = 8, expand3 = 8, bypass = true }
dropout = { share = 0.0 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }

[training]
float_epochs = 1
quantized_epochs = 1
merged_epochs = 1
batch = 128
"""


RESIDUAL = """
input = 8
classes = 10

[modules]
conv1 = { channels = 8 }
residual2 = { channels = 8 }
residual3 = { channels = 24, stride = 2 }
pool = { kind = "average" }
dropout = { share = 0.0 }
fc = {}
"""


SQUEEZE = """
input = 23
classes = 10
base_e = 16
incr_e = 8
freq = 2
pct3x3 = 0.5
SR = 0.25

[modules]
conv1 = { channels = 12, kernel = 7, stride = 2, pad = 0 }
pool1 = {}
fire2 = {}
pool2 = {}
fire3 = { bypass = true }
fire4 = {}
fire5 = { bypass = true }
conv10 = { kernel = 1, pad = 1 }
pool = { kind = "average" }
"""


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a network file and returns its path."""

    def written(text: str, name: str = "tiny.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


@pytest.fixture
def tiny(write):
    """Return a function that loads the tiny network with overrides."""
    return lambda **overrides: load(write(TINY), overrides)


@pytest.fixture
def residual(write):
    """Return a function that loads a tiny network of residual blocks with overrides."""
    return lambda **overrides: load(write(RESIDUAL, "residual.toml"), overrides)


@pytest.fixture
def squeeze(write):
    """Return a function that loads a tiny SqueezeNet v1.0 with bypasses, with overrides."""
    return lambda **overrides: load(write(SQUEEZE, "squeeze.toml"), overrides)


@pytest.fixture
def pooled_residual(write):
    """Return a function that loads a tiny network of residual blocks and pools, with overrides."""
    pooled = RESIDUAL.replace("residual2", "pool1 = {}\nresidual2").replace("= 8\n", "= 13\n", 1)
    pooled = pooled.replace("residual3", "pool2 = {}\nresidual3")
    return lambda **overrides: load(write(pooled, "pooled.toml"), overrides)


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
    settings = {"training.batch": 16, "training.rate": 0.01, "dropout.share": 0.1}
    settings |= {f"training.{stage}_epochs": 2 for stage in ("float", "quantized", "merged")}
    return lambda **overrides: tiny(**(settings | overrides))
