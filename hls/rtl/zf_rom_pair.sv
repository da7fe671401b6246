// SPDX-License-Identifier: Apache-2.0
//
// zf_rom_pair: two read-only memories in the two halves of one RAMB18, each read through a port.
//
//   data_a_o(t + 2) = memory[addr_a_i(t)], data_b_o(t + 2) = memory[2**(Deep - 1) + addr_b_i(t)]
// Deep = 10, 11 or 12: a word has 18, 9 or 4 bits, the wider of both; each memory has up to half of
// the 2**Deep words. InitFile holds all of them, those between the two included.
// Latency: 2 cycles. Throughput: a word a cycle from each.

module zf_rom_pair #(
    parameter int WidthA   = 8,
    parameter int DepthA   = 512,
    parameter int WidthB   = 8,
    parameter int DepthB   = 512,
    parameter int Deep     = 10,
    parameter     InitFile = "none.mem",
    localparam int AddrBitsA = (DepthA > 1) ? $clog2(DepthA) : 1,
    localparam int AddrBitsB = (DepthB > 1) ? $clog2(DepthB) : 1
) (
    input  logic                 clk_i,
    input  logic [AddrBitsA-1:0] addr_a_i,
    output logic [   WidthA-1:0] data_a_o,
    input  logic [AddrBitsB-1:0] addr_b_i,
    output logic [   WidthB-1:0] data_b_o
);

  localparam int Width = (WidthA > WidthB) ? WidthA : WidthB;
  localparam int Most = (Deep == 10) ? 18 : (Deep == 11) ? 9 : 4;

  initial
    if (Deep < 10 || Deep > 12 || Width > Most || AddrBitsA >= Deep || AddrBitsB >= Deep)
      $fatal(1, "%m: %0d and %0d words of %0d and %0d bits must fit the halves of 2**%0d",
             DepthA, DepthB, WidthA, WidthB, Deep);

  (* rom_style = "block" *) logic [Width-1:0] memory[2**Deep];
  initial $readmemh(InitFile, memory);

  logic [Width-1:0] word_a_q, word_b_q;
  always_ff @(posedge clk_i) begin
    word_a_q <= memory[{1'b0, (Deep - 1)'(addr_a_i)}];
    data_a_o <= word_a_q[WidthA-1:0];
  end
  always_ff @(posedge clk_i) begin
    word_b_q <= memory[{1'b1, (Deep - 1)'(addr_b_i)}];
    data_b_o <= word_b_q[WidthB-1:0];
  end
  logic unused;
  assign unused = ^{word_a_q, word_b_q};

endmodule
