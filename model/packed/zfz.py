"""Reads packed models (.zfz): the integer codes of every layer, or the ONNX file byte for byte.

This file stands alone, so that it can be copied to a board: Python 3.8 and numpy are all it needs.

    python3 zfz.py model.zfz -o model.onnx

    for tensor in zfz.read("model.zfz").tensors:
        print(tensor.layer, tensor.role, tensor.codes.shape, tensor.fracs)

`docs/packed.md` is the format byte by byte. A file that is not whole, or not what it says of
itself, raises `Damaged`; sizes that a file declares are checked before memory is taken for them.
The check sums find accidents, not attacks: who updates over the air signs the file besides.
"""

from __future__ import annotations

import math
import os
import struct
import sys
import zlib
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"\x89ZFZ\r\n\x1a\n"  # as PNG's: a transfer that changes line ends shows
VERSION = 1
HEADER = struct.Struct("<8sIIIIII")  # magic, version, bytes, ONNX bytes, its CRC, tensors, CRC
LENGTH = struct.Struct("<I")
ENTRY = struct.Struct("<IBBBBqBB")  # at, type, role, bits, width, low, coding, rank
SPARSE = struct.Struct("<BBII")  # gap bits, base symbol, entries, bytes of their values
TYPES = {1: np.dtype("<f4"), 7: np.dtype("<i8")}  # ONNX's numbers of float32 and int64
ROLES = ("weights", "bias", "table", "indices", "constant")
CODINGS = ("raw", "huffman", "sparse")
RAW, HUFFMAN, SPARSE_HUFFMAN = range(3)
LONGEST = 15  # bits of a code word; a length is a nibble
MOST_BYTES = 2**31 - 1  # of an ONNX file: what protobuf takes
CHUNK = 1 << 16  # bytes of a bit stream that are looked at together


class Damaged(ValueError):
    """A file that is no whole packed model: one sentence that says what is wrong and where."""


class Tensor(NamedTuple):
    """A constant of the network: initializer `name` of `layer`, in one of `ROLES`.

    `codes` are int64 of its shape, weights (output channels, input channels, rows, columns);
    value = code * 2**-frac with one of `fracs`, one an output channel, or none for indices.
    `bits` is the width of the quantizer or of an index, `coding` one of `CODINGS`.
    """

    name: str
    layer: str
    role: str
    codes: np.ndarray
    bits: int
    fracs: tuple[int, ...]
    coding: str

    def values(self) -> np.ndarray:
        """Return the initializer: float32, or int64 for indices."""
        if not self.fracs:
            return self.codes.astype("<i8")
        shape = (-1,) + (1,) * (self.codes.ndim - 1) if len(self.fracs) > 1 else ()
        down = -np.array(self.fracs, np.intc).reshape(shape)  # C's int: what 32-bit boards take
        with np.errstate(all="ignore"):  # a forged file's fracs
            return np.ldexp(self.codes.astype(np.float64), down).astype("<f4")


class Packed(NamedTuple):
    """A packed model: its tensors, and the ONNX file, `onnx`."""

    tensors: list[Tensor]
    onnx: bytes


class Entry(NamedTuple):
    """What the table says of a tensor; `lengths` are those of the code words by symbol."""

    at: int
    dtype: np.dtype
    role: str
    bits: int
    width: int
    low: int
    coding: int
    shape: tuple[int, ...]
    name: str
    layer: str
    fracs: tuple[int, ...]
    lengths: np.ndarray
    gap_lengths: np.ndarray
    base: int
    entries: int
    value_bytes: int

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


def read(path: Any) -> Packed:
    """Return the packed model of the file `path`.

    Raises
    ------
    Damaged
        The file is cut short, changed, of a newer format, or no packed model.
    """
    with open(path, "rb") as file:
        data = file.read()
    try:
        return parse(data)
    except Damaged as error:
        raise Damaged(f"packed model {path}: {error}") from None


