// SPDX-License-Identifier: Apache-2.0
//
// zf_max_pool: largest code of each channel in a sliding window.
//
//   y[c] = max over the window's positions inside the map of a[c]
// zf_window brings a pixel's taps one after the other, Channels/Lanes words each; the largest so far
// of every channel goes round a delay line. Codes go through with their sign bit inverted, so that
// the order is that of unsigned numbers and padding, code 0, is never above any.
//
// Input and output: raster order, Lanes channels a beat.
// Latency: 5 + KernelH*KernelW*Channels/Lanes cycles from the last input beat that a pixel needs to
// its last output beat. Throughput: OutH*OutW*KernelH*KernelW*Channels/Lanes cycles a frame.

module zf_max_pool #(
    parameter int          Bits      = 4,
    parameter bit          Signed    = 0,
    parameter int          Channels  = 2,
    parameter int          Lanes     = 1,
    parameter int          InH       = 4,
    parameter int          InW       = 4,
    parameter int          KernelH   = 2,
    parameter int          KernelW   = 2,
    parameter int          StrideH   = 2,
    parameter int          StrideW   = 2,
    parameter int          PadTop    = 0,
    parameter int          PadLeft   = 0,
    parameter int          OutH      = 2,
    parameter int          OutW      = 2,
    parameter int          Places    = 8,
    parameter int          FifoDepth = 16,
    parameter logic [511:0] RamCut  = '0
) (
    input  logic                  clk_i,
    input  logic                  rst_i,
    input  logic [Lanes*Bits-1:0] s_tdata_i,
    input  logic                  s_tvalid_i,
    output logic                  s_tready_o,
    output logic [Lanes*Bits-1:0] m_tdata_o,
    output logic                  m_tvalid_o,
    input  logic                  m_tready_i
);

  localparam int Width = Lanes * Bits;
  localparam int Deep = Channels / Lanes;
  localparam int Words = KernelH * KernelW * Deep;
  localparam logic [Bits-1:0] Sign = Signed ? {1'b1, {(Bits - 1) {1'b0}}} : '0;
  localparam logic [Width-1:0] Flip = {Lanes{Sign}};

  initial if (FifoDepth < Deep) $fatal(1, "%m: FifoDepth %0d must hold %0d words", FifoDepth, Deep);

  logic go, take, unused_fetch, word_valid, unused_last;
  logic [Width-1:0] word;
  zf_window #(
      .Bits(Bits), .Channels(Channels), .Lanes(Lanes), .InH(InH), .InW(InW), .KernelH(KernelH),
      .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft),
      .OutH(OutH), .OutW(OutW), .Places(Places), .Cut(RamCut)
  ) u_window (
      .clk_i, .rst_i, .s_tdata_i(s_tdata_i ^ Flip), .s_tvalid_i, .s_tready_o, .go_i(go),
      .take_o(take), .fetch_o(unused_fetch), .m_valid_o(word_valid), .m_last_o(unused_last),
      .m_data_o(word)
  );

  // ----------------------------------------------------------------------- where the word belongs
  logic last_deep, last_tap, first_q;
  logic [((Deep > 1) ? $clog2(Deep) : 1)-1:0] unused_deep;
  logic [((Words > Deep) ? $clog2(Words / Deep) : 1)-1:0] unused_tap;
  zf_count #(.Count(Deep)) u_deep (
      .clk_i, .rst_i, .step_i(word_valid), .value_o(unused_deep), .last_o(last_deep)
  );
  zf_count #(.Count(Words / Deep)) u_tap (
      .clk_i, .rst_i, .step_i(word_valid && last_deep), .value_o(unused_tap), .last_o(last_tap)
  );
  always_ff @(posedge clk_i) begin
    if (rst_i) first_q <= 1'b1;
    else if (word_valid && last_deep) first_q <= last_tap;
  end

  // ------------------------------------------------------------------------------ largest so far
  logic [Deep*Width-1:0] line_q;  // the word of the same channels, a tap before, is the uppermost
  logic [Width-1:0] earlier, largest;
  logic out_valid_q;
  assign earlier = line_q[(Deep-1)*Width+:Width];

  always_comb begin
    for (int l = 0; l < Lanes; l++)
      largest[l*Bits+:Bits] = (first_q || word[l*Bits+:Bits] > earlier[l*Bits+:Bits])
          ? word[l*Bits+:Bits] : earlier[l*Bits+:Bits];
  end

  always_ff @(posedge clk_i) begin
    if (word_valid) line_q <= (Deep * Width)'({line_q, largest});
    if (rst_i) out_valid_q <= 1'b0;
    else out_valid_q <= word_valid && last_tap;
  end

  zf_credit_fifo #(.Width(Width), .Depth(FifoDepth), .Words(Deep)) u_fifo (
      .clk_i, .rst_i, .take_i(take), .go_o(go), .s_valid_i(out_valid_q),
      .s_data_i(line_q[Width-1:0] ^ Flip), .m_tdata_o, .m_tvalid_o, .m_tready_i
  );

endmodule
