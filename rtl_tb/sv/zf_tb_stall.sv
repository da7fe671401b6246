// SPDX-License-Identifier: Apache-2.0
//
// Random stalls for a bench: stall_o is drawn every clock once the plusarg +stall_seed=N is given
// and stays 0 without it. Every 64 clocks the odds change between none, 1/4, 1/2 and 15/16, so
// that full-speed stretches, single gaps and long droughts all occur.
// xorshift32: x ^= x << 13; x ^= x >> 17; x ^= x << 5.
// Simulation only.

module zf_tb_stall #(
    parameter int unsigned Salt = 1  // makes the stalls of two ends differ
) (
    input  logic clk_i,
    output logic stall_o
);

  logic [31:0] state_q, scaled, drawn;
  logic        enabled_q;
  logic [5:0]  phase_q;
  logic [3:0]  odds_q;  // of 16

  initial begin
    enabled_q = $value$plusargs("stall_seed=%d", state_q) != 0;
    if (!enabled_q) state_q = 0;
    // An odd multiplier spreads neighbouring seeds; xorshift must not start at 0.
    state_q = (state_q + Salt) * 32'd2654435761;
    if (state_q == 0) state_q = 32'd1;
    phase_q = 6'd0;
    odds_q  = 4'd4;
  end

  assign scaled = state_q ^ (state_q << 13);
  assign drawn  = (scaled ^ (scaled >> 17)) ^ ((scaled ^ (scaled >> 17)) << 5);

  always_ff @(posedge clk_i) begin
    if (enabled_q) begin
      state_q <= drawn;
      phase_q <= phase_q + 1'b1;
      if (phase_q == 6'd63) begin
        case (drawn[31:30])
          2'd0: odds_q <= 4'd0;
          2'd1: odds_q <= 4'd4;
          2'd2: odds_q <= 4'd8;
          default: odds_q <= 4'd15;
        endcase
      end
    end
  end

  assign stall_o = enabled_q && drawn[11:8] < odds_q;

endmodule
