"""What the core has where weights lie in UltraRAM: the memories, their signatures, their gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .load import Outside, signature
from .verilog import instance

LAYER = "control"  # in the manifest, of what serves all layers
REMARK = (
    "// load: zf_load writes the memories of weights in UltraRAM. Frames are taken while load_run",
    "// is high.",
)


def ports(outside: Sequence[Outside]) -> list[str]:
    """Return the core's ports to zf_load."""
    count = len(outside)
    return [
        "input  logic load_run",
        "input  logic load_begin",
        f"input  logic [{count - 1}:0] load_we",
        "input  logic [31:0] load_data",
        f"output logic [{32 * count - 1}:0] load_signatures",
        f"output logic [{count - 1}:0] load_signed",
    ]


def parameters(pieces: Sequence[int]) -> dict[str, int]:
    """Return zf_control's parameters for memories of so many pieces."""
    if not pieces:
        return {}
    return {"Memories": len(pieces), "Words": sum(each << 32 * m for m, each in enumerate(pieces))}


def services(outside: Sequence[Outside]) -> list[tuple[str, str, str, dict[str, int]]]:
    """Return (module, name, instance served, parameters) of what holds and checks memories."""
    found = []
    for m, each in enumerate(outside):
        size = {"Width": each.bits, "Depth": each.depth}
        found.append(("zf_uram", f"uram_{m}", each.instance, size))
        found.append(("zf_signature", f"signature_{m}", each.instance, size))
    return found


def wiring(outside: Sequence[Outside]) -> list[str]:
    """Return the memories to be loaded and their signatures, and what holds frames off."""
    lines = ["", "  logic gate_tvalid, gate_tready;"]
    for m, each in enumerate(outside):
        lines.append(f"  logic [{max(1, (each.depth - 1).bit_length()) - 1}:0] rom_{m}_addr;")
        lines += [f"  logic rom_{m}_step;", f"  logic [{each.bits - 1}:0] rom_{m}_word;"]
    gate = {"clk_i": "aclk", "rst_i": "rst_q", "open_i": "load_run", "s_tlast_i": "s_axis_tlast"}
    gate |= {"s_tvalid_i": "s_axis_tvalid", "s_tready_o": "s_axis_tready"}
    gate |= {"m_tvalid_o": "gate_tvalid", "m_tready_i": "gate_tready"}
    lines += instance("zf_gate", "gate", {}, gate)
    for module, name, _, values in services(outside):
        m = name.rpartition("_")[2]
        wires = {"clk_i": "aclk"}
        if module == "zf_uram":
            wires |= {"addr_i": f"rom_{m}_addr", "data_o": f"rom_{m}_word"}
            wires |= {"begin_i": "load_begin", "we_i": f"load_we[{m}]", "data_i": "load_data"}
        else:
            wires |= {"rst_i": "rst_q", "clear_i": f"load_we[{m}]", "step_i": f"rom_{m}_step"}
            wires |= {"addr_i": f"rom_{m}_addr", "word_i": f"rom_{m}_word"}
            wires |= {"signature_o": f"load_signatures[{32 * int(m)}+:32]"}
            wires |= {"valid_o": f"load_signed[{m}]"}
        lines += instance(module, name, values, wires)
    return lines


def entry(outside: Outside, layer: str, words: list[int]) -> dict[str, Any]:
    """Return what the manifest says of a memory that must be loaded."""
    return {
        "memory": outside.instance,
        "layer": layer,
        "width": outside.bits,
        "depth": outside.depth,
        "file": outside.file,
        "words32": outside.pieces,
        "signature": signature(words, outside.bits),
    }
