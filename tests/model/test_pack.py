"""Packed models: the same file back, whatever its weights, and a report that adds up."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from onnx import TensorProto, helper, numpy_helper
from packed_models import codebook, convolution

from zynqfire import Refusal, cli
from zynqfire.hls import interpret
from zynqfire.hls.ir import Conv
from zynqfire.hls.lower import from_onnx
from zynqfire.model.config import load
from zynqfire.model.packed import coding, zfz
from zynqfire.model.packed.grid import on_grid
from zynqfire.model.packed.pack import pack, unpack
from zynqfire.model.profile import profile as count
from zynqfire.model.sketch import sketch

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture
def there_and_back(tmp_path):
    """Return a function that packs a model, unpacks it, and returns report and tensors."""

    def call(model, **options):
        source, packed, back = (tmp_path / name for name in ("m.onnx", "m.zfz", "b.onnx"))
        source.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        report = pack(source, packed, **options)
        unpack(packed, back)
        if not report["rounded"]:
            assert back.read_bytes() == source.read_bytes()
        assert report["bytes"] == packed.stat().st_size
        return report, zfz.read(packed).tensors

    return call


def initializers(model):
    """Return the initializers by name."""
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def symbols(written, size):
    """Return what the reader makes of a tensor as written, its codes."""
    parameters, n = written.parameters, 1 << written.width
    base = entries = value_bytes = 0
    gaps = np.zeros(0, np.intp)
    if written.coding == zfz.SPARSE_HUFFMAN:
        gap_bits, base, entries, value_bytes = zfz.SPARSE.unpack_from(parameters)
        cursor = zfz._Cursor(parameters[zfz.SPARSE.size :])
        lengths, gaps = cursor.nibbles(n), cursor.nibbles(1 << gap_bits)
    else:
        cursor = zfz._Cursor(parameters)
        lengths = cursor.nibbles(n if written.coding else 0)
    assert cursor.at == len(cursor.data)
    entry = zfz.Entry(
        *(0, np.dtype("f4"), "", 0, written.width, written.low, written.coding, (size,), "", ""),
        *((), lengths, gaps, base, entries, value_bytes),
    )
    return zfz._tensor(entry, written.stream).codes


@unhurried
@given(
    arrays.arrays(np.int64, st.integers(1, 600), elements=st.integers(-128, 127)),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 6),
)
def test_every_coding_is_exact(codes, zeros, seed, down):
    """Whatever the weights, however sparse: each coding alone, and the smallest is chosen."""
    codes = np.where(np.random.default_rng(seed).random(codes.size) < zeros, 0, codes >> down)
    low = int(codes.min())
    width = max(1, int(codes.max() - low).bit_length())
    every = [coding._huffman(codes - low, width, low), coding._sparse(codes - low, width, low)]
    every.append(coding.coded(codes))
    for written in every:
        np.testing.assert_array_equal(symbols(written, codes.size), codes)
    raw = -(-codes.size * width // 8)
    assert every[-1].size == min(raw, every[0].size, every[1].size)


@unhurried
@given(arrays.arrays(np.int64, st.integers(1, 50), elements=st.integers(-(2**31), 2**32 - 1)))
def test_wide_codes_are_exact(codes):
    """Biases of 32 bits, signed or not."""
    np.testing.assert_array_equal(symbols(coding.coded(codes), codes.size), codes)


def test_relative_index_is_deep_compressions():
    """Figure 2 of the paper: three values in sixteen places, gaps of 3 bits, a filler."""
    gaps, real = coding.relative(np.array([1, 4, 15]), 16, 3)
    np.testing.assert_array_equal(gaps + 1, [2, 3, 8, 3])  # the paper counts from place 0
    np.testing.assert_array_equal(real, [True, True, False, True])
    assert len(coding.relative(np.array([], int), 7, 3)[0]) == 0
    assert len(coding.relative(np.array([], int), 8, 3)[0]) == 1  # the tail is filled, too


@pytest.mark.parametrize(
    ("density", "name"), [(1, "raw"), (0.6, "huffman"), (0.15, "sparse"), (0.01, "sparse")]
)
def test_the_coding_follows_the_weights(density, name):
    """Even codes stay raw; pruned ones are sparse, within a sixth of their entropy."""
    rng = np.random.default_rng(0)
    codes = np.where(rng.random(20_000) < density, rng.integers(-8, 8, 20_000), 0)
    written = coding.coded(codes)
    assert zfz.CODINGS[written.coding] == name
    share = np.unique(codes, return_counts=True)[1] / codes.size
    bits = -codes.size * np.sum(share * np.log2(share))
    assert bits <= 8 * len(written.stream) + 8 and 8 * written.size < 1.17 * bits + 600


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("zynqnet-32", {}),
        ("zynqnet-32", {"weight_bits": 2, "per_channel": True}),
        ("zynqnet-32", {"layers.conv1.weight_bits": 8, "weight_bits": 3}),
        ("resnet-8", {"weight_bits": 8}),
    ],
)
def test_networks_come_back(name, given, there_and_back):
    """Byte for byte; every weight and bias of the network is packed, as its own codes."""
    model = sketch(load(name, given))
    report, tensors = there_and_back(model)
    found = {(tensor.layer, tensor.role): tensor for tensor in tensors}
    network = from_onnx(model)
    convolutions = [op for op in network.operations if isinstance(op, Conv)]
    assert len(found) == 2 * len(convolutions) == len(tensors)
    assert report["weights"] == count(load(name, given))["weights"]
    arrays = initializers(model)
    for tensor in tensors:
        np.testing.assert_array_equal(tensor.values(), arrays[tensor.name])
        assert tensor.values().dtype == arrays[tensor.name].dtype
    for op in convolutions:
        tensor = found[op.name, "weights"]
        assert tensor.bits == op.weight_bits
        assert (len(tensor.fracs) > 1) == given.get("per_channel", False)
        packed = tensor.codes[: len(op.weights)]  # padded classes are dropped
        if len(tensor.fracs) == 1:  # else the network shifts what is even
            np.testing.assert_array_equal(np.sort(packed.ravel()), np.sort(op.weights.ravel()))


def test_codebooks_come_back(there_and_back):
    """The table as integers, the indices as symbols; a table value of 0 makes a weight zero."""
    indices = np.random.default_rng(0).integers(0, 16, (32, 8, 3, 3))
    table = np.arange(-40, 40, 5)
    report, tensors = there_and_back(codebook(table, indices))
    np.testing.assert_array_equal(tensors[0].codes, table)
    np.testing.assert_array_equal(tensors[1].codes, indices)
    (row,) = report["layers"]
    assert (row["layer"], row["bits"], row["weights"]) == ("conv1", 4, indices.size)
    assert row["nonzeros"] == np.count_nonzero(table[indices])
    assert row["quantized_bits"] == 4 * indices.size + 8 * 16
    assert report["biases"]["biases"] == 0


def test_networks_of_codebooks_come_back(there_and_back):
    """The network's own tables and indices, layer by layer; a row a layer, with its table."""
    config = load("zynqnet-32", {"codebook_bits": "3", "layers.conv1.codebook_bits": "5"})
    model = sketch(config)
    report, tensors = there_and_back(model)
    found = {(tensor.layer, tensor.role): tensor for tensor in tensors}
    rows = {row["layer"]: row for row in report["layers"]}
    assert len(rows) == 26 and len(found) == len(tensors) == 3 * 26
    for op in from_onnx(model).operations:
        if isinstance(op, Conv):
            table, indices = (found[op.name, role].codes for role in ("table", "indices"))
            weights = table[indices]
            bits = 5 if op.name == "conv1" else 3
            assert rows[op.name]["quantized_bits"] == bits * weights.size + (8 << bits)
            same = np.sort(weights[: len(op.weights)].ravel())
            np.testing.assert_array_equal(same, np.sort(op.weights.ravel()))
    assert report["biases"]["biases"] == count(config)["biases"]


