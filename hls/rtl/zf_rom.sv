// SPDX-License-Identifier: Apache-2.0
// Read-only memory filled by $readmemh.
//
//   data_o(t + 2) = memory[addr_i(t)]
//
// Block = 0: LUTs; the address is registered, the word looked up and registered again.
// Block = 1: block RAM, cut by hand into pieces of exactly one RAMB18 or RAMB36, so that every tool
// infers what zynqfire.hls.memory counted: rows of RowDepth words, and in a row columns as wide as
// a RAMB36 of that depth, the last one as wide as what is left. Each piece has its own file,
// InitFile followed by .000, .001, ... (row by row, low bits first), or InitFile itself where there
// is one piece only; zynqfire.hls.memory.rom_files writes them.
//
// Latency 2 clocks, a word every clock.
module zf_rom #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 512,
  parameter int unsigned Block = 1,
  parameter              InitFile = ""
) (
  input  logic                                       clk_i,
  input  logic [(Depth > 1 ? $clog2(Depth) : 1)-1:0] addr_i,
  output logic [Width-1:0]                           data_o
);

  if (Width < 1 || Depth < 1 || Block > 1) begin : gen_bad
    initial $fatal(1, "%m: Width and Depth must be positive and Block 0 or 1, not %0d, %0d, %0d",
                   Width, Depth, Block);
  end

  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1;

  logic [Width-1:0] data_q;
  assign data_o = data_q;

  if (Block == 0) begin : gen_lut
    logic [AddrBits-1:0] addr_q;
    logic [Width-1:0] word;
    zf_table #(.Width(Width), .Depth(Depth), .InitFile(InitFile)) u_table (
      .addr_i(addr_q), .data_o(word)
    );

    always_ff @(posedge clk_i) begin
      addr_q <= addr_i;
      data_q <= word;
    end
  end else begin : gen_block
    localparam int unsigned RowDepth = Depth <= 4096 ? Depth : Depth <= 32768 ? 4096
                                     : Depth <= 65536 ? 8192 : Depth <= 131072 ? 16384 : 32768;
    localparam int unsigned Rows = (Depth + RowDepth - 1) / RowDepth;
    localparam int unsigned RowBits = RowDepth > 1 ? $clog2(RowDepth) : 1;
    localparam int unsigned WordBits = RowBits < 9 ? 9 : RowBits;
    localparam int unsigned Native = (WordBits > 12 ? 32768 : 36864) >> WordBits;
    localparam int unsigned Columns = (Width + Native - 1) / Native;

    logic [Rows*Width-1:0] word_q;

    for (genvar r = 0; r < Rows; r++) begin : gen_row
      localparam int unsigned Words = r == Rows - 1 ? Depth - r * RowDepth : RowDepth;
      for (genvar c = 0; c < Columns; c++) begin : gen_column
        localparam int unsigned Bits = c == Columns - 1 ? Width - c * Native : Native;
        localparam int unsigned Piece = r * Columns + c;
        // As deep as the primitive, so that no tool finds another aspect ratio.
        (* rom_style = "block" *) logic [Bits-1:0] memory [2**WordBits];
        logic [Bits-1:0] column_q;

        if (InitFile == "") begin : gen_empty
        end else if (Rows * Columns == 1) begin : gen_file
          initial $readmemh(InitFile, memory, 0, Words - 1);
        end else begin : gen_files
          localparam logic [7:0] Hundreds = 8'(48 + Piece / 100);
          localparam logic [7:0] Tens = 8'(48 + Piece / 10 % 10);
          localparam logic [7:0] Ones = 8'(48 + Piece % 10);
          initial $readmemh({InitFile, ".", Hundreds, Tens, Ones}, memory, 0, Words - 1);
        end

        always_ff @(posedge clk_i) column_q <= memory[WordBits'(addr_i[RowBits-1:0])];
        assign word_q[r*Width+c*Native +: Bits] = column_q;
      end
    end

    if (Rows == 1) begin : gen_one
      always_ff @(posedge clk_i) data_q <= word_q;
    end else begin : gen_select
      logic [AddrBits-RowBits-1:0] row_q;
      always_ff @(posedge clk_i) begin
        row_q  <= addr_i[AddrBits-1:RowBits];
        data_q <= word_q[row_q*Width +: Width];
      end
    end
  end

endmodule
