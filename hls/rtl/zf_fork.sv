// SPDX-License-Identifier: Apache-2.0
//
// zf_fork: one stream to several takers, each of which takes every word exactly once.
//
// Eager: a taker that is ready need not wait for the others; the word leaves when all have it.
// Latency: none, wires and a gate. Throughput: a word a cycle.

module zf_fork #(
    parameter int unsigned Width = 8,
    parameter int unsigned Ports = 2
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic [Width-1:0] s_tdata_i,
    input  logic             s_tvalid_i,
    output logic             s_tready_o,
    output logic [Width-1:0] m_tdata_o,
    output logic [Ports-1:0] m_tvalid_o,
    input  logic [Ports-1:0] m_tready_i
);

  initial
    if (Width < 1 || Ports < 1)
      $fatal(1, "%m: Width %0d and Ports %0d must be positive", Width, Ports);

  logic [Ports-1:0] done_q;  // who has the present word already

  always_ff @(posedge clk_i) begin
    if (rst_i || s_tready_o) done_q <= '0;
    else if (s_tvalid_i) done_q <= done_q | m_tready_i;
  end

  assign m_tdata_o  = s_tdata_i;
  assign m_tvalid_o = {Ports{s_tvalid_i}} & ~done_q;
  assign s_tready_o = &(done_q | m_tready_i);

endmodule
