"""Build folders: deterministic, complete, and never half-written."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from random_networks import Builder, folded, random_network

from zynqfire import Refusal
from zynqfire.board.catalog import load
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import emit, manifest
from zynqfire.hls.fold import Fold, fold_weights
from zynqfire.hls.ir import QType, Requantize, Tensor
from zynqfire.hls.ir_text import loads
from zynqfire.hls.passes.wiring import identifier, wire
from zynqfire.hls.words import hex_groups, hex_lines


def build(out, seed=2, **options):
    return hls_compile.build(random_network(seed), load("pynq-z2"), out, **options)


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_builds_are_the_same_to_the_byte(tmp_path):
    build(tmp_path / "a", interval=900)
    build(tmp_path / "b", interval=900)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_memory_files_hold_the_folded_weights(tmp_path):
    result = build(tmp_path / "b", seed=0, interval=900)
    network = loads((tmp_path / "b" / "network.json").read_text())
    for conv, layer in zip(network.convolutions, result["layers"], strict=True):
        fold = Fold.of(conv, layer["pe"], layer["simd"])
        name = f"{identifier(conv.name)}.weights.mem"
        words = (tmp_path / "b" / "mem" / name).read_text().split()
        bits, expected = conv.weight_bits, fold_weights(conv, fold)
        if conv.codebook and len(words[0]) == -(-fold.multipliers * conv.stored_bits // 4):
            bits, expected = conv.stored_bits, np.searchsorted(conv.codebook, expected)
        lanes = [
            [int(word, 16) >> bits * lane & (1 << bits) - 1 for lane in range(fold.multipliers)]
            for word in words
        ]
        expected = expected.reshape(len(words), -1) & (1 << bits) - 1
        assert np.array_equal(lanes, expected)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 7, 8])
def test_hexadecimal_words_put_lane_0_lowest(bits):
    rng = np.random.default_rng(bits)
    codes = rng.integers(-(1 << bits - 1), 1 << bits - 1, (5, 9))
    for line, lanes in zip(hex_lines(codes, bits).split(), codes, strict=True):
        value = sum((int(c) & (1 << bits) - 1) << bits * i for i, c in enumerate(lanes))
        assert int(line, 16) == value
        assert len(line) == -(-9 * bits // 4)


def test_hexadecimal_groups_put_the_first_field_lowest():
    bias, shift = np.array([-1, 2, 3, -4]), np.array([0, 1, 2, 3])
    lines = hex_groups([(bias, 4), (shift, 2)], 2, 2).split()
    assert [int(line, 16) for line in lines] == [0b01_0010_00_1111, 0b11_1100_10_0011]


def test_old_build_stays_when_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    build(tmp_path / "b", interval=900)
    before = contents(tmp_path / "b")

    def full(self, data):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(
        Refusal, match=r"build folder .* cannot be written: No space left on device"
    ):
        build(tmp_path / "b", seed=3)
    monkeypatch.undo()
    assert contents(tmp_path / "b") == before
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("meow")
    with pytest.raises(Refusal, match="photos: must be new, empty or such a one, not another"):
        build(tmp_path / "photos")
    assert (tmp_path / "photos" / "cat.png").read_text() == "meow"


def test_old_build_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    build(tmp_path / "b", interval=900)
    before = contents(tmp_path / "b")
    replace = Path.replace

    def fails(self, target):
        if self.name.endswith(".new"):
            raise OSError(13, os.strerror(13))
        return replace(self, target)

    monkeypatch.setattr("pathlib.Path.replace", fails)
    with pytest.raises(Refusal, match=r"build folder .* cannot be written: Permission denied"):
        build(tmp_path / "b", seed=3)
    monkeypatch.undo()
    assert contents(tmp_path / "b") == before
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_the_empty_folder_one_stands_in_is_taken(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    build(Path("."), interval=900)
    assert (tmp_path / "here" / "manifest.json").is_file()


def test_a_file_is_no_build_folder(tmp_path):
    (tmp_path / "b").write_text("")
    with pytest.raises(Refusal, match=r"build folder .*b: must be a folder, it is a file$"):
        build(tmp_path / "b")


def test_literals_beyond_32_bits_carry_their_size():
    assert emit._literal(-(2**31)) == "-2147483648"
    assert emit._literal(2**31) == "32'h80000000"
    assert emit._literal(2**100 - 1) == f"100'h{'f' * 25}"
    assert emit._literal(-(2**40)) == "-42'sd1099511627776"
    assert emit._literal("mem/a.mem") == '"mem/a.mem"'


@pytest.mark.parametrize(("family", "form"), [("xc7", 1), ("xcup", 2)])
def test_convolutions_take_the_primitives_of_the_family_in_synthesis_alone(family, form):
    network = random_network(4)
    design = wire(network, folded(network, 2000))
    text = emit.top(design, {i.name: i.parameters for i in design.instances}, family)
    synthesis, _, simulation = text.partition("`else")
    assert f"`ifdef SYNTHESIS\n    parameter int Primitives = {form}\n" in synthesis
    assert simulation.lstrip().startswith("parameter int Primitives = 0 ")
    passed = [i.module for i in design.instances if ".Primitives(Primitives)" in instance(text, i)]
    assert passed == [i.module for i in design.instances if i.module == "zf_conv"] != []


def instance(text, wired):
    """Return the text of an instance."""
    _, _, after = text.partition(f"  // {wired.layer}\n  {wired.module} #(")
    while f") {wired.name} (" not in after.partition(");")[0]:  # another of the same layer
        _, _, after = after.partition(f"  // {wired.layer}\n  {wired.module} #(")
    return after.partition(");")[0]


def test_network_too_large_for_the_board_is_refused(tmp_path):
    folds = {
        c.name: {"pe": c.weights.shape[0], "simd": c.weights[0].size}
        for c in random_network(4).convolutions
    }
    with pytest.raises(Refusal, match=r"must fit zybo-z7-10's 17600 LUTs, it needs about \d+"):
        hls_compile.build(random_network(4), load("zybo-z7-10"), tmp_path / "b", folding=folds)
    assert not (tmp_path / "b").exists()


def test_interval_that_a_stream_cannot_keep_is_refused(tmp_path):
    """Codes leave one a beat, which no folding makes shorter."""
    network = random_network(9)
    least = network.output.output.elements
    with pytest.raises(Refusal, match=rf"needs {least} cycles a frame, more than the interval"):
        hls_compile.build(network, load("zcu102"), tmp_path / "b", interval=least - 1)


def test_folding_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "f.json").write_text("{")
    with pytest.raises(Refusal, match=r"folding file .*f\.json: must be JSON"):
        build(tmp_path / "b", folding=tmp_path / "f.json")
    with pytest.raises(Refusal, match="cannot be read: No such file or directory"):
        build(tmp_path / "b", folding=tmp_path / "g.json")


def test_golden_codes_of_a_finer_scale_become_the_networks(tmp_path):
    network = random_network(2)
    frac = network.output.output.qtype.frac
    path = tmp_path / "m.golden.npz"
    inputs = np.zeros((2, *network.input.output.shape), np.uint8)
    outputs = 4 * np.arange(2 * network.output.output.elements).reshape(2, -1) - 8
    np.savez(path, inputs=inputs, outputs=outputs, output_frac=frac + 2)
    with np.load(io.BytesIO(hls_compile._golden(path, network))) as golden:
        assert np.array_equal(golden["outputs"], outputs // 4)
        assert golden["output_frac"] == frac
    np.savez(path, inputs=inputs, outputs=outputs, output_frac=frac)
    assert hls_compile._golden(path, network) == path.read_bytes()


def test_broken_golden_vectors_are_refused(tmp_path):
    network, path = random_network(2), tmp_path / "m.golden.npz"
    inputs = np.zeros((2, *network.input.output.shape), np.uint8)
    for content in (b"junk", b"PK\x03\x04 not a zip"):
        path.write_bytes(content)
        with pytest.raises(Refusal, match=r"^golden vectors .*: must hold the arrays inputs and"):
            hls_compile._golden(path, network)
    np.savez(path, inputs=inputs)
    with pytest.raises(Refusal, match=r"^golden vectors .*: must hold the arrays inputs and"):
        hls_compile._golden(path, network)
    np.savez(path, inputs=inputs, outputs=np.zeros((2, 99), int))
    with pytest.raises(Refusal, match=r"^golden vectors .*: inputs must be integers of \(.*99"):
        hls_compile._golden(path, network)


@pytest.mark.parametrize("seed", range(8))
def test_every_memory_that_an_instance_names_is_there(seed, tmp_path):
    """Layers without biases or shifts of their own name no file for them."""
    hls_compile.build(random_network(seed), load("zcu102"), tmp_path / "b", interval=2000)
    read = manifest.read(tmp_path / "b", "instances")
    named = {name for item in read["instances"] for name in manifest.memories(item)}
    found = {file for name in named for file in manifest.contents(tmp_path / "b", name)}
    assert found == set((tmp_path / "b" / "mem").iterdir())


def test_layers_are_no_faster_than_the_stream_that_limits(tmp_path):
    """Branches of 4, 5 and 3 channels share one lane: the concatenation sets the interval."""
    grow = Builder(np.random.default_rng(0), (6, 6, 4), QType(4, False, 4))
    source, parts = grow.operations[0].output, []
    for index, outputs in enumerate((4, 5, 3)):
        acc = grow.convolution(f"c{index}", source, outputs, (3, 3), (1, 1), (1,) * 4)
        tensor = Tensor(f"p{index}", acc.shape, QType(4, False, 2))
        grow.operations.append(Requantize(f"q{index}", acc.name, tensor, 0, 15))
        parts.append(tensor)
    network = grow.output(grow.concat("join", *parts))
    result = hls_compile.build(network, load("pynq-z2"), tmp_path / "b")
    assert result["interval_cycles"] == 6 * 6 * 12
    assert max(layer["cycles"] for layer in result["layers"]) <= 6 * 6 * 12
    assert result["multipliers"] <= 2 * sum(c.macs for c in network.convolutions) / (6 * 6 * 12)
