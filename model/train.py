"""Training: stages in float, with quantizers, and a last one with normalizations merged.

Whatever happens, the RUN folder (`zynqfire.model.run`) holds the state after the last whole epoch.
Data order, augmentation and dropout depend only on the seed and the epoch's number, so a training
that was killed and started again ends in the same weights as an unbroken one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .. import Refusal
from . import run as folder
from .config import NetworkConfig
from .data import Dataset, load
from .threads import threads
from .training import launch, teach
from .training.distributed import Group
from .training.init import imported, source
from .training.loop import Loop
from .training.progress import Progress
from .training.prune import Pruning
from .training.stages import Stage, planned

WARMUP = 18  # a batch by process warms up for this part of its longest stage: 5 of 90 epochs


@dataclass(frozen=True)
class Job:
    """What every process of a training is told."""

    config: NetworkConfig
    data: str
    out: Path
    seed: int
    stages: tuple[Stage, ...]
    init: Path | None
    teacher: Path | None

    @property
    def settings(self) -> dict[str, Any]:
        """What a run's folder records, and whoever goes on with it must repeat."""
        result = {
            "data": self.data,
            "seed": self.seed,
            "stages": [[stage.name, stage.epochs] for stage in self.stages],
        }
        files = {"init": self.init and source(self.init)}
        files["teacher"] = self.teacher and folder.float_file(self.teacher, "teacher")
        for role, path in files.items():
            result[role] = path and folder.named(path)
        return result


def train(
    config: NetworkConfig,
    data: str | Path,
    out: str | Path,
    *,
    epochs: int | None = None,
    seed: int = 0,
    scratch: bool = False,
    init: str | Path | None = None,
    teacher: str | Path | None = None,
    nproc: int | None = None,
    batch_per_process: bool = False,
    report: Callable[[str], None] | None = None,
) -> dict[str, Any] | None:
    """Train `config` on the data set `data` into the folder `out`, resuming what is there.

    Parameters
    ----------
    config : NetworkConfig
        What to train; its `training` says how.
    data : str or Path
        See `zynqfire.model.data.load`.
    out : str or Path
        The RUN folder. A finished run of the same settings is returned as it is.
    epochs : int, optional
        Epochs over all stages, shared out as in `config.training`.
    seed : int
        Of weights, data order and augmentation.
    scratch : bool
        Train with quantizers from the first epoch, without a float stage.
    init : str or Path, optional
        A run or a file whose float weights to start from, see `zynqfire.model.training.init`. With
        ``float_epochs = 0`` in the recipe they are not trained in float any more.
    teacher : str or Path, optional
        A run whose float network teaches, with the weight `training.distill`.
    nproc : int, optional
        Processes on this machine that share every batch; the result is one process's up to
        rounding. Under torchrun its processes do so, and this must be absent.
    batch_per_process : bool
        `training.batch` is of each process: the batch and the rate are multiplied by the number of
        processes (Goyal et al. 2017), with a warm-up of an eighteenth of the longest stage.
    report : callable, optional
        Takes messages; without it nothing is shown.

    Returns
    -------
    dict or None
        `accuracy_float` (None from scratch) and `accuracy_quantized` as shares of the held-out
        pictures, `epochs`, `seconds`, `checkpoint`, `finished`; of pruned networks what
        `zynqfire.model.training.prune.sparsity` returns. None in all but torchrun's first process.

    Raises
    ------
    Refusal
        Where the data set does not fit the network, or `out` holds another training.
    """
    size = launch.processes(nproc)
    stages = planned(config, epochs, scratch)
    if batch_per_process:
        config = _widened(config, size, max(stage.epochs for stage in stages))
        stages = planned(config, epochs, scratch)
    if size > config.training.batch:
        raise Refusal(
            f"train: processes must be at most the {config.training.batch} pictures of a batch, "
            f"not {size}"
        )
    paths = (None if path is None else Path(path) for path in (init, teacher))
    job = Job(config, str(data), Path(out), seed, tuple(stages), *paths)
    if not launch.by_torchrun():
        result = _ready(job)
        if result:
            return result
        if report and size > 1:
            report(f"{config.name}: starting {size} processes")
    with threads(config, config.training.batch), launch.group(size, work, job) as group:
        result = work(group, job, report if group.first else None)
    return result if group.first else None


def work(group: Group, job: Job, report: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Do one process's part of `job`."""
    result = group.agree(lambda: _ready(job))
    if result:
        return result
    config, out = job.config, job.out
    if report:
        report(f"{config.name}: reading data set {job.data}")
    dataset = load(job.data, config.input)
    if len(dataset.classes) > config.classes:
        raise Refusal(
            f"network {config.name}: classes must be at least the {len(dataset.classes)} of data "
            f"set {dataset.name}, not {config.classes}"
        )
    _enough(config, dataset, group.size)
    group.agree(lambda: folder.begin(out, config, job.settings))
    if group.first:
        folder.write_held_out(out, dataset)
    total = sum(stage.epochs for stage in job.stages)
    with torch.random.fork_rng(devices=[]), Progress(config.name, total, report) as progress:
        loop = Loop(
            config,
            dataset,
            out,
            job.stages,
            job.seed,
            progress,
            init=job.init,
            teacher=job.teacher,
            group=group,
        )
        return loop.run()


def _enough(config: NetworkConfig, dataset: Dataset, size: int) -> None:
    """Refuse a batch that cannot be shared out, or whose statistics would be of one value."""
    there = len(dataset.train_images)
    if size > there:
        raise Refusal(
            f"train: processes must be at most the {there} training pictures of data set "
            f"{dataset.name}, not {size}"
        )
    batch = min(config.training.batch, there)
    for node in config.convolutions():
        if batch * math.prod(node.out_shape[:2]) < 2 and node != config.classifier:
            raise Refusal(
                f"train: a batch must have at least 2 pictures, for layer {node.name} puts out a "
                f"map of one pixel, not {batch}"
            )


def _widened(config: NetworkConfig, size: int, longest: int) -> NetworkConfig:
    """Return `config` with the batch and the rate of `size` processes."""
    plan = config.training
    plan = replace(
        plan,
        batch=plan.batch * size,
        rate=plan.rate * size,
        warmup_epochs=max(plan.warmup_epochs, longest / WARMUP),
    )
    return replace(config, training=plan)


def _ready(job: Job) -> dict[str, Any] | None:
    """Refuse what cannot be trained or resumed; return the result if all is done."""
    config, result = job.config, folder.kept(job.out, job.config, job.settings)
    if result and result.get("finished"):
        return result
    Pruning(config)
    if job.teacher:
        if not config.training.distill:
            raise Refusal(
                f"train: a teacher needs --set training.distill=WEIGHT above 0, not {job.teacher} "
                "alone"
            )
        teach.teacher(job.teacher, config)
    if job.init and not (job.out / folder.CHECKPOINT).is_file():
        with torch.random.fork_rng(devices=[]):
            imported(job.init, config)
    return None
