"""The driver: alone on a board, only with its manifest's hardware, and it says what is wrong."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from accelerators import OUTPUTS, SHAPE, compiled, computed, described, expected, frames
from model_device import ModelDevice

from zynqfire.board import driver
from zynqfire.board.driver import Accelerator, AcceleratorError
from zynqfire.hls import manifest

SOURCE = Path(driver.__file__)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build."""
    return compiled(tmp_path_factory.mktemp("driver") / "build")


@pytest.fixture
def device(build):
    """Return a device that the driver has not opened."""
    return ModelDevice(described(build), computed(build))


@pytest.fixture
def accelerator(build, device):
    """Return an accelerator with packets of at most four frames."""
    with Accelerator(device, described(build), build, timeout=0.3, packet_frames=4) as opened:
        yield opened


def test_it_stands_alone(tmp_path):
    """A copy runs where neither zynqfire nor pynq is, and reads as Python 3.8."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))
    top = [name.name for node in tree.body if isinstance(node, ast.Import) for name in node.names]
    top += [node.module for node in tree.body if isinstance(node, ast.ImportFrom)]
    top = [name.split(".")[0] for name in top]
    assert set(top) <= {"__future__", "numpy"} | set(sys.stdlib_module_names)
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level]
    (tmp_path / "driver.py").write_bytes(SOURCE.read_bytes())
    code = (
        "import sys; before = {*sys.modules}; "  # what this Python starts with is its own
        "sys.modules['zynqfire'] = sys.modules['pynq'] = None; import driver; "
        "found = {n.split('.')[0] for n in {*sys.modules} - before}; "
        "print(sorted(found - sys.stdlib_module_names))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(ast.literal_eval(run.stdout))
    assert {n for n in loaded if not n.startswith("_")} <= {"driver", "numpy", "pynq", "zynqfire"}


@pytest.mark.parametrize("path", [SOURCE, SOURCE.parent / "archive" / "selftest.py"])
def test_what_python_38_lacks_is_not_evaluated(path):
    """New forms of types stand in annotations only, and new functions nowhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    assert tree.body[1].module == "__future__"
    spare = {n for node in ast.walk(tree) for part in _annotations(node) for n in ast.walk(part)}
    for node in set(ast.walk(tree)) - spare:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            assert node.value.id not in {"dict", "list", "tuple", "deque", "type"}
        if isinstance(node, ast.Call):
            assert not {"strict"} & {keyword.arg for keyword in node.keywords}
            name = getattr(node.func, "attr", "")
            assert name not in {"removeprefix", "removesuffix", "bit_count", "pairwise"}


def _annotations(node):
    found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
    return [part for part in found if part is not None]


def test_logits_are_those_of_the_network(build, accelerator):
    images = frames(10)
    logits = accelerator(images)
    assert logits.dtype == np.int64 and np.array_equal(logits, expected(build, images))
    assert np.array_equal(accelerator(images[3]), logits[3:4])
    assert accelerator(images[:0]).shape == (0, OUTPUTS)


def test_logits_may_be_wide(build):
    manifest = described(build)
    manifest["ip"] |= {"out_bits": 64, "output_bytes": 8 * OUTPUTS}
    wide = np.array([1 << 40, -(1 << 50), 0, 1, -1, 2**62, -(2**63)])
    with Accelerator(ModelDevice(manifest, lambda image: wide), manifest) as accelerator:
        assert np.array_equal(accelerator(frames(3)), [wide] * 3)
        assert accelerator.top_k(frames(1), 7).tolist() == [[5, 0, 3, 2, 4, 1, 6]]


def test_values_are_codes_times_the_scale(build, device):
    manifest = described(build)
    manifest["output"] |= {"frac": 9, "divisor": 30}
    with Accelerator(device, manifest) as accelerator:
        logits = accelerator(frames(2))
        values = accelerator.values(logits)
        assert np.array_equal(values, logits * 2.0**-9 / 30)


