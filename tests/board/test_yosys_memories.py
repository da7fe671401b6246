"""Yosys infers exactly the primitives that `hls.memory` counts, over a spread of shapes."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from zynqfire.board import resources, yosys
from zynqfire.board.catalog import load
from zynqfire.hls.cuts import Row, encode, whole
from zynqfire.hls.memory import Kind, Memory, Placed, rom_files
from zynqfire.hls.passes.placement import few
from zynqfire.rtl_tb.pieces import MIXED, depth

RTL = Path(__file__).parents[2] / "hls" / "rtl"
LIBRARY = ("zf_table.sv", "zf_block.sv", "zf_rom.sv", "zf_ram.sv", "zf_fifo.sv")
BOARDS = {"xc7": load("pynq-z2"), "xcup": load("ultra96")}
SHAPES = [  # kind, width, words of the memory, 1 to 5,000 by 1 to 2,048 bits
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((5, 4), (36, 512), (37, 512), (72, 100))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((73, 300), (18, 1024), (19, 700))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((9, 2048), (12, 1100), (100, 1152))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((4, 4096), (7, 2400), (14, 5000))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((1, 5000), (256, 2330), (48, 540))],
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((2048, 130), (384, 4032), (1, 40))],
    (Kind.WEIGHTS, 3, 33000),
    *[(Kind.WINDOW, width, depth) for width, depth in ((5, 2), (72, 512), (12, 1100), (40, 700))],
    *[(Kind.WINDOW, width, depth) for width, depth in ((7, 2400), (10, 5000), (64, 540))],
    *[(Kind.FIFO, width, depth) for width, depth in ((8, 2), (30, 514), (36, 515), (9, 2051))],
]
LUTS = [
    *[(Kind.WEIGHTS, width, depth) for width, depth in ((5, 1), (16, 40), (7, 64), (3, 200))],
    *[(Kind.WINDOW, width, depth) for width, depth in ((8, 16), (20, 60), (32, 100), (7, 130))],
    *[(Kind.FIFO, width, depth) for width, depth in ((12, 2), (32, 16), (9, 65), (5, 66))],
]
# What synth_xilinx does before it maps memories, the rest of the logic apart.
BEFORE = "read_verilog -lib +/xilinx/cells_sim.v\nproc\nopt\nmemory -nomap\nopt_clean"


def memory(kind: Kind, width: int, depth: int) -> Memory:
    """Return a memory without padding."""
    return Memory("a", kind, width, depth, width * depth)


def placed(family: str) -> list[Placed]:
    """Return memories plainly cut, and as the solver would; every kind of row and column."""
    found = []
    for kind, width, words in SHAPES:
        wanted = memory(kind, width, words)
        found.append(Placed(wanted, whole(width, wanted.words(True)), family))
        found += [p for p in few(wanted, BOARDS[family]) if p.block]
    for width, cut in MIXED.values():
        found.append(Placed(memory(Kind.WEIGHTS, width, depth(cut)), cut, family))
    return list(dict.fromkeys(found))


def instance(name: str, one: Placed) -> tuple[str, list[str]]:
    """Return an instance and the ports that it needs."""
    kind, width, words = one.memory.kind, one.memory.width, one.memory.depth
    address = max(1, (words - 1).bit_length())
    if kind is Kind.FIFO:
        ports = {"s_tdata_i": width, "s_tvalid_i": 1, "s_tready_o": 1}
        ports |= {"m_tdata_o": width, "m_tvalid_o": 1, "m_tready_i": 1, "rst_i": 1}
    elif kind is Kind.WINDOW:
        ports = {"we_i": 1, "waddr_i": address, "wdata_i": width}
        ports |= {"raddr_i": address, "clear_i": 1, "rdata_o": width}
    else:
        ports = {"addr_i": address, "data_o": width}
    module = {Kind.FIFO: "zf_fifo", Kind.WINDOW: "zf_ram"}.get(kind, "zf_rom")
    file = f', .InitFile("{name}.mem")' if module == "zf_rom" else ""
    wires = ", ".join(f".{port}({name}_{port})" for port in ports)
    text = (
        f"{module} #(.Width({width}), .Depth({words}), .Cut(512'h{encode(one.cut):x}){file}) "
        f"{name} (.clk_i, {wires});"
    )
    directions = {"i": "input", "o": "output"}
    return text, [
        f"{directions[port[-1]]} logic [{bits - 1}:0] {name}_{port}" for port, bits in ports.items()
    ]


def contents(index: int, one: Placed) -> str:
    """Return random words as text."""
    rng = random.Random(index)
    return "".join(f"{rng.getrandbits(one.memory.width):x}\n" for _ in range(one.memory.depth))


def netlist(all_placed: list[Placed], folder: Path, flow: str) -> tuple[dict, dict]:
    """Return Yosys' modules for memories m0, m1, ... of one run, and the module of each."""
    instances, ports = [], ["input logic clk_i"]
    for n, one in enumerate(all_placed):
        text, own = instance(f"m{n}", one)
        instances.append(text)
        ports += own
        if one.memory.kind is Kind.WEIGHTS:
            for path, part in rom_files(f"m{n}.mem", contents(n, one), one).items():
                (folder / path).write_text(part)
    top = "module top (\n" + ",\n".join(ports) + ");\n" + "\n".join(instances) + "\nendmodule\n"
    (folder / "top.sv").write_text(top)
    for name in LIBRARY:
        (folder / name).write_bytes((RTL / name).read_bytes())
    read = "\n".join(f"read_verilog -sv -defer {name}" for name in LIBRARY)
    yosys.run(
        f"{read}\nread_verilog -sv top.sv\nhierarchy -check -top top\n{flow}\n"
        "blackbox =A:whitebox\nwrite_json netlist.json\n",
        folder,
    )
    modules = json.loads((folder / "netlist.json").read_text())["modules"]
    return modules, {name: cell["type"] for name, cell in modules["top"]["cells"].items()}


