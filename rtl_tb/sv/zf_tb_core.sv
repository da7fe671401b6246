// SPDX-License-Identifier: Apache-2.0
//
// Stands for a core inside zynqfire_ip: a frame's outputs depend on each of its bytes and on where
// its tlast is, so that a bench can tell what went in.
//
//   hash' = (hash ^ byte) * 16777619 modulo 2**32 for each byte, from 2166136261
//   m[i] = {~hash, hash + i}, its low OutBits; a tlast in a wrong place inverts a bit of the hash
// Two frames wait inside. Gap cycles lie between two beats in.
// Simulation only.

module zf_tb_core #(
    parameter int Lanes = 3,
    parameter int Beats = 4,
    parameter int Outputs = 3,
    parameter int OutBits = 32,
    parameter int Gap = 0
) (
    input  logic               aclk,
    input  logic               aresetn,
    input  logic [Lanes*8-1:0] s_axis_tdata,
    input  logic               s_axis_tvalid,
    output logic               s_axis_tready,
    input  logic               s_axis_tlast,
    output logic [OutBits-1:0] m_axis_tdata,
    output logic               m_axis_tvalid,
    input  logic               m_axis_tready,
    output logic               m_axis_tlast
);

  logic [31:0] hash_q, next, first_q, second_q;
  logic [1:0] held_q;  // frames
  int beat_q, out_q, gap_q;
  logic take, done, leave;

  always_comb begin
    next = hash_q;
    for (int l = 0; l < Lanes; l++) next = (next ^ 32'(s_axis_tdata[l*8+:8])) * 32'd16777619;
    if (s_axis_tlast != (beat_q == Beats - 1)) next ^= 32'd1 << 31;
  end
  assign s_axis_tready = aresetn && held_q != 2'd2 && gap_q == 0;
  assign take          = s_axis_tvalid && s_axis_tready;
  assign done          = take && beat_q == Beats - 1;
  assign m_axis_tvalid = held_q != 2'd0;
  assign m_axis_tdata  = OutBits'({~first_q, first_q + 32'(out_q)});
  assign m_axis_tlast  = out_q == Outputs - 1;
  assign leave         = m_axis_tvalid && m_axis_tready && m_axis_tlast;

  always_ff @(posedge aclk) begin
    gap_q <= take ? Gap : gap_q == 0 ? 0 : gap_q - 1;
    if (take) hash_q <= done ? 32'd2166136261 : next;
    if (take) beat_q <= done ? 0 : beat_q + 1;
    if (m_axis_tvalid && m_axis_tready) out_q <= m_axis_tlast ? 0 : out_q + 1;
    if (done && (held_q == 2'd0 || (held_q == 2'd1 && leave))) first_q <= next;
    else if (leave) first_q <= second_q;
    if (done) second_q <= next;
    held_q <= held_q + 2'(done) - 2'(leave);
    if (!aresetn) begin
      hash_q <= 32'd2166136261;
      beat_q <= 0;
      out_q  <= 0;
      held_q <= '0;
      gap_q  <= 0;
    end
  end

endmodule