def test_of_equal_logits_the_first_class_wins(build):
    device = ModelDevice(described(build), lambda image: np.array([1, 5, 5, 2, 5, -9, 0]))
    with Accelerator(device, described(build)) as accelerator:
        assert accelerator.top_k(frames(2), 4).tolist() == [[1, 2, 4, 3]] * 2
        for k in (0, OUTPUTS + 1):
            with pytest.raises(AcceleratorError, match=f"k must be from 1 to 7, not {k}"):
                accelerator.top_k(frames(1), k)
    manifest = described(build)
    manifest["output"]["shape"], manifest["ip"]["output_bytes"] = [300], 1200
    device = ModelDevice(manifest, lambda image: np.arange(300) % 2)
    with Accelerator(device, manifest) as accelerator:  # more than what any sort leaves in order
        assert accelerator.top_k(frames(1), 200).tolist() == [
            [*range(1, 300, 2), *range(0, 100, 2)]
        ]


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((2, *SHAPE), np.float32), "images: must be uint8, not float32"),
        (np.zeros((2, *SHAPE), np.int64), "images: must be uint8, not int64"),
        (np.zeros((5, 6, 3), np.uint8), "must be N x 6 x 5 x 3 or 6 x 5 x 3, not 1 x 5 x 6 x 3"),
        (np.zeros((6, 5), np.uint8), "or 6 x 5 x 3, not 6 x 5"),
        (np.zeros((1, 2, *SHAPE), np.uint8), "or 6 x 5 x 3, not 1 x 2 x 6 x 5 x 3"),
        (np.uint8(3), "or 6 x 5 x 3, not a number"),
        ([[1, 2], [3]], "images: must have one shape, not several"),
    ],
)
def test_images_of_another_form_are_refused(accelerator, images, sentence):
    with pytest.raises(AcceleratorError) as refused:
        accelerator(images)
    assert sentence in str(refused.value) and "\n" not in str(refused.value)


def test_codes_that_the_network_does_not_take_are_refused(build):
    manifest = described(build)
    manifest["input"] |= {"bits": 4, "signed": True}
    device = ModelDevice(manifest, lambda image: np.full(OUTPUTS, image.sum()))
    with Accelerator(device, manifest) as accelerator:
        images = np.full((1, *SHAPE), -8, np.int8)
        assert np.array_equal(accelerator(images), np.full((1, OUTPUTS), -8 * 90))
        with pytest.raises(AcceleratorError, match="codes must be from -8 to 7, not -9 to 8"):
            accelerator(np.array([-9, 8] * 45, np.int8).reshape(SHAPE))


@pytest.mark.parametrize(
    ("register", "value", "sentence"),
    [
        ("ID", 0, "ID must be 0x5a464952 as in the manifest, not 0x0: the hardware is of another"),
        ("VERSION", 0x2_0000, "VERSION must be 0x10002 as in the manifest, not 0x20000"),
        ("NETWORK", 1, "NETWORK must be 0x"),
        ("INPUT_BYTES", 91, "INPUT_BYTES must be 0x5a as in the manifest, not 0x5b"),
        ("OUTPUT_BYTES", 4, "OUTPUT_BYTES must be 0x1c as in the manifest, not 0x4"),
        ("PORTS", 0x0408, "PORTS must be 0x404 as in the manifest, not 0x408"),
        ("MEMORIES", 1, "MEMORIES must be 0x0 as in the manifest, not 0x1"),
    ],
)
def test_other_hardware_is_refused(build, device, register, value, sentence):
    device.values[register] = value
    with pytest.raises(AcceleratorError) as refused:
        Accelerator(device, described(build))
    assert sentence in str(refused.value) and device.closed


def test_hardware_that_does_not_run_is_refused(build, device):
    read = device.read
    device.read = lambda offset: 0 if device.names[offset] == "STATUS" else read(offset)
    with pytest.raises(AcceleratorError, match="must run with all memories loaded, it does not"):
        Accelerator(device, described(build))
    assert device.closed


def test_a_newer_minor_version_is_taken(build, device):
    device.values["VERSION"] += 5
    Accelerator(device, described(build)).close()
    assert device.closed


def test_packets_hold_at_most_what_is_asked_for(build, device, accelerator):
    sizes = []
    accelerator(frames(10))
    write = device.write
    device.write = lambda offset, value: (sizes.append(value), write(offset, value))
    accelerator(frames(10))
    assert sizes == [4, 2]


def test_packets_hold_at_most_a_transfer(build, device):
    manifest = described(build)
    with Accelerator(device, manifest) as accelerator:
        assert accelerator.packet_frames == (1 << 22) // 90
    for size, wanted, most in ((100_000, 10_000, 671), (4, 10**9, 65535), (2**26 - 1, 3, 1)):
        manifest["ip"]["input_bytes"] = size
        with Accelerator(
            ModelDevice(manifest, None), manifest, packet_frames=wanted
        ) as accelerator:
            assert accelerator.packet_frames == most


@pytest.mark.parametrize(("size", "wanted"), [(2**26, None), (90, 0)])
def test_packets_without_a_frame_are_refused(build, size, wanted):
    manifest = described(build)
    manifest["ip"]["input_bytes"] = size
    with pytest.raises(AcceleratorError, match="a transfer must hold a frame, not"):
        Accelerator(ModelDevice(manifest, None), manifest, packet_frames=wanted)


