"""What the core has where weights lie in UltraRAM: the memories, their loading, their gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .load import Outside
from .verilog import instance

LAYER = "control"  # in the manifest, of what serves all layers
REMARK = (
    "// load: zf_load writes the memories of weights in UltraRAM. Frames are taken while load_run",
    "// is high.",
)


def ports(outside: Sequence[Outside]) -> list[str]:
    """Return the core's ports to zf_load."""
    return [
        "input  logic load_run",
        "input  logic load_begin",
        f"input  logic [{len(outside) - 1}:0] load_we",
        "input  logic [31:0] load_data",
    ]


def parameters(pieces: Sequence[int], signatures: int) -> dict[str, int]:
    """Return zf_control's parameters for memories of so many pieces, and so many signatures."""
    words = sum(each << 32 * m for m, each in enumerate(pieces))
    loads = {"Memories": len(pieces), "Words": words} if pieces else {}
    return loads | ({"Signatures": signatures} if signatures else {})


def services(outside: Sequence[Outside]) -> list[tuple[str, str, str, dict[str, int]]]:
    """Return (module, name, instance served, parameters) of each memory."""
    return [("zf_uram", f"uram_{m}", each.instance, _size(each)) for m, each in enumerate(outside)]


def wiring(outside: Sequence[Outside], wires: Mapping[str, str]) -> list[str]:
    """Return the memories to be loaded, on the `wires` to layers, and what holds frames off."""
    lines = ["", "  logic gate_tvalid, gate_tready;"]
    lines += [f"  logic [{each.bits - 1}:0] {wires[each.instance]}_word;" for each in outside]
    gate = {"clk_i": "aclk", "rst_i": "rst_q", "open_i": "load_run", "s_tlast_i": "s_axis_tlast"}
    gate |= {"s_tvalid_i": "s_axis_tvalid", "s_tready_o": "s_axis_tready"}
    gate |= {"m_tvalid_o": "gate_tvalid", "m_tready_i": "gate_tready"}
    lines += instance("zf_gate", "gate", {}, gate)
    for m, each in enumerate(outside):
        wire = wires[each.instance]
        given = {"clk_i": "aclk", "addr_i": f"{wire}_addr", "data_o": f"{wire}_word"}
        given |= {"begin_i": "load_begin", "we_i": f"load_we[{m}]", "data_i": "load_data"}
        lines += instance("zf_uram", f"uram_{m}", _size(each), given)
    return lines


def entry(outside: Outside) -> dict[str, Any]:
    """Return what the manifest says of a memory that must be loaded."""
    return {"memory": outside.instance, "file": outside.file, "words32": outside.pieces}


def _size(outside: Outside) -> dict[str, int]:
    return {"Width": outside.bits, "Depth": outside.depth}