def parse(data: bytes) -> Packed:
    """Return the packed model `data`; see `read`."""
    onnx_bytes, onnx_sum, count = _header(data)
    sections = _sections(data, count + 2)
    entries = _table(_inflated(sections[0], "table", len(data) * 1032), count)
    inside = sum(entry.size * entry.dtype.itemsize for entry in entries)
    if inside > onnx_bytes:
        raise Damaged(f"section table: {inside} bytes of weights exceed the model's {onnx_bytes}")
    skeleton = _inflated(sections[1], "skeleton", onnx_bytes - inside)
    tensors, parts, at, used = [], [], 0, 0
    for number, entry in enumerate(entries):
        tensor = _tensor(entry, sections[number + 2])
        parts += [skeleton[used : used + entry.at - at], tensor.values().tobytes()]
        used += entry.at - at
        at = entry.at + len(parts[-1])
        tensors.append(tensor)
    onnx = b"".join([*parts, skeleton[used:]])
    if len(onnx) != onnx_bytes or zlib.crc32(onnx) != onnx_sum:
        raise Damaged("the unpacked model must have size and check sum of the header, not others")
    return Packed(tensors, onnx)


# ------------------------------------------------------------------------------------- the frame
def _header(data: bytes) -> tuple[int, int, int]:
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise Damaged("section header must begin as a packed model does, this is another file")
    if len(data) < HEADER.size:
        raise Damaged(f"section header must have {HEADER.size} bytes, not {len(data)}")
    _, version, size, onnx_bytes, onnx_sum, count, check = HEADER.unpack_from(data)
    if zlib.crc32(data[: HEADER.size - 4]) != check:
        raise Damaged("section header is damaged, its check sum differs")
    if version != VERSION:
        raise Damaged(f"section header: the version must be {VERSION}, not {version}")
    if size != len(data):
        raise Damaged(f"section header: the file must have {size} bytes, not {len(data)}")
    if onnx_bytes > MOST_BYTES:
        raise Damaged(f"section header: a model has at most {MOST_BYTES} bytes, not {onnx_bytes}")
    return onnx_bytes, onnx_sum, count


def _sections(data: bytes, count: int) -> list[bytes]:
    """Return the contents of all sections, their check sums and that of the file compared."""
    found: list[bytes] = []
    at, end = HEADER.size, len(data) - LENGTH.size
    if count * 2 * LENGTH.size > end - at:
        raise Damaged(f"section header: {count} sections do not fit in {len(data)} bytes")
    for number in range(count):
        name = _called(number, count)
        if end - at < 2 * LENGTH.size:
            raise Damaged(f"section {name} is missing, the file ends before")
        (size,) = LENGTH.unpack_from(data, at)
        last = at + LENGTH.size + size
        if last + LENGTH.size > end:
            raise Damaged(f"section {name} must have {size} bytes, the file ends before")
        if LENGTH.unpack_from(data, last)[0] != zlib.crc32(data[at:last]):
            raise Damaged(f"section {name} is damaged, its check sum differs")
        found.append(data[at + LENGTH.size : last])
        at = last + LENGTH.size
    if at != end:
        raise Damaged(f"section end must follow the last tensor, {end - at} bytes are between")
    if LENGTH.unpack_from(data, end)[0] != zlib.crc32(data[:end]):
        raise Damaged("section end is damaged, the check sum of the whole file differs")
    return found


def _called(number: int, count: int) -> str:
    return ("table", "skeleton")[number] if number < 2 else f"tensor {number - 1} of {count - 2}"


def _inflated(section: bytes, name: str, most: int) -> bytes:
    if len(section) < LENGTH.size:
        raise Damaged(f"section {name} must begin with its size, it has {len(section)} bytes")
    (size,) = LENGTH.unpack_from(section)
    if size > most:
        raise Damaged(f"section {name} must unpack to at most {most} bytes, not {size}")
    inflate = zlib.decompressobj()
    try:
        # a byte more than declared, so that what is too long shows: 0 would mean no limit
        found = inflate.decompress(section[LENGTH.size :], size + 1)
    except zlib.error as error:
        raise Damaged(f"section {name} must be deflated data ({error})") from None
    if len(found) != size or not inflate.eof or inflate.unused_data:
        raise Damaged(f"section {name} must unpack to the {size} bytes that it says")
    return found


