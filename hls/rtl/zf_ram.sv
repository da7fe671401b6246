// SPDX-License-Identifier: Apache-2.0
// Memory with one write port and one read port.
//
//   rdata_o(t + 2) = clear_i(t + 1) ? ClearTo : memory[raddr_i(t)]
//
// Cut = 0: LUT RAM between an address register and an output register.
// Else block RAM, cut as Cut says (zf_block), and an output register.
// A read of the word that is written in the same clock returns the old word, the new one or
// anything.
//
// Latency 2 clocks from the read address, a write and a read every clock.
module zf_ram #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 512,
  parameter logic [511:0] Cut = '0,
  parameter logic [Width-1:0] ClearTo = '0
) (
  input  logic                                       clk_i,
  input  logic                                       we_i,
  input  logic [(Depth > 1 ? $clog2(Depth) : 1)-1:0] waddr_i,
  input  logic [Width-1:0]                           wdata_i,
  input  logic [(Depth > 1 ? $clog2(Depth) : 1)-1:0] raddr_i,
  input  logic                                       clear_i,
  output logic [Width-1:0]                           rdata_o
);

  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1;

  logic [Width-1:0] rdata_q;
  assign rdata_o = rdata_q;

  if (Cut == '0) begin : gen_lut
    (* ram_style = "distributed" *) logic [Width-1:0] memory [Depth];
    logic [AddrBits-1:0] raddr_q;

    always_ff @(posedge clk_i) begin
      if (we_i) memory[waddr_i] <= wdata_i;
      raddr_q <= raddr_i;
      if (clear_i) rdata_q <= ClearTo;
      else rdata_q <= memory[raddr_q];
    end
  end else begin : gen_block
    logic [Width-1:0] word;

    zf_block #(
      .Width(Width),
      .Depth(Depth),
      .Cut  (Cut)
    ) u_memory (
      .clk_i,
      .we_i,
      .waddr_i,
      .wdata_i,
      .re_i   (1'b1),
      .raddr_i,
      .rdata_o(word)
    );

    always_ff @(posedge clk_i) begin
      if (clear_i) rdata_q <= ClearTo;
      else rdata_q <= word;
    end
  end

endmodule
