// SPDX-License-Identifier: Apache-2.0
//
// zf_window_write: where zf_window stores a word of its input, in each of its memories.
//
// A pixel has Deep words. Words go to consecutive places of a ring of Depth words; Columns copies
// of it for each pixel of a step, StrideW pixels apart, hold them as many places to the left. Each
// copy has Rows banks, one row after the other. Where Banked is set the copies share the pixels
// out instead, one to each in turn, in rings of their own.
//
// Latency: none, we_o follows store_i in its cycle. Throughput: a word a cycle.

module zf_window_write #(
    parameter int Copies  = 1,
    parameter int Columns = 1,
    parameter int StrideW = 1,
    parameter int Rows    = 1,
    parameter int Deep    = 1,
    parameter int Depth   = 8,
    parameter bit Banked  = 0,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                       clk_i,
    input  logic                       rst_i,
    input  logic                       store_i,  // a word
    input  logic                       last_i,   // it is the last of its pixel
    output logic [Copies*AddrBits-1:0] addr_o,
    output logic [    Copies*Rows-1:0] we_o
);

  if (Banked) begin : g_banked
    logic [((Copies > 1) ? $clog2(Copies) : 1)-1:0] turn;  // the copy of the current pixel
    logic unused_last;
    zf_count #(.Count(Copies)) u_turn (
        .clk_i, .rst_i, .step_i(store_i && last_i), .value_o(turn), .last_o(unused_last)
    );
    for (genvar i = 0; i < Copies; i++) begin : g_copy
      logic unused;
      assign we_o[i] = store_i && 32'(turn) == i;
      zf_count #(.Count(Depth)) u_write (
          .clk_i, .rst_i, .step_i(we_o[i]), .value_o(addr_o[i*AddrBits+:AddrBits]),
          .last_o(unused)
      );
    end
  end else begin : g_copied
    logic unused_last_word;
    assign unused_last_word = last_i;
    logic [((Rows > 1) ? $clog2(Rows) : 1)-1:0] row;
    logic [AddrBits-1:0] first;  // copy 0's address
    logic last_place, unused_last;
    zf_count #(.Count(Depth)) u_first (
        .clk_i, .rst_i, .step_i(store_i), .value_o(first), .last_o(last_place)
    );
    zf_count #(.Count(Rows)) u_row (
        .clk_i, .rst_i, .step_i(store_i && last_place), .value_o(row), .last_o(unused_last)
    );
    for (genvar i = 0; i < Copies; i++) begin : g_copy
      localparam int Left = ((i % Columns) + (i / Columns) * StrideW) * Deep;
      for (genvar b = 0; b < Rows; b++) begin : g_row
        assign we_o[i*Rows+b] = store_i && 32'(row) == b;
      end
      if (Depth == 2 ** AddrBits || i == 0) begin : g_less
        assign addr_o[i*AddrBits+:AddrBits] = first - AddrBits'(Left);
      end else begin : g_own
        logic unused;
        zf_count #(.Count(Depth), .Start(((-Left % Depth) + Depth) % Depth)) u_write (
            .clk_i, .rst_i, .step_i(store_i), .value_o(addr_o[i*AddrBits+:AddrBits]),
            .last_o(unused)
        );
      end
    end
  end

endmodule
