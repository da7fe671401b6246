"""The tops of the block that drops into Vivado, as text.

``zynqfire_ip`` only instantiates and wires; ``zynqfire`` has the same ports in Verilog, with the
attributes that Vivado's packager reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from .ip import BYTE, PACKAGER_TOP, TOP, Shell
from .registers import ADDRESS_BITS
from .verilog import instance, listed

# name, bits, direction of the AXI4-Lite slave's signals
LITE = (
    *(("awaddr", ADDRESS_BITS, "input"), ("awprot", 3, "input"), ("awvalid", 1, "input")),
    *(("awready", 1, "output"), ("wdata", 32, "input"), ("wstrb", 4, "input")),
    *(("wvalid", 1, "input"), ("wready", 1, "output"), ("bresp", 2, "output")),
    *(("bvalid", 1, "output"), ("bready", 1, "input"), ("araddr", ADDRESS_BITS, "input")),
    *(("arprot", 3, "input"), ("arvalid", 1, "input"), ("arready", 1, "output")),
    *(("rdata", 32, "output"), ("rresp", 2, "output"), ("rvalid", 1, "output")),
    ("rready", 1, "input"),
)
UNUSED = ("awprot", "arprot")
BEAT = ("tdata", "count", "user", "last", "faults")
WORD = ("tdata", "user", "last", "part", "none", "faults")


def tops(shell: Shell, name: str) -> dict[str, str]:
    """Return the two tops of the network `name` by their paths in a build folder."""
    return {f"rtl/{TOP}.sv": _ip(shell, name), f"rtl/{PACKAGER_TOP}.v": _packager(shell, name)}


def _ports(shell: Shell) -> list[tuple[str, int, str]]:
    """(name, bits, direction) of each port."""
    return [
        ("aclk", 1, "input"),
        ("aresetn", 1, "input"),
        ("s_axis_tdata", shell.in_bits, "input"),
        ("s_axis_tkeep", shell.in_bits // BYTE, "input"),
        ("s_axis_tuser", 1, "input"),
        ("s_axis_tlast", 1, "input"),
        ("s_axis_tvalid", 1, "input"),
        ("s_axis_tready", 1, "output"),
        ("m_axis_tdata", shell.out_bits, "output"),
        ("m_axis_tkeep", shell.out_bits // BYTE, "output"),
        ("m_axis_tlast", 1, "output"),
        ("m_axis_tvalid", 1, "output"),
        ("m_axis_tready", 1, "input"),
        *((f"s_axi_{name}", bits, direction) for name, bits, direction in LITE),
        ("irq", 1, "output"),
    ]


def _ip(shell: Shell, name: str) -> str:
    height, width, channels = shell.shape
    in_bytes, step, loads = shell.in_bits // BYTE, shell.step, max(1, len(shell.pieces))
    signs = max(1, shell.signatures)
    count = in_bytes.bit_length()
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        f"// {TOP}: the network {name} behind AXI ports. Generated: wiring only.",
        "//",
        "// docs/ip.md of zynqfire says what the ports do.",
        "",
        f"module {TOP} (",
        *listed([_port(*port, kind="logic ") for port in _ports(shell)], indent=4),
        ");",
        "",
        "  logic rst_q;",
        "  always_ff @(posedge aclk) rst_q <= !aresetn;",
        "",
        "  logic lines, live, flush, abort, stop, clear;",
        "  logic [15:0] packet;",
        "  assign stop = rst_q || abort;",
        "  assign clear = stop || flush;",
        "",
        f"  logic [{shell.in_bits - 1}:0] beat_tdata;",
        f"  logic [{count - 1}:0] beat_count;",
        "  logic beat_user, beat_last, beat_tvalid, beat_tready;",
        f"  logic [{step * BYTE - 1}:0] word_tdata;",
        "  logic word_user, word_last, word_part, word_none, word_tvalid, word_tready;",
        "  logic [1:0] beat_faults, word_faults;",
        f"  logic [{shell.lanes * BYTE - 1}:0] frame_tdata;",
        "  logic frame_tlast, frame_tvalid, frame_tready;",
        f"  logic [{shell.out_bits - 1}:0] code_tdata;",
        "  logic code_tvalid, code_tready, code_tlast;",
        "",
        "  logic frame_begin, frame_in, frame_late, frame_out, packet_out;",
        "  logic [3:0] faults;",
        "  logic in_draining, out_draining;",
        "",
        "  logic load_run, load_begin;",
        f"  logic [{loads - 1}:0] load_we;",
        "  logic [31:0] load_data;",
        f"  logic [{32 * signs - 1}:0] signatures;",
        f"  logic [{signs - 1}:0] signatures_valid;",
    ]
    axi = {f"s_axi_{n}": f"s_axi_{n}" for n, _, _ in LITE if n not in UNUSED}
    clock = {"clk_i": "aclk"}
    control = clock | {"rst_i": "rst_q"} | axi | {"irq_o": "irq"}
    control |= {"lines_o": "lines", "live_o": "live", "packet_o": "packet", "soft_o": "flush"}
    control |= {"abort_o": "abort", "draining_i": "in_draining || out_draining"}
    control |= {"begin_i": "frame_begin", "in_i": "frame_in", "faults_i": "faults"}
    control |= {"late_i": "frame_late", "out_i": "frame_out", "packet_i": "packet_out"}
    control |= {"input_stall_i": "s_axis_tvalid && !s_axis_tready"}
    control |= {"output_stall_i": "m_axis_tvalid && !m_axis_tready"}
    control |= {"run_o": "load_run", "load_begin_o": "load_begin", "load_we_o": "load_we"}
    control |= {"load_data_o": "load_data", "signatures_i": "signatures"}
    control |= {"signed_i": "signatures_valid"}
    lines += instance("zf_control", "control", shell.control, control)

    receive = clock | {
        "rst_i": "stop",
        "clear_i": "flush",
        "lines_i": "lines",
        "live_i": "live",
    }
    for signal in ("tdata", "tkeep", "tuser", "tlast", "tvalid"):
        receive[f"s_{signal}_i"] = f"s_axis_{signal}"
    receive |= {"s_tready_o": "s_axis_tready"} | _wires("m", "beat", BEAT)
    receive |= {"draining_o": "in_draining"}
    lines += instance("zf_receive", "receive", {"Bytes": in_bytes}, receive)

    repack = clock | {"rst_i": "clear"} | _wires("s", "beat", BEAT) | _wires("m", "word", WORD)
    lines += instance("zf_repack", "repack", {"Bytes": in_bytes, "Lanes": step}, repack)

    sizes = {"Lanes": step, "Beats": width * channels // step, "Lines": height}
    sizes |= {"OutLanes": shell.lanes}
    frame = clock | {"rst_i": "clear", "lines_i": "lines", "packet_i": "packet"}
    frame |= _wires("s", "word", WORD) | _wires("m", "frame", ("tdata", "tlast"))
    frame |= {"begin_o": "frame_begin", "in_o": "frame_in", "faults_o": "faults"}
    frame |= {"late_o": "frame_late"}
    lines += instance("zf_frame", "frame", sizes, frame)

    core = {"aclk": "aclk", "aresetn": "!clear"}
    core |= {f"s_axis_{s}": f"frame_{s}" for s in ("tdata", "tvalid", "tready", "tlast")}
    core |= {f"m_axis_{s}": f"code_{s}" for s in ("tdata", "tvalid", "tready", "tlast")}
    if shell.pieces:
        core |= {f"load_{s}": f"load_{s}" for s in ("run", "begin", "we", "data")}
    if shell.signatures:
        core |= {name: name for name in ("signatures", "signatures_valid")}
    else:
        lines += ["", "  assign signatures = '0;", "  assign signatures_valid = '0;"]
    lines += instance(shell.core, "core", {}, core)

    send = clock | {"rst_i": "stop", "clear_i": "flush", "packet_i": "packet"}
    send |= _wires("s", "code", ("tdata",)) | _wires("m", "m_axis", ("tdata", "tlast"))
    send |= {"out_o": "frame_out", "sent_o": "packet_out", "draining_o": "out_draining"}
    lines += instance("zf_send", "send", {"Width": shell.out_bits, "Beats": shell.outputs}, send)
    lines += ["", "  assign m_axis_tkeep = '1;", "", "endmodule", ""]
    return "\n".join(lines)


def _packager(shell: Shell, name: str) -> str:
    lines = [
        "// SPDX-License-Identifier: Apache-2.0",
        "//",
        f"// {PACKAGER_TOP}: {TOP} of the network {name} for Vivado's packager. Generated.",
        "",
        f"module {PACKAGER_TOP} (",
    ]
    ports = _ports(shell)
    for port in ports:
        lines += [f"    {text}" for text in _attributes(port[0])]
        lines.append(f"    {_port(*port, kind='wire ')}{'' if port is ports[-1] else ','}")
    wires = {port: port for port, _, _ in ports}
    lines += [");", *instance(TOP, "ip", {}, wires), "", "endmodule", ""]
    return "\n".join(lines)


def _wires(side: str, stream: str, payload: Sequence[str]) -> dict[str, str]:
    """Return a unit's ports of one side, connected to a stream."""
    forward, back = ("i", "o") if side == "s" else ("o", "i")
    found = {f"{side}_{signal}_{forward}": f"{stream}_{signal}" for signal in payload}
    found[f"{side}_tvalid_{forward}"] = f"{stream}_tvalid"
    return found | {f"{side}_tready_{back}": f"{stream}_tready"}


def _port(name: str, bits: int, direction: str, *, kind: str) -> str:
    size = f"[{bits - 1}:0] " if bits > 1 else ""
    return f"{direction:6} {kind}{size}{name}"


def _attributes(port: str) -> list[str]:
    """Return what the packager is told about a port."""
    bus, _, signal = port.rpartition("_")
    if port == "aclk":
        parameter = "ASSOCIATED_BUSIF s_axis:m_axis:s_axi, ASSOCIATED_RESET aresetn"
        info = "xilinx.com:signal:clock:1.0 aclk CLK"
    elif port == "aresetn":
        parameter, info = "POLARITY ACTIVE_LOW", "xilinx.com:signal:reset:1.0 aresetn RST"
    elif port == "irq":
        parameter, info = "SENSITIVITY LEVEL_HIGH", "xilinx.com:signal:interrupt:1.0 irq INTERRUPT"
    else:
        kind = "aximm" if bus == "s_axi" else "axis"
        info = f"xilinx.com:interface:{kind}:1.0 {bus} {signal.upper()}"
        return [f'(* X_INTERFACE_INFO = "{info}" *)']
    return [f'(* X_INTERFACE_INFO = "{info}" *)', f'(* X_INTERFACE_PARAMETER = "{parameter}" *)']
