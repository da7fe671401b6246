"""manifest.json, what a build folder says of itself: its form, and the reader that checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from .. import Refusal
from .cuts import Primitive
from .memory import Kind
from .register_map import REGISTERS

NAME = "manifest.json"
FORMAT = 1
LONG = 64  # bits of a parameter that is written as hexadecimal text

_COUNT = {"type": "integer", "minimum": 1}
_AMOUNT = {"type": "number", "minimum": 0}
_WORD = {"type": "integer", "minimum": 0, "maximum": 2**32 - 1}
_TEXT = {"type": "string"}
_WHERE = {"type": "string", "pattern": r"^(?!/)(?!.*\.\.)"}  # within the build folder
_SHAPE = {"type": "array", "items": _COUNT}
_IMAGE = _SHAPE | {"minItems": 3, "maxItems": 3}
_QTYPE = {"bits": _COUNT, "signed": {"type": "boolean"}, "frac": {"type": "integer"}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(**properties: Any) -> dict[str, Any]:
    return {"type": "array", "items": _object(**properties)}


_COST = _object(**dict.fromkeys(("lut", "lutram", "srl", "ff", "bram36", "dsp"), _AMOUNT))
_FULL_MAPS = ("maps", "bits", "bram36", "double_bits", "double_bram36")
# offset, access, reset, and of each field its lowest bit and width
_REGISTER = {
    "type": "array",
    "prefixItems": [_WORD, _TEXT, _WORD, {"type": "object"}],
    "minItems": 4,
    "items": False,
}
_FORM: dict[str, Any] = {
    "format": {"const": FORMAT},
    "name": _TEXT,
    "top": _TEXT,
    "sources": {"type": "array", "items": _WHERE, "minItems": 1},
    "input": _object(shape=_IMAGE, **_QTYPE, lanes=_COUNT, lane_bits=_COUNT, beats=_COUNT),
    "output": _object(shape=_SHAPE, **_QTYPE, divisor=_COUNT, tdata_bits=_COUNT, beats=_COUNT),
    "streams": _list(
        name=_TEXT,
        tensor=_TEXT,
        layer=_TEXT,
        lanes=_COUNT,
        bits=_COUNT,
        signed={"type": "boolean"},
        shape=_SHAPE,
    ),
    "instances": _list(
        layer=_TEXT,
        module=_TEXT,
        instance=_TEXT,
        parameters={"type": "object", "additionalProperties": {"type": ["integer", "string"]}},
    ),
    "loads": _list(memory=_TEXT, file=_WHERE, words32=_COUNT),
    "signatures": _list(
        memory=_TEXT,
        layer=_TEXT,
        width=_COUNT,
        depth=_COUNT,
        signature=_AMOUNT,
    ),
    "ip": _object(
        top=_TEXT,
        packager_top=_TEXT,
        sources={"type": "array", "items": _WHERE, "minItems": 1},
        in_bits={"enum": [32, 64, 128]},
        out_bits={"enum": [32, 64]},
        input_bytes=_COUNT,
        output_bytes=_COUNT,
        network_hash=_WORD,
        interval_cycles=_COUNT,
        registers={"type": "object", "additionalProperties": _REGISTER, "required": [*REGISTERS]},
    ),
    "board": _TEXT,
    "part": _TEXT,
    "family": _TEXT,
    "clock_mhz": _AMOUNT,
    "limits": {"type": "object", "additionalProperties": _AMOUNT}
    | {"required": ["bram36", "uram", "lut", "slicem_lut"]},
    "interval_cycles": _COUNT,
    "full_maps": _object(**dict.fromkeys(_FULL_MAPS, _AMOUNT)),
    "over_budget": _list(what=_TEXT, need=_AMOUNT, limit=_AMOUNT, unit=_TEXT),
    "estimate": _COST,
    "estimate_by_layer": {"type": "object", "additionalProperties": _COST},
    "memories": _list(
        layer=_TEXT,
        kind={"enum": [kind.value for kind in Kind]},
        bits=_AMOUNT,
        width=_COUNT,
        depth=_COUNT,
        primitive={"enum": [primitive.value for primitive in Primitive]},
        count=_AMOUNT,
    ),
}


def contents(build: Path, name: str) -> list[Path]:
    """Return the files of the memory contents `name`: one, or numbered pieces of a large one.

    Raises
    ------
    Refusal
        There are none.
    """
    whole = build / name
    found = [whole] if whole.is_file() else sorted(whole.parent.glob(f"{whole.name}.[0-9]*"))
    if not found:
        raise Refusal(f"build {build}: must hold {name}, which its {NAME} names")
    return found


def written(parameters: Mapping[str, int | str]) -> dict[str, int | str]:
    """Return parameters as the manifest has them: JSON's numbers end where Python's text does."""
    return {
        name: hex(value) if isinstance(value, int) and value.bit_length() > LONG else value
        for name, value in parameters.items()
    }


def _read(value: int | str) -> int | str:
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value


def memories(instance: Mapping[str, Any]) -> list[str]:
    """Return the names of the memory contents that an instance of the manifest reads."""
    return [value for value in instance["parameters"].values() if isinstance(value, str)]


def read(build: Path | str, *keys: str) -> dict[str, Any]:
    """Return the manifest of the folder `build`, of which `keys` are there and well formed.

    Raises
    ------
    Refusal
        There is no manifest, it is no JSON, or something at `keys` is not as it must be.
    """
    file = Path(build) / NAME
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal(f"build {build}: must be a folder with a {NAME}, as compile writes") from None
    except (OSError, ValueError) as error:
        raise Refusal(f"build {build}: {NAME} must be JSON that can be read: {error}") from None
    wanted = _object(**{key: _FORM[key] for key in ("format", *keys)})
    if errors := list(jsonschema.Draft202012Validator(wanted).iter_errors(manifest)):
        error = jsonschema.exceptions.best_match(errors)
        where = error.json_path.removeprefix("$").removeprefix(".") or "it"
        what = " ".join(error.message.split())
        what = what if len(what) <= 160 else f"{what[:80]} ... {what[-72:]}"
        raise Refusal(f"build {build}: {NAME} must be as compile writes it: {where}: {what}")
    for instance in manifest["instances"] if "instances" in keys else ():
        parameters = instance["parameters"]
        instance["parameters"] = {name: _read(value) for name, value in parameters.items()}
    return manifest


def with_ports(build: Path | str, *keys: str) -> dict[str, Any]:
    """Return the manifest as `read` does, of a build that has the ports of a board.

    Raises
    ------
    Refusal
        Also where an earlier version wrote the build, without them.
    """
    if "ip" not in read(build):
        raise Refusal(
            f"build {build}: {NAME} must have the key ip, the ports of a board, which it has not: "
            "compile it again"
        )
    return read(build, "ip", *keys)
