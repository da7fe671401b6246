"""The SystemVerilog testbench around an emitted top: source, sink, a probe on every stream."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..hls import boot
from ..hls.register_map import REGISTERS
from ..hls.verilog import literal

TOPLEVEL = "zf_network_tb"
SOURCES = tuple(
    Path(__file__).parent / "sv" / f"zf_tb_{name}.sv"
    for name in ("control", "stall", "source", "sink", "probe", "loader", "signatures")
)

_TEMPLATE = """\
module {toplevel};

  // Read by the cocotb bench; nothing else is public, so that Verilator optimizes the rest.
  logic        finished /* verilator public_flat_rd */;
  logic        stuck /* verilator public_flat_rd */;
  logic [63:0] cycle /* verilator public_flat_rd */;
  logic [31:0] frames /* verilator public_flat_rd */;
  logic [31:0] unstable /* verilator public_flat_rd */;
  logic [31:0] bad_last /* verilator public_flat_rd */;
  logic [31:0] extra /* verilator public_flat_rd */;
  logic [63:0] load_cycles /* verilator public_flat_rd */;
  logic [31:0] bad_answers /* verilator public_flat_rd */;

  logic clk, probe_clk, rst, done, checked, load_beat, s_stall, m_stall;
  logic [{in_width}-1:0] s_axis_tdata;
  logic [{out_width}-1:0] m_axis_tdata;
  logic s_axis_tvalid, s_axis_tready, s_axis_tlast;
  logic m_axis_tvalid, m_axis_tready, m_axis_tlast;
{signatures}
  zf_tb_control control (
      .done_i      (done && checked),
      .end_beat_i  ((s_axis_tvalid && s_axis_tready) || (m_axis_tvalid && m_axis_tready)
                    || load_beat),
      .inner_beat_i({inner_beat}),
      .clk_o       (clk),
      .probe_clk_o (probe_clk),
      .rst_o       (rst),
      .cycle_o     (cycle),
      .stuck_o     (stuck),
      .finished_o  (finished)
  );

  zf_tb_stall #(.Salt(1)) source_stall (.clk_i(clk), .stall_o(s_stall));
  zf_tb_stall #(.Salt(2)) sink_stall (.clk_i(clk), .stall_o(m_stall));

  zf_tb_source #(
      .Bytes     ({in_bytes}),
      .FrameBeats({in_beats})
  ) source (
      .clk_i     (clk),
      .rst_i     (rst),
      .stall_i   (s_stall),
      .cycle_i   (cycle),
      .m_tdata_o (s_axis_tdata),
      .m_tvalid_o(s_axis_tvalid),
      .m_tready_i(s_axis_tready),
      .m_tlast_o (s_axis_tlast)
  );

  {top} dut (
      .aclk         (clk),
      .aresetn      (!rst),
      .s_axis_tdata (s_axis_tdata),
      .s_axis_tvalid(s_axis_tvalid),
      .s_axis_tready(s_axis_tready),
      .s_axis_tlast (s_axis_tlast),
      .m_axis_tdata (m_axis_tdata),
      .m_axis_tvalid(m_axis_tvalid),
      .m_axis_tready(m_axis_tready),
      .m_axis_tlast (m_axis_tlast){ports}
  );

{loader}
  zf_tb_sink #(
      .Width     ({out_width}),
      .FrameBeats({out_beats})
  ) sink (
      .clk_i     (clk),
      .rst_i     (rst),
      .stall_i   (m_stall),
      .cycle_i   (cycle),
      .s_tdata_i (m_axis_tdata),
      .s_tvalid_i(m_axis_tvalid),
      .s_tready_o(m_axis_tready),
      .s_tlast_i (m_axis_tlast),
      .frames_o  (frames),
      .done_o    (done),
      .unstable_o(unstable),
      .bad_last_o(bad_last),
      .extra_o   (extra)
  );

