// SPDX-License-Identifier: Apache-2.0
//
// zf_receive: beats of an AXI4-Stream, checked and held in a FIFO; what is wrong ends the packet.
//
//   m = s with the number of its low bytes that count, the others 0; user only where lines_i
// A beat with a gap in TKEEP, or not full before TLAST, keeps its contiguous low bytes and is the
// packet's last, with the fault keep; the rest of the packet is thrown away.
// live_i: s_tready_o never falls. A beat that finds the FIFO full, and the rest of its packet, is
// thrown away; an empty last beat with the fault overrun follows as soon as there is room, and
// packets that begin before that are lost whole.
// clear_i forgets what is held and throws away the packet that is arriving; rst_i forgets that it
// was arriving.
//
// Latency: 3 cycles. Throughput: a beat a cycle.

module zf_receive #(
    parameter int Bytes = 4,
    parameter int Depth = 64,
    localparam int CountBits = $clog2(Bytes + 1)
) (
    input  logic                 clk_i,
    input  logic                 rst_i,
    input  logic                 clear_i,
    input  logic                 lines_i,
    input  logic                 live_i,
    input  logic [  Bytes*8-1:0] s_tdata_i,
    input  logic [    Bytes-1:0] s_tkeep_i,
    input  logic                 s_tuser_i,
    input  logic                 s_tlast_i,
    input  logic                 s_tvalid_i,
    output logic                 s_tready_o,
    output logic [  Bytes*8-1:0] m_tdata_o,
    output logic [CountBits-1:0] m_count_o,
    output logic                 m_user_o,
    output logic                 m_last_o,
    output logic [          1:0] m_faults_o,  // keep, overrun, low bit first
    output logic                 m_tvalid_o,
    input  logic                 m_tready_i,
    output logic                 draining_o   // a packet that clear_i met has not ended
);

  initial if (Bytes < 1) $fatal(1, "%m: Bytes must be positive, not %0d", Bytes);

  localparam int Width = Bytes * 9 + 2;

  logic [Bytes*8-1:0] bytes;
  logic [Bytes-1:0] keep;
  logic user, last, valid, ready, take, room;
  zf_stream_reg #(.Width(Width)) u_reg (
      .clk_i, .rst_i, .s_tdata_i({s_tlast_i, s_tuser_i, s_tkeep_i, s_tdata_i}), .s_tvalid_i,
      .s_tready_o(ready), .m_tdata_o({last, user, keep, bytes}), .m_tvalid_o(valid),
      .m_tready_i(take)
  );
  assign s_tready_o = ready && !rst_i;

  // The contiguous low bytes
  logic [Bytes-1:0] low;
  logic [Bytes*8-1:0] kept;
  logic [CountBits-1:0] count;
  logic bad;
  for (genvar b = 0; b < Bytes; b++) begin : g_byte
    assign low[b] = keep[b:0] == '1;
    assign kept[b*8+:8] = bytes[b*8+:8] & {8{low[b]}};
  end
  always_comb begin
    count = '0;
    for (int b = 0; b < Bytes; b++) if (low[b]) count = CountBits'(b + 1);
  end
  assign bad = last ? keep != low : keep != '1;

  logic inside_q, drop_q, soft_q;  // a packet has begun; its rest is thrown away; clear_i met it
  logic due_q;  // the last beat of a packet that found no room
  logic push, clear, cleared_q;
  assign clear = clear_i || cleared_q;  // the FIFO has room again a cycle later
  assign take = clear || live_i || drop_q || (room && !due_q);
  assign push = valid && take && !drop_q && !due_q && !clear;

  always_ff @(posedge clk_i) begin
    if (valid && take) inside_q <= !last;
    cleared_q <= clear_i;
    if (clear) begin
      drop_q <= valid ? !last : inside_q;
      soft_q <= valid ? !last : inside_q;
    end else if (valid && take) begin
      drop_q <= !last && (drop_q || bad || due_q || !room);
      if (last) soft_q <= 1'b0;
    end
    if (clear || room) due_q <= 1'b0;
    else if (push) due_q <= 1'b1;
    if (rst_i) begin
      cleared_q <= 1'b0;
      inside_q <= 1'b0;
      drop_q   <= 1'b0;
      soft_q   <= 1'b0;
      due_q    <= 1'b0;
    end
  end
  assign draining_o = soft_q;

  localparam int Entry = Bytes * 8 + CountBits + 4;
  logic [Entry-1:0] entry;
  always_comb begin
    entry = {1'b0, bad, last || bad, user && lines_i, count, kept};
    if (due_q) begin
      entry = '0;
      entry[Entry-1] = 1'b1;
      entry[Entry-3] = 1'b1;
    end
  end
  zf_fifo #(.Width(Entry), .Depth(Depth)) u_fifo (
      .clk_i, .rst_i(rst_i || clear_i), .s_tdata_i(entry), .s_tvalid_i(push || due_q),
      .s_tready_o(room),
      .m_tdata_o({m_faults_o[1], m_faults_o[0], m_last_o, m_user_o, m_count_o, m_tdata_o}),
      .m_tvalid_o, .m_tready_i
  );

endmodule
