"""Where a simulation goes wrong: the first stream that differs, or the streams that stand still."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .vectors import unpack
from .wrapper import beats, streams

NAMED = 3  # streams of a state at either end of the dataflow; the JSON has them all


@dataclass(frozen=True)
class Difference:
    """The first wrong code of the first stream, in dataflow order, that differs."""

    frame: int
    layer: str
    stream: str
    y: int
    x: int
    channel: int
    expected: int
    received: int

    def __str__(self) -> str:
        """One sentence."""
        return (
            f"frame {self.frame}, layer {self.layer} (stream {self.stream}), row {self.y}, column "
            f"{self.x}, channel {self.channel}: expected {self.expected}, received {self.received}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


def first_difference(
    manifest: dict[str, Any], tensors: dict[str, np.ndarray], folder: Path, frame: int
) -> Difference | None:
    """Compare the recorded streams of one frame with the interpreter's tensors.

    Parameters
    ----------
    manifest : dict
        Of the build.
    tensors : dict of ndarray
        `zynqfire.hls.interpret.run` of this one frame; under ``s_axis`` its input and under
        ``m_axis`` its output codes.
    folder : Path
        Run folder in which the probes recorded the frame.
    frame : int
        Its index, for the report.

    Returns
    -------
    Difference or None
        None where every code that was received is right.
    """
    for index, stream in enumerate(streams(manifest)):
        expected = tensors[stream["tensor"]].reshape(-1)
        raw = (folder / f"probe{index}.bin").read_bytes()
        received = unpack(raw, stream["lanes"], stream["bits"], stream["signed"])
        wrong = np.flatnonzero(expected[: len(received)] != received)
        if len(wrong):
            at = int(wrong[0])
            y, x, channel = (int(i) for i in np.unravel_index(at, stream["shape"]))
            return Difference(
                frame,
                stream["layer"],
                stream["name"],
                y,
                x,
                channel,
                int(expected[at]),
                int(received[at]),
            )
    return None


def stalled(manifest: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Return the state of every stream in which the watchdog found them, in dataflow order."""
    states = []
    for index, stream in enumerate(streams(manifest)):
        valid, ready, frame, beat = map(int, (folder / f"probe{index}.txt").read_text().split())
        states.append(
            {
                "stream": stream["name"],
                "valid": bool(valid),
                "ready": bool(ready),
                "frame": frame,
                "beat": beat,
                "beats": beats(stream),
            }
        )
    return states


def describe(states: list[dict[str, Any]]) -> str:
    """Return one sentence part that groups `states` by what each stream waits for."""
    groups = {
        "valid but not ready": [s for s in states if s["valid"] and not s["ready"]],
        "ready but not valid": [s for s in states if s["ready"] and not s["valid"]],
        "neither valid nor ready": [s for s in states if not s["valid"] and not s["ready"]],
    }
    return "; ".join(f"{name}: {_names(group)}" for name, group in groups.items() if group)


def _names(group: list[dict[str, Any]]) -> str:
    names = [f"{s['stream']} (frame {s['frame']}, beat {s['beat']}/{s['beats']})" for s in group]
    left = len(names) - 2 * NAMED
    if left > 1:
        names[NAMED:-NAMED] = [f"{left} more"]
    return ", ".join(names)