# ------------------------------------------------------------------------------------- the table
class _Cursor:
    """Takes fields from the table one after another."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def bytes(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise Damaged("section table ends within an entry")
        self.at += count
        return self.data[self.at - count : self.at]

    def fields(self, fields: struct.Struct) -> tuple:
        return fields.unpack(self.bytes(fields.size))

    def text(self) -> str:
        (size,) = self.fields(struct.Struct("<H"))
        try:
            return self.bytes(size).decode("utf-8")
        except UnicodeDecodeError:
            raise Damaged("section table: a name must be UTF-8") from None

    def array(self, count: int, dtype: str) -> np.ndarray:
        return np.frombuffer(self.bytes(count * np.dtype(dtype).itemsize), dtype)

    def nibbles(self, count: int) -> np.ndarray:
        """Return `count` lengths, two in a byte, the first in the low half."""
        pairs = self.array((count + 1) // 2, "u1")
        return np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[:count].astype(np.intp)


def _table(data: bytes, count: int) -> list[Entry]:
    cursor = _Cursor(data)
    entries, end = [], 0
    for _ in range(count):
        entry = _entry(cursor)
        if entry.at < end:
            raise Damaged(f"section table: {entry.name} must follow the tensor before it")
        end = entry.at + entry.size * entry.dtype.itemsize
        entries.append(entry)
    if cursor.at != len(data):
        raise Damaged(f"section table must end with its last entry, {len(data) - cursor.at} follow")
    return entries


def _entry(cursor: _Cursor) -> Entry:
    name, layer = cursor.text(), cursor.text()

    def must(holds: bool, rule: str, value: Any) -> None:
        if not holds:
            raise Damaged(f"section table: {rule} of {name}, not {value}")

    at, kind, role, bits, width, low, coding, rank = cursor.fields(ENTRY)
    must(kind in TYPES, "the type must be float32 (1) or int64 (7)", kind)
    must(role < len(ROLES), f"the role must be one of {len(ROLES)}", role)
    must(coding < len(CODINGS), f"the coding must be one of {len(CODINGS)}", coding)
    most = 32 if coding == RAW else 8
    must(1 <= width <= most, f"a symbol must have 1 to {most} bits", width)
    must(abs(low) <= 2**32, "the smallest code must have at most 32 bits", low)
    must(rank <= 8, "there must be at most 8 axes", rank)
    shape = tuple(cursor.array(rank, "<u4").tolist())
    must(0 < math.prod(shape) <= MOST_BYTES, "the size must be positive and fit a model", shape)
    (channels,) = cursor.fields(struct.Struct("<H"))
    fits = channels == 0 if kind == 7 else channels == 1 or (rank and channels == shape[0])
    must(bool(fits), "there must be a frac, or one a channel,", channels)
    fracs = tuple(cursor.array(channels, "<i2").tolist())
    none = np.zeros(0, np.intp)
    lengths, gap_lengths, base, entries, value_bytes = none, none, 0, 0, 0
    if coding == HUFFMAN:
        lengths = cursor.nibbles(1 << width)
    elif coding == SPARSE_HUFFMAN:
        gap_bits, base, entries, value_bytes = cursor.fields(SPARSE)
        must(1 <= gap_bits <= 8, "a gap must have 1 to 8 bits", gap_bits)
        must(base < 1 << width, f"the base must be a symbol of {width} bits", base)
        lengths, gap_lengths = cursor.nibbles(1 << width), cursor.nibbles(1 << gap_bits)
    return Entry(
        *(at, TYPES[kind], ROLES[role], bits, width, low, coding, shape, name, layer, fracs),
        *(lengths, gap_lengths, base, entries, value_bytes),
    )


# ----------------------------------------------------------------------------------- the symbols
def _tensor(entry: Entry, section: bytes) -> Tensor:
    try:
        symbols = _symbols(entry, section)
    except Damaged as error:
        raise Damaged(f"section {entry.name}: {error}") from None
    codes = (symbols.astype(np.int64) + entry.low).reshape(entry.shape)
    coding = CODINGS[entry.coding]
    return Tensor(entry.name, entry.layer, entry.role, codes, entry.bits, entry.fracs, coding)


def _symbols(entry: Entry, section: bytes) -> np.ndarray:
    if entry.coding == RAW:
        return unpacked(section, entry.size, entry.width)
    if entry.coding == HUFFMAN:
        return decoded(section, entry.size, entry.lengths)
    count, stride = entry.entries, len(entry.gap_lengths)
    # the encoder fills gaps that are too long, so that a file cannot ask for more than its share
    if not count <= entry.size < (count + 1) * stride:
        raise Damaged(f"{count} entries with gaps below {stride} do not fill {entry.size} weights")
    values = decoded(section[: entry.value_bytes], count, entry.lengths)
    gaps = decoded(section[entry.value_bytes :], count, entry.gap_lengths)
    places = np.cumsum(gaps.astype(np.int64) + 1) - 1
    if count and places[-1] >= entry.size:
        raise Damaged(f"the gaps must end within {entry.size} weights, they reach {places[-1]}")
    symbols = np.full(entry.size, entry.base, np.uint8)
    symbols[places] = values
    return symbols


def unpacked(stream: bytes, count: int, width: int) -> np.ndarray:
    """Return `count` symbols of `width` bits each, the highest bit first."""
    if len(stream) != (count * width + 7) // 8:
        raise Damaged(f"{count} symbols of {width} bits do not have {len(stream)} bytes")
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))[: count * width].reshape(count, width)
    return bits @ (1 << np.arange(width, dtype=np.int64)[::-1])


def decoded(stream: bytes, count: int, lengths: np.ndarray) -> np.ndarray:
    """Return `count` symbols of a canonical Huffman code, whose words have `lengths` by symbol.

    At every bit of the stream a table says which symbol would begin there and how long it is; a
    walk from length to length then finds where symbols do begin. The highest bit is first.
    """
    if count > 8 * len(stream):
        raise Damaged(f"{count} symbols do not fit in {len(stream)} bytes")
    symbol_of, length_of = lookup(lengths)
    mask = len(symbol_of) - 1
    shifts = 24 - mask.bit_length() - np.arange(8)
    padded = np.frombuffer(stream + bytes(2), np.uint8).astype(np.int32)
    found = np.empty(count, np.uint8)
    done, position = 0, 0
    for first in range(0, len(stream), CHUNK):
        some = padded[first : first + CHUNK + 2]
        words = some[:-2] << 16 | some[1:-1] << 8 | some[2:]
        windows = ((words[:, None] >> shifts) & mask).ravel()  # what stands at every bit
        steps = length_of[windows].tobytes()
        starts: list[int] = []
        append, at, end = starts.append, position - 8 * first, len(steps)
        while at < end:
            append(at)
            at += steps[at]
        if len(starts) > count - done:  # the bits that fill the last byte
            at = starts[count - done]
            del starts[count - done :]
        found[done : done + len(starts)] = symbol_of[windows[starts]]
        done, position = done + len(starts), 8 * first + at
        if done == count:
            break
    if done < count or (position + 7) // 8 != len(stream):
        raise Damaged(f"{count} symbols must end with the last of {len(stream)} bytes")
    return found


def lookup(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return symbol and length by what the next bits are, as many as the longest code word has.

    Canonical: shorter code words first, equally long ones by symbol, each one more than the last.
    """
    longest = int(lengths.max()) if lengths.size else 0
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    spans = 1 << (longest - lengths[order])
    if not longest or int(spans.sum()) != 1 << longest:
        raise Damaged("the lengths of its code words must be those of a complete prefix code")
    return np.repeat(order, spans).astype(np.uint8), np.repeat(lengths[order], spans).astype("u1")


def main(words: list[str]) -> int:
    """Unpack one file to another; return the exit code."""
    if len(words) != 3 or words[1] != "-o":
        print("usage: zfz.py MODEL.zfz -o MODEL.onnx", file=sys.stderr)
        return 2
    source, _, out = words
    beside = f"{out}.{os.getpid()}"
    try:
        model = read(source).onnx
        with open(beside, "wb") as file:
            file.write(model)
        os.replace(beside, out)
    except (Damaged, OSError) as error:
        print(f"zfz: {error}", file=sys.stderr)
        return 2
    finally:
        if os.path.exists(beside):
            os.remove(beside)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
