"""The JSON objects that each subcommand promises, on a network of one fire module."""

import json
import subprocess
import sys

import numpy as np
import pytest

NETWORK = """\
input = 8
classes = 3

[modules]
conv1 = { channels = 4 }
fire2 = { squeeze = 2, expand1 = 4, expand3 = 4, stride = 2 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
COMPILE = {
    *("build", "board", "interval_cycles", "latency_cycles", "in_lanes", "out_lanes"),
    *("multipliers", "utilization", "layers", "seconds"),
    *("ip_in_bits", "ip_out_bits", "ip_interval_cycles"),
}
SIMULATE = {
    *("frames", "bit_exact", "mismatches", "interval_cycles", "latency_cycles"),
    *("cycles_per_second", "outputs", "output_frac"),
}
BUDGET = {"board", "fits", "used", "available", "weight_bits", "weight_fill", "memories"}
PROFILE = {"macs", "parameters", "weights", "biases", "activations", "layers"}
LAYER = {
    *("name", "op", "kernel", "stride", "in_shape", "out_shape", "macs", "parameters"),
    "activations",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the network in it."""
    path = tmp_path_factory.mktemp("json")
    (path / "small.toml").write_text(NETWORK)
    return path


@pytest.fixture(scope="module")
def zynqfire(folder):
    """Return a function that runs a command and returns its exit code and only JSON object."""

    def call(*args):
        words = [sys.executable, "-m", "zynqfire.cli", *args, "--json"]
        result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert result.stdout.count("\n") == 1, result.stdout + result.stderr
        assert "Traceback" not in result.stderr and "Warning" not in result.stderr, result.stderr
        return result.returncode, json.loads(result.stdout)

    return call


@pytest.fixture(scope="module")
def model(zynqfire):
    """Return the answer of `export` of the untrained network."""
    code, answer = zynqfire("export", "small.toml", "-o", "model.onnx")
    assert code == 0
    return answer


@pytest.fixture(scope="module")
def compiled(zynqfire, model):
    """Return the answer of `compile`."""
    code, answer = zynqfire("compile", "model.onnx", "-o", "build")
    assert code == 0
    return answer


def test_export(model, folder):
    """The ONNX file and the golden vectors are there, half of them random."""
    assert {"model", "golden", "output_frac"} <= set(model)
    with np.load(folder / "model.golden.npz") as golden:
        assert golden["inputs"].shape[1:] == (8, 8, 3) and len(golden["inputs"]) >= 16
        assert golden["outputs"].dtype == np.int64


def test_compile(compiled, folder):
    """All keys; the build folder is self-contained."""
    assert set(compiled) >= COMPILE
    assert set(compiled["layers"][0]) >= {
        *("name", "pe", "simd", "pixels", "cycles", "weight_bits", "acc_bits")
    }
    assert 0 < compiled["utilization"] <= 1
    for name in ("manifest.json", "network.json", "golden.npz", "rtl", "mem"):
        assert (folder / "build" / name).exists()


def test_compile_at_a_speed(zynqfire, compiled, folder):
    """--fps, --interval and --folding are three ways to the same build."""
    cycles = 4 * compiled["interval_cycles"]
    _, by_interval = zynqfire("compile", "model.onnx", "-o", "slow", "--interval", str(cycles))
    assert by_interval["interval_cycles"] <= cycles
    assert by_interval["multipliers"] < compiled["multipliers"]
    fps = ["--fps", str(50e6 / cycles), "--clock", "50"]
    _, by_fps = zynqfire("compile", "model.onnx", "-o", "slow", *fps)
    assert by_fps["layers"] == by_interval["layers"]
    keys = ("pe", "simd", "pixels")
    folding = {layer["name"]: {k: layer[k] for k in keys} for layer in by_fps["layers"]}
    (folder / "folding.json").write_text(json.dumps(folding))
    _, by_file = zynqfire("compile", "model.onnx", "-o", "slow", "--folding", "folding.json")
    assert by_file["layers"] == by_interval["layers"]


def test_compile_takes_a_network(zynqfire, compiled):
    """An untrained network is exported first."""
    code, answer = zynqfire("compile", "small.toml", "-o", "other", "--board", "zedboard")
    assert code == 0 and answer["board"] == "zedboard"
    assert answer["interval_cycles"] == compiled["interval_cycles"]


