// SPDX-License-Identifier: Apache-2.0
//
// zf_sum_pool: sum of each channel over a frame.
//
//   y[c] = sum over Positions pixels of x[c], modulo 2**OutBits: choose OutBits so that y fits
// The sums of the channel groups go round in a shift register, one step a word, so that the sum
// that a word needs is always the one at the end.
// Input: Channels/Lanes words a pixel, Lanes channels each. Output: Channels/Lanes words a frame.
// Latency: 1 cycle from the last pixel's word. Throughput: a word a cycle, frame after frame.

module zf_sum_pool #(
    parameter int unsigned InBits    = 8,
    parameter bit          Signed    = 0,
    parameter int unsigned OutBits   = 12,
    parameter int unsigned Lanes     = 1,
    parameter int unsigned Channels  = 2,
    parameter int unsigned Positions = 16
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic [ Lanes*InBits-1:0] s_tdata_i,
    input  logic                     s_tvalid_i,
    output logic                     s_tready_o,
    output logic [Lanes*OutBits-1:0] m_tdata_o,
    output logic                     m_tvalid_o,
    input  logic                     m_tready_i
);

  initial begin
    if (OutBits < InBits) $fatal(1, "%m: OutBits %0d below InBits %0d", OutBits, InBits);
    if (Lanes < 1 || Channels < Lanes || Channels % Lanes != 0)
      $fatal(1, "%m: Lanes %0d must divide Channels %0d", Lanes, Channels);
    if (Positions < 1) $fatal(1, "%m: Positions must be positive, not %0d", Positions);
  end

  localparam int unsigned Groups = Channels / Lanes;
  localparam int unsigned Width = Lanes * OutBits;

  logic step, ready, first_q, last_group, last_position;
  logic [(Groups > 1 ? $clog2(Groups) : 1)-1:0] unused_group;
  logic [(Positions > 1 ? $clog2(Positions) : 1)-1:0] unused_position;
  zf_count #(.Count(Groups)) u_group (
      .clk_i, .rst_i, .step_i(step), .value_o(unused_group), .last_o(last_group)
  );
  zf_count #(.Count(Positions)) u_position (
      .clk_i, .rst_i, .step_i(step && last_group), .value_o(unused_position),
      .last_o(last_position)
  );

  assign s_tready_o = ready || !last_position;
  assign step       = s_tvalid_i && s_tready_o;

  always_ff @(posedge clk_i) begin
    if (rst_i) first_q <= 1'b1;
    else if (step && last_group) first_q <= last_position;
  end

  logic [Width-1:0] oldest, sum;
  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic [InBits-1:0] x;
    assign x = s_tdata_i[l*InBits+:InBits];
    assign sum[l*OutBits+:OutBits] = (first_q ? '0 : oldest[l*OutBits+:OutBits])
                                   + OutBits'($signed({Signed && x[InBits-1], x}));
  end

  logic [Groups*Width-1:0] ring_q;
  always_ff @(posedge clk_i) if (step) ring_q <= (Groups * Width)'({sum, ring_q} >> Width);
  assign oldest = ring_q[Width-1:0];

  zf_stream_reg #(.Width(Width)) u_reg (
      .clk_i, .rst_i, .s_tdata_i(sum), .s_tvalid_i(s_tvalid_i && last_position),
      .s_tready_o(ready), .m_tdata_o, .m_tvalid_o, .m_tready_i
  );

endmodule
