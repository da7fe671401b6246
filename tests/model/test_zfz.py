"""The reader of packed models: alone on a board, and never fooled by a file that is not whole."""

import ast
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from packed_models import codebook, convolution

from zynqfire.model.packed import zfz
from zynqfire.model.packed.pack import pack

SOURCE = Path(zfz.__file__)
CODES = np.array([5, -7, 0, 7]).reshape(2, 2, 1, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return small packed models, one a coding, with what they were."""
    folder = tmp_path_factory.mktemp("packed")
    rng = np.random.default_rng(0)
    shape = 8, 4, 5, 5
    pruned = np.where(rng.random(shape) < 0.03, rng.integers(-3, 4, shape), 0)
    models = {
        "raw": convolution(CODES, bits=4, bias=[5, -700]),
        "huffman": convolution(rng.binomial(6, 0.5, (4, 4, 3, 3)) - 3, [0, 1, 2, 3], bits=4),
        "sparse": convolution(pruned, bits=4),
        "codebook": codebook([0, 127, -127, 5], rng.binomial(3, 0.15, (8, 4, 3, 3))),
    }
    found = {}
    for name, model in models.items():
        source = folder / f"{name}.onnx"
        source.write_bytes(model.SerializeToString())
        pack(source, folder / f"{name}.zfz")
        found[name] = (folder / f"{name}.zfz").read_bytes(), source.read_bytes()
        coding = "huffman" if name == "codebook" else name
        assert coding in {tensor.coding for tensor in zfz.parse(found[name][0]).tensors}
    return found


def sections(data):
    """Return the contents of the sections of a packed model."""
    found, at = [], zfz.HEADER.size
    while at < len(data) - 4:
        (size,) = zfz.LENGTH.unpack_from(data, at)
        found.append(data[at + 4 : at + 4 + size])
        at += size + 8
    return found


def forged(data, parts, **header):
    """Return `data` with the sections `parts`, fields of the header changed, every sum right."""
    keys = ("magic", "version", "bytes", "onnx_bytes", "onnx_sum", "tensors", "sum")
    fields = dict(zip(keys, zfz.HEADER.unpack_from(data), strict=True))
    fields["bytes"] = zfz.HEADER.size + sum(len(part) + 8 for part in parts) + 4
    fields |= header

    def summed(part):
        return part + zfz.LENGTH.pack(zlib.crc32(part))

    whole = summed(zfz.HEADER.pack(*fields.values())[:-4])
    for part in parts:
        whole += summed(zfz.LENGTH.pack(len(part)) + part)
    return summed(whole)


def inflated(section):
    """Return what a deflated section holds."""
    return zlib.decompress(section[4:])


def deflated(data, size=None):
    """Return a deflated section that says it has `size` bytes."""
    return zfz.LENGTH.pack(len(data) if size is None else size) + zlib.compress(data)


def entry(
    shape=(4,),
    kind=1,
    role=0,
    width=4,
    low=0,
    coding=0,
    fracs=(3,),
    parameters=b"",
    name=b"w",
    at=0,
):
    """Return an entry of the table."""
    return b"".join(
        [
            *(struct.pack("<H", len(text)) + text for text in (name, b"layer")),
            zfz.ENTRY.pack(at, kind, role, 8, width, low, coding, len(shape)),
            struct.pack(f"<{len(shape)}I", *shape),
            struct.pack(f"<H{len(fracs)}h", len(fracs), *fracs),
            parameters,
        ]
    )


@pytest.mark.parametrize("name", ["raw", "huffman", "sparse", "codebook"])
def test_every_changed_byte_is_refused(name, files):
    """Each byte in turn, each kind of change; the sentence names the section."""
    data, _ = files[name]
    for at in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= change
            with pytest.raises(zfz.Damaged, match=r"^section [a-z]+[ :]"):
                zfz.parse(bytes(damaged))


@pytest.mark.parametrize("name", ["raw", "sparse"])
def test_every_other_length_is_refused(name, files):
    """Cut short anywhere, or with more behind."""
    data, _ = files[name]
    for size in range(len(data)):
        with pytest.raises(zfz.Damaged, match=r"section header(:| must have 32) .* not \d+$"):
            zfz.parse(data[:size])
    for more in (b"\0", b"\0" * 12, data):
        with pytest.raises(zfz.Damaged, match="section header: the file must have"):
            zfz.parse(data + more)


@pytest.mark.parametrize("name", ["raw", "huffman", "sparse", "codebook"])
def test_changes_behind_the_check_sums_are_seen(name, files):
    """Every byte of every section changed and all sums mended: refused, or the model is the same.

    What is the same names a layer, a role or a width, which no byte of the ONNX file depends on.
    """
    data, model = files[name]
    parts = sections(data)
    plain = [inflated(parts[0]), inflated(parts[1]), *parts[2:]]
    refused = same = 0
    for number, part in enumerate(plain):
        for at in range(len(part)):
            for change in (0x01, 0x80, 0xFF):
                other = bytearray(part)
                other[at] ^= change
                new = deflated(bytes(other)) if number < 2 else bytes(other)
                try:
                    found = zfz.parse(forged(data, [*parts[:number], new, *parts[number + 1 :]]))
                except zfz.Damaged:
                    refused += 1
                else:
                    assert found.onnx == model
                    same += 1
    assert refused > 10 * same > 0


def test_other_sections_are_refused(files):
    """One too few, too many, or in another order."""
    data, _ = files["raw"]
    parts = sections(data)
    for others, sentence in (
        (parts[:-1], "section tensor 2 of 2 is missing, the file ends before"),
        ([*parts, b""], "section end must follow the last tensor, 8 bytes are between"),
        ([parts[1], parts[0], *parts[2:]], "section table"),
    ):
        with pytest.raises(zfz.Damaged, match=sentence):
            zfz.parse(forged(data, others))


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ({"version": 2}, "section header: the version must be 1, not 2"),
        ({"magic": b"\x89PNG\r\n\x1a\n"}, "must begin as a packed model does, this is another"),
        ({"bytes": 7}, "the file must have 7 bytes, not"),
        ({"onnx_bytes": 2**31}, "a model has at most 2147483647 bytes, not 2147483648"),
        ({"onnx_bytes": 9}, "section table: 24 bytes of weights exceed the model's 9"),
        ({"onnx_bytes": 99}, "section skeleton must unpack to at most 75 bytes, not"),
        ({"onnx_sum": 1}, "must have size and check sum of the header, not others"),
        ({"tensors": 2**32 - 1}, "4294967297 sections do not fit in"),
        ({"tensors": 1}, "section end must follow the last tensor"),
    ],
)
def test_wrong_headers_are_refused(header, sentence, files):
    """Another file, a newer format, and numbers that cannot be."""
    data, _ = files["raw"]
    with pytest.raises(zfz.Damaged, match=sentence):
        zfz.parse(forged(data, sections(data), **header))


NIBBLES = b"\x11" + bytes(7)  # symbols 0 and 1 have a bit each, of 16


@pytest.mark.parametrize(
    ("table", "stream", "sentence"),
    [
        (entry(shape=(2**20, 2**11)), b"", "size must be positive and fit a model of w"),
        (entry(shape=(2**28,)), b"\0" * 9, "268435456 symbols of 4 bits do not have 9 bytes"),
        (entry(shape=(0,)), b"", "the size must be positive"),
        (entry(shape=(1,) * 9), b"\0", "at most 8 axes of w, not 9"),
        (entry(kind=2), b"\0\0", r"type must be float32 \(1\) or int64 \(7\) of w, not 2"),
        (entry(role=5), b"\0\0", "the role must be one of 5 of w, not 5"),
        (entry(coding=3), b"\0\0", "the coding must be one of 3 of w, not 3"),
        (entry(width=0), b"\0\0", "a symbol must have 1 to 32 bits of w, not 0"),
        (entry(width=9, coding=1), b"\0\0", "a symbol must have 1 to 8 bits of w, not 9"),
        (entry(low=2**60), b"\0\0", "the smallest code must have at most 32 bits of w"),
        (entry(fracs=()), b"\0\0", "there must be a frac, or one a channel, of w, not 0"),
        (entry(fracs=(1, 2)), b"\0\0", "there must be a frac, or one a channel, of w, not 2"),
        (entry(kind=7), b"\0\0", "there must be a frac, or one a channel, of w, not 1"),
        (entry(name=b"\xff"), b"\0\0", "section table: a name must be UTF-8"),
        (entry()[:-1], b"\0\0", "section table ends within an entry"),
        (entry() + b"x", b"\0\0", "must end with its last entry, 1 follow"),
        (entry(at=9), b"\0\0", "must have size and check sum of the header"),
        (entry(fracs=(-32768,), low=1), b"\0\0", "must have size and check sum of the header"),
        (
            entry(shape=(2**28,), coding=1, parameters=NIBBLES),
            b"\0" * 9,
            "268435456 symbols do not fit in 9 bytes",
        ),
        (
            entry(shape=(2**28,), coding=2, parameters=struct.pack("<BBII", 1, 0, 9, 2)),
            b"",
            "section table ends within an entry",
        ),
        (
            entry(
                (2**28,), coding=2, parameters=struct.pack("<BBII", 1, 0, 9, 2) + NIBBLES + b"\x11"
            ),
            b"\0" * 4,
            "section w: 9 entries with gaps below 2 do not fill 268435456 weights",
        ),
        (
            entry(
                (2**28,),
                coding=2,
                parameters=struct.pack("<BBII", 1, 0, 2**28, 2) + NIBBLES + b"\x11",
            ),
            b"\0" * 4,
            "268435456 symbols do not fit in 2 bytes",
        ),
        (
            entry((9,), coding=2, parameters=struct.pack("<BBII", 1, 0, 8, 1) + NIBBLES + b"\x11"),
            b"\0\xff",
            "the gaps must end within 9 weights, they reach 15",
        ),
        (
            entry(coding=2, parameters=struct.pack("<BBII", 9, 0, 8, 1) + bytes(99)),
            b"",
            "a gap must have 1 to 8 bits of w, not 9",
        ),
        (
            entry(coding=2, parameters=struct.pack("<BBII", 1, 16, 8, 1) + bytes(99)),
            b"",
            "the base must be a symbol of 4 bits of w, not 16",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_tables_are_refused_before_memory_is_taken(table, stream, sentence, files):
    """With every check sum right: what is declared is compared with what is there."""
    data, _ = files["raw"]
    size = struct.unpack_from("<I", table, 2 + 1 + 2 + 5 + zfz.ENTRY.size)[0]
    header = {"tensors": 1, "onnx_bytes": 4 * size}  # so that nothing but this betrays it
    skeleton = deflated(b"")
    tracemalloc.start()
    try:
        with pytest.raises(zfz.Damaged, match=sentence):
            zfz.parse(forged(data, [deflated(table), skeleton, stream], **header))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_deflate_bombs_are_refused(files):
    """A section that unpacks to more than it says, or says more than the model has."""
    data, _ = files["raw"]
    parts = sections(data)
    for number, name in ((0, "table"), (1, "skeleton")):
        tracemalloc.start()
        try:
            bomb = zlib.compress(bytes(30_000_000), 9)
            others = [*parts]
            others[number] = zfz.LENGTH.pack(100) + bomb
            with pytest.raises(zfz.Damaged, match=f"{name} must unpack to the 100 bytes that"):
                zfz.parse(forged(data, others))
            others[number] = zfz.LENGTH.pack(2**32 - 1) + bomb
            with pytest.raises(zfz.Damaged, match=f"{name} must unpack to at most"):
                zfz.parse(forged(data, others))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 40_000_000  # of which 30 are the test's
    others = [parts[0], b"\1\0", *parts[2:]]
    with pytest.raises(zfz.Damaged, match="skeleton must begin with its size, it has 2 bytes"):
        zfz.parse(forged(data, others))
    others[1] = zfz.LENGTH.pack(100) + b"not deflated"
    with pytest.raises(zfz.Damaged, match="skeleton must be deflated data"):
        zfz.parse(forged(data, others))
    others[1] = deflated(inflated(parts[1])[:-1])
    with pytest.raises(zfz.Damaged, match="must have size and check sum of the header"):
        zfz.parse(forged(data, others))


def test_reader_stands_alone(files, tmp_path):
    """Copied to another place, with numpy and nothing of ours, it unpacks the same."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }
    assert names - set(sys.stdlib_module_names) == {"numpy"}
    (tmp_path / "alone.py").write_bytes(SOURCE.read_bytes())

    def run(*words):
        command = [sys.executable, "-I", "alone.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for name, (data, model) in files.items():
        (tmp_path / "m.zfz").write_bytes(data)
        assert run("m.zfz", "-o", f"{name}.onnx").returncode == 0
        assert (tmp_path / f"{name}.onnx").read_bytes() == model
    there = sorted(tmp_path.iterdir())
    (tmp_path / "m.zfz").write_bytes(data[:-1])
    for words, sentence in (
        (("m.zfz", "-o", "new.onnx"), "zfz: packed model m.zfz: section header: the file must"),
        (("none.zfz", "-o", "new.onnx"), "No such file or directory: 'none.zfz'"),
        (("m.zfz",), "usage: zfz.py MODEL.zfz -o MODEL.onnx"),
    ):
        result = run(*words)
        assert result.returncode == 2 and sentence in result.stderr
        assert "Traceback" not in result.stderr and sorted(tmp_path.iterdir()) == there


def test_codes_by_layer(files):
    """What a board reads: integers, their layer, what they are, and their scale."""
    weights, bias = zfz.parse(files["raw"][0]).tensors
    assert weights[:3] == ("conv1.weight", "conv1", "weights") and weights[4:6] == (4, (3,))
    assert bias[:3] == ("conv1.bias", "conv1", "bias") and bias[4:6] == (32, (8,))
    np.testing.assert_array_equal(weights.codes, CODES)
    np.testing.assert_array_equal(bias.codes, [5, -700])
    np.testing.assert_array_equal(weights.values(), CODES.astype(np.float32) / 8)
    (channels,) = zfz.parse(files["huffman"][0]).tensors
    assert channels.fracs == (0, 1, 2, 3)
    table, indices = zfz.parse(files["codebook"][0]).tensors
    assert (table.role, table.bits, indices.role, indices.bits) == ("table", 8, "indices", 2)
    np.testing.assert_array_equal(table.codes, [0, 127, -127, 5])
    assert {table.layer, indices.layer} == {"conv1"} and indices.fracs == ()
    assert indices.values().dtype == np.int64
