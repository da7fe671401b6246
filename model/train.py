"""Training: a float stage, a stage with quantizers, and a last one with normalizations merged.

Whatever happens, the RUN folder (`zynqfire.model.run`) holds the state after the last whole epoch.
Data order, shifts and dropout depend only on the seed and the epoch's number, so a training that
was killed and started again ends in the same weights as an unbroken one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import Refusal
from . import run as folder
from .config import NetworkConfig
from .data import load
from .loop import Loop, Stage
from .progress import Progress
from .threads import threads

HELDOUT = 1000  # held-out pictures kept in the run


def train(
    config: NetworkConfig,
    data: str | Path,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    scratch: bool = False,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Train `config` on the data set `data` into the folder `out`, resuming what is there.

    Parameters
    ----------
    config : NetworkConfig
        What to train; its `training` says for how long.
    data : str or Path
        See `zynqfire.model.data.load`.
    out : str or Path
        The RUN folder. A finished run of the same settings is returned as it is.
    epochs : int, optional
        Epochs over all stages, shared out as in `config.training`.
    seed : int
        Of weights, data order and shifts.
    scratch : bool
        Train with quantizers from the first epoch, without a float stage.
    report : callable, optional
        Takes messages; without it nothing is shown.

    Returns
    -------
    dict
        `accuracy_float` (None from scratch) and `accuracy_quantized` as shares of the held-out
        pictures, `epochs`, `seconds`, `checkpoint`, `finished`.

    Raises
    ------
    Refusal
        Where the data set does not fit the network, or `out` holds another training.
    """
    out = Path(out)
    stages = _stages(config, epochs, scratch)
    settings = {"data": str(data), "seed": seed, "stages": [[s.name, s.epochs] for s in stages]}
    result = _kept(config, out, settings)
    if result and result["finished"]:
        return result
    if report:
        report(f"{config.name}: reading data set {data}")
    dataset = load(data, config.input)
    if len(dataset.classes) > config.classes:
        raise Refusal(
            f"network {config.name}: classes must be at least the {len(dataset.classes)} of data "
            f"set {dataset.name}, not {config.classes}"
        )
    _start(config, out, settings)
    kept = np.arange(min(HELDOUT, len(dataset.test_images)))
    images, labels = dataset.test_images[kept], dataset.test_labels[kept]
    folder.write(
        out / folder.HELDOUT, lambda file: np.savez_compressed(file, images=images, labels=labels)
    )
    total = sum(stage.epochs for stage in stages)
    with (
        threads(config, config.training.batch),
        torch.random.fork_rng(devices=[]),
        Progress(config.name, total, report) as progress,
    ):
        return Loop(config, dataset, out, stages, seed, progress).run()


def _stages(config: NetworkConfig, epochs: int | None, scratch: bool) -> list[Stage]:
    plan = config.training
    counts = [plan.float_epochs, plan.quantized_epochs, plan.merged_epochs]
    if scratch:
        counts = [0, counts[0] + counts[1], counts[2]]
    wanted = [count > 0 for count in counts]
    wanted[2] = True  # what is exported is always merged and trained so for a while
    if epochs is not None:
        if epochs < sum(wanted):
            raise Refusal(f"train: epochs must be at least {sum(wanted)}, not {epochs}")
        spare, whole = epochs - sum(wanted), max(1, sum(counts))
        ends = [spare * sum(counts[:n]) // whole for n in range(3)] + [spare]
        counts = [ends[n + 1] - ends[n] + wanted[n] for n in range(3)]
    stages = [
        Stage("float", counts[0], plan.rate, False, True),
        Stage("quantized", counts[1], plan.rate / 2, True, True),
        Stage("merged", max(1, counts[2]), plan.rate / 10, True, False),
    ]
    return [stage for stage in stages if stage.epochs]


def _kept(config: NetworkConfig, out: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Check the folder `out`, which need not exist yet; return the result it holds."""
    network, recorded = out / folder.NETWORK, out / folder.SETTINGS
    try:
        if recorded.is_file():
            before = folder.read_json(recorded)
            for key, value in settings.items():
                if before.get(key) != value:
                    raise Refusal(
                        f"run {out}: was started with {key} {before.get(key)}, not {value}; choose "
                        "another folder"
                    )
            if network.read_text() != config.to_json():
                raise Refusal(f"run {out}: was started with another network than {config.name}")
        elif out.exists():
            begun = {folder.NETWORK, f".{folder.NETWORK}.new", f".{folder.SETTINGS}.new"}
            if {path.name for path in out.iterdir()} - begun:
                raise Refusal(f"run {out}: must be a new, an empty or a run's folder")
        result = out / folder.RESULT
        return folder.read_json(result) if result.is_file() else None
    except OSError as error:
        raise Refusal(f"run {out}: cannot be used ({error.strerror})") from None


def _start(config: NetworkConfig, out: Path, settings: dict[str, Any]) -> None:
    """Make the folder `out`, once everything that could be refused is known; settings last."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder.write(out / folder.NETWORK, lambda file: file.write(config.to_json().encode()))
        folder.write_json(out / folder.SETTINGS, settings)
    except OSError as error:
        raise Refusal(f"run {out}: cannot be used ({error.strerror})") from None
