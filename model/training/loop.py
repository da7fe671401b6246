"""The loop over stages, epochs and batches of one training, resumable after every epoch."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ... import Refusal
from .. import run as folder
from .._ignite import Engine, Events
from ..config import NetworkConfig
from ..data import Dataset
from ..exact import integers, tensor
from ..graph import Op
from ..network import Network
from . import schedule, teach
from .augment import batches
from .average import averaged
from .distributed import Group, WholeBatchDropout, whole_batch
from .init import imported, transparent
from .progress import Progress
from .prune import Pruning, sparsity
from .stages import Constraint, Stage

CALIBRATION = 256  # pictures that the first activation scales are chosen from


class Loop:
    """One training on its way: the state is `network`, its average, `optimizer` and `done` epochs.

    Attributes
    ----------
    network : Network
        What the optimizer changes.
    average : AveragedModel or None
        The running average of its weights.
    best : Network
        What is evaluated, kept and exported: the average, if there is one.
    constraints : tuple of Constraint
        What holds for the weights.
    """

    def __init__(
        self,
        config: NetworkConfig,
        dataset: Dataset,
        out: Path,
        stages: Sequence[Stage],
        seed: int,
        progress: Progress,
        *,
        init: Path | None = None,
        teacher: Path | None = None,
        group: Group | None = None,
    ):
        self.config, self.dataset, self.out = config, dataset, out
        self.stages, self.seed, self.progress = stages, seed, progress
        self.init, self.teacher_run, self.group = init, teacher, group or Group()
        self.training = config.training
        self.batch = min(self.training.batch, len(dataset.train_images))
        self.steps = len(dataset.train_images) // self.batch
        self.done, self.seconds, self.history = 0, 0.0, []
        self.accuracy: dict[str, float | None] = {"float": None, "quantized": None}
        self.constraints: tuple[Constraint, ...] = (Pruning(config),)

    def run(self) -> dict[str, Any]:
        """Train from the checkpoint, if there is one, to the end."""
        state = self._restore() or self._initial()
        start = 0
        for stage in self.stages:
            end = start + stage.epochs
            if self.done < end or stage is self.stages[-1]:
                self._enter(stage, state, resumed=self.done > start)
            if self.done < end:
                self._train(stage, start, end)
                state = {"network": self.best.state_dict(), "quantized": stage.quantized}
            if self.done == end and not stage.quantized:
                self._keep_float(state["network"])
            start = end
        images, labels = self.dataset.test_images, self.dataset.test_labels
        hits = 0
        for index in self._split(len(labels), 64):
            outputs = integers(self.best, images[index])[0]
            hits += int((outputs.argmax(1) == labels[index]).sum())
        self.accuracy["quantized"] = self._share(hits)
        return self._record(finished=True)

    def _initial(self) -> dict[str, Any] | None:
        """Return the state that the training starts from, if it does not start from nothing."""
        if self.init is None:
            return None
        self._seed(0)
        state, bare = imported(self.init, self.config, self.progress.message)
        network = Network(self.config, quantized=False, normalized=True)
        network.load_state_dict(state)
        network = network.to(memory_format=torch.channels_last)
        if bare:
            transparent(network, self._some())
        self.group.share(network)
        state = network.state_dict()
        if self.stages[0].quantized:
            self._keep_float(state)
            self.accuracy["float"] = self._evaluate(network)
        return {"network": state, "quantized": False}

    def _restore(self) -> dict[str, Any] | None:
        path = self.out / folder.CHECKPOINT
        if not path.is_file():
            return None
        state = folder.read_checkpoint(path)
        self.done, self.seconds = state["epoch"], state["seconds"]
        self.history, self.accuracy = state["history"], state["accuracy"]
        for constraint, kept in zip(self.constraints, state["constraints"], strict=True):
            constraint.load_state_dict(kept)
        self.progress.message(f"{self.config.name}: resuming after epoch {self.done}")
        self.progress.skip(self.done)
        return state

    def _enter(self, stage: Stage, state: dict[str, Any] | None, resumed: bool) -> None:
        """Build the network of `stage`, from the same stage if `resumed` or else the one before."""
        self._seed(0)
        self.network = Network(self.config, stage.quantized, stage.normalized)
        weights = state["trained" if resumed else "network"] if state else None
        if state and not resumed and not stage.normalized:
            before = Network(self.config, state["quantized"], normalized=True)
            folder.filled(before, weights, f"run {self.out}", folder.CHECKPOINT)
            before.merge()
            weights = before.state_dict()
        if state:
            folder.filled(self.network, weights, f"run {self.out}", folder.CHECKPOINT, scaled=False)
        self.network = self.network.to(memory_format=torch.channels_last)
        if not resumed:
            for constraint in self.constraints:
                constraint.enter(self.network, stage)
                constraint.apply(self.network)
        if stage.quantized and not resumed:
            self._calibrate(stage)
        self.group.share(self.network)
        if self.group.size > 1:
            whole_batch(self.network)
        self.optimizer = self._optimizer(stage)
        decay = self.training.ema
        self.average = averaged(self.network, decay) if decay else None
        if resumed:
            self.optimizer.load_state_dict(state["optimizer"])
            if self.average:
                self.average.load_state_dict(state["average"])
        self.best = self.average.module if self.average else self.network
        self.teacher = self._teacher(stage)

    def _calibrate(self, stage: Stage) -> None:
        """Choose all scales; the statistics of batch normalizations stay what they are."""
        self.network.train(stage.normalized)
        self.network.calibrate_weights()
        before = {name: value.clone() for name, value in self.network.named_buffers()}
        self.network.calibrate_activations(self._some())
        for name, value in self.network.named_buffers():
            value.copy_(before[name])

    def _optimizer(self, stage: Stage) -> torch.optim.Optimizer:
        plan, learned = self.training, self.network.learned()
        groups: list[dict[str, Any]] = [{"params": [p for p in learned if p.ndim > 1]}]
        groups.append({"params": [p for p in learned if p.ndim <= 1], "weight_decay": 0.0})
        if plan.optimizer == "sgd":
            return torch.optim.SGD(
                groups, stage.rate, plan.momentum, weight_decay=plan.weight_decay
            )
        return torch.optim.AdamW(groups, stage.rate, weight_decay=plan.weight_decay)

    def _teacher(self, stage: Stage) -> Network | None:
        """Return who teaches in `stage`: another run, or this run's own float network before."""
        if not self.training.distill:
            return None
        run = self.teacher_run or self.out
        if run == self.out and not (run / folder.FLOAT).is_file():
            return None  # in the float stage there is no one yet
        return teach.teacher(run, self.config)

    def _train(self, stage: Stage, start: int, end: int) -> None:
        trainer = Engine(self._step)
        trainer.logger.setLevel(logging.CRITICAL)  # exceptions are the caller's to tell
        count = stage.epochs * self.steps

        @trainer.on(Events.EPOCH_STARTED)
        def seeded() -> None:
            self.network.train()
            self._seed(self.done + 1)
            self.losses = []
            self.clock = time.monotonic()

        @trainer.on(Events.ITERATION_STARTED)
        def paced() -> None:
            step = trainer.state.iteration - 1
            for group in self.optimizer.param_groups:
                group["lr"] = schedule.rate(self.training, stage.rate, step, count, self.steps)

        @trainer.on(Events.ITERATION_COMPLETED)
        def held() -> None:
            for constraint in self.constraints:
                constraint.stepped(self.network, trainer.state.iteration / count)
                constraint.apply(self.network)
            if self.average:
                self.average.update_parameters(self.network)
                for constraint in self.constraints:
                    constraint.apply(self.best)

        @trainer.on(Events.ITERATION_COMPLETED)
        def shown() -> None:
            loss, accuracy = trainer.state.output
            self.losses.append(loss)
            step = (trainer.state.iteration - 1) % self.steps + 1
            self.progress.step(stage.name, self.done + step / self.steps, loss, accuracy)

        @trainer.on(Events.EPOCH_COMPLETED)
        def saved() -> None:
            accuracy = self._evaluate(self.best)
            self.done += 1
            self.seconds += time.monotonic() - self.clock
            self.accuracy["quantized" if stage.quantized else "float"] = accuracy
            loss = float(np.mean(self.losses))
            entry = {"epoch": self.done, "stage": stage.name, "loss": loss, "accuracy": accuracy}
            self.history.append(entry)
            self._save(stage)
            self.progress.epoch(stage.name, self.done, loss, accuracy)

        trainer.load_state_dict(
            {
                "epoch": self.done - start,
                "epoch_length": self.steps,
                "max_epochs": stage.epochs,
            }
        )
        augment, first = self.training.augment, self.done + 1
        data = batches(self.dataset, augment, self.batch, self.seed, first, self.group.part)
        alike = contextlib.nullcontext()
        if self.group.size > 1 and any(node.op is Op.DROPOUT for node in self.config.nodes):
            alike = WholeBatchDropout(self.group, self.batch)
        with alike:
            trainer.run(data)
        assert self.done == end

    def _step(self, _: Engine, batch: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        images, labels = tensor(batch[0]), torch.from_numpy(batch[1])
        told = None
        if self.teacher:
            with torch.no_grad():
                told = self.teacher(images)
        self.optimizer.zero_grad()
        logits = self.network(images)
        loss = teach.loss(self.training, logits, labels, told) * (len(labels) / self.batch)
        loss.backward()
        hits = (logits.argmax(1) == labels).sum() / self.batch
        sums = torch.stack([loss.detach(), hits])
        mean, accuracy = self.group.total_gradients(self.network.learned(), sums).tolist()
        if not math.isfinite(mean):
            raise Refusal(f"train: the loss must stay finite, not {mean}; lower the rate")
        self.optimizer.step()
        return mean, accuracy

    def _some(self) -> torch.Tensor:
        """Return the pictures that statistics are first taken from."""
        count = min(CALIBRATION, len(self.dataset.train_images))
        return tensor(self.dataset.train_images[np.arange(count)])

    def _split(self, count: int, most: int) -> list[np.ndarray]:
        """Return this process's part of `count` numbers, at most `most` at a time."""
        mine = np.arange(count)[self.group.part(count)]
        return np.array_split(mine, math.ceil(len(mine) / most)) if len(mine) else []

    def _share(self, hits: int) -> float:
        """Return the share of held-out pictures that the `hits` of all processes are."""
        return int(self.group.total(torch.tensor(hits))) / len(self.dataset.test_labels)

    @torch.no_grad()
    def _evaluate(self, network: Network) -> float:
        images, labels = self.dataset.test_images, self.dataset.test_labels
        network.eval()
        hits = 0
        for index in self._split(len(labels), 128):
            hits += int((network(tensor(images[index])).argmax(1).numpy() == labels[index]).sum())
        return self._share(hits)

    def _seed(self, epoch: int) -> None:
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))

    def _keep_float(self, state: dict[str, Any]) -> None:
        """Write the state of a finished float network, for what may start from it or learn of it.

        Every process waits until it is there.
        """
        path = self.out / folder.FLOAT
        self.group.agree(lambda: folder.write(path, lambda file: torch.save(dict(state), file)))

    def _save(self, stage: Stage) -> None:
        state = {
            "network": self.best.state_dict(),
            "trained": self.network.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "optimizer": self.optimizer.state_dict(),
            "constraints": [constraint.state_dict() for constraint in self.constraints],
            "stage": stage.name,
            "quantized": stage.quantized,
            "epoch": self.done,
            "seconds": self.seconds,
            "history": self.history,
            "accuracy": self.accuracy,
        }
        path = self.out / folder.CHECKPOINT
        if self.group.first:
            folder.write(path, lambda file: torch.save(state, file))
        self._record(finished=False)

    def _record(self, finished: bool) -> dict[str, Any]:
        result = {
            "network": self.config.name,
            "data": self.dataset.name,
            "accuracy_float": self.accuracy["float"],
            "accuracy_quantized": self.accuracy["quantized"],
            "epochs": self.done,
            "seconds": round(self.seconds, 3),
            "checkpoint": str(self.out / folder.CHECKPOINT),
            "finished": finished,
            "held_out": len(self.dataset.test_labels),
            "history": self.history,
        }
        if finished and self.training.prunes:
            result |= sparsity(self.best)
        if self.group.first:
            folder.write_json(self.out / folder.RESULT, result)
        return result
