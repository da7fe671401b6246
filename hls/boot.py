"""What the top has where weights lie in UltraRAM: the memories, their signatures, the registers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .load import Outside, signature
from .verilog import listed, literal

LAYER = "control"  # in the manifest, of what serves all layers
REMARK = (
    "// s_axi: registers (docs/registers.md of zynqfire). Frames are taken once every memory of",
    "// weights in UltraRAM is loaded over it.",
)
PORTS = (
    *("input  logic [11:0] s_axi_awaddr", "input  logic s_axi_awvalid"),
    *("output logic s_axi_awready", "input  logic [31:0] s_axi_wdata"),
    *("input  logic [3:0] s_axi_wstrb", "input  logic s_axi_wvalid", "output logic s_axi_wready"),
    *("output logic [1:0] s_axi_bresp", "output logic s_axi_bvalid", "input  logic s_axi_bready"),
    *("input  logic [11:0] s_axi_araddr", "input  logic s_axi_arvalid"),
    *("output logic s_axi_arready", "output logic [31:0] s_axi_rdata"),
    *("output logic [1:0] s_axi_rresp", "output logic s_axi_rvalid", "input  logic s_axi_rready"),
)


def services(outside: Sequence[Outside]) -> list[tuple[str, str, str, dict[str, int]]]:
    """Return (module, name, instance served, parameters) of what loads and checks memories."""
    words = sum(each.pieces << 32 * m for m, each in enumerate(outside))
    found = [("zf_control", "control", "", {"Memories": len(outside), "Words": words})]
    for m, each in enumerate(outside):
        size = {"Width": each.bits, "Depth": each.depth}
        found.append(("zf_uram", f"uram_{m}", each.instance, size))
        found.append(("zf_signature", f"signature_{m}", each.instance, size))
    return found


def wiring(outside: Sequence[Outside]) -> list[str]:
    """Return the memories to be loaded, their signatures, and the registers of both."""
    count = len(outside)
    lines = [
        "",
        "  logic run, load_begin, gate_tvalid, gate_tready;",
        f"  logic [{count - 1}:0] load_we, seen;",
        "  logic [31:0] load_data;",
        f"  logic [{32 * count - 1}:0] signatures;",
    ]
    for m, each in enumerate(outside):
        lines.append(f"  logic [{max(1, (each.depth - 1).bit_length()) - 1}:0] rom_{m}_addr;")
        lines += [f"  logic rom_{m}_step;", f"  logic [{each.bits - 1}:0] rom_{m}_word;"]
    gate = {"clk_i": "aclk", "rst_i": "rst_q", "open_i": "run", "s_tlast_i": "s_axis_tlast"}
    gate |= {"s_tvalid_i": "s_axis_tvalid", "s_tready_o": "s_axis_tready"}
    gate |= {"m_tvalid_o": "gate_tvalid", "m_tready_i": "gate_tready"}
    lines += _module("zf_gate", "gate", {}, gate)
    for module, name, _, parameters in services(outside):
        m = name.rpartition("_")[2]
        ports = {"clk_i": "aclk", "rst_i": "rst_q"}
        match module:
            case "zf_control":
                ports |= {port: port for port in (text.split()[-1] for text in PORTS)}
                ports |= {"run_o": "run", "load_begin_o": "load_begin", "load_we_o": "load_we"}
                ports |= {"load_data_o": "load_data"}
                ports |= {"signature_i": "signatures", "signed_i": "seen"}
            case "zf_uram":
                ports |= {"addr_i": f"rom_{m}_addr", "data_o": f"rom_{m}_word"}
                ports |= {"begin_i": "load_begin", "we_i": f"load_we[{m}]", "data_i": "load_data"}
            case _:
                ports |= {"clear_i": f"load_we[{m}]", "step_i": f"rom_{m}_step"}
                ports |= {"addr_i": f"rom_{m}_addr", "word_i": f"rom_{m}_word"}
                ports |= {"signature_o": f"signatures[{32 * int(m)}+:32]", "valid_o": f"seen[{m}]"}
        lines += _module(module, name, parameters, ports)
    return lines


def _module(
    module: str, name: str, parameters: Mapping[str, int], ports: Mapping[str, str]
) -> list[str]:
    given = [f".{key}({literal(value)})" for key, value in parameters.items()]
    head = (
        [f"  {module} #(", *listed(given), f"  ) {name} ("] if given else [f"  {module} {name} ("]
    )
    return ["", *head, *listed([f".{port}({wire})" for port, wire in ports.items()]), "  );"]


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
