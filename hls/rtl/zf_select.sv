// SPDX-License-Identifier: Apache-2.0
//
// zf_select: multiplexer, two LUTs a bit for eight words.
//
//   data_o = words_i[index_i]
// Primitives: 0 behaviour, else MUXF7 joins each two words-of-four, which are a LUT a bit.
// Latency: 0. Throughput: a word a cycle.

module zf_select #(
    parameter int Bits       = 8,
    parameter int Count      = 8,
    parameter int Primitives = 0,
    localparam int IndexBits = (Count > 1) ? $clog2(Count) : 1
) (
    input  logic [ IndexBits-1:0] index_i,
    input  logic [Count*Bits-1:0] words_i,
    output logic [      Bits-1:0] data_o
);

  if (Primitives != 0 && Count > 4) begin : g_muxes
    localparam int Eights = (Count + 7) / 8;
    logic [8*Eights*Bits-1:0] words;
    logic [Eights*Bits-1:0] eights;
    assign words  = (8 * Eights * Bits)'(words_i);
    for (genvar e = 0; e < Eights; e++) begin : g_eight
      logic [Bits-1:0] low, high;
      assign low  = words[(8*e+32'(index_i[1:0]))*Bits+:Bits];
      assign high = words[(8*e+4+32'(index_i[1:0]))*Bits+:Bits];
      for (genvar b = 0; b < Bits; b++) begin : g_bit
        MUXF7 u_mux (.I0(low[b]), .I1(high[b]), .S(index_i[2]), .O(eights[e*Bits+b]));
      end
    end
    if (Eights == 1) begin : g_one
      assign data_o = eights;
    end else begin : g_more
      assign data_o = eights[32'(index_i[IndexBits-1:3])*Bits+:Bits];
    end
  end else begin : g_behaviour
    assign data_o = words_i[32'(index_i)*Bits+:Bits];
  end

endmodule
