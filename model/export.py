"""Trained or untrained networks as QONNX with golden vectors beside.

``X.onnx`` takes pixels * 2**-8 channels first; ``X.golden.npz`` holds `inputs` (frames, height,
width, 3) as bytes and `outputs` (frames, classes) as int64 codes of value
``code * 2**-output_frac / output_divisor``.
"""

from __future__ import annotations

import copy
import math
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from .. import Refusal
from ._brevitas import export_qonnx
from .config import NetworkConfig
from .exact import integers
from .live import live, noise, settle, smooth
from .network import Network
from .packed.grid import on_grid
from .run import load_run

IR_VERSION = 13  # the newest that onnxruntime reads
Report = Callable[[str], None] | None


def export_run(run: str | Path, out: str | Path, *, report: Report = None) -> dict[str, Any]:
    """Export the trained network of the folder `run` to the file `out`.

    Half of the golden frames are held-out pictures, half random bytes.

    Returns
    -------
    dict
        `model`, `golden` (paths), `frames`, `output_frac`, `output_divisor`, `live` (the
        activations' statistics over the golden frames, see `zynqfire.model.live`), `seconds`.

    Raises
    ------
    Refusal
        Where `run` holds no finished training or `out` cannot be written.
    """
    network, pictures = load_run(run)
    half = _half(network.config)
    pictures = pictures[np.arange(half) % len(pictures)]
    return _export(network, pictures, out, 0, report)


def export_untrained(
    config: NetworkConfig, out: str | Path, seed: int = 0, *, report: Report = None
) -> dict[str, Any]:
    """Export `config` with weights from `seed` and calibrated activations to the file `out`.

    For hardware studies without training: every activation is alive, so that equality on this
    network means something. Half of the golden frames are smooth random pictures, half random
    bytes. The result is as `export_run`'s.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = Network(config)
        if config.per_channel:  # else the channels' scales would hardly differ
            for _, layer in network.convolutions():
                layer.weight *= torch.exp2(-torch.randint(0, 3, (len(layer.weight), 1, 1, 1)))
    half = _half(config)
    rng = np.random.default_rng([seed, 1])
    if report:
        report(f"{config.name}: calibrating untrained activations")
    settle(
        network, np.concatenate([smooth(rng, half, config.input), noise(rng, half, config.input)])
    )
    pictures = smooth(np.random.default_rng([seed, 2]), half, config.input)
    return _export(network, pictures, out, seed, report)


def _half(config: NetworkConfig) -> int:
    return 16 if math.prod(config.input) <= 64 * 64 else 8


def _export(
    network: Network, pictures: np.ndarray, out: str | Path, seed: int, report: Report
) -> dict[str, Any]:
    started = time.monotonic()
    out = Path(out)
    if out.suffix != ".onnx":
        raise Refusal(f"export: the file's name must end in .onnx, not {out.name}")
    golden = out.with_suffix(".golden.npz")
    network.eval()
    frames = np.concatenate(
        [pictures, noise(np.random.default_rng([seed, 3]), len(pictures), network.config.input)]
    )
    if report:
        report(f"{network.config.name}: computing {len(frames)} golden frames")
    outputs, frac, divisor = integers(network, frames)
    if report:
        report(f"{network.config.name}: writing {out}")
    model = qonnx(network)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as beside:
            new = Path(beside) / "model", Path(beside) / "golden.npz"
            new[0].write_bytes(model.SerializeToString(deterministic=True))
            np.savez_compressed(
                new[1],
                inputs=frames,
                outputs=outputs,
                output_frac=frac,
                output_divisor=divisor,
            )
            os.replace(new[1], golden)
            os.replace(new[0], out)
    except OSError as error:
        raise Refusal(f"export: {out} cannot be written ({error.strerror})") from None
    return {
        "model": str(out),
        "golden": str(golden),
        "frames": len(frames),
        "output_frac": frac,
        "output_divisor": divisor,
        "live": live(network, frames),
        "seconds": round(time.monotonic() - started, 3),
    }


def qonnx(network: Network) -> onnx.ModelProto:
    """Return a quantized `network` as QONNX, weights embedded and as their quantizers make them.

    Nodes keep their layers' names.
    """
    example = torch.zeros(1, 3, *network.config.input)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = os.path.join(folder, "model.onnx")
        # PyTorch's other exporter drops the module names and merges equal initializers.
        export_qonnx(
            plain,
            args=example,
            export_path=path,
            input_names=["image"],
            output_names=["logits"],
            keep_initializers_as_inputs=False,
            dynamo=False,
        )
        model = onnx.load(path)
    model.ir_version = min(model.ir_version, IR_VERSION)
    model.graph.name = network.config.name
    return on_grid(model)
