// SPDX-License-Identifier: Apache-2.0
//
// zf_mac_dsp: multipliers and accumulators of a convolution, several products in a DSP48.
//
//   acc[x][p] = sum over the words of a product, sum over lanes l, of w[l][p] * c[x][l]
// exactly, modulo 2**AccBits, where c is the code of pixel x as it stands on the port: unsigned in
// the first pixel of a DSP, signed in the second (code minus half the range; zf_window's Toggle).
//
// A DSP takes DspPixels codes and DspChannels weights, whose products stand in lanes of its
// 48 bits:
//   (c0 + c1 * 2**CodeAt) * (w0 + w1 * 2**WeightAt)
// The operand pair with the larger offset is on the wide port. The pair of weights comes ready for
// it: {w1 - (w0 < 0), w0}. Stages DSPs in a cascade add up before the lanes are taken apart, and
// its first adds half a lane's range to each lane, so that no lane borrows from the next; the
// accumulators start lower by as much. Chains cascades side by side take Simd lanes, lane l at
// stage Stages - 1 - l / Chains of cascade l mod Chains: a lane comes as many cycles late as its
// stage says (zf_ram_skew, zf_weights). A stage takes its weights from rest_i on use_rest_i.
//
// Primitives: 0 behaviour, the same arithmetic in loops that simulate fast; 1 DSP48E1; 2 DSP48E2.
// Latency: 4 + Stages + Adds cycles from stage 0 of a product's last word, Adds the levels of
// ternary adders that leave two of Chains; m_fetch_o is 2 cycles ahead. m_data_o stays until the
// next product. Throughput: a word a cycle; gaps only between products, no stall.