@pytest.fixture
def loaded(build, tmp_path):
    """Return the manifest of a build with weights to load, of files in `tmp_path`, and in ROM."""
    manifest = described(build)
    manifest["signatures"] = [
        {"memory": f"u_{number}", "layer": f"layer{number}", "signature": 77 + number}
        for number in range(3)
    ]
    for number, count in enumerate((5, 3)):
        words = [f"{number * 1000 + k:08x}" for k in range(count)]
        (tmp_path / f"{number}.mem").write_text("\n".join(words) + "\n")
        entry = {"memory": f"u_{number}", "file": f"{number}.mem", "words32": count}
        manifest["loads"].append(entry)
    return manifest


def test_weights_are_loaded_and_their_signatures_checked(build, loaded, tmp_path):
    device = ModelDevice(loaded, computed(build))
    with Accelerator(device, loaded, tmp_path) as accelerator:
        assert device.loaded == {0: [0, 1, 2, 3, 4], 1: [1000, 1001, 1002]}
        assert np.array_equal(accelerator(frames(2)), expected(build, frames(2)))
        selected = device.written.count("SELECT")
        accelerator(frames(2))
        assert selected == 5 == device.written.count("SELECT")
        accelerator.check_weights()
        assert device.written.count("SELECT") == 8


def test_wrong_signatures_are_errors(build, loaded, tmp_path):
    wrong = json.loads(json.dumps(loaded))
    wrong["signatures"][1]["signature"] = wrong["signatures"][2]["signature"] = 80
    with Accelerator(ModelDevice(loaded, computed(build)), wrong, tmp_path) as accelerator:
        sentence = r"memory u_1 \(layer layer1\): signature must be 00000050, not 0000004e; mem"
        for use in (lambda: accelerator(frames(2)), accelerator.check_weights):
            with pytest.raises(AcceleratorError, match=f"^{sentence}.*: weights are wrong$"):
                use()


def test_weights_that_no_layer_has_read_are_an_error(build, loaded, tmp_path, monkeypatch):
    device = ModelDevice(loaded, computed(build))
    with Accelerator(device, loaded, tmp_path) as accelerator:
        accelerator(frames(1))
        monkeypatch.setattr(device, "advance", unread(device))
        accelerator.reset()
        sentence = r"^memory u_0 \(layer layer0\): was not read; .*: weights are wrong$"
        with pytest.raises(AcceleratorError, match=sentence):
            accelerator.check_weights()


def unread(device):
    """Return a way for frames to move through a device on which no layer reads all its weights."""

    def advance():
        type(device).advance(device)
        device.read_whole = False

    return advance


def test_weights_of_another_length_are_refused(build, loaded, tmp_path):
    (tmp_path / "0.mem").write_text("0\n")
    sentence = "memory u_0: must take 5 words, it did not with 1 of 0.mem"
    with pytest.raises(AcceleratorError, match=sentence):
        Accelerator(ModelDevice(loaded, computed(build)), loaded, tmp_path)


def test_weights_that_are_none_are_refused(build, loaded, tmp_path):
    (tmp_path / "1.mem").write_text("0\nweight\n")
    sentence = "memory u_1: 1.mem must hold hexadecimal words, it does not: .*weight"
    with pytest.raises(AcceleratorError, match=sentence):
        Accelerator(ModelDevice(loaded, computed(build)), loaded, tmp_path)
    (tmp_path / "1.mem").unlink()
    with pytest.raises(AcceleratorError, match="No such file"):
        Accelerator(ModelDevice(loaded, computed(build)), loaded, tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, r"manifest .*/manifest.json: must be JSON, it is not: .* No such file"),
        ('{"format": 1, "ip', r"manifest .*/manifest.json: must be JSON, it is not: Unterminated"),
        ("[1]", r"manifest .*/manifest.json: its format must be 1, not None"),
        ('{"format": 2}', r"manifest .*/manifest.json: its format must be 1, not 2"),
    ],
)
def test_a_manifest_that_is_damaged_is_refused(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(AcceleratorError, match=sentence):
        Accelerator.on_board(tmp_path)
    assert driver.FORMAT == manifest.FORMAT


def test_a_board_needs_its_files_and_pynq(build, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynq", None)
    (tmp_path / "manifest.json").write_text(json.dumps(described(build)))
    with pytest.raises(AcceleratorError, match=r"must hold zynqfire.bit, which it does not"):
        Accelerator.on_board(tmp_path)
    (tmp_path / "zynqfire.bit").touch()
    with pytest.raises(AcceleratorError, match=r"the file .*/zynqfire.hwh must exist, it does not"):
        Accelerator.on_board(tmp_path)
    (tmp_path / "zynqfire.hwh").touch()
    with pytest.raises(AcceleratorError, match="must run on a board with the package pynq"):
        Accelerator.on_board(tmp_path)