def test_weights_off_their_grid_are_refused_or_rounded(there_and_back, tmp_path):
    """As exporters leave them; rounded, the network is the same."""
    model = sketch(load("zynqnet-32", {"input": "16"}))
    rng = np.random.default_rng(0)
    rounded = []
    for item in model.graph.initializer:
        if item.name.endswith(".weight"):
            scale = np.float32(2.0**-12)
            noise = rng.uniform(-0.4, 0.4, tuple(item.dims)).astype(np.float32) * scale
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) + noise, item.name))
            rounded.append(item.name)
    with pytest.raises(
        Refusal, match=r"conv1\.weight must be on the grid of their quantizer, 43\d of "
    ):
        there_and_back(model)
    assert not (tmp_path / "m.zfz").exists()
    report, _ = there_and_back(model, rounded=True)
    assert report["rounded"] == rounded
    before, after = (from_onnx(path) for path in (tmp_path / "m.onnx", tmp_path / "b.onnx"))
    assert onnx.load(tmp_path / "b.onnx") == on_grid(model) != model
    frames = rng.integers(0, 256, (2, 16, 16, 3))
    one, other = (interpret.run(network, frames) for network in (before, after))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_negative_zero_is_off_the_grid(there_and_back):
    """No integer is -0, and nothing is changed in silence."""
    model = convolution(np.ones((1, 1, 2, 2)))
    weights = np.array([1, -0.0, 0, 0], np.float32).reshape(1, 1, 2, 2)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "conv1.weight"))
    with pytest.raises(Refusal) as refusal:
        there_and_back(model)
    assert str(refusal.value).endswith(
        "the values of conv1.weight must be on the grid of their quantizer, 1 of 4 are not, such "
        "as -0, which becomes 0; --round packs what the quantizers make of them"
    )
    assert there_and_back(model, rounded=True)[0]["rounded"] == ["conv1.weight"]


