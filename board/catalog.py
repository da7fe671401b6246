"""The boards that are known: one TOML file each in `boards/`, named as people type them."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, fields
from importlib.resources import files

from .. import Refusal
from ..hls.board import Board

_FOLDER = files(__package__) / "boards"
_KEYS = {field.name: field.type for field in fields(Board) if field.name != "name"}
_OPTIONAL = {field.name for field in fields(Board) if field.default is not MISSING}


def names() -> list[str]:
    """Return the names of all boards, sorted."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _FOLDER.iterdir()
        if entry.name.endswith(".toml")
    )


def load(name: str) -> Board:
    """Return the board called `name`.

    Raises
    ------
    Refusal
        There is no such board, or its file has a missing, unknown or malformed key.
    """
    if name not in names():
        raise Refusal(f"board: must be one of {', '.join(names())}, not {name}")
    return parse(name, (_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Board:
    """Return the board that `text`, a board file, describes."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"board {name}: its file must be TOML: {error}") from None
    for key in values:
        if key not in _KEYS:
            raise Refusal(f"board {name}: keys must be {', '.join(_KEYS)}, not {key}")
    for key, kind in _KEYS.items():
        if key not in values:
            if key in _OPTIONAL:
                continue
            raise Refusal(f"board {name}: the key {key} is missing")
        value = values[key]
        if kind == "str":
            good = isinstance(value, str) and value
        else:
            least = 0 if key == "uram" else 1
            good = type(value) in (int, *((float,) if kind == "float" else ())) and value >= least
        if not good:
            wanted = {"str": "a name", "int": "a whole number", "float": "a number"}[kind]
            raise Refusal(f"board {name}: {key} must be {wanted}, not {value!r}")
    if values["family"] not in ("xc7", "xcup"):
        raise Refusal(f"board {name}: family must be xc7 or xcup, not {values['family']}")
    return Board(name=name, **values)
