// SPDX-License-Identifier: Apache-2.0
//
// zf_repack: packets of bytes to words of Lanes bytes; each packet begins a word.
//
//   the m words of a packet are its bytes in order, the last one filled up with 0
// A packet ends with last, or before a beat with user. s_count_i says how many low bytes count; the
// others are 0, and only a packet's last beat has fewer than Bytes. m_part_o: not all bytes were
// there; m_none_o: none was, it only says that the packet has ended. Faults of a beat come with the
// word that holds its last byte.
//
// A word is cut out of two neighbouring beats at the place where the one before ended.
// Latency: 3 cycles. Throughput: a beat or a word a cycle.

module zf_repack #(
    parameter int Bytes = 4,
    parameter int Lanes = 3,
    localparam int CountBits = $clog2(Bytes + 1)
) (
    input  logic                 clk_i,
    input  logic                 rst_i,
    input  logic [  Bytes*8-1:0] s_tdata_i,
    input  logic [CountBits-1:0] s_count_i,
    input  logic                 s_user_i,
    input  logic                 s_last_i,
    input  logic [          1:0] s_faults_i,
    input  logic                 s_tvalid_i,
    output logic                 s_tready_o,
    output logic [  Lanes*8-1:0] m_tdata_o,
    output logic                 m_user_o,
    output logic                 m_last_o,
    output logic                 m_part_o,
    output logic                 m_none_o,
    output logic [          1:0] m_faults_o,
    output logic                 m_tvalid_o,
    input  logic                 m_tready_i
);

  initial begin
    if (Lanes < 1 || Bytes < Lanes)
      $fatal(1, "%m: Lanes must be 1 to Bytes = %0d, not %0d", Bytes, Lanes);
  end

  localparam int Step = divisor(Bytes, Lanes);  // of the places where words can begin
  localparam int Places = Bytes / Step;
  localparam int Entry = Bytes * 8 + CountBits + 4;
  localparam int PlaceBits = Places > 1 ? $clog2(Places) : 1;
  localparam int SumBits = CountBits + 2;

  function automatic int divisor(input int a, input int b);
    int high, low, rest;
    high = a;
    low  = b;
    while (low != 0) begin
      rest = high % low;
      high = low;
      low  = rest;
    end
    divisor = high;
  endfunction

  // The beat that words are cut out of, and the one behind it
  logic [Entry-1:0] behind, this_q, next_q;
  logic behind_valid, behind_ready, this_valid_q, next_valid_q;
  zf_stream_reg #(.Width(Entry)) u_reg (
      .clk_i, .rst_i, .s_tdata_i({s_faults_i, s_last_i, s_user_i, s_count_i, s_tdata_i}),
      .s_tvalid_i, .s_tready_o, .m_tdata_o(behind), .m_tvalid_o(behind_valid),
      .m_tready_i(behind_ready)
  );

  logic [Bytes*8-1:0] bytes, next_bytes;
  logic [CountBits-1:0] count, next_count;
  logic user, last, next_user, next_last;
  logic [1:0] faults, next_faults;
  assign {faults, last, user, count, bytes} = this_q;
  assign {next_faults, next_last, next_user, next_count, next_bytes} = next_q;

  // Where the next word begins, the bytes from there on, and whether it ends in this beat, at its
  // end, or in the next one
  logic [PlaceBits-1:0] at_q, after;
  logic [CountBits-1:0] left_q, fewer;
  logic signed [SumBits-1:0] less_q, rest;  // next_count - Lanes; left behind a word that spans
  logic [Places-1:0] place;
  logic [Lanes-1:0] fits_q;  // the next beat's bytes and so many are no more than a word's
  logic fits, ends, whole, exact, spans, both, emit, ready, consume;
  assign ends    = last || (next_valid_q && next_user);  // the packet ends with this beat
  assign rest    = less_q + $signed({2'b00, left_q});
  assign spans   = !whole && !ends;
  assign both    = spans && next_last && fits;  // the next beat, too, has no byte left
  assign emit    = ready && this_valid_q && (whole || ends || next_valid_q);
  assign consume = ready && this_valid_q && (exact || (!whole && (last || next_valid_q)));
  assign exact   = left_q == CountBits'(Lanes);
  always_comb begin  // LUTs without a carry chain
    whole = 1'b0;
    fewer = '0;
    for (int left = Lanes; left <= Bytes; left++) begin
      if (left_q == CountBits'(left)) whole = 1'b1;
      if (left_q == CountBits'(left)) fewer = CountBits'(left - Lanes);
    end
    fits = 1'b0;
    for (int left = 0; left < Lanes; left++) begin
      if (left_q == CountBits'(left) && fits_q[left]) fits = 1'b1;
    end
    after = '0;
    for (int p = 0; p < Places; p++) begin
      if (place[p]) after = PlaceBits'((p + Lanes / Step) % Places);
    end
  end

  for (genvar p = 0; p < Places; p++) begin : g_place
    assign place[p] = at_q == PlaceBits'(p);
  end

  logic [2*Bytes*8-1:0] window;
  logic [Lanes*8-1:0] word;
  assign window = {next_bytes & {Bytes * 8{spans}}, bytes};
  always_comb begin
    word = '0;
    for (int p = 0; p < Places; p++) word |= window[p*Step*8+:Lanes*8] & {Lanes * 8{place[p]}};
  end

  assign behind_ready = !next_valid_q || consume || !this_valid_q;
  always_ff @(posedge clk_i) begin
    if (consume || !this_valid_q) begin
      this_q <= (next_valid_q && !(consume && both)) ? next_q : behind;
    end
    if (behind_ready) begin
      next_q <= behind;
      less_q <= $signed({2'b00, behind[Bytes*8+:CountBits]}) - SumBits'(Lanes);
      for (int left = 0; left < Lanes; left++) begin
        fits_q[left] <= behind[Bytes*8+:CountBits] <= CountBits'(Lanes - left);
      end
    end
    if (emit) at_q <= (exact || both || (ends && !whole)) ? '0 : after;
    if (consume || !this_valid_q) begin
      if (!next_valid_q || (consume && both)) left_q <= behind[Bytes*8+:CountBits];
      else left_q <= consume && spans ? CountBits'(rest) : next_count;
    end else if (emit) begin
      left_q <= fewer;
    end
    if (consume || !this_valid_q) begin
      if (next_valid_q && !(consume && both)) begin
        this_valid_q <= 1'b1;
        next_valid_q <= behind_valid;
      end else begin
        this_valid_q <= behind_valid;
        next_valid_q <= 1'b0;
      end
    end else if (behind_ready) begin
      next_valid_q <= behind_valid;
    end
    if (rst_i) begin
      this_valid_q <= 1'b0;
      next_valid_q <= 1'b0;
      at_q         <= '0;
    end
  end

  logic word_user, word_last, part, none;
  logic [1:0] word_faults;
  assign word_last = (exact && last) || (!whole && ends) || both;
  assign part = (!whole && ends) || (both && rest != 0);
  assign word_user = user && at_q == '0;
  assign none = count == '0;
  assign word_faults = ({2{!whole || exact}} & faults) | ({2{both}} & next_faults);
  zf_stream_reg #(.Width(Lanes * 8 + 6)) u_out (
      .clk_i, .rst_i,
      .s_tdata_i({word_faults, none, part, word_last, word_user, word}),
      .s_tvalid_i(emit), .s_tready_o(ready),
      .m_tdata_o({m_faults_o, m_none_o, m_part_o, m_last_o, m_user_o, m_tdata_o}), .m_tvalid_o,
      .m_tready_i
  );

endmodule
