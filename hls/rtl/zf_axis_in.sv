// SPDX-License-Identifier: Apache-2.0
//
// zf_axis_in: bytes of an outer AXI4-Stream to codes.
//
//   m[l] = s[l] modulo 2**Bits, lane l in byte l
// s_tlast_i is not looked at: after reset frames follow each other by their size. Nothing is taken
// in reset, so that a master that never waits loses nothing.
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_axis_in #(
    parameter int unsigned Lanes = 3,
    parameter int unsigned Bits  = 8
) (
    input  logic                  clk_i,
    input  logic                  rst_i,
    input  logic [   Lanes*8-1:0] s_tdata_i,
    input  logic                  s_tvalid_i,
    output logic                  s_tready_o,
    input  logic                  s_tlast_i,
    output logic [Lanes*Bits-1:0] m_tdata_o,
    output logic                  m_tvalid_o,
    input  logic                  m_tready_i
);

  initial begin
    if (Lanes < 1) $fatal(1, "%m: Lanes must be positive, not %0d", Lanes);
    if (Bits < 1 || Bits > 8) $fatal(1, "%m: Bits must be 1 to 8, not %0d", Bits);
  end

  logic unused;
  assign unused = ^{s_tlast_i, s_tdata_i};

  logic [Lanes*Bits-1:0] codes;
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    assign codes[l*Bits+:Bits] = s_tdata_i[l*8+:Bits];
  end

  logic ready;
  assign s_tready_o = ready && !rst_i;
  zf_stream_reg #(.Width(Lanes * Bits)) u_reg (
      .clk_i, .rst_i, .s_tdata_i(codes), .s_tvalid_i, .s_tready_o(ready), .m_tdata_o, .m_tvalid_o,
      .m_tready_i
  );

endmodule
