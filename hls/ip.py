"""The block that drops into Vivado: the core between AXI4-Stream ports, with registers.

`Shell` says how wide the ports are and writes ``zynqfire_ip``, which only instantiates and wires,
and ``zynqfire``, the same ports in Verilog with the attributes that Vivado's packager reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import boot
from .register_map import REGISTERS
from .verilog import instance, listed

TOP = "zynqfire_ip"
PACKAGER_TOP = "zynqfire"
WIDTHS = {"xc7": (32, 64), "xcup": (32, 64, 128)}  # bits of s_axis, by family
BYTE = 8
ADDRESS = 12
# name, bits, direction of the AXI4-Lite slave's signals
LITE = (
    *(("awaddr", ADDRESS, "input"), ("awprot", 3, "input"), ("awvalid", 1, "input")),
    *(("awready", 1, "output"), ("wdata", 32, "input"), ("wstrb", 4, "input")),
    *(("wvalid", 1, "input"), ("wready", 1, "output"), ("bresp", 2, "output")),
    *(("bvalid", 1, "output"), ("bready", 1, "input"), ("araddr", ADDRESS, "input")),
    *(("arprot", 3, "input"), ("arvalid", 1, "input"), ("arready", 1, "output")),
    *(("rdata", 32, "output"), ("rresp", 2, "output"), ("rvalid", 1, "output")),
    ("rready", 1, "input"),
)
UNUSED = ("awprot", "arprot")


@dataclass(frozen=True)
class Shell:
    """What is around a core.

    Attributes
    ----------
    core : str
        Its top module.
    shape : (int, int, int)
        Height, width and channels of a frame; a byte a code.
    lanes : int
        Bytes of a beat of the core's input; they divide the channels.
    outputs, out_bits : int
        Beats of a frame out, and bits of each.
    pieces : tuple of int
        Writes that load each memory.
    network_hash : int
        32 bits that stand for the network.
    core_interval : int
        Cycles a frame of the core alone.
    widths : tuple of int
        Bits that s_axis may have, ascending.
    """

    core: str
    shape: tuple[int, int, int]
    lanes: int
    outputs: int
    out_bits: int
    pieces: tuple[int, ...]
    network_hash: int
    core_interval: int
    widths: tuple[int, ...]

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], family: str, interval: int, network_hash: int
    ) -> Shell:
        """Return the shell of the core that a manifest describes."""
        entry, leave = manifest["input"], manifest["output"]
        return cls(
            core=manifest["top"],
            shape=tuple(entry["shape"]),
            lanes=entry["lanes"],
            outputs=leave["beats"],
            out_bits=leave["tdata_bits"],
            pieces=tuple(load["words32"] for load in manifest["loads"]),
            network_hash=network_hash,
            core_interval=interval,
            widths=WIDTHS[family],
        )

    @property
    def input_bytes(self) -> int:
        """Bytes of a frame in."""
        return math.prod(self.shape)

    @property
    def in_bits(self) -> int:
        """Bits of s_axis: the fewest that keep the core's interval, else the most."""
        enough = (bits for bits in self.widths if self._cycles(bits) <= self.core_interval)
        return next(enough, self.widths[-1])

    @property
    def step(self) -> int:
        """Bytes of a frame that pass to the core in a cycle."""
        return self._step(self.in_bits)

    @property
    def interval(self) -> int:
        """Cycles a frame, the ports counted."""
        return max(self.core_interval, self._cycles(self.in_bits))

    def _step(self, bits: int) -> int:
        return max(d for d in range(1, bits // BYTE + 1) if self.lanes % d == 0)

    def _cycles(self, bits: int) -> int:
        """Return the cycles that a frame takes to enter over `bits`."""
        return max(-(-self.input_bytes * BYTE // bits), self.input_bytes // self._step(bits))

    @property
    def bound(self) -> str | None:
        """The sentence that says that the ports bound the frame rate, where they do."""
        if self.interval == self.core_interval:
            return None
        return (
            f"the IP's input of {self.in_bits} bits takes a frame of {self.input_bytes} bytes in "
            f"{self.interval} cycles: that bounds the frame rate, not the core's "
            f"{self.core_interval}"
        )

    @property
    def control(self) -> dict[str, int]:
        """zf_control's parameters."""
        return {
            **boot.parameters(self.pieces),
            "Network": self.network_hash,
            "InputBytes": self.input_bytes,
            "OutputBytes": self.outputs * self.out_bits // BYTE,
            "InBytes": self.in_bits // BYTE,
            "OutBytes": self.out_bits // BYTE,
        }

    @property
    def ports(self) -> list[tuple[str, int, str]]:
        """(name, bits, direction) of each port."""
        return [
            ("aclk", 1, "input"),
            ("aresetn", 1, "input"),
            ("s_axis_tdata", self.in_bits, "input"),
            ("s_axis_tkeep", self.in_bits // BYTE, "input"),
            ("s_axis_tuser", 1, "input"),
            ("s_axis_tlast", 1, "input"),
            ("s_axis_tvalid", 1, "input"),
            ("s_axis_tready", 1, "output"),
            ("m_axis_tdata", self.out_bits, "output"),
            ("m_axis_tkeep", self.out_bits // BYTE, "output"),
            ("m_axis_tlast", 1, "output"),
            ("m_axis_tvalid", 1, "output"),
            ("m_axis_tready", 1, "input"),
            *((f"s_axi_{name}", bits, direction) for name, bits, direction in LITE),
            ("irq", 1, "output"),
        ]

    def described(self, sources: Sequence[str]) -> dict[str, Any]:
        """Return the manifest's key ip, for a core of these sources."""
        return {
            "top": TOP,
            "packager_top": PACKAGER_TOP,
            "sources": [*sources, f"rtl/{TOP}.sv", f"rtl/{PACKAGER_TOP}.v"],
            "in_bits": self.in_bits,
            "out_bits": self.out_bits,
            "input_bytes": self.input_bytes,
            "output_bytes": self.control["OutputBytes"],
            "network_hash": self.network_hash,
            "interval_cycles": self.interval,
            "registers": REGISTERS,
        }

    def files(self, name: str) -> dict[str, str]:
        """Return the two tops of the network `name` by their paths in a build folder."""
        return {f"rtl/{TOP}.sv": self._ip(name), f"rtl/{PACKAGER_TOP}.v": self._packager(name)}

    def _ip(self, name: str) -> str:
        height, width, channels = self.shape
        in_bytes, step, loads = self.in_bits // BYTE, self.step, max(1, len(self.pieces))
        count = in_bytes.bit_length()
        lines = [
            "// SPDX-License-Identifier: Apache-2.0",
            "//",
            f"// {TOP}: the network {name} behind AXI ports. Generated: wiring only.",
            "//",
            "// docs/ip.md of zynqfire says what the ports do.",
            "",
            f"module {TOP} (",
            *listed([_port(*port, kind="logic ") for port in self.ports], indent=4),
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
            f"  logic [{self.in_bits - 1}:0] beat_tdata;",
            f"  logic [{count - 1}:0] beat_count;",
            "  logic beat_user, beat_last, beat_tvalid, beat_tready;",
            f"  logic [{step * BYTE - 1}:0] word_tdata;",
            "  logic word_user, word_last, word_part, word_none, word_tvalid, word_tready;",
            "  logic [1:0] beat_faults, word_faults;",
            f"  logic [{self.lanes * BYTE - 1}:0] frame_tdata;",
            "  logic frame_tlast, frame_tvalid, frame_tready;",
            f"  logic [{self.out_bits - 1}:0] code_tdata;",
            "  logic code_tvalid, code_tready, code_tlast;",
            "",
            "  logic frame_begin, frame_in, frame_late, frame_out, packet_out;",
            "  logic [3:0] faults;",
            "  logic in_draining, out_draining;",
            "",
            "  logic load_run, load_begin;",
            f"  logic [{loads - 1}:0] load_we, load_signed;",
            "  logic [31:0] load_data;",
            f"  logic [{32 * loads - 1}:0] load_signatures;",
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
        control |= {"load_data_o": "load_data", "signatures_i": "load_signatures"}
        control |= {"signed_i": "load_signed"}
        lines += instance("zf_control", "control", self.control, control)

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
        sizes |= {"OutLanes": self.lanes}
        frame = clock | {"rst_i": "clear", "lines_i": "lines", "packet_i": "packet"}
        frame |= _wires("s", "word", WORD) | _wires("m", "frame", ("tdata", "tlast"))
        frame |= {"begin_o": "frame_begin", "in_o": "frame_in", "faults_o": "faults"}
        frame |= {"late_o": "frame_late"}
        lines += instance("zf_frame", "frame", sizes, frame)

        core = {"aclk": "aclk", "aresetn": "!clear"}
        core |= {f"s_axis_{s}": f"frame_{s}" for s in ("tdata", "tvalid", "tready", "tlast")}
        core |= {f"m_axis_{s}": f"code_{s}" for s in ("tdata", "tvalid", "tready", "tlast")}
        if self.pieces:
            loading = ("run", "begin", "we", "data", "signatures", "signed")
            core |= {f"load_{s}": f"load_{s}" for s in loading}
        else:
            lines += ["", "  assign load_signatures = '0;", "  assign load_signed = '0;"]
        lines += instance(self.core, "core", {}, core)

        send = clock | {"rst_i": "stop", "clear_i": "flush", "packet_i": "packet"}
        send |= _wires("s", "code", ("tdata",)) | _wires("m", "m_axis", ("tdata", "tlast"))
        send |= {"out_o": "frame_out", "sent_o": "packet_out", "draining_o": "out_draining"}
        lines += instance("zf_send", "send", {"Width": self.out_bits, "Beats": self.outputs}, send)
        lines += ["", "  assign m_axis_tkeep = '1;", "", "endmodule", ""]
        return "\n".join(lines)

    def _packager(self, name: str) -> str:
        lines = [
            "// SPDX-License-Identifier: Apache-2.0",
            "//",
            f"// {PACKAGER_TOP}: {TOP} of the network {name} for Vivado's packager. Generated.",
            "",
            f"module {PACKAGER_TOP} (",
        ]
        last = self.ports[-1]
        for port in self.ports:
            lines += [f"    {text}" for text in _attributes(port[0])]
            lines.append(f"    {_port(*port, kind='wire ')}{'' if port is last else ','}")
        wires = {port: port for port, _, _ in self.ports}
        lines += [");", *instance(TOP, "ip", {}, wires), "", "endmodule", ""]
        return "\n".join(lines)


BEAT = ("tdata", "count", "user", "last", "faults")
WORD = ("tdata", "user", "last", "part", "none", "faults")


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