{probes}
endmodule
"""

_AXI = (
    *("awaddr", "awvalid", "awready", "wdata", "wvalid", "wready", "bresp", "bvalid"),
    *("araddr", "arvalid", "arready", "rdata", "rresp", "rvalid"),
)
_WIDTHS = {"awaddr": 12, "wdata": 32, "bresp": 2, "araddr": 12, "rdata": 32, "rresp": 2}
_LOADING = ("run", "begin", "we", "data")
_GIVEN = ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid")

_LOADER = """\
{wires}
  logic load_run, load_begin;
  logic [{count}-1:0] load_we;
  logic [31:0] load_data;
  zf_control #(
      .Memories  ({count}),
      .Words     ({words}),
      .Signatures({signatures})
  ) registers (
      .clk_i         (clk),
      .rst_i         (rst),
{axi},
      .irq_o         (),
      .lines_o       (),
      .live_o        (),
      .packet_o      (),
      .soft_o        (),
      .abort_o       (),
      .draining_i    (1'b0),
      .begin_i       (1'b0),
      .in_i          (1'b0),
      .faults_i      (4'b0),
      .late_i        (1'b0),
      .out_i         (1'b0),
      .packet_i      (1'b0),
      .input_stall_i (1'b0),
      .output_stall_i(1'b0),
      .run_o         (load_run),
      .load_begin_o  (load_begin),
      .load_we_o     (load_we),
      .load_data_o   (load_data),
      .signatures_i  (signatures),
      .signed_i      (signatures_valid)
  );

  zf_tb_loader #(
      .Select    (12'd{select}),
      .Data      (12'd{data}),
      .State     (12'd{state}),
      .Signature (12'd{signature}),
      .Signatures({signatures})
  ) loader (
      .clk_i        (clk),
      .rst_i        (rst),
      .check_i      (done),
      .moved_o      (load_beat),
      .loaded_o     (),
      .checked_o    (checked),
      .load_cycles_o(load_cycles),
      .bad_o        (bad_answers),
{ports}
  );
"""

_SIGNATURES = """\
  logic [32*{count}-1:0] signatures;
  logic [{count}-1:0] signatures_valid;
"""

_CHECK = """\
  zf_tb_signatures #(
      .Count({count})
  ) check (
      .clk_i       (clk),
      .rst_i       (rst),
      .check_i     (done),
      .signatures_i(signatures),
      .signed_i    (signatures_valid),
      .checked_o   (checked)
  );
"""

_NO_CHECK = """\
  assign checked = 1'b1;
"""

_NO_LOADER = """\
  assign load_beat = 1'b0;
  assign load_cycles = '0;
  assign bad_answers = '0;
"""

_PROBE = """\
  zf_tb_probe #(
      .Width     ({width}),
      .FrameBeats({beats}),
      .Index     ({index})
  ) probe_{index} (
      .clk_i   (probe_clk),
      .rst_i   (rst),
      .stuck_i (stuck),
      .tdata_i ({path}_tdata),
      .tvalid_i({path}_tvalid),
      .tready_i({path}_tready)
  );
"""


def streams(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the probes listen to: the input, the manifest's streams, the output.

    Each has the keys of a manifest stream and ``path``, the prefix of its signals.
    """
    entry, leave = manifest["input"], manifest["output"]
    first = {
        "name": "s_axis",
        "path": "s_axis",
        "tensor": "s_axis",
        "layer": "input",
        "lanes": entry["lanes"],
        "bits": entry["lane_bits"],
        "signed": entry["signed"],
        "shape": entry["shape"],
    }
    last = {
        "name": "m_axis",
        "path": "m_axis",
        "tensor": "m_axis",
        "layer": "output",
        "lanes": 1,
        "bits": leave["tdata_bits"],
        "signed": leave["signed"],
        "shape": leave["shape"],
    }
    inner = [{**stream, "path": f"dut.{stream['name']}"} for stream in manifest["streams"]]
    return [first, *inner, last]


def beats(stream: dict[str, Any]) -> int:
    """Return the beats of one frame."""
    height, width, channels = stream["shape"]
    return height * width * channels // stream["lanes"]


def testbench(manifest: dict[str, Any]) -> str:
    """Return the text of the module `TOPLEVEL` for the top that `manifest` describes."""
    entry, leave = manifest["input"], manifest["output"]
    listened = streams(manifest)
    probes = [
        _PROBE.format(
            index=index,
            path=stream["path"],
            width=stream["lanes"] * stream["bits"],
            beats=beats(stream),
        )
        for index, stream in enumerate(listened)
    ]
    paths = [stream["path"] for stream in listened[1:-1]]
    moves = " ||\n          ".join(f"({path}_tvalid && {path}_tready)" for path in paths)
    loads, signed = manifest["loads"], len(manifest["signatures"])
    ports = [f".load_{name}(load_{name})" for name in _LOADING] if loads else []
    ports += [f".{name}({name})" for name in ("signatures", "signatures_valid") if signed]
    check = _CHECK.format(count=signed) if signed else _NO_CHECK
    return _TEMPLATE.format(
        toplevel=TOPLEVEL,
        top=manifest["top"],
        in_bytes=entry["lanes"],
        in_width=entry["lanes"] * entry["lane_bits"],
        in_beats=entry["beats"],
        out_width=leave["tdata_bits"],
        out_beats=leave["beats"],
        inner_beat=moves or "1'b0",
        ports="".join(f",\n      {port}" for port in ports),
        signatures=_SIGNATURES.format(count=signed) if signed else "",
        loader=_loader(loads, signed) if loads else _NO_LOADER + check,
        probes="\n".join(probes),
    )


def _loader(loads: Sequence[dict[str, Any]], signed: int) -> str:
    """Return what loads the memories and reads the signatures, over the register map."""
    names = {"select": "SELECT", "data": "DATA", "state": "MEMORY", "signature": "SIGNATURE"}
    ports = (f".{name}_{'i' if name in _GIVEN else 'o'}(axi_{name})" for name in _AXI)
    axi = [f".s_axi_{name}(axi_{name})" for name in _AXI]
    axi += [".s_axi_wstrb(4'b1111)", ".s_axi_bready(1'b1)", ".s_axi_rready(1'b1)"]
    parameters = boot.parameters([load["words32"] for load in loads], signed)
    return _LOADER.format(
        wires="\n".join(f"  logic [{_WIDTHS.get(name, 1) - 1}:0] axi_{name};" for name in _AXI),
        axi=",\n".join(f"      {port}" for port in axi),
        ports=",\n".join(f"      {port}" for port in ports),
        count=parameters["Memories"],
        words=literal(parameters["Words"]),
        signatures=signed,
        **{key: REGISTERS[name][0] for key, name in names.items()},
    )
