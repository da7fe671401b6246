// SPDX-License-Identifier: Apache-2.0
//
// zf_stream_reg: register stage of a stream, both ways.
//
// Words leave as they came. Every output, s_tready_o too, comes straight from a flip-flop: no path
// runs through. The second entry holds the word that arrives while s_tready_o still says yes.
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_stream_reg #(
    parameter int unsigned Width = 8
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic [Width-1:0] s_tdata_i,
    input  logic             s_tvalid_i,
    output logic             s_tready_o,
    output logic [Width-1:0] m_tdata_o,
    output logic             m_tvalid_o,
    input  logic             m_tready_i
);

  initial if (Width < 1) $fatal(1, "%m: Width must be positive, not %0d", Width);

  logic [Width-1:0] word_q, spare_q;
  logic valid_q;
  logic ready_q;  // spare_q is free
  logic load;

  assign load = !valid_q || m_tready_i;

  always_ff @(posedge clk_i) begin
    if (load) word_q <= ready_q ? s_tdata_i : spare_q;
    if (ready_q) spare_q <= s_tdata_i;
    if (rst_i) begin
      valid_q <= 1'b0;
      ready_q <= 1'b1;
    end else begin
      if (load) valid_q <= s_tvalid_i || !ready_q;
      ready_q <= load || (ready_q && !s_tvalid_i);
    end
  end

  assign m_tdata_o  = word_q;
  assign m_tvalid_o = valid_q;
  assign s_tready_o = ready_q;

endmodule
