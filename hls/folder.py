"""An output folder that is replaced whole: the old one stays until the new one is complete."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import Refusal


def check(out: Path, mark: str, what: str) -> None:
    """Refuse `out` where it holds something else than `what`, which the file `mark` tells."""
    if out.exists() and not out.is_dir():
        raise Refusal(f"{what} {out}: must be a folder, it is a file")
    if out.exists() and not (out / mark).is_file() and any(out.iterdir()):
        raise Refusal(f"{what} {out}: must be new, empty or such a one, not another folder")


@contextmanager
def replaced(out: Path, mark: str, what: str) -> Iterator[Path]:
    """Yield a new folder beside `out` that takes its place when the body ends without an error.

    Raises
    ------
    Refusal
        The place cannot be written, or holds something else than `what`.
    """
    check(out, mark, what)
    real = out.resolve()  # what a link names, or the folder that `.` is
    unique = uuid.uuid4().hex[:8]
    beside, before = (real.with_name(f".{real.name}.{unique}.{which}") for which in ("new", "old"))
    try:
        beside.mkdir(parents=True)
        yield beside
        if real.exists():
            real.replace(before)
        try:
            beside.replace(real)
        except OSError:
            if before.exists():
                before.replace(real)
            raise
    except OSError as error:
        raise Refusal(f"{what} {out}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if real.exists():  # else the old one is the only one
            shutil.rmtree(before, ignore_errors=True)
