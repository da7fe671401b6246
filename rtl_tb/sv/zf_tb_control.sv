// SPDX-License-Identifier: Apache-2.0
//
// Clock, reset and end of a bench. The reset lasts 8 clocks at the start and again 8 clocks when
// +reset_at=N clocks have passed. finished_o rises, and the clock stops, 64 clocks after done_i or
// when no beat has moved for +patience=N clocks; stuck_o then rises one clock earlier. cycle_o
// counts clocks since the reset.
// Simulation only.

module zf_tb_control (
    input  logic        done_i,
    input  logic        end_beat_i,    // a beat moves at one of the outer streams
    input  logic        inner_beat_i,  // a beat moves on an inner stream
    output logic        clk_o,
    output logic        probe_clk_o,   // the same edges, but only with +probe_frame
    output logic        rst_o,
    output logic [63:0] cycle_o,
    output logic        stuck_o,
    output logic        finished_o
);

  localparam int unsigned ResetClocks = 8;
  localparam int unsigned DrainClocks = 64;  // to catch beats that should not be there
  localparam int unsigned GlanceClocks = 128;  // the inner streams matter only when the ends rest

  logic [31:0] patience, idle_q, drain_q, reset_left_q;
  logic [63:0] reset_at, clocks_q;
  logic        recording;

  initial begin
    if ($value$plusargs("patience=%d", patience) == 0) $fatal(1, "%m: no +patience");
    if ($value$plusargs("reset_at=%d", reset_at) == 0) reset_at = '1;
    recording    = $test$plusargs("probe_frame") != 0;
    clk_o        = 1'b0;
    probe_clk_o  = 1'b0;
    rst_o        = 1'b1;
    reset_left_q = ResetClocks;
    clocks_q     = 0;
    cycle_o      = 0;
    idle_q       = 0;
    drain_q      = 0;
    stuck_o      = 1'b0;
    finished_o   = 1'b0;
  end

  // Probes without a clock cost nothing. Both edges rise in one time step, before anything moves.
  always #1 begin
    clk_o       = !clk_o && !finished_o;
    probe_clk_o = clk_o && recording;
  end

  always @(posedge clk_o) begin
    clocks_q <= clocks_q + 1;
    if (reset_left_q != 0) begin
      reset_left_q <= reset_left_q - 1;
      rst_o        <= reset_left_q != 1;
      cycle_o      <= 0;
      idle_q       <= 0;
      drain_q      <= 0;
    end else if (clocks_q == reset_at) begin
      reset_left_q <= ResetClocks;
      rst_o        <= 1'b1;
    end else begin
      cycle_o <= cycle_o + 1;
      idle_q  <= end_beat_i || (idle_q >= GlanceClocks && inner_beat_i) ? 0 : idle_q + 1;
      if (done_i) drain_q <= drain_q + 1;
      if (!done_i && idle_q >= patience) stuck_o <= 1'b1;
      if (drain_q == DrainClocks || stuck_o) finished_o <= 1'b1;
    end
  end

endmodule
