// SPDX-License-Identifier: Apache-2.0
//
// zf_depthwise: a depthwise convolution layer, window to codes.
//
//   y[c] = clamp(rhe((sum over the taps of w[c] * a[c] + bias[c]) * 2**-shift[c]), Lo, Hi)
// zf_window brings a pixel's taps one after the other, Channels/Lanes words each, and the ROM as many
// weights. A lane has one multiplier, of LUTs: codes are cut into digits of two bits, whose products
// are added up in pairs, then to the sum so far, which goes round a delay line with those of the other
// channels. Nothing stalls once a pixel has begun: it begins when the output FIFO has room for all of
// it.
//
// Input and output: raster order, Lanes channels a beat. Weights: tap by tap, row by row, a tap's
// channels one after the other; with IndexBits > 0 their places in Codebook (zf_codebook). The word at
// rom_addr_o, where rom_step_o takes it, is rom_data_o two cycles later; 0 where all is in LUTs.
// Latency: 10 + KernelH*KernelW*Channels/Lanes cycles from the last input beat that a pixel needs to
// its last output beat. Throughput: OutH*OutW*KernelH*KernelW*Channels/Lanes cycles a frame.

module zf_depthwise #(
    parameter int          ABits      = 4,
    parameter bit          ASigned    = 0,
    parameter int          WBits      = 4,
    parameter int          AccBits    = 16,
    parameter int          Channels   = 2,
    parameter int          Lanes      = 1,
    parameter int          InH        = 4,
    parameter int          InW        = 4,
    parameter int          KernelH    = 3,
    parameter int          KernelW    = 3,
    parameter int          StrideH    = 1,
    parameter int          StrideW    = 1,
    parameter int          PadTop     = 1,
    parameter int          PadLeft    = 1,
    parameter int          OutH       = 4,
    parameter int          OutW       = 4,
    parameter int          Places     = 16,
    parameter int          BiasBits   = 8,
    parameter int          ShiftMin   = 4,
    parameter int          ShiftMax   = 4,
    parameter int          ShiftBits  = 0,
    parameter int          OutBits    = 4,
    parameter              Lo         = 0,
    parameter              Hi         = 15,
    parameter int          FifoDepth  = 16,
    parameter logic [511:0] RomCut   = '0,
    parameter logic [511:0] RamCut   = '0,
    parameter              WeightFile = "none.mem",
    parameter              BiasFile   = "none.mem",
    parameter int          Primitives = 0,
    parameter int          IndexBits  = 0,
    parameter logic [255:0] Codebook  = '0,
    localparam int Deep = Channels / Lanes,
    localparam int Taps = KernelH * KernelW,
    localparam int Words = Taps * Deep,
    localparam int AddrBits = (Words > 1) ? $clog2(Words) : 1,
    localparam int Stored = (IndexBits > 0) ? IndexBits : WBits
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic [  Lanes*ABits-1:0] s_tdata_i,
    input  logic                     s_tvalid_i,
    output logic                     s_tready_o,
    output logic [Lanes*OutBits-1:0] m_tdata_o,
    output logic                     m_tvalid_o,
    input  logic                     m_tready_i,
    output logic [     AddrBits-1:0] rom_addr_o,
    output logic                     rom_step_o,
    output logic [ Lanes*Stored-1:0] rom_data_o
);

  initial if (FifoDepth < Deep) $fatal(1, "%m: FifoDepth %0d must hold %0d words", FifoDepth, Deep);

  logic go, take, fetch, word_valid, unused_last;
  logic [Lanes*ABits-1:0] word;
  zf_window #(
      .Bits(ABits), .Channels(Channels), .Lanes(Lanes), .InH(InH), .InW(InW), .KernelH(KernelH),
      .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft),
      .OutH(OutH), .OutW(OutW), .Places(Places), .Cut(RamCut)
  ) u_window (
      .clk_i, .rst_i, .s_tdata_i, .s_tvalid_i, .s_tready_o, .go_i(go), .take_o(take),
      .fetch_o(fetch), .m_valid_o(word_valid), .m_last_o(unused_last), .m_data_o(word)
  );

  logic [AddrBits-1:0] addr;
  logic [Lanes*Stored-1:0] stored;
  logic [Lanes*WBits-1:0] weights;
  logic unused_addr;
  zf_count #(.Count(Words)) u_addr (
      .clk_i, .rst_i, .step_i(fetch), .value_o(addr), .last_o(unused_addr)
  );
  zf_rom #(
      .Width(Lanes * Stored), .Depth(Words), .Cut(RomCut), .InitFile(WeightFile)
  ) u_rom (
      .clk_i, .addr_i(addr), .data_o(stored)
  );
  assign rom_addr_o = addr;
  assign rom_step_o = fetch;
  assign rom_data_o = (RomCut == '0) ? '0 : stored;
  if (IndexBits > 0) begin : g_decode
    zf_codebook #(
        .Lanes(Lanes), .IndexBits(IndexBits), .Bits(WBits), .Table(Codebook),
        .Primitives(Primitives)
    ) u_codebook (
        .index_i(stored), .value_o(weights)
    );
  end else begin : g_plain
    assign weights = stored;
  end

  // ----------------------------------------------------------------------- where the word belongs
  logic last_deep, last_tap, first_q;
  logic [((Deep > 1) ? $clog2(Deep) : 1)-1:0] unused_deep;
  logic [((Taps > 1) ? $clog2(Taps) : 1)-1:0] unused_tap;
  zf_count #(.Count(Deep)) u_deep (
      .clk_i, .rst_i, .step_i(word_valid), .value_o(unused_deep), .last_o(last_deep)
  );
  zf_count #(.Count(Taps)) u_tap (
      .clk_i, .rst_i, .step_i(word_valid && last_deep), .value_o(unused_tap), .last_o(last_tap)
  );
  logic [1:0] valid_q, fresh_q;  // of the digits, of the pairs; a tap that is the first
  logic [2:0] done_q;  // of the sums as well; a tap that is the last
  always_ff @(posedge clk_i) begin
    fresh_q <= {fresh_q[0], first_q};
    if (rst_i) begin
      first_q <= 1'b1;
      valid_q <= '0;
      done_q  <= '0;
    end else begin
      if (word_valid && last_deep) first_q <= last_tap;
      valid_q <= {valid_q[0], word_valid};
      done_q  <= {done_q[1:0], word_valid && last_tap};
    end
  end

  // ----------------------------------------------------------------------------- products and sums
  localparam int Pairs = (ABits + 3) / 4;  // of digits
  localparam int DigitBits = WBits + 2;  // of a digit's product
  localparam int PairBits = WBits + 4;

  logic [Lanes*2*Pairs*DigitBits-1:0] digits_q;
  logic [Lanes*Pairs*PairBits-1:0] pairs_q;
  logic [Deep*Lanes*AccBits-1:0] line_q;  // the same channels' sums, a tap before, are uppermost
  logic [Lanes*AccBits-1:0] sums;

  // The upper bit of a code's last digit counts -2 where codes are signed.
  function automatic logic [DigitBits-1:0] times(input logic [WBits-1:0] weight,
                                                 input logic [1:0] digit, input bit is_signed);
    logic [DigitBits-1:0] one, two;
    one = DigitBits'($signed(weight)) & {DigitBits{digit[0]}};
    two = DigitBits'($signed({weight, 1'b0})) & {DigitBits{digit[1]}};
    times = is_signed ? one - two : one + two;
  endfunction

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    logic [4*Pairs-1:0] code;
    assign code = (4 * Pairs)'($signed({ASigned && word[(l+1)*ABits-1], word[l*ABits+:ABits]}));

    for (genvar d = 0; d < 2 * Pairs; d++) begin : g_digit
      always_ff @(posedge clk_i)
        digits_q[(l*2*Pairs+d)*DigitBits+:DigitBits] <=
            times(weights[l*WBits+:WBits], code[2*d+:2], ASigned && d == 2 * Pairs - 1);
    end
    for (genvar p = 0; p < Pairs; p++) begin : g_pair
      always_ff @(posedge clk_i)
        pairs_q[(l*Pairs+p)*PairBits+:PairBits] <=
            PairBits'($signed(digits_q[(l*Pairs+p)*2*DigitBits+:DigitBits]))
            + PairBits'($signed({digits_q[((l*Pairs+p)*2+1)*DigitBits+:DigitBits], 2'b00}));
    end

    logic [AccBits-1:0] low, high, earlier;
    assign low    = AccBits'($signed(pairs_q[l*Pairs*PairBits+:PairBits]));
    assign high   = (Pairs > 1)
        ? AccBits'($signed({pairs_q[(l*Pairs+Pairs-1)*PairBits+:PairBits], 4'b0000})) : '0;
    assign earlier = fresh_q[1] ? '0 : line_q[((Deep-1)*Lanes+l)*AccBits+:AccBits];
    assign sums[l*AccBits+:AccBits] = low + high + earlier;
  end

  always_ff @(posedge clk_i)
    if (valid_q[1]) line_q <= (Deep * Lanes * AccBits)'({line_q, sums});

  logic code_valid;
  logic [Lanes*OutBits-1:0] code;
  zf_requantize #(
      .Lanes(Lanes), .InBits(AccBits), .SumBits(AccBits), .BiasBits(BiasBits), .ShiftMin(ShiftMin),
      .ShiftMax(ShiftMax), .ShiftBits(ShiftBits), .Groups(Deep), .OutBits(OutBits), .Lo(Lo), .Hi(Hi),
      .InitFile(BiasFile)
  ) u_requantize (
      .clk_i, .rst_i, .fetch_i(done_q[0]), .s_valid_i(done_q[2]),
      .s_data_i(line_q[Lanes*AccBits-1:0]), .m_valid_o(code_valid), .m_data_o(code)
  );

  zf_credit_fifo #(.Width(Lanes * OutBits), .Depth(FifoDepth), .Words(Deep)) u_fifo (
      .clk_i, .rst_i, .take_i(take), .go_o(go), .s_valid_i(code_valid), .s_data_i(code),
      .m_tdata_o, .m_tvalid_o, .m_tready_i
  );

endmodule
