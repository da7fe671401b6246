"""Pictures as files: which endings there are, the same bytes every time, whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from . import Refusal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")
SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "zynqfire",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
}


def must_be_a_picture(path: Path) -> None:
    """Refuse a file that is neither .svg nor .png."""
    if path.suffix not in SUFFIXES:
        raise Refusal(f"picture {path}: must end in {' or '.join(SUFFIXES)}, not {path.suffix!r}")


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Give a figure of `width` by `height` points and save it to `path`.

    Raises
    ------
    Refusal
        Where `path` has another ending or cannot be written.
    """
    must_be_a_picture(path)
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        figure = Figure((width / 72, height / 72), dpi=144, facecolor="white")
        yield figure
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                figure.savefig(beside, metadata=metadata)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise Refusal(f"picture {path}: cannot be written: {error.strerror}") from error