module zf_mac_dsp #(
    parameter int Pe          = 2,
    parameter int Simd        = 2,
    parameter int Pixels      = 2,
    parameter int ABits       = 4,
    parameter int WBits       = 4,
    parameter int AccBits     = 16,
    parameter int Words       = 4,
    parameter int DspPixels   = 2,
    parameter int DspChannels = 2,
    parameter int CodeAt      = 11,
    parameter int WeightAt    = 21,
    parameter int Chains      = 1,
    parameter int Primitives  = 0,
    localparam int Stages = (Simd + Chains - 1) / Chains
) (
    input  logic                         clk_i,
    input  logic                         rst_i,
    input  logic                         s_valid_i,
    input  logic                         s_last_i,
    input  logic [Pixels*Simd*ABits-1:0] codes_i,
    input  logic [    Simd*Pe*WBits-1:0] weights_i,
    input  logic [    Simd*Pe*WBits-1:0] rest_i,
    input  logic [           Stages-1:0] use_rest_i,
    output logic                         m_fetch_o,
    output logic                         m_valid_o,
    output logic [Pixels*Pe*AccBits-1:0] m_data_o
);

  localparam int PixelSets = Pixels / DspPixels;
  localparam int ChannelSets = Pe / DspChannels;
  localparam int Sets = PixelSets * ChannelSets;  // set s: pixel set s / ChannelSets

  // Narrow weights where two share a DSP, else the full range.
  localparam int WeightMax = (1 << (WBits - 1)) - (DspChannels - 1);

  // Bits of a cascade's sum in a lane: the first pixel's codes are unsigned, the second's signed.
  function automatic int lane_bits(input int pixel);
    lane_bits = $clog2(Stages * WeightMax * ((pixel == 0) ? (1 << ABits) - 1 : 1 << (ABits - 1))
                       + 1) + 1;
  endfunction

  localparam int Bits0 = lane_bits(0);
  localparam int Bits1 = lane_bits(1);
  localparam logic [47:0] Half0 = 48'd1 << (Bits0 - 1);
  localparam logic [47:0] Half1 = (DspPixels == 2) ? 48'd1 << (CodeAt + Bits1 - 1) : '0;
  localparam logic [47:0] Halves = (Half0 + Half1)
      + ((DspChannels == 2) ? (Half0 + Half1) << WeightAt : '0);

  // -------------------------------------------------------------------------------------- checks
  localparam bit WeightsWide = WeightAt > CodeAt;
  localparam int CodeTop = (DspPixels == 2) ? CodeAt + ABits : ABits + 1;  // as a signed number
  localparam int WeightTop = (DspChannels == 2) ? WeightAt + WBits : WBits;
  localparam int WidePort = (Primitives == 1) ? 25 : 27;
  localparam int Top = ((DspChannels == 2) ? WeightAt : 0)
      + ((DspPixels == 2) ? CodeAt + Bits1 : Bits0);
  initial begin
    if (Pixels % DspPixels != 0 || Pe % DspChannels != 0)
      $fatal(1, "%m: %0d pixels and %0d channels must fill DSPs of %0d and %0d", Pixels, Pe,
             DspPixels, DspChannels);
    if ((WeightsWide ? CodeTop : WeightTop) > 18 || (WeightsWide ? WeightTop : CodeTop) > WidePort)
      $fatal(1, "%m: operands of %0d and %0d bits must fit a DSP's ports", CodeTop, WeightTop);
    if (DspPixels == 2 && DspChannels == 1 && Bits0 > CodeAt
        || DspPixels == 1 && DspChannels == 2 && Bits0 > WeightAt
        || DspPixels == 2 && DspChannels == 2 && WeightsWide
           && (Bits0 > CodeAt || Bits1 > WeightAt - CodeAt)
        || DspPixels == 2 && DspChannels == 2 && !WeightsWide
           && (Bits0 > WeightAt || Bits0 > CodeAt - WeightAt || Bits1 > WeightAt)
        || Top > 48)
      $fatal(1, "%m: lanes of %0d and %0d bits must fit between 0, %0d and %0d", Bits0, Bits1,
             CodeAt, WeightAt);
  end

  // ------------------------------------------------------------------------------------- control
  function automatic int left(input int count, input int level);  // operands after ternary adders
    left = count;
    for (int i = 0; i < level; i++) left = (left + 2) / 3;
  endfunction

  function automatic int add_levels(input int count);
    add_levels = 0;
    while (left(count, add_levels) > 2) add_levels++;
  endfunction

  localparam int Adds = add_levels(Chains);
  localparam int Delay = 3 + Stages + Adds;  // to the cycle in which accumulators take the word
  logic [Delay:0] last_q;
  logic [Delay-1:0] idle_q;  // nothing of a product is to be kept
  always_ff @(posedge clk_i) begin
    if (rst_i) last_q <= '0;
    else last_q <= {last_q[Delay-1:0], s_valid_i && s_last_i};
    idle_q <= {idle_q[Delay-2:0], !s_valid_i || s_last_i};
  end
  assign m_valid_o = last_q[Delay];
  assign m_fetch_o = last_q[Delay-2];

  // What the lanes of a product's words are too high.
  function automatic logic [AccBits-1:0] start(input int pixel);
    start = AccBits'(-(64'(Words) * 64'(Chains) << ((pixel == 0) ? Bits0 - 1 : Bits1 - 1)));
  endfunction

  // Operands of lane l for DSPs of set i.
  function automatic logic signed [47:0] codes(input int i, input int l);
    logic [47:0] low, high;
    low = 48'(codes_i[((i/ChannelSets)*DspPixels*Simd+l)*ABits+:ABits]);
    high = 48'($signed(codes_i[(((i/ChannelSets)*DspPixels+DspPixels-1)*Simd+l)*ABits+:ABits]));
    codes = (DspPixels == 2) ? low + (high << CodeAt) : low;
  endfunction

  function automatic logic signed [47:0] weights(input int i, input int l, input bit rest);
    logic [47:0] low, high;
    logic [DspChannels*WBits-1:0] pair;
    pair = rest ? rest_i[(l*Pe+(i%ChannelSets)*DspChannels)*WBits+:DspChannels*WBits]
                : weights_i[(l*Pe+(i%ChannelSets)*DspChannels)*WBits+:DspChannels*WBits];
    low = 48'($signed(pair[WBits-1:0]));
    high = 48'($signed(pair[DspChannels*WBits-1-:WBits]));
    // the sign of the lower was taken off the upper
    weights = (DspChannels == 2) ? (low & ((48'd1 << WeightAt) - 48'd1)) | (high << WeightAt) : low;
  endfunction

  if (Primitives == 0) begin : g_behaviour
    localparam int Line = 3 + Adds;  // as late as the DSPs and adders below
    logic [47:0] sum[Sets*Chains*Stages];
    logic [Sets*Chains*48-1:0] line[Line];
    logic [Pixels*Pe*AccBits-1:0] acc, data_q;
    assign m_data_o = data_q;

    // Blocking, last things first: each takes what the one before it had a cycle ago.
    // verilator lint_off BLKSEQ
    always @(posedge clk_i) begin
      for (int i = 0; i < Sets; i++)
        for (int d = 0; d < DspPixels; d++)
          for (int e = 0; e < DspChannels; e++)
            for (int c = 0; c < Chains; c++)
              acc[(((i/ChannelSets)*DspPixels+d)*Pe+(i%ChannelSets)*DspChannels+e)*AccBits+:AccBits]
                  += AccBits'(48'(line[Line-1][(i*Chains+c)*48+:48] >> (d * CodeAt + e * WeightAt))
                              & ((48'd1 << ((d == 0) ? Bits0 : Bits1)) - 48'd1));
      if (last_q[Delay-1]) data_q <= acc;
      if (idle_q[Delay-1]) begin
        for (int k = 0; k < Pixels * Pe; k++)
          acc[k*AccBits+:AccBits] = start((k / Pe) % DspPixels);
      end
      for (int k = Line - 1; k > 0; k--) line[k] = line[k-1];
      for (int k = 0; k < Sets * Chains; k++) line[0][k*48+:48] = sum[k*Stages+Stages-1];
      for (int i = 0; i < Sets; i++)
        for (int c = 0; c < Chains; c++)
          for (int s = Stages - 1; s >= 0; s--)
            if ((Stages - 1 - s) * Chains + c < Simd)
              sum[(i*Chains+c)*Stages+s] = 48'(codes(i, (Stages - 1 - s) * Chains + c)
                                               * weights(i, (Stages - 1 - s) * Chains + c, use_rest_i[s]))
                  + ((s == 0 || (Stages - s) * Chains + c >= Simd)
                     ? Halves : sum[(i*Chains+c)*Stages+s-1]);
    end
    // verilator lint_on BLKSEQ
  end else begin : g_primitives
    for (genvar i = 0; i < Sets; i++) begin : g_set
      logic [Chains*48-1:0] ends;
      for (genvar c = 0; c < Chains; c++) begin : g_chain
        logic [(Stages+1)*48-1:0] cascade;
        assign cascade[47:0] = '0;
        for (genvar s = 0; s < Stages; s++) begin : g_stage
          localparam int Lane = (Stages - 1 - s) * Chains + c;
          logic [47:0] p;
          if (Lane < Simd) begin : g_dsp
            zf_dsp48 #(
                .Generation(Primitives), .First(s == 0 || Lane + Chains >= Simd), .Constant(Halves)
            ) u_dsp (
                .clk_i, .a_i(27'(WeightsWide ? weights(i, Lane, 1'b0) : codes(i, Lane))),
                .d_i(WeightsWide ? 27'(weights(i, Lane, 1'b1)) : '0),
                .use_d_i(WeightsWide && use_rest_i[s]),
                .b_i(18'(WeightsWide ? codes(i, Lane) : weights(i, Lane, use_rest_i[s]))),
                .pcin_i(cascade[s*48+:48]), .pcout_o(cascade[(s+1)*48+:48]), .p_o(p)
            );
          end else begin : g_none
            assign cascade[(s+1)*48+:48] = '0;
            assign p = '0;
          end
        end
        assign ends[c*48+:48] = g_stage[Stages-1].p;
      end

      for (genvar k = 0; k < DspPixels * DspChannels; k++) begin : g_lane
        localparam int Pixel = k % DspPixels;
        localparam int At = Pixel * CodeAt + (k / DspPixels) * WeightAt;
        localparam int Bits = (Pixel == 0) ? Bits0 : Bits1;
        localparam int Acc = ((i / ChannelSets) * DspPixels + Pixel) * Pe
            + (i % ChannelSets) * DspChannels + k / DspPixels;
        logic [Chains*Bits-1:0] operands;
        for (genvar c = 0; c < Chains; c++) begin : g_operand
          assign operands[c*Bits+:Bits] = ends[c*48+At+:Bits];
        end
        localparam int Wide = Bits + 2 * Adds;
        logic [2*Wide-1:0] sums;
        zf_sum #(
            .Bits(Bits), .Count(Chains), .Leave(2), .Levels(Adds), .Primitives(Primitives)
        ) u_sum (
            .clk_i, .operands_i(operands), .sums_o(sums)
        );
        zf_accumulate #(
            .Bits(Wide), .AccBits(AccBits), .Start(start(Pixel)), .Primitives(Primitives)
        ) u_accumulate (
            .clk_i, .idle_i(idle_q[Delay-1]), .last_i(last_q[Delay-1]), .x_i(sums[Wide-1:0]),
            .y_i(sums[Wide+:Wide]), .sum_o(m_data_o[Acc*AccBits+:AccBits])
        );
      end
    end
  end

endmodule
