"""Simulation of a build: equality, faults found where they are, stalls, deadlock, refusals."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from zynqfire import Refusal
from zynqfire.hls import interpret, ir, ir_text
from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.simulate import simulate

TOP = (Path(__file__).parent / "pooled_top.sv").read_text()
SHAPE = (6, 8, 4)
BEATS = 96  # of an input frame, two codes each


@pytest.fixture(autouse=True, scope="module")
def shared_simulators(tmp_path_factory):
    """Compile each design, and Verilator's runtime, once for all the builds here."""
    with pytest.MonkeyPatch.context() as patch:
        if simulator.CACHE not in os.environ:
            patch.setenv(simulator.CACHE, str(tmp_path_factory.mktemp("simulators")))
        yield


def pooled_network():
    pixels = ir.Tensor("pixels", SHAPE, ir.QType(8, False, 8))
    quant = ir.Tensor("quant", SHAPE, ir.QType(4, False, 4))
    pool = ir.Tensor("pool", (1, 1, 4), ir.QType(10, False, 10))
    return ir.Network(
        "pooled",
        (
            ir.Input("input", pixels),
            ir.Requantize("first/quant", "pixels", quant, 0, 15),
            ir.SumPool("last/pool", "quant", pool),
            ir.Output("output", "pool", pool),
        ),
    )


MANIFEST = {
    "format": 1,
    "name": "pooled",
    "board": "pynq-z2",
    "top": "zynqfire_top",
    "sources": ["rtl/zynqfire_top.sv"],
    "input": {
        "shape": [6, 8, 4],
        "bits": 8,
        "signed": False,
        "frac": 8,
        "lanes": 2,
        "lane_bits": 8,
        "beats": BEATS,
    },
    "output": {
        "shape": [1, 1, 4],
        "bits": 10,
        "signed": False,
        "frac": 10,
        "divisor": 1,
        "tdata_bits": 32,
        "beats": 4,
    },
    "streams": [
        {
            "name": "quant",
            "tensor": "quant",
            "layer": "first/quant",
            "lanes": 2,
            "bits": 4,
            "signed": False,
            "shape": [6, 8, 4],
        },
        {
            "name": "pool",
            "tensor": "pool",
            "layer": "last/pool",
            "lanes": 1,
            "bits": 10,
            "signed": False,
            "shape": [1, 1, 4],
        },
    ],
    "instances": [],
    "loads": [],
    "signatures": [],
    "interval_cycles": 96,
    "latency_cycles": 102,
}


@pytest.fixture
def build(tmp_path):
    """Return a function that writes a build folder, its top wrong where told."""

    def write(**wrong):
        folder = tmp_path / "a build"
        (folder / "rtl").mkdir(parents=True)
        text = TOP
        for parameter, value in wrong.items():
            text, count = re.subn(rf"{parameter} = Never", f"{parameter} = {value}", text)
            assert count == 1
        (folder / "rtl" / "zynqfire_top.sv").write_text(text)
        (folder / "manifest.json").write_text(json.dumps(MANIFEST))
        (folder / "network.json").write_text(ir_text.dumps(pooled_network()))
        return folder

    return write


def random_codes(frames, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (frames, *SHAPE), dtype=np.uint8)


def expected(codes):
    return interpret.outputs(pooled_network(), codes.astype(np.int64)).reshape(len(codes), -1)


def test_equal_back_to_back(build):
    folder, said = build(), []
    result = simulate(folder, report=said.append)
    outputs = np.load(result["outputs"])
    assert outputs.dtype == np.int64 and outputs.shape == (8, 4)
    rate = result.pop("cycles_per_second")
    assert rate > 1000
    assert result == {
        "frames": 8,
        "bit_exact": True,
        "mismatches": 0,
        "interval_cycles": 96,
        "latency_cycles": 100,
        "outputs": str(folder / "sim" / "outputs.npy"),
        "output_frac": 10,
        "output_divisor": 1,
    }
    assert any("built" in text for text in said)
    assert not [path.name for path in (folder / "sim").iterdir() if path.name.startswith("run-")]


def test_stalls_are_random_and_repeat(build):
    folder, codes = build(), random_codes(6)
    results = [simulate(folder, inputs=codes, stalls=seed) for seed in (1, 1, 2)]
    assert all(result["bit_exact"] for result in results)
    first, again, other = (result["interval_cycles"] for result in results)
    assert first == again != other
    assert min(first, other) > 1.3 * BEATS
    np.testing.assert_array_equal(np.load(results[0]["outputs"]), expected(codes))


def test_input_file_and_frames(build, tmp_path):
    codes = random_codes(5)
    np.save(tmp_path / "codes.npy", codes)
    result = simulate(build(), inputs=tmp_path / "codes.npy", frames=2)
    assert (result["frames"], result["bit_exact"], result["interval_cycles"]) == (2, True, None)
    np.testing.assert_array_equal(np.load(result["outputs"]), expected(codes[:2]))


