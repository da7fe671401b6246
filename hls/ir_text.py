"""A network of the IR as JSON text: network.json of a build folder."""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from .. import Refusal
from .ir import OPERATIONS, Network, QType, Tensor

FORMAT = 1


def dumps(network: Network) -> str:
    """Return `network` as JSON text; weights and biases as base64 of little-endian integers."""
    operations = []
    for op in network.operations:
        entry: dict[str, Any] = {"op": type(op).__name__}
        for item in fields(op):
            entry[item.name] = _plain(getattr(op, item.name))
        operations.append(entry)
    data = {"format": FORMAT, "name": network.name, "operations": operations}
    return json.dumps(data, indent=1) + "\n"


def loads(text: str) -> Network:
    """Return the network written by `dumps`."""
    data = json.loads(text)
    if data.get("format") != FORMAT:
        raise Refusal(f"network description: format must be {FORMAT}, not {data.get('format')}")
    operations = []
    for entry in data["operations"]:
        cls = OPERATIONS[entry.pop("op")]
        operations.append(cls(**{key: _typed(key, value) for key, value in entry.items()}))
    return Network(data["name"], tuple(operations))


def read(path: Path) -> Network:
    """Return the network that a build folder describes.

    Raises
    ------
    Refusal
        It is not there, or not as `dumps` wrote it.
    """
    try:
        return loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refusal(f"network description {path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refusal(f"network description {path}: must be JSON as compile writes it") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        qtype = value.qtype
        return {
            "name": value.name,
            "shape": list(value.shape),
            "qtype": [qtype.bits, qtype.signed, qtype.frac],
            "align": list(value.align),
        }
    if isinstance(value, np.ndarray):
        dtype = np.min_scalar_type(min(int(value.min(initial=0)), -int(value.max(initial=0)) - 1))
        data = np.ascontiguousarray(value, dtype=dtype.newbyteorder("<"))
        return {
            "dtype": data.dtype.str,
            "shape": list(value.shape),
            "base64": base64.b64encode(data.tobytes()).decode(),
        }
    return list(value) if isinstance(value, tuple) else value


def _typed(key: str, value: Any) -> Any:
    if key == "output":
        return Tensor(
            value["name"], tuple(value["shape"]), QType(*value["qtype"]), tuple(value["align"])
        )
    if isinstance(value, dict):
        data = np.frombuffer(base64.b64decode(value["base64"]), dtype=value["dtype"])
        return data.reshape(value["shape"]).astype(np.int64)
    return tuple(value) if isinstance(value, list) else value
