"""The loop over stages, epochs and batches of one training, resumable after every epoch."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .. import Refusal
from . import run as folder
from ._ignite import Accuracy, Engine, Events
from .config import NetworkConfig
from .data import Dataset
from .exact import integers, tensor
from .network import Network
from .progress import Progress

CALIBRATION = 256  # pictures that the first activation scales are chosen from


@dataclass(frozen=True)
class Stage:
    """A part of the training with one form of the network."""

    name: str
    epochs: int
    rate: float
    quantized: bool
    normalized: bool


class Loop:
    """One training on its way: the state is `network`, `optimizer` and `done` epochs."""

    def __init__(
        self,
        config: NetworkConfig,
        dataset: Dataset,
        out: Path,
        stages: list[Stage],
        seed: int,
        progress: Progress,
    ):
        self.config, self.dataset, self.out = config, dataset, out
        self.stages, self.seed, self.progress = stages, seed, progress
        self.batch = min(config.training.batch, len(dataset.train_images))
        self.steps = len(dataset.train_images) // self.batch
        self.done, self.seconds, self.history = 0, 0.0, []
        self.accuracy: dict[str, float | None] = {"float": None, "quantized": None}

    def run(self) -> dict[str, Any]:
        """Train from the checkpoint, if there is one, to the end."""
        state = self._restore()
        start = 0
        for stage in self.stages:
            end = start + stage.epochs
            if self.done < end or stage is self.stages[-1]:
                self._enter(stage, state, resumed=self.done > start)
            if self.done < end:
                self._train(stage, start, end)
                state = {"network": self.network.state_dict(), "stage": stage.name}
            start = end
        outputs = []
        images = self.dataset.test_images
        for index in np.array_split(np.arange(len(images)), math.ceil(len(images) / 64)):
            outputs.append(integers(self.network, images[index])[0].argmax(1))
        self.accuracy["quantized"] = float(
            np.mean(np.concatenate(outputs) == self.dataset.test_labels)
        )
        return self._record(finished=True)

    def _restore(self) -> dict[str, Any] | None:
        path = self.out / folder.CHECKPOINT
        if not path.is_file():
            return None
        state = folder.read_checkpoint(path)
        self.done, self.seconds = state["epoch"], state["seconds"]
        self.history, self.accuracy = state["history"], state["accuracy"]
        self.progress.message(f"{self.config.name}: resuming after epoch {self.done}")
        self.progress.skip(self.done)
        return state

    def _enter(self, stage: Stage, state: dict[str, Any] | None, resumed: bool) -> None:
        """Build the network of `stage`, from the same stage if `resumed` or else the one before."""
        self._seed(0)
        self.network = Network(self.config, stage.quantized, stage.normalized)
        if state and not resumed and not stage.normalized:
            before = Network(self.config, state["stage"] != "float", normalized=True)
            before.load_state_dict(state["network"], strict=True)
            before.merge()
            state = {"network": before.state_dict()}
        if state:
            # A float network has no scales; everything else must be there.
            missing, extra = self.network.load_state_dict(state["network"], strict=False)
            if extra or any("_quant." not in key for key in missing):
                raise AssertionError(f"{self.out}: checkpoint differs by {missing + extra}")
        self.network = self.network.to(memory_format=torch.channels_last)
        if stage.quantized and not resumed:
            self.network.train(stage.normalized)
            self.network.calibrate_weights()
            some = np.arange(min(CALIBRATION, len(self.dataset.train_images)))
            before = {name: value.clone() for name, value in self.network.named_buffers()}
            self.network.calibrate_activations(tensor(self.dataset.train_images[some]))
            for name, value in self.network.named_buffers():
                value.copy_(before[name])
        self.optimizer = torch.optim.Adam(self.network.learned(), lr=stage.rate)
        if resumed:
            self.optimizer.load_state_dict(state["optimizer"])

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
            share = (trainer.state.iteration - 1) / count
            rate = stage.rate * min(1, (trainer.state.iteration) / min(20, count))
            for group in self.optimizer.param_groups:
                group["lr"] = rate * (1 + math.cos(math.pi * share)) / 2

        @trainer.on(Events.ITERATION_COMPLETED)
        def shown() -> None:
            loss, accuracy = trainer.state.output
            self.losses.append(loss)
            step = (trainer.state.iteration - 1) % self.steps + 1
            self.progress.step(stage.name, self.done + step / self.steps, loss, accuracy)

        @trainer.on(Events.EPOCH_COMPLETED)
        def saved() -> None:
            accuracy = self._evaluate()
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
        trainer.run(self._batches(self.done + 1))
        assert self.done == end

    def _step(self, _: Engine, batch: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
        images, labels = tensor(batch[0]), torch.from_numpy(batch[1])
        self.optimizer.zero_grad()
        logits = self.network(images)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        if not math.isfinite(loss.item()):
            raise Refusal(f"train: the loss must stay finite, not {loss.item()}; lower the rate")
        loss.backward()
        self.optimizer.step()
        return loss.item(), (logits.argmax(1) == labels).float().mean().item()

    def _batches(self, first: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the shuffled and shifted batches of epoch after epoch."""
        images, labels = self.dataset.train_images, self.dataset.train_labels
        for epoch in itertools.count(first):
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(labels))
            for step in range(self.steps):
                index = order[step * self.batch : (step + 1) * self.batch]
                yield _shifted(rng, images[index], self.dataset.mirrored), labels[index]

    @torch.no_grad()
    def _evaluate(self) -> float:
        images, labels = self.dataset.test_images, self.dataset.test_labels
        self.network.eval()
        evaluator = Engine(lambda _, index: (self.network(tensor(images[index])), labels[index]))
        to_torch = lambda output: (output[0], torch.from_numpy(output[1]))  # noqa: E731
        Accuracy(output_transform=to_torch).attach(evaluator, "accuracy")
        evaluator.logger.setLevel(logging.CRITICAL)
        parts = np.array_split(np.arange(len(labels)), math.ceil(len(labels) / 128))
        return evaluator.run(parts).metrics["accuracy"]

    def _seed(self, epoch: int) -> None:
        torch.manual_seed(int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0]))

    def _save(self, stage: Stage) -> None:
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "stage": stage.name,
            "epoch": self.done,
            "seconds": self.seconds,
            "history": self.history,
            "accuracy": self.accuracy,
        }
        folder.write(self.out / folder.CHECKPOINT, lambda file: torch.save(state, file))
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
        folder.write_json(self.out / folder.RESULT, result)
        return result


def _shifted(rng: np.random.Generator, images: np.ndarray, mirrored: bool) -> np.ndarray:
    """Move every picture by up to a sixteenth of its size, and mirror half of them if allowed."""
    count, height, width, _ = images.shape
    room = max(height, width) // 16
    padded = np.pad(images, ((0, 0), (room, room), (room, room), (0, 0)), mode="edge")
    tops, lefts = rng.integers(0, 2 * room + 1, (2, count))
    flips = rng.random(count) < 0.5 * mirrored
    moved = np.empty_like(images)
    for n, (top, left, flip) in enumerate(zip(tops, lefts, flips, strict=True)):
        picture = padded[n, top : top + height, left : left + width]
        moved[n] = picture[:, ::-1] if flip else picture
    return moved
