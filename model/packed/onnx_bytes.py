"""Where the numbers of the initializers stand in the bytes of an ONNX file.

Of protobuf's wire format this reads as much as that takes: a field is a tag, number << 3 | kind,
and kind 2 is followed by a length and so many bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

GRAPH, INITIALIZER = 7, 5  # fields of ModelProto and GraphProto
NUMBERS = (4, 9)  # float_data and raw_data of TensorProto: little endian both
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
Span = tuple[int, int]


def initializers(data: bytes) -> list[Span | None]:
    """Return begin and end of the numbers of each initializer of the ONNX file `data`, in order.

    None where they are not in one piece, or not as plain little-endian numbers. `data` has been
    read by protobuf before.
    """
    spans: list[Span | None] = []
    for field, *graph in _parts(data, 0, len(data)):
        if field == GRAPH:
            for inner, *tensor in _parts(data, *graph):
                if inner == INITIALIZER:
                    found = [(b, e) for kind, b, e in _parts(data, *tensor) if kind in NUMBERS]
                    spans.append(found[0] if len(found) == 1 else None)
    return spans


def _parts(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, begin and end of the fields in data[at:end] that have a length."""
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == BYTES:
            size, at = _varint(data, at)
            yield tag >> 3, at, at + size
            at += size
        elif kind == VARINT:
            _, at = _varint(data, at)
        else:
            at += {FIXED64: 8, FIXED32: 4}[kind]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