def test_values_that_the_quantizer_clips_are_off_the_grid(there_and_back):
    """-8 at four bits, narrow."""
    codes = np.array([-8, 7, 0, 1]).reshape(1, 1, 2, 2)
    with pytest.raises(Refusal, match=r"1 of 4 are not, such as -1, which becomes -0\.875"):
        there_and_back(convolution(codes, bits=4))
    there_and_back(convolution(codes, bits=4, narrow=0))


def test_what_is_no_integer_stays_as_it_is(there_and_back):
    """A scale that is no power of two, a constant with another reader, one that is not finite."""
    model = convolution(np.ones((2, 2, 1, 1)), bias=[1, 2])
    other = convolution(np.ones((2, 2, 1, 1)))
    for item in (*other.graph.node, *other.graph.initializer):
        item.name = f"other.{item.name}"
    for node in other.graph.node:
        for names in (node.input, node.output):
            names[:] = [name if name == "x" else f"other.{name}" for name in names]
    model.graph.node.extend(other.graph.node)
    model.graph.initializer.extend(other.graph.initializer)
    scale = next(i for i in model.graph.initializer if i.name == "other.conv1.weight.scale")
    for value, packed in ((0.125, 3), (0.1, 2)):
        scale.CopyFrom(numpy_helper.from_array(np.float32(value), scale.name))
        assert len(there_and_back(model)[1]) == packed
    bias = next(i for i in model.graph.initializer if i.name == "conv1.bias")
    keep = numpy_helper.to_array(bias)
    bias.CopyFrom(numpy_helper.from_array(keep * np.float32(np.inf), bias.name))
    assert [tensor.name for tensor in there_and_back(model)[1]] == ["conv1.weight"]
    bias.CopyFrom(numpy_helper.from_array(keep, bias.name))
    model.graph.node.append(helper.make_node("Identity", ["conv1.bias"], ["z"]))
    assert [tensor.name for tensor in there_and_back(model)[1]] == ["conv1.weight"]


