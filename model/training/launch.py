"""Starting and joining the processes of a training, on this machine or under torchrun."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing

from ... import Refusal
from .distributed import Group

PATIENCE = 5.0  # seconds that a process gets to say why it ends
REFUSED, FAILED = 2, 3  # exit codes of processes that could say why


def by_torchrun() -> bool:
    """Say whether torchrun, or another launcher that speaks like it, has started this process."""
    return {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys()


def processes(nproc: int | None) -> int:
    """Return how many processes there will be, `nproc` or what torchrun says.

    Raises
    ------
    Refusal
        Where both say something.
    """
    if not by_torchrun():
        return nproc or 1
    if nproc is not None:
        raise Refusal(
            f"train: --nproc starts processes, under torchrun it must be absent, not {nproc}"
        )
    return int(os.environ["WORLD_SIZE"])


@contextmanager
def group(size: int, target: Callable[..., Any], *args: Any) -> Iterator[Group]:
    """Join `size` processes: this one, and others that run ``target(group, *args)``.

    Under torchrun the others are already there and do what this one does. Else they are spawned,
    and end with this one, whatever ends it.

    Raises
    ------
    Refusal
        In this process, where another one refuses something or dies.
    """
    if by_torchrun():
        distributed.init_process_group("gloo")
        try:
            yield Group(distributed.get_rank(), distributed.get_world_size())
        finally:
            distributed.destroy_process_group()
        return
    if size == 1:
        yield Group()
        return
    threads = torch.get_num_threads()
    share = max(1, threads // size)
    others: list[_Process] = []
    with tempfile.TemporaryDirectory(prefix="zynqfire-") as folder:
        meeting = f"file://{Path(folder).resolve()}/meeting"
        try:
            with _ctrl_c_ignored():  # which processes inherit: the first decides what it means
                for rank in range(1, size):
                    others.append(_Process(Group(rank, size), meeting, share, target, args))
            torch.set_num_threads(share)
            for other in others:
                other.wait()
            _join(Group(0, size), meeting)
            yield Group(0, size)
        except Refusal:
            raise
        except (RuntimeError, EOFError) as error:  # a collective that lost its partner
            if (sentence := _reason(others)) is None:
                raise
            raise Refusal(sentence) from error
        finally:
            for other in others:
                other.end()
            torch.set_num_threads(threads)
            if distributed.is_initialized():
                distributed.destroy_process_group()


class _Process:
    """Another process of the training, and what it has to say."""

    def __init__(self, member: Group, *given: Any):
        context = multiprocessing.get_context("spawn")
        self.rank, self.said = member.rank, ""
        self.pipe, theirs = context.Pipe(duplex=False)
        given = (member, theirs, *given)
        self.process = context.Process(target=_other, args=given, daemon=True)
        self.process.start()
        theirs.close()

    def wait(self) -> None:
        """Return when the process is about to join; raise EOFError if it never will."""
        self.pipe.recv()

    def dead(self) -> int | None:
        """Return the exit code, if there is one, and take what the process said."""
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                self.said = self.pipe.recv()
        return self.process.exitcode

    def end(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join()
        self.pipe.close()


def _reason(others: list[_Process]) -> str | None:
    """Return why the training cannot go on: a refusal, a death, or another failure, if any."""
    until = time.monotonic() + PATIENCE
    while not any(other.dead() for other in others):
        if time.monotonic() > until:
            return None
        time.sleep(0.05)
    time.sleep(0.2)  # one death makes the others fail: see all of them
    codes = {other: other.dead() for other in others}
    for other, code in codes.items():
        if code == REFUSED:
            return other.said
    for other, code in codes.items():
        if code and code != FAILED:
            how = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            return (
                f"train: process {other.rank + 1} of {len(others) + 1} was {how}; the same command "
                "goes on after the last epoch"
            )
    return next(other.said for other, code in codes.items() if code)


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _join(member: Group, meeting: str) -> None:
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=member.rank, world_size=member.size
    )


def _other(
    member: Group,
    tell: Connection,
    meeting: str,
    threads: int,
    target: Callable[..., Any],
    args: tuple[Any, ...],
) -> None:
    """Run ``target(member, *args)`` in a process of its own, quietly; errors go through `tell`."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(threads)
    tell.send("")
    try:
        _join(member, meeting)
        target(member, *args)
        return
    except Refusal as refusal:
        code, sentence = REFUSED, str(refusal)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        code, sentence = FAILED, f"train: process {member.rank + 1} failed ({reason})"
    with suppress(OSError):  # where the first process is the one that ended
        tell.send(sentence)
    os._exit(code)
