"""What every `zynqfire` subcommand keeps: JSON or tables, quiet guests, exit codes."""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import logging
import os
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from . import Refusal

DONE, NO, REFUSED, BROKEN, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 130, 141
COLUMNS_OF_A_FILE = 160  # of tables that no terminal limits


@dataclass(frozen=True)
class Answer:
    """What a subcommand returns.

    Attributes
    ----------
    data : dict
        The JSON object.
    show : sequence
        What a person sees instead: rich renderables or lines.
    yes : bool
        False makes the exit code 1.

    """

    data: dict[str, Any]
    show: Sequence[Any] = ()
    yes: bool = True


class InOrder(click.Group):
    """A group that lists its commands as they were added, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)


class Subcommand(click.Command):
    """A click command with `--json`, `-v`, an example and the make target that does the same."""

    def __init__(self, *args: Any, example: str, make: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example, self.make = example, make
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
            click.Option(["-v", "--verbose"], is_flag=True, help="Show what other tools print."),
        ]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example and the make target below the options."""
        rows = [("Example", self.example)]
        if self.make:
            rows.append(("Make target", self.make))
        formatter.write_paragraph()
        for title, line in rows:
            formatter.write(f"{title}: {line}\n")

    def invoke(self, ctx: click.Context) -> int:
        """Run the command; standard output gets its answer and nothing else."""
        as_json = ctx.params.pop("as_json")
        terminal = os.isatty(1)
        with guests_on_stderr(ctx.params.pop("verbose")) as write:
            answer = super().invoke(ctx)
            try:
                write(_json(answer.data) if as_json else _render(answer.show, terminal))
            except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
                return PIPE_CLOSED
        return DONE if answer.yes else NO


def subcommand(name: str, *, example: str, make: str | None = None) -> Callable[..., Any]:
    """Make the decorated function the subcommand `name`."""
    return click.command(name, cls=Subcommand, example=example, make=make)


def say(text: str) -> None:
    """Report progress on standard error."""
    click.echo(text, err=True)


def writable(path: Path) -> Path:
    """Return `path`, refusing it now if it could not be written after minutes of work.

    Raises
    ------
    Refusal
        Where the nearest folder that exists cannot take a file.

    """
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except OSError as error:
        raise Refusal(
            f"output {path}: {folder} must be a folder that can be written ({error.strerror})"
        ) from error
    return path


@contextlib.contextmanager
def guests_on_stderr(verbose: bool) -> Iterator[Callable[[str], None]]:
    """Send whatever other tools print, from C and from subprocesses too, to standard error.

    Yields a function that writes text to the real standard output. Unless `verbose`, the warnings
    of other packages are dropped.
    """
    sys.stdout.flush()
    real, level = os.dup(1), logging.root.manager.disable
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            if not verbose:
                warnings.simplefilter("ignore")
                logging.disable(logging.WARNING)
            yield lambda text: _write(real, text.encode())
    finally:
        logging.disable(level)
        ctypes.CDLL(None).fflush(None)  # what C code has printed is still buffered for a pipe
        os.dup2(real, 1)
        os.close(real)


def run(group: click.Group, args: Sequence[str]) -> int:
    """Run the command line `args` and return its exit code; errors are one sentence."""
    verbose = "-v" in args or "--verbose" in args
    try:
        code = group.main(args=list(args), prog_name="zynqfire", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except Exception as error:
        code, sentence = _sentence(error)
        if verbose or code == BROKEN:
            traceback.print_exception(error)
    sentence = " ".join(sentence.split())
    click.echo(sentence if sentence.startswith("zynqfire") else f"zynqfire: {sentence}", err=True)
    if "--json" in args:
        click.echo(_json({"error": sentence}), nl=False)
    return code


def _sentence(error: Exception) -> tuple[int, str]:
    """Return the exit code and the sentence for `error`."""
    if isinstance(error, click.UsageError):
        where = error.ctx.command_path if error.ctx else "zynqfire"
        return REFUSED, f"{where}: {error.format_message()}"
    if isinstance(error, Refusal | click.ClickException):
        return REFUSED, str(error)
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return REFUSED, f"{error.filename}: {reason}" if error.filename else reason
    return BROKEN, f"internal error: {type(error).__name__}: {error}"


def _json(data: dict[str, Any]) -> str:
    def plain(value: Any) -> Any:
        return value.item() if hasattr(value, "item") else str(value)

    return json.dumps(data, default=plain, allow_nan=False) + "\n"


def _render(show: Sequence[Any], terminal: bool) -> str:
    text = io.StringIO()
    width = None if terminal else COLUMNS_OF_A_FILE
    console = Console(file=text, force_terminal=terminal, width=width, markup=False)
    for item in show:
        console.print(item, highlight=False)
    return text.getvalue()


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
