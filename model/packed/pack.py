"""Packed models: an ONNX file with its weights as Huffman-coded integers, and back again.

After Deep Compression (Han et al. 2016): pruned, quantized or of a codebook, Huffman-coded. The
ONNX file is cut into the numbers of its weights and a skeleton, everything else, so that unpacking
gives the same file, byte for byte. `docs/packed.md` is the format, `zfz` its reader.
"""

from __future__ import annotations

import os
import struct
import time
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from ... import Refusal
from . import onnx_bytes, zfz
from .coding import Coded, coded
from .grid import Grid, grids, on_grid
from .report import Written, report_of

ROUND = "--round packs what the quantizers make of them"
Say = Callable[[str], None] | None
Place = tuple[int, zfz.Tensor]  # where its numbers begin in the ONNX file


def pack(
    source: str | Path, out: str | Path, *, rounded: bool = False, report: Say = None
) -> dict[str, Any]:
    """Write the QONNX file `source` to the packed model `out`.

    What is no constant of a quantizer stays as it is, deflated. Before `out` is written it is
    unpacked again and compared.

    Parameters
    ----------
    rounded : bool
        Pack weights off the grid of their quantizer as the quantizer makes them. The network
        computes the same, but its file is not the same.

    Returns
    -------
    dict
        See `zynqfire.model.packed.report`; `packed`, `model`, `rounded` (names), `seconds` besides.

    Raises
    ------
    Refusal
        `source` is no ONNX file or has no quantized weights, weights are off their grid and not
        to be `rounded`, or `out` cannot be written.
    """
    started = time.monotonic()
    source, out = Path(source), Path(out)
    if out.suffix != ".zfz":
        raise Refusal(f"pack: the file's name must end in .zfz, not {out.name}")
    data, model = _load(source)
    changed: list[str] = []
    if rounded:
        original = model
        model = on_grid(model)
        before, after = original.graph.initializer, model.graph.initializer
        changed = [a.name for a, b in zip(after, before, strict=True) if _bytes(a) != _bytes(b)]
        if changed:
            data = model.SerializeToString(deterministic=True)
    if report:
        report(f"{source.name}: coding the weights of {len(data):,} bytes")
    places = _tensors(source, data, model)
    tensors = [(tensor, coded(tensor.codes.ravel())) for _, tensor in places]
    file, sizes = _file(data, places, [code for _, code in tensors])
    if report:
        report(f"{out.name}: unpacking again, to compare")
    if zfz.parse(file).onnx != data:
        raise RuntimeError("the packed model does not unpack to its source")
    _write(out, file)
    return {
        "packed": str(out),
        "model": str(source),
        **report_of([Written(*pair) for pair in tensors], sizes, len(file), len(data)),
        "rounded": changed,
        "seconds": round(time.monotonic() - started, 3),
    }


def unpack(source: str | Path, out: str | Path, *, report: Say = None) -> dict[str, Any]:
    """Write the ONNX file that was packed to `source` to `out`, byte for byte.

    Returns
    -------
    dict
        `model`, `packed` (paths), `bytes`, `tensors`, `weights`, `seconds`.

    Raises
    ------
    Refusal
        `source` is damaged or no packed model; nothing is written then.
    """
    started = time.monotonic()
    out = Path(out)
    if out.suffix != ".onnx":
        raise Refusal(f"unpack: the file's name must end in .onnx, not {out.name}")
    if report:
        report(f"{Path(source).name}: unpacking")
    try:
        packed = zfz.read(source)
    except zfz.Damaged as error:
        raise Refusal(str(error)) from None
    _write(out, packed.onnx)
    kinds = ("weights", "indices")
    return {
        "model": str(out),
        "packed": str(source),
        "bytes": len(packed.onnx),
        "tensors": len(packed.tensors),
        "weights": sum(tensor.codes.size for tensor in packed.tensors if tensor.role in kinds),
        "seconds": round(time.monotonic() - started, 3),
    }