def test_compile_for_vitis(zynqfire, model, folder):
    """hls4ml's own project is written with the same command."""
    code, answer = zynqfire("compile", "model.onnx", "-o", "vitis", "--backend", "vitis")
    assert code == 0 and answer["build"] == "vitis" and answer["backend"] == "vitis"
    assert list((folder / "vitis").glob("firmware/*.cpp"))


def test_simulate(zynqfire, compiled, folder):
    """Golden vectors by default, an .npy, stalls; the outputs are in the file that is named."""
    code, answer = zynqfire("simulate", "build", "--frames", "3")
    assert code == 0 and set(answer) >= SIMULATE
    assert answer["bit_exact"] is True and answer["frames"] == 3 and answer["mismatches"] == 0
    assert answer["interval_cycles"] == compiled["interval_cycles"]
    with np.load(folder / "model.golden.npz") as golden:
        assert np.array_equal(np.load(folder / answer["outputs"]), golden["outputs"][:3])
        np.save(folder / "two.npy", golden["inputs"][-2:])
        code, answer = zynqfire("simulate", "build", "--input", "two.npy", "--stalls", "7")
        assert code == 0 and answer["frames"] == 2 and answer["interval_cycles"] is None
        assert np.array_equal(np.load(folder / answer["outputs"]), golden["outputs"][-2:])


def test_simulate_says_no(zynqfire, compiled, folder):
    """Golden outputs that differ by one make exit code 1."""
    with np.load(folder / "build" / "golden.npz") as golden:
        kept = dict(golden)
    wrong = kept["outputs"].copy()
    wrong[0, 1] += 1
    try:
        np.savez(folder / "build" / "golden.npz", **{**kept, "outputs": wrong})
        code, answer = zynqfire("simulate", "build", "--frames", "2")
    finally:
        np.savez(folder / "build" / "golden.npz", **kept)
    assert code == 1 and answer["bit_exact"] is False and answer["mismatches"] == 1
    assert "frame 0, output 1" in answer["message"]


@pytest.mark.parametrize(
    ("shape", "kind", "sentence"),
    [((1, 8, 8, 4), np.uint8, "not 1 x 8 x 8 x 4"), ((1, 8, 8, 3), np.float32, "float32")],
)
def test_simulate_refuses_other_inputs(zynqfire, compiled, folder, shape, kind, sentence):
    """The shape and the type of the input array are checked."""
    np.save(folder / "bad.npy", np.zeros(shape, kind))
    code, answer = zynqfire("simulate", "build", "--input", "bad.npy")
    assert code == 2 and sentence in answer["error"]


def test_package(zynqfire, compiled, folder):
    """The archive is there, and what it lacks is said."""
    code, answer = zynqfire("package", "build", "-o", "small.zip")
    assert code == 0 and set(answer) >= {"archive", "files", "bytes", "bitstream"}
    assert answer["archive"] == "small.zip" and answer["bitstream"] is False
    assert answer["bytes"] == (folder / "small.zip").stat().st_size
    assert {"driver.py", "manifest.json", "selftest.py", "golden.npz"} <= set(answer["files"])


def test_budget(zynqfire, compiled, folder):
    """Of a build and of its model the same, of the network but for the biases' widths."""
    code, of_build = zynqfire("budget", "build")
    assert code == 0 and set(of_build) >= BUDGET and of_build["fits"] is True
    assert set(of_build["used"]) >= {"bram36", "uram", "lut_rom_bits", "lutram_bits"}
    assert {row["kind"] for row in of_build["memories"]} <= {*("weights", "bias", "window", "fifo")}
    code, of_network = zynqfire("budget", "small.toml")
    assert code == 0 and of_network["interval_cycles"] == of_build["interval_cycles"]
    assert of_network["used"]["bram36"] == of_build["used"]["bram36"]
    code, of_model = zynqfire("budget", "model.onnx")
    assert code == 0 and of_model["used"] == of_build["used"]
    assert set(of_build["parameters"]) == {"bits", "bram36", "uram", "lut"}
    assert of_build["parameters"]["bits"] >= of_build["weight_bits"]