def test_numbers_in_other_fields(there_and_back):
    """float_data is packed as raw_data is; what stands elsewhere is kept; order is no matter."""
    model = codebook([0, 1, 2, 3], np.random.default_rng(0).integers(0, 4, (4, 4, 3, 3)))
    table, indices = (
        next(i for i in model.graph.initializer if i.name == f"conv1.{name}")
        for name in ("table", "indices")
    )
    values = numpy_helper.to_array(table)
    table.CopyFrom(helper.make_tensor(table.name, TensorProto.FLOAT, (4,), values))
    assert not table.raw_data
    assert len(there_and_back(model)[1]) == 2
    values = numpy_helper.to_array(indices)
    flat = values.ravel()
    model.graph.node.append(convolution(np.ones((1, 1, 1, 1))).graph.node[0])
    model.graph.initializer.extend(convolution(np.ones((1, 1, 1, 1))).graph.initializer)
    indices.CopyFrom(helper.make_tensor(indices.name, TensorProto.INT64, values.shape, flat))
    model.graph.node.append(helper.make_node("Conv", ["y", "conv1.weight.quantized"], ["z"]))
    names = [tensor.name for tensor in there_and_back(model)[1]]
    assert names == ["conv1.table", "conv1.weight"]


def test_external_weights_are_packed(tmp_path, there_and_back):
    """The files beside the model come into one."""
    model = sketch(load("zynqnet-32"))
    whole = model.SerializeToString(deterministic=True)
    onnx.save(model, tmp_path / "e.onnx", save_as_external_data=True, location="e.data")
    pack(tmp_path / "e.onnx", tmp_path / "e.zfz")
    found = initializers(onnx.load_model_from_string(zfz.read(tmp_path / "e.zfz").onnx))
    for name, values in initializers(onnx.load_model_from_string(whole)).items():
        np.testing.assert_array_equal(found[name], values)
    (tmp_path / "e.data").unlink()
    with pytest.raises(Refusal, match=r"model .*e.onnx: cannot be read"):
        pack(tmp_path / "e.onnx", tmp_path / "again.zfz")


def test_no_model_is_refused(tmp_path, there_and_back):
    """Text, nothing, a part of a model, and one without quantized weights."""
    whole = convolution(np.ones((4, 4, 3, 3))).SerializeToString()
    for data in (b"none", b"", whole[:99]):
        with pytest.raises(Refusal, match="not an ONNX file, or a truncated one"):
            there_and_back(data)
    model = onnx.load_model_from_string(whole)
    model.graph.initializer[0].raw_data = b"123"
    with pytest.raises(Refusal, match=r"the values of conv1\.weight cannot be read"):
        there_and_back(model)
    model = onnx.load_model_from_string(whole)
    del model.graph.node[0]
    with pytest.raises(Refusal, match="must be QONNX with quantized weights, it has none"):
        there_and_back(model)
    with pytest.raises(Refusal, match=r"the file's name must end in .zfz, not m.bin"):
        pack(tmp_path / "m.onnx", tmp_path / "m.bin")