def _load(path: Path) -> tuple[bytes, onnx.ModelProto]:
    """Return an ONNX file, external weights embedded, as bytes and as a model."""
    name = ""
    try:
        data = path.read_bytes()
        model = onnx.load_model_from_string(data)
        before = model.SerializeToString(deterministic=True)
        onnx.load_external_data_for_model(model, str(path.parent))
        for item in model.graph.initializer:
            name = f"the values of {item.name} "
            numpy_helper.to_array(item)
    except DecodeError:
        raise Refusal(f"model {path}: not an ONNX file, or a truncated one") from None
    except (OSError, ValueError, TypeError, KeyError, onnx.checker.ValidationError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise Refusal(f"model {path}: {name}cannot be read ({reason})") from None
    if not model.graph.node or not model.opset_import:
        raise Refusal(f"model {path}: not an ONNX file, or a truncated one")
    whole = model.SerializeToString(deterministic=True)
    return data if whole == before else whole, model


def _bytes(item: onnx.TensorProto) -> bytes:
    return numpy_helper.to_array(item).tobytes()


def _tensors(path: Path, data: bytes, model: onnx.ModelProto) -> list[Place]:
    """Return the constants to pack, and where their numbers begin in `data`."""
    known, places = grids(model), []
    for item, span in zip(model.graph.initializer, onnx_bytes.initializers(data), strict=True):
        grid = known.get(item.name)
        if grid is None or span is None:
            continue
        values = numpy_helper.to_array(item)
        tensor = _tensor(item.name, grid, values)
        if data[slice(*span)] != values.tobytes():
            continue  # its numbers are not written one behind the other
        if tensor.values().tobytes() != values.tobytes():
            raise Refusal(f"model {path}: {_off(item.name, values, tensor.values())}; {ROUND}")
        places.append((span[0], tensor))
    if not any(tensor.role in ("weights", "indices") for _, tensor in places):
        raise Refusal(f"model {path}: must be QONNX with quantized weights, it has none")
    return sorted(places, key=lambda place: place[0])


def _tensor(name: str, grid: Grid, values: np.ndarray) -> zfz.Tensor:
    codes = grid.codes(values)
    return zfz.Tensor(name, grid.layer, grid.role, codes, grid.bits, grid.fracs, "")


def _off(name: str, values: np.ndarray, found: np.ndarray) -> str:
    bits, others = (array.ravel().view(f"u{array.itemsize}") for array in (values, found))
    wrong = np.flatnonzero(bits != others)
    first = values.ravel()[wrong[0]], found.ravel()[wrong[0]]
    return (
        f"the values of {name} must be on the grid of their quantizer, {len(wrong)} of "
        f"{values.size} are not, such as {first[0]:g}, which becomes {first[1]:g}"
    )


# ------------------------------------------------------------------------------------- the file
def _file(data: bytes, places: list[Place], codes: list[Coded]) -> tuple[bytes, dict[str, int]]:
    """Return the packed model, and the bytes of its parts."""
    table, skeleton, end = [], [], 0
    for (at, tensor), code in zip(places, codes, strict=True):
        table.append(_entry(at, tensor, code))
        skeleton.append(data[end:at])
        end = at + tensor.codes.size * tensor.values().itemsize
    skeleton.append(data[end:])
    sections = [_deflated(table), _deflated(skeleton), *(code.stream for code in codes)]
    size = zfz.HEADER.size + sum(len(section) + 8 for section in sections) + 4
    header = zfz.HEADER.pack(
        zfz.MAGIC, zfz.VERSION, size, len(data), zlib.crc32(data), len(places), 0
    )[:-4]
    parts = [_summed(header)]
    parts += [_summed(zfz.LENGTH.pack(len(section)) + section) for section in sections]
    sizes = {
        "table": len(sections[0]),
        "skeleton": len(sections[1]),
        "tensors": sum(len(code.stream) for code in codes),
        "frame": zfz.HEADER.size + 8 * len(sections) + 4,
    }
    return _summed(b"".join(parts)), sizes


def _summed(data: bytes) -> bytes:
    return data + zfz.LENGTH.pack(zlib.crc32(data))


def _deflated(parts: list[bytes]) -> bytes:
    data = b"".join(parts)
    return zfz.LENGTH.pack(len(data)) + zlib.compress(data, 9)


def _entry(at: int, tensor: zfz.Tensor, code: Coded) -> bytes:
    kind = onnx.TensorProto.FLOAT if tensor.fracs else onnx.TensorProto.INT64
    shape, fracs = tensor.codes.shape, tensor.fracs
    numbers = at, kind, zfz.ROLES.index(tensor.role), tensor.bits, code.width, code.low
    return b"".join(
        [
            *(struct.pack("<H", len(text)) + text for text in map(str.encode, tensor[:2])),
            zfz.ENTRY.pack(*numbers, code.coding, len(shape)),
            struct.pack(f"<{len(shape)}I", *shape),
            struct.pack(f"<H{len(fracs)}h", len(fracs), *fracs),
            code.parameters,
        ]
    )


def _write(out: Path, data: bytes) -> None:
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            beside.write_bytes(data)
            os.replace(beside, out)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(f"output {out}: cannot be written ({error.strerror})") from None
