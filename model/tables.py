"""Tables of a TOML file as frozen dataclasses: every field listed once, unknown keys refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from .. import Refusal


def override(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the field `key` of `tree`, dotted where nested, to `value`.

    Text is read as a TOML value, or taken as it is where it is none.
    """
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            value = tomllib.loads(f"value = {value}")["value"]
    *parents, last = key.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise Refusal(f"--set {key}: {part} is a value, it has no fields")
    tree[last] = value


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `under` with the fields of `over` in place of its own, tables field by field."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(under.get(key), dict)
        result[key] = merged(under[key], value) if both else value
    return result


def typed(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as `kind`: a dataclass, tuple, mapping, optional or plain type.

    Raises
    ------
    Refusal
        Where a key is unknown or missing or a value has another type; `where` says which.
    """
    if is_dataclass(kind):
        return value if isinstance(value, kind) else _record(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if type(None) in arguments:
        return None if value is None else typed(arguments[0], value, where)
    if origin is tuple:
        length = None if arguments[-1] is ... else len(arguments)
        if not isinstance(value, list | tuple) or length not in (None, len(value)):
            what = "a list" if length is None else f"a list of {length}"
            raise Refusal(f"{where} must be {what}, not {value!r}")
        return tuple(typed(arguments[0], item, where) for item in value)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise Refusal(f"{where} must be a table, not {value!r}")
        return {key: typed(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        words = {int: "an integer", float: "a number", bool: "true or false", str: "text"}
        raise Refusal(f"{where} must be {words[kind]}, not {value!r}")
    return kind(value)


def _record(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise Refusal(f"{where} must be a table, not {value!r}")
    hints = get_type_hints(kind)
    known = [item.name for item in fields(kind)]
    for key in value:
        if key not in known:
            raise Refusal(f"{where}: unknown key {key}, the keys are {', '.join(known)}")
    for item in fields(kind):
        needed = item.default is MISSING and item.default_factory is MISSING
        if needed and item.name not in value:
            raise Refusal(f"{where}: the key {item.name} is missing")
    return kind(**{key: typed(hints[key], item, f"{where}: {key}") for key, item in value.items()})
