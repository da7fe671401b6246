"""A RUN folder: everything a training leaves behind, readable without the data set.

``network.json`` (the network), ``settings.json`` (how it was trained), ``checkpoint.pt`` (the
state after the last whole epoch), ``float.pt`` (the state dict of the float network with its
normalizations, once there is one), ``heldout.npz`` (held-out `images` and `labels`, at most 1,000)
and ``result.json``. Each file is written beside and renamed, so a kill leaves the previous one.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch

from .. import Refusal
from .config import CHANNELS, NetworkConfig, load
from .data import Dataset
from .network import Network

NETWORK, SETTINGS, CHECKPOINT = "network.json", "settings.json", "checkpoint.pt"
HELDOUT, RESULT, FLOAT = "heldout.npz", "result.json", "float.pt"
STATE = (  # what a checkpoint keeps
    *("network", "trained", "average", "optimizer", "constraints", "stage", "quantized"),
    *("epoch", "seconds", "history", "accuracy"),
)
HELD_OUT = 1000  # pictures kept in the run


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


def read_tensors(path: Path, where: str, *keys: str) -> dict[str, Any]:
    """Return the dictionary of the PyTorch file `path`, which must have `keys`; no code is run.

    Raises
    ------
    Refusal
        Where it is none; `where` says what it belongs to.
    """
    try:
        if zipfile.is_zipfile(path):  # PyTorch compares no check sums
            with zipfile.ZipFile(path) as file:
                if damaged := file.testzip():
                    raise ValueError(f"{damaged} in it is damaged")
        state = torch.load(path, weights_only=True, map_location="cpu")
        _ = [state[key] for key in keys], state.keys()
    except OSError as error:
        raise Refusal(f"{where}: {path.name} cannot be read ({error.strerror})") from None
    except (RuntimeError, ValueError, EOFError, KeyError, TypeError, UnpicklingError) as error:
        reason = str(error).partition(". ")[0].splitlines()[0] if str(error) else "it is empty"
        if isinstance(error, KeyError):
            reason = f"it has no {reason}"
        raise Refusal(f"{where}: {path.name} cannot be read ({reason})") from error
    except AttributeError:
        raise Refusal(f"{where}: {path.name} must be a dictionary, not {state!r:.40}") from None
    return state


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state that the checkpoint `path` keeps of a training."""
    return read_tensors(path, f"run {path.parent}", *STATE)


def filled(network: Network, state: Any, where: str, name: str, *, scaled: bool = True) -> Network:
    """Return `network` with the weights in `state`, which the file `name` holds.

    Without `scaled` the quantizers' scales may be missing, as they are from a float network.

    Raises
    ------
    Refusal
        Where they are another network's; `where` says what the file belongs to.
    """
    sentence = f"{where}: {name} must hold the weights of its network, not others"
    try:
        missing, extra = network.load_state_dict(state, strict=scaled)
    except (RuntimeError, TypeError, AttributeError):
        raise Refusal(sentence) from None
    if extra or any("_quant." not in key for key in missing):
        raise Refusal(sentence)
    return network


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
    where = f"run {run}"
    state = read_tensors(run / CHECKPOINT, where, "network")
    network = filled(Network(load(run / NETWORK)), state["network"], where, CHECKPOINT)
    try:
        with open(run / HELDOUT, "rb") as file, np.load(file) as heldout:
            images = heldout["images"]
    except (
        ValueError,
        EOFError,
        KeyError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise Refusal(f"{where}: {HELDOUT} cannot be read ({str(error)[:80]})") from None
    shape = (*network.config.input, CHANNELS)
    if images.dtype != np.uint8 or images.shape[1:] != shape or not len(images):
        raise Refusal(
            f"{where}: {HELDOUT} must hold bytes of the shape {shape} each, not {images.dtype} of "
            f"{images.shape}"
        )
    return network, images


def kept(run: Path, config: NetworkConfig, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Check the folder `run`, which need not exist yet; return the result it holds.

    Raises
    ------
    Refusal
        Where it was started for another network or with other settings, or is no run's.
    """
    recorded = run / SETTINGS
    try:
        if recorded.is_file():
            before = read_json(recorded)
            for key, value in settings.items():
                if before.get(key) != value:
                    raise Refusal(
                        f"run {run}: was started with {key} {before.get(key)}, not {value}; choose "
                        "another folder"
                    )
            before, asked = _flat(read_json(run / NETWORK)), _flat(json.loads(config.to_json()))
            for key in [*asked, *before]:
                if before.get(key) != asked.get(key):
                    raise Refusal(
                        f"run {run}: was started with another network than {config.name}, its "
                        f"{key} is {before.get(key)}, not {asked.get(key)}; choose another folder"
                    )
        elif run.exists():
            begun = {NETWORK, f".{NETWORK}.new", f".{SETTINGS}.new"}
            if {path.name for path in run.iterdir()} - begun:
                raise Refusal(f"run {run}: must be a new, an empty or a run's folder")
        result = run / RESULT
        return read_json(result) if result.is_file() else None
    except OSError as error:
        raise Refusal(f"run {run}: cannot be used ({error.strerror})") from None


def _flat(tree: dict[str, Any], where: str = "") -> dict[str, Any]:
    """Return the leaves of nested dictionaries by their dotted path."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        inner = isinstance(value, dict)
        found |= _flat(value, f"{where}{key}.") if inner else {f"{where}{key}": value}
    return found


def begin(run: Path, config: NetworkConfig, settings: dict[str, Any]) -> None:
    """Make the folder `run`, once everything that could be refused is known; settings last."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        write(run / NETWORK, lambda file: file.write(config.to_json().encode()))
        write_json(run / SETTINGS, settings)
    except OSError as error:
        raise Refusal(f"run {run}: cannot be used ({error.strerror})") from None


def write_held_out(run: Path, dataset: Dataset) -> None:
    """Keep the first held-out pictures of `dataset` with their labels in the folder `run`."""
    some = np.arange(min(HELD_OUT, len(dataset.test_labels)))
    arrays = {"images": dataset.test_images[some], "labels": dataset.test_labels[some]}
    write(run / HELDOUT, lambda file: np.savez_compressed(file, **arrays))


def named(path: Path) -> str:
    """Return the name of the file `path` and what tells its contents from others."""
    with open(path, "rb") as file:
        return f"{path.name} of sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def float_file(run: Path, role: str = "run") -> Path:
    """Return the file of the float network in the folder `run`, which is there as `role`.

    Raises
    ------
    Refusal
        Where its training has not got so far, or never was in float.
    """
    for name in (NETWORK, FLOAT):
        if not (run / name).is_file():
            raise Refusal(
                f"{role} {run}: must be a run whose float stage is done, it has no {name}"
            )
    return run / FLOAT


def load_float(run: str | Path, role: str = "run") -> Network:
    """Return the float network of the folder `run`, with its normalizations.

    Raises
    ------
    Refusal
        As `float_file`.
    """
    path = float_file(Path(run), role)
    network = Network(load(path.with_name(NETWORK)), quantized=False, normalized=True)
    where = f"{role} {run}"
    return filled(network, read_tensors(path, where), where, FLOAT)
