"""The whole of zynqnet-32 in Yosys, up to its memories: block RAM by memory as `budget` says."""

import json
from collections import Counter

import pytest

from zynqfire.board import yosys
from zynqfire.board.catalog import load
from zynqfire.board.contents import KINDS, block_rams, memories
from zynqfire.hls.budget import budget
from zynqfire.hls.compile import compile_model
from zynqfire.model.config import load as load_network
from zynqfire.model.export import export_untrained

SCRIPT = """
read_verilog -lib +/xilinx/cells_sim.v
{sources}
hierarchy -check -top zynqfire_top
proc
opt
memory -nomap
opt_clean
setparam -set INIT 1'x t:$mem_v2 a:rom_style=block %i
synth_xilinx -family {family} -run map_memory:map_ffram
tee -q -o modules.json stat -json
select zynqfire_top
write_json -selected top.json
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return the build folder of the demo's network, untrained."""
    folder = tmp_path_factory.mktemp("zynqnet-32")
    export_untrained(load_network("zynqnet-32"), folder / "model.onnx")
    compile_model(folder / "model.onnx", load("pynq-z2"), folder / "build")
    return folder / "build"


@pytest.mark.long
def test_every_memory_has_the_block_rams_of_its_budget(build):
    """RAMB18 and RAMB36 of each layer's weights, windows and FIFOs, and none elsewhere."""
    manifest = json.loads((build / "manifest.json").read_text())
    sources = "\n".join(f"read_verilog -sv -defer {name}" for name in manifest["sources"])
    yosys.run(SCRIPT.format(sources=sources, family=manifest["family"]), build)
    modules = json.loads((build / "modules.json").read_text())["modules"]
    cells = {  # their own names have a backslash before them, but not where they are cells
        name.removeprefix("\\"): module["num_cells_by_type"] for name, module in modules.items()
    }
    (top,) = json.loads((build / "top.json").read_text())["modules"].values()

    inferred, counted = Counter(), Counter()
    for item in manifest["instances"]:
        module = top["cells"][item["instance"]]["type"]
        for memory, found in memories(cells, module):
            for primitive, number in found.items():
                inferred[item["layer"], KINDS[memory], primitive] += number
    for row in manifest["memories"]:
        if row["primitive"].startswith("RAMB"):
            counted[row["layer"], row["kind"], row["primitive"]] += row["count"]
    assert inferred == counted
    assert block_rams(cells, manifest["top"]).total() == counted.total()


def test_budget_of_the_demo(build):
    """At least 100,000 weights and 8 RAMB36 of weights, at most half of the block RAM."""
    result = budget(build)
    assert result["fits"]
    assert result["weight_bits"] >= 4 * 100_000
    assert result["used"]["bram36"] <= result["available"]["bram36"] / 2
    size = {"RAMB18": 0.5, "RAMB36": 1}
    weights = [row for row in result["memories"] if row["kind"] == "weights"]
    assert sum(size.get(row["primitive"], 0) * row["count"] for row in weights) >= 8
