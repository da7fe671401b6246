// SPDX-License-Identifier: Apache-2.0
//
// zf_send: frames of Beats words to packets of packet_i frames each on an AXI4-Stream.
//
//   m = s; m_tlast_o on the last word of every packet_i-th frame
// clear_i: the source starts over. A packet that has begun is completed with words of 0 that are
// counted nowhere, and no other begins before it has left; rst_i forgets it.
// out_o and sent_o say that a frame's and a packet's last word have left.
//
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_send #(
    parameter int Width = 32,
    parameter int Beats = 10
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             clear_i,
    input  logic [     15:0] packet_i,
    input  logic [Width-1:0] s_tdata_i,
    input  logic             s_tvalid_i,
    output logic             s_tready_o,
    output logic [Width-1:0] m_tdata_o,
    output logic             m_tvalid_o,
    input  logic             m_tready_i,
    output logic             m_tlast_o,
    output logic             out_o,
    output logic             sent_o,
    output logic             draining_o
);

  logic room, push, last_word, only_q, packet_end, inside_q, fill_q, drain_q, frame;
  logic [15:0] left_q;  // frames of the packet from this one on
  assign s_tready_o = room && !drain_q && !clear_i && !rst_i;
  assign push = room && (fill_q || (s_tvalid_i && !drain_q && !clear_i));

  logic [(Beats > 1 ? $clog2(Beats) : 1)-1:0] unused_word;
  zf_count #(.Count(Beats)) u_word (
      .clk_i, .rst_i, .step_i(push), .value_o(unused_word), .last_o(last_word)
  );
  assign packet_end = last_word && only_q;

  always_ff @(posedge clk_i) begin
    if (push) inside_q <= !packet_end;
    if (!inside_q && !push || push && packet_end) begin
      left_q <= packet_i;
      only_q <= packet_i == 16'd1;
    end else if (push && last_word) begin
      left_q <= left_q - 1'b1;
      only_q <= left_q == 16'd2;
    end
    if (push && packet_end) fill_q <= 1'b0;
    else if (clear_i && inside_q) fill_q <= 1'b1;
    drain_q <= clear_i || (drain_q && (fill_q || m_tvalid_o));
    if (rst_i) begin
      inside_q <= 1'b0;
      fill_q   <= 1'b0;
      drain_q  <= 1'b0;
      left_q   <= packet_i;
      only_q   <= packet_i == 16'd1;
    end
  end
  assign draining_o = drain_q;

  zf_stream_reg #(.Width(Width + 2)) u_out (
      .clk_i, .rst_i, .s_tdata_i({packet_end, last_word, s_tdata_i & {Width{!fill_q}}}),
      .s_tvalid_i(push), .s_tready_o(room), .m_tdata_o({m_tlast_o, frame, m_tdata_o}),
      .m_tvalid_o, .m_tready_i
  );
  assign out_o  = m_tvalid_o && m_tready_i && frame && !drain_q && !clear_i;
  assign sent_o = m_tvalid_o && m_tready_i && m_tlast_o && !drain_q && !clear_i;

endmodule
