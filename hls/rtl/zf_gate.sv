// SPDX-License-Identifier: Apache-2.0
//
// zf_gate: holds a stream off until it may run.
//
// A word passes when it is offered, wanted and open_i is high.
// Latency: none. Throughput: a word a cycle.

module zf_gate (
    input  logic open_i,
    input  logic s_tvalid_i,
    output logic s_tready_o,
    output logic m_tvalid_o,
    input  logic m_tready_i
);

  assign m_tvalid_o = s_tvalid_i && open_i;
  assign s_tready_o = m_tready_i && open_i;

endmodule
