// SPDX-License-Identifier: Apache-2.0
//
// zf_table: read-only memory of LUTs, a part of the words of a file.
//
//   data_o = memory[Start + addr_i][First +: Bits], addr_i below Words
// Latency: 0. Throughput: a word a cycle.

module zf_table #(
    parameter int Width    = 8,
    parameter int Depth    = 16,
    parameter int First    = 0,
    parameter int Bits     = Width,
    parameter int Start    = 0,
    parameter int Words    = Depth,
    parameter     InitFile = "none.mem",
    localparam int AddrBits = (Words > 1) ? $clog2(Words) : 1
) (
    input  logic [AddrBits-1:0] addr_i,
    output logic [    Bits-1:0] data_o
);

  localparam int DepthBits = (Depth > 1) ? $clog2(Depth) : 1;

  // Vivado reads the second attribute, Yosys the first.
  (* ram_block = "logic", rom_style = "distributed" *) logic [Width-1:0] memory[Depth];
  initial $readmemh(InitFile, memory);

  logic [Width-1:0] word;
  assign word   = memory[DepthBits'(Start)|DepthBits'(addr_i)];
  assign data_o = word[First+:Bits];
  logic unused;
  assign unused = ^word;

  initial
    if ((Start & ((1 << AddrBits) - 1)) != 0)
      $fatal(1, "%m: Start %0d must be a multiple of the words, rounded up to a power of 2", Start);

endmodule
