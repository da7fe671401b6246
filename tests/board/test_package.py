"""An archive for the board: whole, and right where it is unpacked."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from accelerators import bitstream, compiled, described, expected, frames

from zynqfire import Refusal
from zynqfire.board import driver
from zynqfire.board.package import package

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return a build with golden vectors of two frames."""
    folder = compiled(tmp_path_factory.mktemp("package") / "build")
    images = frames(2)
    np.savez(folder / "golden.npz", inputs=images.astype(int), outputs=expected(folder, images))
    return folder


@pytest.fixture
def unpacked(build, tmp_path):
    """Return the folder that an archive of the build unpacks to."""
    package(build, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def run(folder, *command):
    """Run a command in `folder`, where only installed packages and the folder are importable."""
    environment = os.environ | {"ZYNQFIRE_DEVICE": "sim", "MPLBACKEND": "Agg"}
    words = [sys.executable, *command]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_archive_holds_what_the_board_needs(build, tmp_path):
    said = []
    result = package(build, tmp_path / "a.zip", said.append)
    assert result["archive"] == str(tmp_path / "a.zip") and result["bitstream"] is False
    assert result["bytes"] == (tmp_path / "a.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None and archive.namelist() == result["files"]
        texts = {name: archive.read(name) for name in archive.namelist()}
    assert texts["driver.py"] == Path(driver.__file__).read_bytes()
    assert texts["manifest.json"] == (build / "manifest.json").read_bytes()
    assert texts["golden.npz"] == (build / "golden.npz").read_bytes()
    manifest = described(build)
    assert set(manifest["ip"]["sources"]) < set(texts)
    assert {p.relative_to(build).as_posix() for p in (build / "mem").iterdir()} < set(texts)
    for name in ("README.md", "selftest.py", "classify.ipynb", "baremetal/zynqfire.h"):
        assert name in texts
    readme = texts["README.md"].decode()
    assert "There is no bitstream in it" in readme and "$" not in readme
    clocks = manifest["ip"]["interval_cycles"]
    assert f"{clocks} clocks: {100e6 / clocks:,.0f} frames/s at 100 MHz" in readme
    assert "accelerator(images)  # uint8 (N, 6, 5, 3) to int64 (N, 7)" in readme
    assert said == ["packing random for pynq-z2"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_signed_codes_are_said(build, tmp_path):
    folder = shutil.copytree(build, tmp_path / "build")
    manifest = described(folder)
    manifest["input"]["signed"] = True
    (folder / "manifest.json").write_text(json.dumps(manifest))
    package(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "# int8 (N, 6, 5, 3) to int64" in archive.read("README.md").decode()


def test_the_same_build_gives_the_same_bytes(build, tmp_path):
    for name in ("a.zip", "b.zip"):
        package(build, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_bitstream_is_taken_along(build, tmp_path):
    bitstream(build)
    try:
        result = package(build, tmp_path / "a.zip")
        assert result["bitstream"] and {"zynqfire.bit", "zynqfire.hwh"} < set(result["files"])
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert b"bitstream is `zynqfire.bit`" in archive.read("README.md")
        (build / "vivado" / "zynqfire.hwh").unlink()
        with pytest.raises(Refusal, match=r"vivado must hold .* or none of them, not zynqfire.bit"):
            package(build, tmp_path / "b.zip")
    finally:
        for path in (build / "vivado").iterdir():
            path.unlink()


def test_the_clock_is_the_bitstreams(build, tmp_path):
    """Vivado may have been asked for another one than the board's."""
    bitstream(build)
    facts = {"key": "0", "version": "2023.2", "clock_mhz": 62.5, "timing_met": True}
    (build / "vivado" / "synth.json").write_text(json.dumps(facts))
    clocks = described(build)["ip"]["interval_cycles"]
    try:
        for name in ("a.zip", "b.zip"):
            package(build, tmp_path / name)
            with zipfile.ZipFile(tmp_path / name) as archive:
                readme, notes = (archive.read(n).decode() for n in ("README.md", "classify.ipynb"))
            clock = 62.5 if name == "a.zip" else 100
            assert f"{clock * 1e6 / clocks:,.0f} frames/s at {clock:g} MHz" in readme
            assert f"clock_mhz = {clock:g}" in notes
            (build / "vivado" / "zynqfire.bit").unlink(missing_ok=True)
            (build / "vivado" / "zynqfire.hwh").unlink(missing_ok=True)
    finally:
        shutil.rmtree(build / "vivado")


def test_ctrl_c_leaves_nothing_beside(build, tmp_path, monkeypatch):
    """And the archive that was there stays."""
    (tmp_path / "a.zip").write_text("older")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile.ZipFile, "writestr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        package(build, tmp_path / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    assert (tmp_path / "a.zip").read_text() == "older"


def test_other_files_are_refused(build, tmp_path):
    with pytest.raises(Refusal, match=r"archive .*/a.tar: must end in .zip, not .tar"):
        package(build, tmp_path / "a.tar")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(Refusal, match=r"archive .*folder.zip: cannot be written: Is a directory"):
        package(build, tmp_path / "folder.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.zip"]
    with pytest.raises(Refusal, match=r"must be a folder with a manifest.json"):
        package(tmp_path, tmp_path / "a.zip")
    (tmp_path / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(Refusal, match=r"key ip, the ports of a board, which it has not"):
        package(tmp_path, tmp_path / "a.zip")


def test_a_build_without_golden_vectors_gets_some(tmp_path):
    build, said = compiled(tmp_path / "build"), []
    package(build, tmp_path / "a.zip", said.append)
    assert "16 random frames through the interpreter instead" in said[1]
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extract("golden.npz", tmp_path)
    with np.load(tmp_path / "golden.npz") as arrays:
        assert arrays["inputs"].shape == (16, 6, 5, 3)
        assert np.array_equal(arrays["outputs"], expected(build, arrays["inputs"]))


def test_the_self_test_passes_and_fails(unpacked):
    """A golden vector that is damaged is seen, and so are damaged weights."""
    passed = run(unpacked, "selftest.py", "--device", "sim")
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stdout.count("all are equal") == 3 and "selftest: passed" in passed.stdout
    with np.load(unpacked / "golden.npz") as arrays:
        kept = dict(arrays)
    kept["outputs"][1, 3] += 1
    np.savez(unpacked / "golden.npz", **kept)
    failed = run(unpacked, "selftest.py", "--device", "sim")
    assert failed.returncode == 1 and "selftest: failed" in failed.stdout
    assert (
        failed.stdout.count("2 frames") == failed.stdout.count("1 differ, the first one is 1") == 3
    )


def test_the_self_test_says_why_it_cannot_run(unpacked):
    without = run(unpacked, "selftest.py")
    assert without.returncode == 2 and without.stdout == ""
    assert without.stderr.count("\n") == 1 and "must hold zynqfire.bit" in without.stderr
    for name in ("zynqfire.bit", "zynqfire.hwh"):
        (unpacked / name).touch()
    without = run(unpacked, "selftest.py")
    assert without.returncode == 2 and "board with the package pynq" in without.stderr
    (unpacked / "zynqfire.py").write_text("raise ImportError('not in this Python')")
    without = run(unpacked, "selftest.py", "--device", "sim")
    assert without.returncode == 2 and without.stderr == (
        "selftest: device sim: zynqfire must be installed here, for it compiles the RTL: "
        "not in this Python\n"
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"x",
        lambda data: data[:300],
        lambda data: data[:150] + bytes(40) + data[190:],
        lambda data: data.replace(b"outputs.npy", b"outlets.npy"),
    ],
)
def test_the_self_test_names_golden_vectors_that_are_damaged(unpacked, damage):
    """As a copy to the board that was cut off leaves them."""
    file = unpacked / "golden.npz"
    file.write_bytes(damage(file.read_bytes()))
    code = "import selftest; selftest.golden()"
    done = run(unpacked, "-c", code)
    assert "RuntimeError: golden.npz: must hold inputs and outputs: " in done.stderr


def test_the_notebook_runs(unpacked):
    """Its form is nbformat 4's, its cells run, and a wrong golden vector stops them."""
    notebook = json.loads((unpacked / "classify.ipynb").read_text())
    assert notebook["nbformat"] == 4 and set(notebook) == {
        *("cells", "metadata", "nbformat", "nbformat_minor")
    }
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    code = []
    for cell in notebook["cells"]:
        assert isinstance(cell["source"], list) and isinstance(cell["metadata"], dict)
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            code.append("".join(cell["source"]))
        else:
            assert cell["cell_type"] == "markdown"
    code.append(
        "import matplotlib.pyplot as p\nfor n in p.get_fignums(): p.figure(n).savefig(str(n))"
    )
    (unpacked / "cells.py").write_text("\n".join(code))
    done = run(unpacked, "cells.py")
    assert done.returncode == 0, done.stderr
    assert "2 frames, 14 logits: all equal" in done.stdout and "frames/s" in done.stdout
    assert f"interval_cycles: {described(unpacked)['ip']['interval_cycles']}," in done.stdout
    assert (unpacked / "1.png").stat().st_size > 2000 and (unpacked / "2.png").stat().st_size > 2000
    with np.load(unpacked / "golden.npz") as arrays:
        np.savez(unpacked / "golden.npz", inputs=arrays["inputs"], outputs=arrays["outputs"] + 1)
    assert "the logits differ from the golden vectors" in run(unpacked, "cells.py").stderr
