"""The progress of a training: a bar on a terminal, a line an epoch elsewhere, on stderr."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich import progress as bars
from rich.console import Console


class Progress:
    """Shows loss and accuracy; silent without `report`.

    Parameters
    ----------
    name : str
        Of the network.
    epochs : int
        Over all stages.
    report : callable or None
        Takes a line of text.
    """

    def __init__(self, name: str, epochs: int, report: Callable[[str], None] | None):
        self.name, self.epochs, self.report = name, epochs, report
        console = Console(stderr=True)
        self.bar = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(),
            bars.TextColumn("{task.fields[state]}"),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=report is None or not console.is_terminal,
        )
        self.task = self.bar.add_task(name, total=epochs, state="")

    def __enter__(self) -> Progress:
        """Show the bar."""
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away; after an interruption say how to go on."""
        self.bar.stop()
        if kind is KeyboardInterrupt:
            self.message(f"{self.name}: stopped; the same command goes on after the last epoch")

    def message(self, text: str) -> None:
        """Show a line of text."""
        if self.report:
            self.report(text)

    def skip(self, epochs: int) -> None:
        """Take `epochs` as done earlier."""
        self.bar.update(self.task, completed=epochs)

    def step(self, stage: str, done: float, loss: float, accuracy: float) -> None:
        """Show a batch: `done` epochs, the batch's loss and accuracy."""
        state = f"{stage} loss {loss:.3f} accuracy {accuracy:.1%}"
        self.bar.update(self.task, completed=done, state=state)

    def epoch(self, stage: str, done: int, loss: float, accuracy: float) -> None:
        """Show a whole epoch with its accuracy on the held-out pictures."""
        where = f"{self.name}: epoch {done}/{self.epochs} ({stage})"
        self.message(f"{where} loss {loss:.3f}, held-out accuracy {accuracy:.1%}")
