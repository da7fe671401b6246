// SPDX-License-Identifier: Apache-2.0
//
// zf_concat: joins streams channel by channel.
//
// A pixel out is Beats[15:0] words of port 0, then Beats[31:16] words of port 1, and so on.
// Latency: 1 cycle. Throughput: a word a cycle.

module zf_concat #(
    parameter int unsigned         Width = 8,
    parameter int unsigned         Ports = 2,
    parameter logic [16*Ports-1:0] Beats = {Ports{16'd1}}
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic [Ports*Width-1:0] s_tdata_i,
    input  logic [      Ports-1:0] s_tvalid_i,
    output logic [      Ports-1:0] s_tready_o,
    output logic [      Width-1:0] m_tdata_o,
    output logic                   m_tvalid_o,
    input  logic                   m_tready_i
);

  initial begin
    if (Width < 1 || Ports < 1)
      $fatal(1, "%m: Width %0d and Ports %0d must be positive", Width, Ports);
    for (int unsigned p = 0; p < Ports; p++)
      if (Beats[16*p+:16] == 0) $fatal(1, "%m: Beats of port %0d must be positive, not 0", p);
  end

  function automatic int unsigned most_beats();
    most_beats = 1;
    for (int unsigned p = 0; p < Ports; p++)
      if (32'(Beats[16*p+:16]) > most_beats) most_beats = 32'(Beats[16*p+:16]);
  endfunction

  localparam int unsigned Bits = $clog2(most_beats() + 1);

  logic [Ports-1:0] turn_q;  // one-hot
  logic [Bits-1:0] left_q;  // words still to come of this port, this one included
  logic last_q;  // left_q is 1
  logic [Bits-1:0] next;  // words of the port whose turn is next
  logic [Width-1:0] word;
  logic valid, ready, step;

  always_comb begin
    next = '0;
    word = '0;
    for (int unsigned p = 0; p < Ports; p++) begin
      next |= {Bits{turn_q[p]}} & Beats[16*((p+1)%Ports)+:Bits];
      word |= {Width{turn_q[p]}} & s_tdata_i[Width*p+:Width];
    end
  end
  assign valid      = |(turn_q & s_tvalid_i);
  assign step       = valid && ready;
  assign s_tready_o = turn_q & {Ports{ready}};

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      turn_q <= Ports'(1);
      left_q <= Beats[Bits-1:0];
      last_q <= (Beats[15:0] == 1);
    end else if (step && last_q) begin
      turn_q <= (turn_q << 1) | (turn_q >> (Ports - 1));
      left_q <= next;
      last_q <= (next == 1);
    end else if (step) begin
      left_q <= left_q - 1'b1;
      last_q <= (32'(left_q) == 2);
    end
  end

  zf_stream_reg #(.Width(Width)) u_reg (
      .clk_i, .rst_i, .s_tdata_i(word), .s_tvalid_i(valid), .s_tready_o(ready), .m_tdata_o,
      .m_tvalid_o, .m_tready_i
  );

endmodule
