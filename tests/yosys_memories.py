"""Memories of the library alone, in one run of Yosys."""

import json
import random
from pathlib import Path

from zynqfire.board import yosys
from zynqfire.hls.cuts import encode
from zynqfire.hls.memory import Kind, Memory, Placed, rom_files

RTL = Path(__file__).parents[1] / "hls" / "rtl"
LIBRARY = ("zf_table.sv", "zf_block.sv", "zf_rom.sv", "zf_ram.sv", "zf_fifo.sv")
CELLS = "read_verilog -lib +/xilinx/cells_sim.v"
# What synth_xilinx does before it maps memories, the rest of the logic apart.
_PREPARE = "proc\nopt\nmemory -nomap\nopt_clean"
BEFORE = f"{CELLS}\n{_PREPARE}"
# And the mapping, contents left in.
FLOW = f"{_PREPARE}\nsynth_xilinx -family {{family}} -run map_memory:map_ffram"
SAVE = "blackbox =A:whitebox\nwrite_json netlist.json"


def memory(kind: Kind, width: int, depth: int) -> Memory:
    """Return a memory without padding."""
    return Memory("a", kind, width, depth, width * depth)


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


def write(all_placed: list[Placed], folder: Path) -> None:
    """Write a top of memories m0, m1, ..., its library and random contents."""
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


def elaborate(folder: Path, flow: str) -> tuple[dict, dict]:
    """Return Yosys' modules for what `write` wrote, and the module of each memory."""
    read = "\n".join(f"read_verilog -sv -defer {name}" for name in LIBRARY)
    yosys.run(
        f"{read}\nread_verilog -sv top.sv\nhierarchy -check -top top\n{flow}\n{SAVE}\n",
        folder,
    )
    modules = json.loads((folder / "netlist.json").read_text())["modules"]
    return modules, {name: cell["type"] for name, cell in modules["top"]["cells"].items()}
