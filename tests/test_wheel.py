"""The wheel, not the checkout: built, installed in an empty environment, and used from there."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NETWORK = """\
input = 8
classes = 3

[modules]
conv1 = { channels = 4 }
fire2 = { squeeze = 2, expand1 = 4, expand3 = 4, stride = 2 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""


def run(*command, cwd, **environment):
    """Run `command` outside the checkout and return its standard output."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, so that the checkout stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    leave = shutil.ignore_patterns(".*", "runs", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, folder / "source", ignore=leave)
    builder = ["build", "--wheel", "--no-isolation", "--skip-dependency-check", "--outdir", folder]
    run(sys.executable, "-m", *builder, cwd=folder / "source")
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel alone into an empty environment; dependencies are lent by this one.

    A path in a .pth file makes their modules importable without running the .pth files beside
    them, so the checkout's editable install stays out.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python3*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    where = run(python, "-c", "import zynqfire; print(zynqfire.__file__)", cwd=folder)
    assert Path(where.strip()).is_relative_to(site)
    return folder


def test_wheel_holds_what_it_needs(wheel):
    """RTL, boards, networks and benches travel; tests and generic names do not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} <= {"zynqfire", "zynqfire-0.1.0.dist-info"}
    for pattern in (
        "hls/rtl/*.sv",
        "hls/rtl/sources.f",
        "board/boards/*.toml",
        "board/vivado/*.tcl",
        "board/baremetal/*",
        "board/archive/*.*",
        "rtl_tb/device/*",
        "model/networks/*.toml",
        "rtl_tb/sv/*.sv",
        "rtl_tb/*.py",
        "hls/*.py",
        "hls/passes/*.py",
        "model/*.py",
        "board/*.py",
        "*.py",
    ):
        sources = list(ROOT.glob(pattern))
        assert sources
        missing = {f"zynqfire/{path.relative_to(ROOT)}" for path in sources} - names
        assert not missing
    assert not [name for name in names if name.startswith("zynqfire/tests/")]


def test_command_simulates_from_the_wheel(installed, tmp_path):
    """From a network file to a bit-exact simulation, without the checkout."""
    (tmp_path / "small.toml").write_text(NETWORK)
    zynqfire = installed / "bin" / "zynqfire"
    steps = (
        ["networks"],
        ["boards"],
        ["compile", "small.toml", "-o", "build"],
        ["simulate", "build", "--frames", "3"],
        ["budget", "build"],
    )
    answers = {}
    for step in steps:
        answers[step[0]] = json.loads(run(zynqfire, *step, "--json", cwd=tmp_path))
    assert "zynqnet-32" in {network["name"] for network in answers["networks"]["networks"]}
    assert "pynq-z2" in {board["name"] for board in answers["boards"]["boards"]}
    assert answers["simulate"]["frames"] == 3 and answers["simulate"]["bit_exact"] is True
    assert answers["budget"]["fits"] is True
