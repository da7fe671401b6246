"""A RUN folder: everything a training leaves behind, readable without the data set.

``network.json`` (the network), ``settings.json`` (how it was trained), ``checkpoint.pt`` (the
state after the last whole epoch), ``heldout.npz`` (held-out `images` and `labels`, at most 1,000)
and ``result.json``. Each file is written beside and renamed, so a kill leaves the previous one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch

from .. import Refusal
from .config import load
from .network import Network

NETWORK, SETTINGS, CHECKPOINT = "network.json", "settings.json", "checkpoint.pt"
HELDOUT, RESULT = "heldout.npz", "result.json"


def write(path: Path, fill: Callable[[BinaryIO], Any]) -> None:
    """Write the file `path` through `fill`, whole or not at all."""
    beside = path.with_name(f".{path.name}.new")
    with open(beside, "wb") as file:
        fill(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write `data` as the JSON file `path`."""
    write(path, lambda file: file.write((json.dumps(data, indent=1) + "\n").encode()))


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON file `path`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Refusal(f"run {path.parent}: {path.name} is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise Refusal(f"run {path.parent}: {path.name} must be a JSON object, not {data!r:.40}")
    return data


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state that the checkpoint `path` keeps."""
    try:
        state = torch.load(path, weights_only=True)
        _ = state["network"], state["epoch"]
    except (RuntimeError, ValueError, EOFError, KeyError, TypeError, UnpicklingError) as error:
        reason = str(error).partition(". ")[0].splitlines()[0] if str(error) else "it is empty"
        raise Refusal(f"run {path.parent}: {path.name} cannot be read ({reason})") from error
    return state


def load_run(run: str | Path) -> tuple[Network, np.ndarray]:
    """Return the trained network of the folder `run` and its held-out pictures.

    Raises
    ------
    Refusal
        Where the folder holds no finished training.
    """
    run = Path(run)
    if not (run / RESULT).is_file():
        raise Refusal(f"run {run}: must be a folder that train wrote, it has no {RESULT}")
    if not read_json(run / RESULT).get("finished"):
        raise Refusal(f"run {run}: training must have finished, start train again to resume it")
    network = Network(load(run / NETWORK))
    state = read_checkpoint(run / CHECKPOINT)
    network.load_state_dict(state["network"])
    with np.load(run / HELDOUT) as heldout:
        return network, heldout["images"]
