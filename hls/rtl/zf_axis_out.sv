// SPDX-License-Identifier: Apache-2.0
//
// zf_axis_out: codes to an outer AXI4-Stream, one a beat.
//
//   m = s, sign-extended if Signed, else zero-extended; m_tlast_o on every Beats-th
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_axis_out #(
    parameter int unsigned Bits    = 16,
    parameter bit          Signed  = 1,
    parameter int unsigned OutBits = 32,
    parameter int unsigned Beats   = 10
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic [   Bits-1:0] s_tdata_i,
    input  logic               s_tvalid_i,
    output logic               s_tready_o,
    output logic [OutBits-1:0] m_tdata_o,
    output logic               m_tvalid_o,
    input  logic               m_tready_i,
    output logic               m_tlast_o
);

  initial begin
    if (Bits < 1 || OutBits < Bits) $fatal(1, "%m: OutBits %0d below Bits %0d", OutBits, Bits);
    if (Beats < 1) $fatal(1, "%m: Beats must be positive, not %0d", Beats);
  end

  logic [Bits-1:0] code;
  zf_stream_reg #(.Width(Bits)) u_reg (
      .clk_i, .rst_i, .s_tdata_i, .s_tvalid_i, .s_tready_o, .m_tdata_o(code), .m_tvalid_o,
      .m_tready_i
  );
  assign m_tdata_o = OutBits'($signed({Signed && code[Bits-1], code}));

  logic [(Beats > 1 ? $clog2(Beats) : 1)-1:0] unused_count;
  zf_count #(.Count(Beats)) u_count (
      .clk_i, .rst_i, .step_i(m_tvalid_o && m_tready_i), .value_o(unused_count),
      .last_o(m_tlast_o)
  );

endmodule