def test_golden_vectors_come_first(build):
    folder, codes = build(), random_codes(4)
    golden = expected(codes)
    np.savez(folder / "golden.npz", inputs=codes, outputs=golden.reshape(4, 1, 1, 4))
    result = simulate(folder)
    assert (result["frames"], result["bit_exact"]) == (4, True)
    np.testing.assert_array_equal(np.load(result["outputs"]), golden)
    result = simulate(folder, frames=6)
    assert (result["frames"], result["bit_exact"]) == (6, True)
    np.testing.assert_array_equal(np.load(result["outputs"])[:4], golden)


def test_golden_outputs_count(build):
    folder, codes = build(), random_codes(4)
    golden = expected(codes)
    golden[3, 2] += 1
    np.savez(folder / "golden.npz", inputs=codes, outputs=golden)
    result = simulate(folder)
    assert (result["bit_exact"], result["mismatches"]) == (False, 1)
    assert result["message"] == (
        f"frame 3, output 2: the golden vectors expect {golden[3, 2]}, hardware and interpreter "
        f"agree on {golden[3, 2] - 1}"
    )


@pytest.mark.parametrize("stalls", [None, 7])
def test_wrong_bit_is_located(build, stalls):
    codes = random_codes(6)
    result = simulate(build(WrongAt=2 * BEATS + 17), inputs=codes, stalls=stalls)
    tensors = interpret.run(pooled_network(), codes.astype(np.int64))
    right = int(tensors["quant"][2, 1, 0, 3])
    found = {"frame": 2, "layer": "first/quant", "stream": "quant", "y": 1, "x": 0, "channel": 3}
    assert result["first_mismatch"] == {**found, "expected": right, "received": right ^ 1}
    assert (result["bit_exact"], result["mismatches"]) == (False, 1)
    assert result["message"] == (
        "frame 2, layer first/quant (stream quant), row 1, column 0, channel 3: "
        f"expected {right}, received {right ^ 1}"
    )


def test_dropped_beat_is_located_and_the_missing_frame_counted(build):
    codes = random_codes(4)
    result = simulate(build(DropAt=BEATS + 40), inputs=codes)
    quant = interpret.run(pooled_network(), codes.astype(np.int64))["quant"].reshape(-1)
    start = BEATS * 2
    kept = np.delete(quant, [start + 80, start + 81])[start : start + 2 * BEATS]
    first = int(np.flatnonzero(kept != quant[start : start + 2 * BEATS])[0])
    found = result["first_mismatch"]
    assert (found["frame"], found["stream"]) == (1, "quant")
    assert np.ravel_multi_index((found["y"], found["x"], found["channel"]), SHAPE) == first
    assert (found["expected"], found["received"]) == (quant[start + first], kept[first])
    assert result["stalled"][1]["beat"] == BEATS - 1
    assert np.load(result["outputs"]).shape == (3, 4)
    assert not result["bit_exact"] and result["mismatches"] > 4


def test_deadlock_names_the_streams(build):
    result = simulate(build(StopAt=BEATS + 10), inputs=random_codes(3))
    assert not result["bit_exact"] and result["mismatches"] == 8
    assert "first_mismatch" not in result
    assert result["message"] == (
        "frame 1: no beat moved for 10192 clocks; "
        "valid but not ready: s_axis (frame 1, beat 10/96); "
        "ready but not valid: quant (frame 1, beat 10/96), pool (frame 1, beat 0/4), "
        "m_axis (frame 1, beat 0/4)"
    )
    assert [state["stream"] for state in result["stalled"]] == ["s_axis", "quant", "pool", "m_axis"]


def test_nothing_comes_out(build):
    result = simulate(build(StopAt=0), inputs=random_codes(3))
    assert result["latency_cycles"] is None and result["mismatches"] == 12


def test_output_that_changes_under_stall(build):
    result = simulate(build(FlickerAt=0), inputs=random_codes(6), stalls=3)
    assert not result["bit_exact"]
    assert re.match(r"\d+ output beats are withdrawn or change before", result["message"])
    assert result["first_mismatch"]["stream"] == "m_axis"


def test_early_tlast(build):
    result = simulate(build(EarlyLast=1), inputs=random_codes(3))
    assert (result["bit_exact"], result["mismatches"]) == (False, 0)
    assert result["message"] == "3 output beats have a wrong tlast"


def test_reset_in_mid_frame(build):
    codes = random_codes(4)
    result = simulate(build(), inputs=codes, reset_at=250)
    assert (result["bit_exact"], result["interval_cycles"]) == (True, 96)
    np.testing.assert_array_equal(np.load(result["outputs"]), expected(codes))


def test_state_kept_across_reset_shows(build):
    folder = build()
    top = folder / "rtl" / "zynqfire_top.sv"
    text = top.read_text()
    top.write_text(text.replace("      sums_q      <= '0;\n", ""))
    assert top.read_text() != text
    result = simulate(folder, inputs=random_codes(3), reset_at=250)
    assert not result["bit_exact"]
    assert result["first_mismatch"]["stream"] == "pool"