def test_report_adds_up(there_and_back):
    """Of weights whose numbers are known."""
    rng = np.random.default_rng(0)
    codes = np.zeros(4096, int)
    codes[rng.choice(4096, 410, replace=False)] = rng.integers(1, 8, 410)
    report, _ = there_and_back(convolution(codes.reshape(64, 64, 1, 1), bits=4, bias=[0] * 64))
    (row,) = report["layers"]
    assert (row["weights"], row["nonzeros"], row["coding"]) == (4096, 410, "sparse")
    assert row["float_bits"] == 32 * 4096 and row["quantized_bits"] == 4 * 4096
    share = np.unique(codes, return_counts=True)[1] / 4096
    assert row["entropy_bits"] == pytest.approx(-4096 * np.sum(share * np.log2(share)), abs=0.1)
    sparse = [
        (len(coding.relative(np.flatnonzero(codes), 4096, gap)[0]), gap) for gap in range(1, 9)
    ]
    steps = [32 * 4096, *(min(n * (bits + gap) for n, gap in sparse) for bits in (32, 4))]
    assert row["stage_bits"] == [*steps, row["packed_bits"]]
    stages = report["stages"]
    assert [each["bits"] for each in stages] == row["stage_bits"]
    assert [each["stage"] for each in stages] == ["float32", "pruned", "quantized", "huffman"]
    assert stages[1]["ratio"] == round(32 * 4096 / steps[1], 3)
    assert sum(each["share"] for each in stages) == pytest.approx(1, abs=3e-4)
    assert report["biases"] == {"biases": 64, "quantized_bits": 64 * 32, "packed_bits": 64}
    assert sum(report["sections"].values()) == report["bytes"]
    assert report["ratio_float"] == round(4 * (4096 + 64) / report["bytes"], 3)
    assert report["ratio_onnx"] == round(report["onnx_bytes"] / report["bytes"], 3)


def test_commands(tmp_path, monkeypatch, capfd):
    """Pack, draw, unpack; JSON and tables."""
    monkeypatch.chdir(tmp_path)
    Path("m.onnx").write_bytes(sketch(load("zynqnet-32")).SerializeToString())
    line = ["pack", "m.onnx", "-o", "m.zfz", "--picture", "m.svg"]
    assert cli.main([*line, "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert {"packed", "ratio_float", "stages", "layers", "sections", "picture"} <= set(answer)
    picture = Path("m.svg").read_text()
    assert all(f">{layer['layer']}<" in picture for layer in answer["layers"])
    assert f"{answer['bytes']:,} bytes" in picture
    first = Path("m.zfz").read_bytes()
    assert cli.main(line) == 0
    assert "fire9/expand3" in (shown := capfd.readouterr().out) and "quantized" in shown
    assert Path("m.zfz").read_bytes() == first and Path("m.svg").read_text() == picture
    assert cli.main(["unpack", "m.zfz", "-o", "b.onnx", "--json"]) == 0
    answer = json.loads(capfd.readouterr().out)
    assert answer["weights"] == 134960 and answer["tensors"] == 52
    assert Path("b.onnx").read_bytes() == Path("m.onnx").read_bytes()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            ["unpack", "m.zfz", "-o", "b.bin"],
            "unpack: the file's name must end in .onnx, not b.bin",
        ),
        (
            ["unpack", "cut.zfz", "-o", "b.onnx"],
            "packed model cut.zfz: section header: the file must",
        ),
        (
            ["unpack", "other.zfz", "-o", "b.onnx"],
            "must begin as a packed model does, this is another",
        ),
        (["unpack", "none.zfz", "-o", "b.onnx"], "'none.zfz' does not exist"),
        (["pack", "m.onnx", "-o", "b.zip"], "pack: the file's name must end in .zfz, not b.zip"),
        (["pack", "m.onnx", "-o", "m.onnx/b.zfz"], "must be a folder that can be written"),
        (["pack", "m.onnx", "-o", "b.zfz", "--picture", "b.gif"], "must end in .svg or .png"),
    ],
)
def test_commands_refuse(line, sentence, tmp_path, monkeypatch, capfd):
    """One sentence, exit code 2, and no file appears or changes."""
    monkeypatch.chdir(tmp_path)
    Path("m.onnx").write_bytes(convolution(np.ones((2, 2, 1, 1))).SerializeToString())
    pack("m.onnx", "m.zfz")
    Path("cut.zfz").write_bytes(Path("m.zfz").read_bytes()[:-1])
    Path("other.zfz").write_text("something else")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert cli.main(line) == 2
    out, err = capfd.readouterr()
    assert out == "" and sentence in err.splitlines()[-1] and "Traceback" not in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
