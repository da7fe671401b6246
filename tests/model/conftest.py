"""Small networks for the tests of the model stage."""

import pytest

from zynqfire.model.config import load

TINY = """
input = 8
classes = 10
head = 12
conv1 = { channels = 8, kernel = 3, stride = 1, pad = 1 }
fire = [
    { squeeze = 4, expand1 = 8, expand3 = 8, stride = 2 },
    { squeeze = 4, expand1 = 8, expand3 = 8, bypass = true },
]

[training]
float_epochs = 1
quantized_epochs = 1
merged_epochs = 1
batch = 128
"""


RESIDUAL = """
input = 8
classes = 10
fc = true
conv1 = { channels = 8, kernel = 3, stride = 1, pad = 1 }
residual = [{ channels = 8 }, { channels = 24, stride = 2 }]
"""


SQUEEZE = """
input = 23
classes = 10
head_pad = 1
conv1 = { channels = 12, kernel = 7, stride = 2, pad = 0 }
max_pool = { after = ["conv1", "fire2"] }

[metaparameters]
base_e = 16
incr_e = 8
freq = 2
pct3x3 = 0.5
SR = 0.25
modules = 4
bypass = [3, 5]
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
