"""Builds as `compile` writes them, through Vivado's flow under the stubs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import verilator
import vivado_builds

from zynqfire.board import vivado, yosys

NETWORK = """\
input = 8
classes = 3

[modules]
conv1 = { channels = 4 }
fire2 = { squeeze = 2, expand1 = 4, expand3 = 4, stride = 2 }
conv10 = { kernel = 1, relu = false }
pool = { kind = "average" }
"""
PRIMITIVES = Path(__file__).parents[1] / "rtl_tb" / "primitives.sv"
VERILATOR = Path(verilator.__file__).parent / "bin" / "verilator_bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a model for all builds here."""
    path = tmp_path_factory.mktemp("real")
    (path / "small.toml").write_text(NETWORK)
    call(path, "export", "small.toml", "-o", "model.onnx")
    return path


def call(folder, *args):
    words = [sys.executable, "-m", "zynqfire.cli", *args, "--json"]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module", params=["pynq-z2", "zcu104"])
def build(folder, request):
    """Return a build for a board of each family, made by Vivado's stand-in."""
    out = folder / request.param
    call(folder, "compile", "model.onnx", "--board", request.param, "-o", out)
    return out


@pytest.fixture
def answer(build, tmp_path, monkeypatch):
    """Return what `synth --tool vivado` answers for the build."""
    for name, value in vivado_builds.install(tmp_path / "bin").items():
        monkeypatch.setenv(name, value)
    return vivado.synth(build)


def test_a_build_goes_through(build, answer):
    """Every layer is found in the reports that fit it; our own numbers stand beside."""
    manifest = json.loads((build / "manifest.json").read_text())
    layers = {item["layer"] for item in manifest["instances"]}
    assert set(answer["estimate"]["by_layer"]) == layers >= set(answer["by_layer"])
    assert {"input", "conv1", "fire2/expand3", "conv10", "pool"} <= set(answer["by_layer"])
    assert answer["by_layer"]["conv1"]["lut"] == 2210
    assert answer["estimate"]["lut"] == manifest["estimate"]["lut"]
    for key in ("u_conv1", "u_conv10", "u_fire2_expand3", "u_pool"):
        assert key not in answer["dissolved"]


def test_instances_of_the_manifest_are_those_of_the_sources(build, answer):
    """What the hierarchical report is searched for has these names in the RTL."""
    manifest = json.loads((build / "manifest.json").read_text())
    text = "".join(
        (build / name).read_text()
        for name in manifest["ip"]["sources"]
        if Path(name).stem.startswith("zynqfire")
    )
    instantiated = set(re.findall(r"^ *(?:\w+ |\) )(\w+) \($", text, re.M))
    assert {item["instance"] for item in manifest["instances"]} <= instantiated
    assert {"core", "ip"} <= instantiated


def test_ports_of_the_top_are_those_of_the_stubs(build, answer):
    """Yosys reads the same ports from zynqfire.v as the stubs package, and so does the manifest."""
    ip = build / "vivado" / "work" / "ip"
    script = "read_verilog zynqfire.v\nwrite_json ports.json\n"
    yosys.run(script, ip / "src")
    module = json.loads((ip / "src" / "ports.json").read_text())["modules"]["zynqfire"]
    found = {name: (port["direction"], len(port["bits"])) for name, port in module["ports"].items()}
    lines = [line.split() for line in (ip / "ports.txt").read_text().splitlines()]
    packaged = {name: (direction, int(bits)) for name, direction, bits in lines}
    assert packaged == found
    manifest = json.loads((build / "manifest.json").read_text())["ip"]
    assert found["s_axis_tdata"] == ("input", manifest["in_bits"])
    assert found["m_axis_tdata"] == ("output", manifest["out_bits"])
    assert found["s_axi_araddr"] == ("input", 12)
    for name in (ip / "src" / "ports.json", ip / "src" / "script.ys", ip / "src" / "yosys.log"):
        name.unlink(missing_ok=True)


def test_the_ip_is_whole(build, answer):
    """Verilator elaborates the files that Vivado gets, memories and primitives included."""
    work = build / "vivado" / "work"
    files = (work / "files.txt").read_text().split()
    sources = [name for name in files if name.endswith((".v", ".sv"))]
    top = (work / "ip" / "src" / "zynqfire_top.sv").read_text()
    for name in re.findall(r'File\("([^"]+)"\)', top):
        assert Path(name).is_relative_to(work.resolve())
        assert Path(name).is_file() or list(Path(name).parent.glob(f"{Path(name).name}.[0-9]*"))
    command = [VERILATOR, "--lint-only", "-Wno-fatal", "--top-module", "zynqfire"]
    result = subprocess.run(
        [*map(str, command), *sources, str(PRIMITIVES)],
        cwd=work,
        env=os.environ | {"VERILATOR_ROOT": str(VERILATOR.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0 and "%Error" not in result.stderr, result.stderr
