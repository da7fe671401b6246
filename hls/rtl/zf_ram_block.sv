// SPDX-License-Identifier: Apache-2.0
// One write port, one read port in block RAM, cut by hand into pieces of exactly one RAMB18 or
// RAMB36 (the same cut as zf_rom), so that every tool infers what zynqfire.hls.memory counted.
//
//   re_i: rdata_o(t + 1) = memory[raddr_i(t)], else rdata_o holds
//
// A read of the word that is written in the same clock returns anything.
// Latency 1 clock, a write and a read every clock.
module zf_ram_block #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 512
) (
  input  logic                                       clk_i,
  input  logic                                       we_i,
  input  logic [(Depth > 1 ? $clog2(Depth) : 1)-1:0] waddr_i,
  input  logic [Width-1:0]                           wdata_i,
  input  logic                                       re_i,
  input  logic [(Depth > 1 ? $clog2(Depth) : 1)-1:0] raddr_i,
  output logic [Width-1:0]                           rdata_o
);

  if (Width < 1 || Depth < 1) begin : gen_bad
    initial $fatal(1, "%m: Width and Depth must be positive, not %0d, %0d", Width, Depth);
  end

  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned RowDepth = Depth <= 4096 ? Depth : Depth <= 32768 ? 4096
                                   : Depth <= 65536 ? 8192 : Depth <= 131072 ? 16384 : 32768;
  localparam int unsigned Rows = (Depth + RowDepth - 1) / RowDepth;
  localparam int unsigned RowBits = RowDepth > 1 ? $clog2(RowDepth) : 1;
  localparam int unsigned WordBits = RowBits < 9 ? 9 : RowBits;
  localparam int unsigned Native = (WordBits > 12 ? 32768 : 36864) >> WordBits;
  localparam int unsigned Columns = (Width + Native - 1) / Native;

  logic [Rows*Width-1:0] word_q;
  logic [Rows-1:0]       row_we;

  for (genvar r = 0; r < Rows; r++) begin : gen_row
    for (genvar c = 0; c < Columns; c++) begin : gen_column
      localparam int unsigned Bits = c == Columns - 1 ? Width - c * Native : Native;
      // As deep as the primitive, so that no tool finds another aspect ratio.
      (* ram_style = "block", no_rw_check *) logic [Bits-1:0] memory [2**WordBits];
      logic [Bits-1:0] column_q;

      always_ff @(posedge clk_i) begin
        if (row_we[r]) memory[WordBits'(waddr_i[RowBits-1:0])] <= wdata_i[c*Native +: Bits];
        if (re_i) column_q <= memory[WordBits'(raddr_i[RowBits-1:0])];
      end
      assign word_q[r*Width+c*Native +: Bits] = column_q;
    end
  end

  if (Rows == 1) begin : gen_one
    assign row_we = we_i;
    assign rdata_o = word_q;
  end else begin : gen_select
    logic [AddrBits-RowBits-1:0] row_q;
    for (genvar r = 0; r < Rows; r++) begin : gen_we
      assign row_we[r] = we_i && waddr_i[AddrBits-1:RowBits] == (AddrBits-RowBits)'(r);
    end
    always_ff @(posedge clk_i) if (re_i) row_q <= raddr_i[AddrBits-1:RowBits];
    assign rdata_o = word_q[row_q*Width +: Width];
  end

endmodule
