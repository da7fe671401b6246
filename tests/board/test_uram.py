"""Yosys makes of zf_uram exactly as many UltraRAMs as its words need, and no other memory."""

import json
from collections import Counter

import pytest

from zynqfire.board import synth, yosys
from zynqfire.rtl_tb.simulator import RTL, library

SHAPES = [(1, 1), (20, 300), (72, 4096), (73, 4096), (72, 4097), (144, 100), (145, 5000)]
SHAPES += [(512, 4608), (360, 12288), (64, 20000)]


def test_ultraram_is_what_is_counted(tmp_path):
    instances, ports = [], ["input logic clk_i, begin_i, we_i, input logic [31:0] data_i"]
    for n, (width, depth) in enumerate(SHAPES):
        address = max(1, (depth - 1).bit_length())
        ports.append(f"input logic [{address - 1}:0] a{n}, output logic [{width - 1}:0] d{n}")
        instances.append(
            f"zf_uram #(.Width({width}), .Depth({depth})) m{n} (.clk_i, .begin_i, .we_i, "
            f".data_i, .addr_i(a{n}), .data_o(d{n}));"
        )
    top = "module top (\n" + ",\n".join(ports) + ");\n" + "\n".join(instances) + "\nendmodule\n"
    (tmp_path / "top.sv").write_text(top)
    (tmp_path / "zf_uram.sv").write_bytes((RTL / "zf_uram.sv").read_bytes())
    yosys.run(
        "read_verilog -sv -defer zf_uram.sv\nread_verilog -sv top.sv\nhierarchy -check -top top\n"
        "synth_xilinx -family xcup -run begin:map_ffram\nblackbox =A:whitebox\n"
        "write_json netlist.json\n",
        tmp_path,
    )
    modules = json.loads((tmp_path / "netlist.json").read_text())["modules"]
    for n, (width, depth) in enumerate(SHAPES):
        cells = modules[modules["top"]["cells"][f"m{n}"]["type"]]["cells"].values()
        found = Counter(cell["type"] for cell in cells)
        memories = {kind: count for kind, count in found.items() if "RAM" in kind or "mem" in kind}
        assert memories == {"URAM288": -(-depth // 4096) * -(-width // 72)}, (width, depth)


@pytest.mark.parametrize(
    ("module", "parameters", "most"),
    [
        ("zf_load", {"Memories": 24, "Words": sum(1 << 32 * m for m in range(24)) * 70000}, 500),
        ("zf_uram", {"Width": 200, "Depth": 9000}, 250),
    ],
)
def test_what_loads_is_small_and_fast(module, parameters, most):
    """LUTs and logic levels."""
    sources = {path.name: path.read_bytes() for path in library(module)}
    result = synth.synthesize(synth.Unit(module, parameters, {}), sources, "xcup")
    assert result.estimate.lut <= most
    assert result.path.levels <= 5, result.path
