// SPDX-License-Identifier: Apache-2.0
//
// zf_block: one write port, one read port in block RAM and LUTs, cut by hand.
//
//   re_i: rdata_o(t + 1) = memory[raddr_i(t)], else rdata_o holds
// Cut says what each piece is, so that every tool infers what zynqfire.hls.cuts counted. It has 64
// bits for each row of words, the first lowest, zero where there is none:
//   [23:0]  words of the row
//   [31:24] log2 of the words of its block RAMs, 9 to 15; 0 for a row of LUTs
//   [63:32] bits of its words in block RAM, the low ones; the others are LUTs
// A row but the last has as many words as its block RAMs, and none has more than the one before.
// In block RAM a row is columns as wide as a RAMB36 of that depth, the last one what is left.
// With an InitFile this is a ROM (we_i is not looked at). Each piece has its own file, InitFile
// followed by .000, .001, ... row by row, low bits first, or InitFile itself where there is one
// piece only; zynqfire.hls.memory.rom_files writes them.
// A read of the word that is written in the same clock returns anything.
// Latency: 1 cycle. Throughput: a write and a read a cycle.

module zf_block #(
    parameter int           Width    = 8,
    parameter int           Depth    = 512,
    parameter logic [511:0] Cut      = 512'h8_09000200,
    parameter               InitFile = "",
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                clk_i,
    input  logic                we_i,
    input  logic [AddrBits-1:0] waddr_i,
    input  logic [   Width-1:0] wdata_i,
    input  logic                re_i,
    input  logic [AddrBits-1:0] raddr_i,
    output logic [   Width-1:0] rdata_o
);

  localparam bit Rom = InitFile != "";

  function automatic int rows();
    rows = 0;
    for (int r = 0; r < 8; r++) if (Cut[64*r+:24] != 0) rows = r + 1;
  endfunction

  function automatic int start(input int row);  // words before a row
    start = 0;
    for (int r = 0; r < 8; r++) if (r < row) start = start + int'(Cut[64*r+:24]);
  endfunction

  function automatic int native(input int deep);  // width of a RAMB36
    native = ((deep > 12) ? 32768 : 36864) >> deep;
  endfunction

  function automatic int columns(input int row);  // block RAMs of a row
    columns = 0;
    if (Cut[64*row+24+:8] != 0)
      columns = (int'(Cut[64*row+32+:32]) + native(int'(Cut[64*row+24+:8])) - 1)
          / native(int'(Cut[64*row+24+:8]));
  endfunction

  function automatic int first(input int row);  // pieces before a row
    first = 0;
    for (int r = 0; r < 8; r++)
      if (r < row) first = first + columns(r) + ((int'(Cut[64*r+32+:32]) < Width) ? 1 : 0);
  endfunction

  localparam int Rows = rows();
  localparam int Pieces = first(Rows);
  localparam int Words = start(Rows);

  initial
    if (Words != Depth || Pieces > 999)
      $fatal(1, "%m: rows of %0d words in %0d pieces must be Depth %0d and at most 999 pieces",
             Words, Pieces, Depth);

  logic [Rows*Width-1:0] read;
  logic [Rows-1:0] we;
  logic unused;
  if (Rom) begin : g_unused
    assign unused = ^{we, waddr_i, wdata_i};
  end else begin : g_unused
    assign unused = 1'b0;
  end

  for (genvar r = 0; r < Rows; r++) begin : g_row
    localparam int Some = int'(Cut[64*r+:24]);  // words
    localparam int Deep = int'(Cut[64*r+24+:8]);
    localparam int Bits = (Deep == 0) ? 0 : int'(Cut[64*r+32+:32]);

    if (Deep != 0) begin : g_block
      localparam int Native = native(Deep);
      logic [Deep-1:0] raddr;
      assign raddr = Deep'(raddr_i);
      for (genvar c = 0; c < columns(r); c++) begin : g_column
        localparam int Low = c * Native;
        localparam int Wide = (Bits - Low < Native) ? Bits - Low : Native;
        localparam int Piece = first(r) + c;
        logic [Wide-1:0] column_q;
        // As deep as the primitive, so that no tool finds another aspect ratio.
        if (Rom) begin : g_rom
          (* rom_style = "block" *) logic [Wide-1:0] memory[2**Deep];
          if (Pieces == 1) begin : g_file
            initial $readmemh(InitFile, memory, 0, Some - 1);
          end else begin : g_file
            localparam logic [23:0] Digits = {
              8'(48 + Piece / 100), 8'(48 + Piece / 10 % 10), 8'(48 + Piece % 10)
            };
            initial $readmemh({InitFile, ".", Digits}, memory, 0, Some - 1);
          end
          always_ff @(posedge clk_i) if (re_i) column_q <= memory[raddr];
        end else begin : g_ram
          (* ram_style = "block", no_rw_check *) logic [Wide-1:0] memory[2**Deep];
          always_ff @(posedge clk_i) begin
            if (we[r]) memory[Deep'(waddr_i)] <= wdata_i[Low+:Wide];
            if (re_i) column_q <= memory[raddr];
          end
        end
        assign read[r*Width+Low+:Wide] = column_q;
      end
    end

    if (Bits < Width) begin : g_lut
      localparam int WordBits = (Some > 1) ? $clog2(Some) : 1;
      localparam int Piece = first(r) + columns(r);
      logic [Width-Bits-1:0] word_q;
      if (Rom) begin : g_rom
        logic [Width-Bits-1:0] word;
        if (Pieces == 1) begin : g_file
          zf_table #(.Width(Width - Bits), .Depth(Some), .InitFile(InitFile)) u_table (
              .addr_i(WordBits'(raddr_i)), .data_o(word)
          );
        end else begin : g_file
          localparam logic [23:0] Digits = {
            8'(48 + Piece / 100), 8'(48 + Piece / 10 % 10), 8'(48 + Piece % 10)
          };
          zf_table #(
              .Width(Width - Bits), .Depth(Some), .InitFile({InitFile, ".", Digits})
          ) u_table (
              .addr_i(WordBits'(raddr_i)), .data_o(word)
          );
        end
        always_ff @(posedge clk_i) if (re_i) word_q <= word;
      end else begin : g_ram
        (* ram_style = "distributed" *) logic [Width-Bits-1:0] memory[Some];
        always_ff @(posedge clk_i) begin
          if (we[r]) memory[WordBits'(waddr_i)] <= wdata_i[Width-1:Bits];
          if (re_i) word_q <= memory[WordBits'(raddr_i)];
        end
      end
      assign read[r*Width+Bits+:Width-Bits] = word_q;
    end
  end

  if (Rows == 1) begin : g_one
    assign we = we_i;
    assign rdata_o = read;
  end else begin : g_rows
    localparam int RowBits = $clog2(Rows);
    logic [RowBits-1:0] row_q;

    function automatic logic [RowBits-1:0] row(input logic [AddrBits-1:0] addr);
      row = '0;
      for (int r = 1; r < Rows; r++) if (addr >= AddrBits'(start(r))) row = RowBits'(r);
    endfunction

    always_ff @(posedge clk_i) if (re_i) row_q <= row(raddr_i);
    for (genvar r = 0; r < Rows; r++) begin : g_we
      assign we[r] = we_i && row(waddr_i) == RowBits'(r);
    end
    assign rdata_o = read[row_q*Width+:Width];
  end

endmodule
