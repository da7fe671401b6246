// SPDX-License-Identifier: Apache-2.0
//
// zf_gate: holds frames off until they may run.
//
// A beat passes when it is offered, wanted and the gate is open: open_i is high, or its frame has
// begun to pass and has not ended.
// Latency: none. Throughput: a beat a cycle.

module zf_gate (
    input  logic clk_i,
    input  logic rst_i,
    input  logic open_i,
    input  logic s_tvalid_i,
    output logic s_tready_o,
    input  logic s_tlast_i,
    output logic m_tvalid_o,
    input  logic m_tready_i
);

  logic inside_q;  // of a frame
  logic pass;
  assign pass = open_i || inside_q;
  assign m_tvalid_o = s_tvalid_i && pass;
  assign s_tready_o = m_tready_i && pass;

  always_ff @(posedge clk_i) begin
    if (rst_i) inside_q <= 1'b0;
    else if (m_tvalid_o && m_tready_i) inside_q <= !s_tlast_i;
  end

endmodule