def test_budget_at_a_speed_with_a_picture(zynqfire, folder):
    """--interval is kept, --bits counts others, --picture is written."""
    words = ["--interval", "2000", "--bits", "2", "--picture", "memory.svg"]
    code, answer = zynqfire("budget", "small.toml", *words)
    assert code == 0 and answer["interval_cycles"] <= 2000 and answer["picture"] == "memory.svg"
    assert answer["weight_bits"] * 2 == zynqfire("budget", "small.toml")[1]["weight_bits"]
    assert (folder / "memory.svg").read_text().startswith("<?xml")
    code, refusal = zynqfire("budget", "model.onnx", "--bits", "8")
    assert code == 2 and "weights must be counted with at most the 4 bits" in refusal["error"]


def test_budget_matrix(zynqfire):
    """A cell for each width, or for each board."""
    code, answer = zynqfire("budget", "small.toml", "--bits", "2..3", "--interval", "2000")
    assert code == 0 and answer["network"] == "small"
    assert [(c["board"], c["bits"]) for c in answer["matrix"]] == [("pynq-z2", 2), ("pynq-z2", 3)]
    assert all(cell["fits"] and cell["interval_cycles"] <= 2000 for cell in answer["matrix"])


def test_over_budget(zynqfire, folder):
    """A no with advice that fits; compile refuses to write it, unless told to."""
    large = ["--set", "fire2.squeeze=64", "--set", "fire2.expand3=2048", "--board", "zybo-z7-10"]
    code, over = zynqfire("budget", "small.toml", *large)
    assert code == 1 and over["fits"] is False
    assert over["over"] and over["message"].startswith(over["over"][0]["text"])
    assert over["used"]["bram36"] > over["available"]["bram36"] == 60
    assert over["advice"] and all(advice["fits"] is True for advice in over["advice"])
    assert over["advice"][-1]["change"] == "board" and over["advice"][-1]["used"]["bram36"] > 60
    code, refusal = zynqfire("compile", "small.toml", "-o", "large", *large)
    assert code == 2 and "zybo-z7-10" in refusal["error"]
    assert refusal["error"].endswith("; --over-budget writes the RTL all the same")
    assert not list(folder.glob("*large*"))
    wide = [f"fire2.{key}" for key in ("squeeze=32", "expand1=64", "expand3=64")]
    fast = ["--interval", "64", "--board", "zybo-z7-10", *(w for s in wide for w in ("--set", s))]
    code, refusal = zynqfire("compile", "small.toml", "-o", "over", *fast)
    assert code == 2 and "on zybo-z7-10, not 64: it must fit" in refusal["error"]
    code, answer = zynqfire("compile", "small.toml", "-o", "over", *fast, "--over-budget")
    assert code == 0 and answer["fits"] is False and answer["over_budget"]
    code, of_build = zynqfire("budget", "over")
    assert code == 1 and of_build["over"][0]["need"] == answer["over_budget"][0]["need"]


def test_profile(zynqfire, model):
    """Of a network and of its ONNX file the same."""
    code, of_network = zynqfire("profile", "small.toml")
    assert code == 0 and set(of_network) >= PROFILE and set(of_network["layers"][0]) >= LAYER
    code, of_model = zynqfire("profile", "model.onnx")
    assert code == 0
    assert {k: of_model[k] for k in PROFILE - {"layers"}} == {
        k: of_network[k] for k in PROFILE - {"layers"}
    }
    _, netscope = zynqfire("profile", "small.toml", "--convention", "netscope")
    assert netscope["activations"] > of_network["activations"]


def test_set_changes_the_network(zynqfire):
    """--set reaches the network."""
    _, answer = zynqfire("profile", "small.toml", "--set", "input=16", "--set", "fire2.squeeze=3")
    assert answer["layers"][0]["in_shape"] == [16, 16, 3]


@pytest.mark.parametrize(("command", "key"), [("networks", "networks"), ("boards", "boards")])
def test_lists(zynqfire, command, key):
    """A row each, with its name."""
    code, answer = zynqfire(command)
    assert code == 0 and all(row["name"] for row in answer[key])
    if command == "boards":
        assert len(answer["boards"]) == 12