def inferred(all_placed: list[Placed], folder: Path, flow: str) -> list[Counter]:
    """Return the cells that Yosys makes of each memory, in one run, with random contents."""
    modules, types = netlist(all_placed, folder, flow)

    def cells(module: str) -> Counter:
        found = Counter()
        for cell in modules[module]["cells"].values():
            below = modules.get(cell["type"])
            inside = below is not None and not below["attributes"].keys() & {"blackbox", "whitebox"}
            found += cells(cell["type"]) if inside else Counter([cell["type"]])
        return found

    return [cells(types[f"m{n}"]) for n in range(len(all_placed))]


@pytest.mark.parametrize("family", ["xc7", "xcup"])
def test_block_ram_is_what_is_counted(family, tmp_path):
    """RAMB18 and RAMB36, each memory."""
    drop = "setparam -set INIT 1'x t:$mem_v2 a:rom_style=block %i"  # minutes of conversion
    flow = f"{BEFORE}\n{drop}\nsynth_xilinx -family {family} -run map_memory:map_ffram"
    wanted = placed(family)[:: 1 if family == "xc7" else 4]
    for one, cells in zip(wanted, inferred(wanted, tmp_path, flow), strict=True):
        counts = Counter()
        for row in one.rows():
            if row["primitive"].startswith("RAMB"):
                counts[row["primitive"]] += row["count"]
        found = {name[:6]: number for name, number in cells.items() if name.startswith("RAM")}
        found = {name: number for name, number in found.items() if name.startswith("RAMB")}
        assert found == dict(counts), one


def test_contents_do_not_change_the_count(tmp_path):
    """The same with the contents left in."""
    wanted = [
        Placed(memory(Kind.WEIGHTS, *shape), whole(*shape), "xc7")
        for shape in ((100, 300), (12, 1100))
    ]
    flow = f"{BEFORE}\nsynth_xilinx -family xc7 -run map_memory:map_ffram"
    found = inferred(wanted, tmp_path, flow)
    assert [(cells["RAMB18E1"], cells["RAMB36E1"]) for cells in found] == [(1, 1), (0, 1)]


def test_luts_are_what_is_estimated(tmp_path):
    """LUT RAM exactly, ROMs no more than estimated and no less than a quarter below."""
    run = "synth_xilinx -family xc7 -nodsp -noiopad -noclkbuf -run begin:"
    wanted = [Placed(memory(*shape), (), "xc7") for shape in LUTS]
    wanted += [
        Placed(memory(Kind.WEIGHTS, 40, 602), (Row(512, 512, 36), Row(90, 0, 0)), "xc7"),
        Placed(memory(Kind.WINDOW, 40, 602), (Row(512, 512, 36), Row(90, 0, 0)), "xc7"),
    ]
    for one, cells in zip(wanted, inferred(wanted, tmp_path, run), strict=True):
        estimate, counted = one.estimate, resources.count(cells)
        assert counted.bram36 == estimate.bram36, one
        assert counted.lutram == estimate.lutram, one
        if one.memory.kind is Kind.WEIGHTS:
            assert 0.75 * estimate.lut - 5 <= counted.lut <= estimate.lut + 6, one
