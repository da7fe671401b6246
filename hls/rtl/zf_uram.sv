// SPDX-License-Identifier: Apache-2.0
//
// zf_uram: weight memory in UltraRAM, which is loaded after configuration because it has no contents.
//
//   data_o(t + 2) = memory[addr_i(t)], as zf_rom
//
// Cut by hand into pieces of exactly one URAM288 (4096 words of 72 bits), so that every tool infers
// ceil(Depth/4096) rows of ceil(Width/72) columns.
//
// Loading: after begin_i, word by word from address 0, column by column from the low bits, a column
// in pieces of 32 bits, low bits first; a piece each cycle with we_i. The last piece of a column
// holds what is left of it (8 bits of 72) in its low bits. Of a column's pieces the last writes it,
// so that 96 flip-flops serve all columns. zynqfire.hls.load.writes makes the pieces.
//
// Latency: reading 2 cycles, a piece 2 cycles. Throughput: a word and a piece a cycle; what is read
// while its word is being loaded is old or new.

module zf_uram #(
    parameter int Width = 72,
    parameter int Depth = 4096,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                clk_i,
    input  logic [AddrBits-1:0] addr_i,
    output logic [   Width-1:0] data_o,
    input  logic                begin_i,
    input  logic                we_i,
    input  logic [        31:0] data_i
);

  initial
    if (Width < 1 || Depth < 1)
      $fatal(1, "%m: Width and Depth must be positive, not %0d and %0d", Width, Depth);

  localparam int Rows = (Depth + 4095) / 4096;
  localparam int Columns = (Width + 71) / 72;
  localparam int RowBits = (Rows > 1) ? AddrBits - 12 : 1;
  localparam int LastParts = ((Width - 1) % 72) / 32 + 1;  // pieces of the last column

  // The piece that comes next: of which column (one hot), and which of its pieces
  logic [Columns-1:0] column_q;
  logic [1:0] part_q;
  logic whole;  // with it the column is complete
  assign whole = part_q == (column_q[Columns-1] ? 2'(LastParts - 1) : 2'd2);

  // The last three pieces, the column that they are to be written to, and where
  logic [95:0] parts_q;
  logic unused;
  assign unused = ^parts_q;  // the first ones, where no column is wide
  logic [Columns-1:0] write_q;
  logic [AddrBits-1:0] addr_q;

  always_ff @(posedge clk_i) begin
    if (we_i) parts_q <= {data_i, parts_q[95:32]};
    if (begin_i) begin
      column_q <= Columns'(1);
      part_q   <= '0;
    end else if (we_i) begin
      part_q <= whole ? 2'd0 : part_q + 1'b1;
      if (whole) column_q <= Columns'({column_q, column_q[Columns-1]});
    end
    write_q <= (we_i && whole && !begin_i) ? column_q : '0;
    if (begin_i) addr_q <= '0;
    else if (write_q[Columns-1]) addr_q <= addr_q + 1'b1;
  end

  logic [Rows*Width-1:0] word_q;
  for (genvar r = 0; r < Rows; r++) begin : g_row
    logic here;
    if (Rows == 1) begin : g_only
      assign here = 1'b1;
    end else begin : g_one
      assign here = addr_q[AddrBits-1-:RowBits] == RowBits'(r);
    end
    for (genvar c = 0; c < Columns; c++) begin : g_column
      localparam int Bits = (c == Columns - 1) ? Width - c * 72 : 72;
      localparam int First = 96 - 32 * ((Bits + 31) / 32);
      // As large as the primitive, so that no tool finds another shape
      (* ram_style = "ultra" *) logic [Bits-1:0] memory[4096];
      logic [Bits-1:0] column_data_q;
      always_ff @(posedge clk_i) begin
        if (write_q[c] && here) memory[12'(addr_q)] <= parts_q[First+:Bits];
        column_data_q <= memory[12'(addr_i)];
      end
      assign word_q[r*Width+c*72+:Bits] = column_data_q;
    end
  end

  if (Rows == 1) begin : g_word
    always_ff @(posedge clk_i) data_o <= word_q;
  end else begin : g_select
    logic [RowBits-1:0] row_q;
    always_ff @(posedge clk_i) begin
      row_q  <= addr_i[AddrBits-1-:RowBits];
      data_o <= word_q[row_q*Width+:Width];
    end
  end

endmodule