def test_waves(build):
    result = simulate(build(), frames=1, waves=True)
    waves = Path(result["waves"])
    assert waves.parent == Path(result["outputs"]).parent and waves.stem == "waves"
    if waves.suffix == ".vcd":
        assert "quant_tdata" in waves.read_text()


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.zeros((2, 6, 8, 3), np.uint8), "shape must be frames x 6 x 8 x 4, not 2 x 6 x 8 x 3"),
        (np.zeros((6, 8, 4), np.uint8), "shape must be frames x 6 x 8 x 4, not 6 x 8 x 4"),
        (np.zeros((0, 6, 8, 4), np.uint8), "shape must be frames x 6 x 8 x 4, not 0 x 6 x 8 x 4"),
        (np.zeros((2, 6, 8, 4)), "input codes must be integers, not float64"),
        (np.zeros((2, 6, 8, 4), bool), "input codes must be integers, not bool"),
        (np.full((2, 6, 8, 4), 256), "input codes must be from 0 to 255, found 256"),
        (np.full((2, 6, 8, 4), -1), "input codes must be from 0 to 255, found -1"),
        (np.zeros((2, 6, 8, 4), np.uint8), "has 2 frames, fewer than the 3 asked for"),
    ],
)
def test_refused_arrays(build, tmp_path, array, text):
    np.save(tmp_path / "codes.npy", array)
    with pytest.raises(Refusal) as refusal:
        simulate(build(), inputs=tmp_path / "codes.npy", frames=3)
    assert str(refusal.value) == f"{tmp_path / 'codes.npy'}: {text}"


def test_refused_files(build, tmp_path):
    folder, path = build(), tmp_path / "codes.npy"
    with pytest.raises(Refusal, match=r"codes.npy: cannot be read: No such file"):
        simulate(folder, inputs=path)
    path.write_bytes(b"no array")
    with pytest.raises(Refusal, match=r"codes.npy: must be a NumPy array file"):
        simulate(folder, inputs=path)
    np.savez(tmp_path / "codes.npz", a=np.zeros(1))
    path.write_bytes((tmp_path / "codes.npz").read_bytes()[:60])
    with pytest.raises(Refusal, match=r"codes.npy: must be a NumPy array file"):
        simulate(folder, inputs=path)
    with pytest.raises(Refusal, match="must hold one array"):
        simulate(folder, inputs=tmp_path / "codes.npz")
    with pytest.raises(Refusal, match="frames must be at least 1, not 0"):
        simulate(folder, frames=0)


def test_refused_builds(build, tmp_path):
    with pytest.raises(Refusal, match="must be a build folder"):
        simulate(tmp_path / "nowhere")
    folder = build()
    np.savez(folder / "golden.npz", inputs=random_codes(2), outputs=np.zeros((2, 3), np.int64))
    with pytest.raises(Refusal, match="outputs must be 2 x 4 integers, not 2 x 3 int64"):
        simulate(folder)
    np.savez(folder / "golden.npz", inputs=random_codes(2), outputs=np.int64(3))
    with pytest.raises(Refusal, match="outputs must be 2 x 4 integers, not 1 int64"):
        simulate(folder)
    (folder / "golden.npz").write_bytes((folder / "golden.npz").read_bytes()[:100])
    with pytest.raises(Refusal, match=r"golden.npz: must hold the arrays inputs and outputs"):
        simulate(folder)
    for change, sentence in (
        ({"format": 2}, "format: 1 was expected"),
        ({"input": 5}, "input: 5 is not of type 'object'"),
        ({"sources": ["../top.sv"]}, r"sources\[0\]: '../top.sv' does not match"),
        ({"interval_cycles": 0}, "interval_cycles: 0 is less than the minimum of 1"),
    ):
        (folder / "manifest.json").write_text(json.dumps({**MANIFEST, **change}))
        with pytest.raises(Refusal, match=f"manifest.json must be as compile writes .*{sentence}"):
            simulate(folder)
    reads = {"layer": "a", "module": "zf_rom", "instance": "u", "parameters": {"F": "mem/a.mem"}}
    (folder / "manifest.json").write_text(json.dumps({**MANIFEST, "instances": [reads]}))
    with pytest.raises(Refusal, match=r"must hold mem/a\.mem, which its manifest"):
        simulate(folder)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    for text in ("{", "[]", "{}"):
        (folder / "network.json").write_text(text)
        with pytest.raises(Refusal, match=r"network.json must be as compile|network description"):
            simulate(folder)
    (folder / "network.json").unlink()
    with pytest.raises(Refusal, match=r"must hold network.json, as compile writes$"):
        simulate(folder)


def test_design_that_does_not_compile(build):
    folder = build()
    (folder / "rtl" / "zynqfire_top.sv").write_text("module zynqfire_top;\nnonsense\n")
    with pytest.raises(Refusal, match="Verilator must compile its SystemVerilog, %Error"):
        simulate(folder)


def test_sim_folder_that_is_a_file(build):
    folder = build()
    (folder / "sim").write_text("")
    with pytest.raises(Refusal, match="sim: must be writable and have room"):
        simulate(folder)
