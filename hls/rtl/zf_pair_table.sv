// SPDX-License-Identifier: Apache-2.0
//
// zf_pair_table: read-only memory of up to 32 words, two bits of a word in a LUT6_2.
//
//   data_o[b] = Init[32*b + addr_i]
// Latency: 0. Throughput: a word a cycle.

module zf_pair_table #(
    parameter int                 Bits = 8,
    parameter logic [32*Bits-1:0] Init = '0
) (
    input  logic [     4:0] addr_i,
    output logic [Bits-1:0] data_o
);

  for (genvar p = 0; p < (Bits + 1) / 2; p++) begin : g_pair
    localparam int High = (2 * p + 1 < Bits) ? 2 * p + 1 : 2 * p;
    logic low, high;
    LUT6_2 #(.INIT({Init[32*High+:32], Init[64*p+:32]})) u_lut (
        .I0(addr_i[0]), .I1(addr_i[1]), .I2(addr_i[2]), .I3(addr_i[3]), .I4(addr_i[4]), .I5(1'b1),
        .O5(low), .O6(high)
    );
    assign data_o[2*p] = low;
    if (2 * p + 1 < Bits) begin : g_high
      assign data_o[2*p+1] = high;
    end
  end

endmodule
