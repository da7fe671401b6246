// SPDX-License-Identifier: Apache-2.0
//
// zf_skew: delays the lanes of a word for a cascade, one cycle more from stage to stage.
//
//   data_o[lane l](t) = data_i[lane l](t - stage(l)),  stage(l) = Stages - 1 - l / Chains
// Latency: the lane's stage. Throughput: a word a cycle.

module zf_skew #(
    parameter int Lanes  = 4,
    parameter int Bits   = 4,
    parameter int Chains = 2,
    localparam int Stages = (Lanes + Chains - 1) / Chains
) (
    input  logic                  clk_i,
    input  logic [Lanes*Bits-1:0] data_i,
    output logic [Lanes*Bits-1:0] data_o
);

  for (genvar s = 0; s < Stages; s++) begin : g_stage
    localparam int First = (Stages - 1 - s) * Chains;
    localparam int Width = ((First + Chains > Lanes) ? Lanes - First : Chains) * Bits;
    if (s == 0) begin : g_now
      assign data_o[First*Bits+:Width] = data_i[First*Bits+:Width];
      logic unused;
      assign unused = clk_i;
    end else begin : g_later
      logic [s*Width-1:0] line_q;
      if (s == 1) begin : g_one
        always_ff @(posedge clk_i) line_q <= data_i[First*Bits+:Width];
      end else begin : g_more
        always_ff @(posedge clk_i) line_q <= {line_q[(s-1)*Width-1:0], data_i[First*Bits+:Width]};
      end
      assign data_o[First*Bits+:Width] = line_q[(s-1)*Width+:Width];
    end
  end

endmodule
