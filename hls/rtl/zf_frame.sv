// SPDX-License-Identifier: Apache-2.0
//
// zf_frame: packets to frames of exactly Lines lines of Beats beats each, whatever the packets are.
//
//   m = s, or 0 where a packet is too short; what is too much of one is thrown away
// A packet is packet_i frames, or, where lines_i, a line of a frame that begins with user. There
// user in mid-frame ends the old frame with 0, and what follows a frame without user is thrown away,
// as too long, but silently before the first user. s_part_i: the beat was not full; s_none_i: it is
// none, but a packet's end. The modes may change between packets.
// faults_o, late_o, begin_o and in_o are those of zf_monitor.
//
// OutLanes: the beats of m, each of several of s where Lanes is less.
//
// Latency: 1 cycle, 2 from the last beat needed where m is wider. Throughput: a beat of s a cycle.

module zf_frame #(
    parameter int Lanes = 3,
    parameter int Beats = 8,
    parameter int Lines = 8,
    parameter int OutLanes = Lanes
) (
    input  logic               clk_i,
    input  logic               rst_i,
    input  logic               lines_i,
    input  logic [       15:0] packet_i,
    input  logic [Lanes*8-1:0] s_tdata_i,
    input  logic               s_user_i,
    input  logic               s_last_i,
    input  logic               s_part_i,
    input  logic               s_none_i,
    input  logic [        1:0] s_faults_i,
    input  logic               s_tvalid_i,
    output logic               s_tready_o,
    output logic [OutLanes*8-1:0] m_tdata_o,
    output logic               m_tlast_o,   // of a frame
    output logic               m_tvalid_o,
    input  logic               m_tready_i,
    output logic               begin_o,
    output logic               in_o,
    output logic [        3:0] faults_o,    // short, long, keep, overrun, low bit first
    output logic               late_o
);

  initial
    if (OutLanes % Lanes != 0 || Lines * Beats % (OutLanes / Lanes) != 0)
      $fatal(1, "%m: OutLanes %0d must be a multiple of Lanes %0d", OutLanes, Lanes);

  typedef enum logic [1:0] {Take, Fill, Finish, Dump} state_e;  // Finish: fill up to a frame's end

  state_e state_q;
  logic room, step, line_end, last_line, frame_end, unit_end, only_q, fresh_q, start_q, begun_q;
  logic cut, stray, data, dumped;
  logic [15:0] left_q;  // frames of the packet from this one on
  logic short, long;

  assign cut   = lines_i && s_user_i && !start_q;  // a frame begins before the old one has ended
  assign stray = lines_i && !s_user_i && start_q && state_q == Take;  // a line of no frame
  assign data  = s_tvalid_i && state_q == Take && !cut && !stray && !s_none_i;
  assign step  = room && (data || state_q == Fill || state_q == Finish);

  logic [(Beats > 1 ? $clog2(Beats) : 1)-1:0] unused_beat;
  logic [(Lines > 1 ? $clog2(Lines) : 1)-1:0] unused_line;
  zf_count #(.Count(Beats)) u_beat (
      .clk_i, .rst_i, .step_i(step), .value_o(unused_beat), .last_o(line_end)
  );
  zf_count #(.Count(Lines)) u_line (
      .clk_i, .rst_i, .step_i(step && line_end), .value_o(unused_line), .last_o(last_line)
  );
  assign frame_end = line_end && last_line;
  assign unit_end  = lines_i ? line_end : frame_end && only_q;

  // Beats that are consumed without being passed on
  assign dumped = s_tvalid_i && (state_q == Dump ? !(lines_i && s_user_i)
                                 : state_q == Take && !cut && (stray || s_none_i));
  assign s_tready_o = dumped || (data && room);

  assign short = step && (state_q != Take || s_part_i);
  assign long = dumped && (state_q == Dump || stray) && !s_none_i && (begun_q || !lines_i);
  assign faults_o = {{2{s_tready_o}} & {s_faults_i[1], s_faults_i[0]}, long, short};
  assign late_o = start_q && (state_q == Dump || stray) && (begun_q || !lines_i);

  always_ff @(posedge clk_i) begin
    case (state_q)
      Take:
      if (s_tvalid_i && cut) state_q <= Finish;
      else if (dumped) state_q <= stray ? (s_last_i ? Take : Dump) : Fill;
      else if (data && room) state_q <= unit_end ? (s_last_i ? Take : Dump) : s_last_i ? Fill : Take;
      Fill: if (step && unit_end) state_q <= Take;
      Finish: if (step && frame_end) state_q <= Take;
      default: if (s_tvalid_i && (s_last_i || (lines_i && s_user_i))) state_q <= Take;
    endcase

    if (step) start_q <= frame_end;
    if (step) fresh_q <= unit_end;
    if (step ? unit_end : fresh_q) begin
      left_q <= packet_i;
      only_q <= packet_i == 16'd1;
    end else if (step && frame_end) begin
      left_q <= left_q - 1'b1;
      only_q <= left_q == 16'd2;
    end
    begun_q <= lines_i && (begun_q || (s_tvalid_i && s_user_i));

    if (rst_i) begin
      state_q <= Take;
      start_q <= 1'b1;
      fresh_q <= 1'b1;
      begun_q <= 1'b0;
      left_q  <= packet_i;
      only_q  <= packet_i == 16'd1;
    end
  end

  assign begin_o = step && start_q;
  assign in_o    = step && frame_end;
  logic [Lanes*8-1:0] word;
  assign word = s_tdata_i & {Lanes * 8{state_q == Take}};
  if (OutLanes == Lanes) begin : g_same
    zf_stream_reg #(.Width(Lanes * 8 + 1)) u_out (
        .clk_i, .rst_i, .s_tdata_i({frame_end, word}), .s_tvalid_i(step), .s_tready_o(room),
        .m_tdata_o({m_tlast_o, m_tdata_o}), .m_tvalid_o, .m_tready_i
    );
  end else begin : g_wide
    localparam int Words = Lines * Beats / (OutLanes / Lanes);
    zf_width #(.LaneBits(8), .InLanes(Lanes), .OutLanes(OutLanes)) u_out (
        .clk_i, .rst_i, .s_tdata_i(word), .s_tvalid_i(step), .s_tready_o(room), .m_tdata_o,
        .m_tvalid_o, .m_tready_i
    );
    logic [(Words > 1 ? $clog2(Words) : 1)-1:0] unused_word;
    zf_count #(.Count(Words)) u_word (
        .clk_i, .rst_i, .step_i(m_tvalid_o && m_tready_i), .value_o(unused_word),
        .last_o(m_tlast_o)
    );
  end

endmodule
