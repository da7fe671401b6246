"""Post-training quantization: a RUN from float weights and some pictures, without training.

Normalizations are folded, channels equalized (`zynqfire.model.equalize`), scales chosen and biases
corrected (`zynqfire.model.rounding`). Jacob et al. 2018, "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", and Krishnamoorthi 2018, "Quantizing deep
convolutional networks for efficient inference", lose little so at 8 bits; below, train.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import Refusal
from . import run as folder
from .config import NetworkConfig
from .config import load as load_network
from .data import Dataset, load
from .equalize import equalize
from .exact import integers, tensor
from .network import Network
from .rounding import rounded
from .threads import threads
from .training.init import imported, source

IMAGES = 256  # pictures that scales, ranges and means are taken from, by default at most
VALUES = 1 << 29  # of their maps at once, by default at most: 2 GiB
WIDTHS = ("weight_bits", "activation_bits", "per_channel", "codebook_bits", "layers")
ROUNDING, EQUALIZATION, CORRECTION = "rounding", "equalization", "bias correction"
PAUSE = 5  # seconds between two reports of the same
Report = Callable[[str], None]


@dataclass(frozen=True)
class Start:
    """Float weights and what is to become of them.

    Attributes
    ----------
    config : NetworkConfig
        With the widths wanted.
    network : Network
        In float, with normalizations.
    weights : str
        What tells these weights from others.
    data : str
        The data set that they were trained on, where that is known.
    """

    config: NetworkConfig
    network: Network
    weights: str
    data: str = ""


def of_run(run: str | Path, overrides: Mapping[str, Any]) -> Start:
    """Return the float network of the folder `run`, with the widths in `overrides`.

    Raises
    ------
    Refusal
        Where the folder holds no float network, or `overrides` change more than widths.
    """
    run = Path(run)
    network = folder.load_float(run)
    config = load_network(run / folder.NETWORK, overrides)
    if replace(config, **{key: getattr(network.config, key) for key in WIDTHS}) != network.config:
        raise Refusal(
            f"run {run}: its weights are for its network; only {', '.join(WIDTHS)} may be set, not "
            + ", ".join(key for key in overrides if key.partition(".")[0] not in WIDTHS)
        )
    settings = folder.read_json(run / folder.SETTINGS)
    return Start(config, network, folder.named(run / folder.FLOAT), str(settings.get("data", "")))


def of_file(config: NetworkConfig, init: str | Path, report: Report | None = None) -> Start:
    """Return `config` with the weights of the file `init`, see `zynqfire.model.training.init`.

    Raises
    ------
    Refusal
        Where they are not those of `config`.
    """
    with torch.random.fork_rng(devices=[]):
        network = Network(config, quantized=False, normalized=True)
        network.load_state_dict(imported(init, config, report, whole=True)[0])
    return Start(config, network, folder.named(source(init)))


def quantize(
    start: Start,
    out: str | Path,
    *,
    data: str | Path | None = None,
    images: int | None = None,
    equalized: bool = True,
    corrected: bool = True,
    report: Report | None = None,
) -> dict[str, Any]:
    """Quantize the network of `start` into the folder `out`, a finished RUN.

    Parameters
    ----------
    start : Start
        See `of_run` and `of_file`.
    out : str or Path
        A new or empty folder, or one of an earlier call; what is finished there with the same
        settings is returned as it is.
    data : str or Path, optional
        See `zynqfire.model.data.load`; by default what the network was trained on.
    images : int, optional
        Training pictures to calibrate with, drawn at random, their labels unseen. By default 256,
        fewer where the data set has not as many or their maps would take more than 2 GiB.
    equalized, corrected : bool
        Whether to equalize channels and to correct biases.
    report : callable, optional
        Takes messages; without it nothing is shown.

    Returns
    -------
    dict
        `accuracy_float` and `accuracy_quantized` as shares of the held-out pictures, the latter of
        exact integers; `images`, `seconds`, `checkpoint`, `finished`; and `steps`, rounding, then
        equalization, then bias correction, each with those before it that are kept: a list of
        `name`, `accuracy`, `gain` over the last kept before it (over float for rounding), `error`
        (the squared error of the logits over the pictures of the calibration, a share of their
        square) and `kept`, whether that is less than before.

    Raises
    ------
    Refusal
        Where there is no such data set or it does not fit, or `out` holds something else.
    """
    started, out, config = time.monotonic(), Path(out), start.config
    say = report or (lambda text: None)
    data = str(data or start.data)
    if not data:
        raise Refusal(f"network {config.name}: quantize needs --data, the pictures to calibrate on")
    settings = {
        "float": start.weights,
        "data": data,
        "images": images,
        "equalized": equalized,
        "corrected": corrected,
    }
    result = folder.kept(out, config, settings)
    if result and result.get("finished"):
        return result
    say(f"{config.name}: reading data set {data}")
    dataset = load(data, config.input)
    if len(dataset.classes) > config.classes:
        raise Refusal(
            f"network {config.name}: classes must be at least the {len(dataset.classes)} of data "
            f"set {dataset.name}, not {config.classes}"
        )
    count = _count(config, dataset, images)
    drawn = np.random.default_rng(0).permutation(len(dataset.train_images))[:count]
    pictures = tensor(dataset.train_images[np.sort(drawn)])
    say(f"{config.name}: measuring the float network")
    accuracy = before = _accuracy(start.network, _floats, dataset, say)
    steps = []
    for name, network, error, kept in _steps(start, pictures, equalized, corrected, say):
        now = _accuracy(network, _integers, dataset, say)
        steps.append(
            {"name": name, "accuracy": now, "gain": now - before, "error": error, "kept": kept}
        )
        say(f"{config.name}: {name}, accuracy {now:.1%}{'' if kept else ', not kept'}")
        if kept:
            chosen, before = network, now
    result = {
        "network": config.name,
        "data": dataset.name,
        "accuracy_float": accuracy,
        "accuracy_quantized": before,
        "steps": steps,
        "images": count,
        "epochs": 0,
        "seconds": round(time.monotonic() - started, 3),
        "checkpoint": str(out / folder.CHECKPOINT),
        "finished": True,
        "held_out": len(dataset.test_labels),
    }
    _write(start, chosen, dataset, out, settings, result)
    return result


def _steps(
    start: Start, pictures: torch.Tensor, equalized: bool, corrected: bool, say: Report
) -> Iterator[tuple[str, Network, float, bool]]:
    """Yield of each step its name, the quantized network with it, its error, whether it is kept."""
    config, least = start.config, math.inf
    merged = copy.deepcopy(start.network).eval().to(memory_format=torch.channels_last)
    merged.merge()
    with torch.no_grad(), threads(config, len(pictures)):
        logits = merged(pictures).double()
    if not logits.isfinite().all():
        raise Refusal(f"network {config.name}: its logits in float must be finite, and are not all")
    for name, wanted in (
        (ROUNDING, True),
        (EQUALIZATION, equalized),
        (CORRECTION, corrected),
    ):
        if not wanted:
            continue
        say(f"{config.name}: {name} with {len(pictures)} pictures")
        with torch.no_grad(), threads(config, len(pictures)):
            source = copy.deepcopy(merged)
            if name == EQUALIZATION:
                equalize(source, pictures)
            network = rounded(source, config, pictures, correct=name == CORRECTION)
            off = (network(pictures) - logits).square().sum()
            error = (off / logits.square().sum().clamp(min=torch.finfo(off.dtype).tiny)).item()
        kept = error < least
        if kept:
            merged, least = source, error
        yield name, network, error, kept


def _count(config: NetworkConfig, dataset: Dataset, images: int | None) -> int:
    """Return how many pictures to calibrate with."""
    there = len(dataset.train_images)
    if images is None:
        values = sum(math.prod(node.out_shape) for node in config.nodes)
        return min(IMAGES, there, max(1, VALUES // values))
    if not 1 <= images <= there:
        raise Refusal(
            f"quantize: images must be from 1 to the {there} training pictures of data set "
            f"{dataset.name}, not {images}"
        )
    return images


def _accuracy(
    network: Network,
    answer: Callable[[Network, np.ndarray], np.ndarray],
    dataset: Dataset,
    say: Report,
) -> float:
    """Return the share of held-out pictures whose class `answer` finds."""
    count, hits, shown = len(dataset.test_labels), 0, time.monotonic()
    for index in np.array_split(np.arange(count), math.ceil(count / 256)):
        found = answer(network, dataset.test_images[index])
        hits += int((found == dataset.test_labels[index]).sum())
        if time.monotonic() - shown > PAUSE:
            shown = time.monotonic()
            say(f"{network.config.name}: {index[-1] + 1:,} of {count:,} held-out pictures")
    return hits / count


def _integers(network: Network, images: np.ndarray) -> np.ndarray:
    return integers(network, images)[0].argmax(1)


@torch.no_grad()
def _floats(network: Network, images: np.ndarray) -> np.ndarray:
    with threads(network.config, len(images)):
        return network.eval()(tensor(images)).argmax(1).numpy()


def _write(
    start: Start,
    network: Network,
    dataset: Dataset,
    out: Path,
    settings: dict[str, Any],
    result: dict[str, Any],
) -> None:
    """Write the folder `out`; the result, which says that it is finished, last."""
    folder.begin(out, start.config, settings)
    folder.write_held_out(out, dataset)
    weights = dict(start.network.state_dict())
    folder.write(out / folder.FLOAT, lambda file: torch.save(weights, file))
    state = {"network": network.state_dict(), "stage": "quantized", "epoch": 0}
    folder.write(out / folder.CHECKPOINT, lambda file: torch.save(state, file))
    folder.write_json(out / folder.RESULT, result)
