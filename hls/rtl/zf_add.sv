// SPDX-License-Identifier: Apache-2.0
//
// zf_add: adds two streams, code by code.
//
//   m[l] = s0[l] + s1[l], exactly
// Port 0 lies in the low half of s_tdata_i. A word is taken from both ports or from none.
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_add #(
    parameter int unsigned Lanes   = 2,
    parameter int unsigned Bits    = 4,
    parameter bit          Signed  = 0,
    parameter int unsigned OutBits = 5
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic [ 2*Lanes*Bits-1:0] s_tdata_i,
    input  logic [              1:0] s_tvalid_i,
    output logic [              1:0] s_tready_o,
    output logic [Lanes*OutBits-1:0] m_tdata_o,
    output logic                     m_tvalid_o,
    input  logic                     m_tready_i
);

  initial begin
    if (Lanes < 1 || Bits < 1)
      $fatal(1, "%m: Lanes %0d and Bits %0d must be positive", Lanes, Bits);
    if (OutBits < Bits) $fatal(1, "%m: OutBits %0d must be at least Bits %0d", OutBits, Bits);
  end

  logic [Lanes*OutBits-1:0] sum;
  logic both, ready;

  // OutBits holds every proven sum, so the sum modulo 2**OutBits is the sum.
  function automatic logic [OutBits-1:0] wide(input logic [Bits-1:0] code);
    wide = OutBits'($signed({Signed && code[Bits-1], code}));
  endfunction

  always_comb begin
    for (int unsigned l = 0; l < Lanes; l++)
      sum[l*OutBits+:OutBits] =
          wide(s_tdata_i[l*Bits+:Bits]) + wide(s_tdata_i[(Lanes+l)*Bits+:Bits]);
  end

  assign both       = &s_tvalid_i;
  assign s_tready_o = {2{both && ready}};

  zf_stream_reg #(.Width(Lanes * OutBits)) u_reg (
      .clk_i, .rst_i, .s_tdata_i(sum), .s_tvalid_i(both), .s_tready_o(ready), .m_tdata_o,
      .m_tvalid_o, .m_tready_i
  );

endmodule
