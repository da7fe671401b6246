// SPDX-License-Identifier: Apache-2.0
//
// zf_tb_mac_dsp: zf_mac_dsp in its behavioural and in a structural form, and what both must give.
//
// Feeds Cycles cycles of words and counts the cycles in which the two forms differ, and the products
// that are not the plain sum of products. Exhaustive: a word a cycle, the operands of a DSP count
// through all their values. Else: every lane at its extremes in every combination of signs, then
// each lane at extremes of its own or random; gaps between products of several words.
// Latency and throughput: those of zf_mac_dsp.

module zf_tb_mac_dsp #(
    parameter int Pe          = 2,
    parameter int Simd        = 2,
    parameter int Pixels      = 2,
    parameter int ABits       = 4,
    parameter int WBits       = 4,
    parameter int AccBits     = 24,
    parameter int Words       = 1,
    parameter int DspPixels   = 2,
    parameter int DspChannels = 2,
    parameter int CodeAt      = 11,
    parameter int WeightAt    = 21,
    parameter int Chains      = 1,
    parameter int Primitives  = 1,
    parameter bit Exhaustive  = 0,
    parameter int Cycles      = 1000
) (
    input  logic        clk_i,
    input  logic        rst_i,
    output logic        done_o,
    output logic [31:0] products_o,
    output logic [31:0] differ_o,
    output logic [31:0] wrong_o
);

  localparam int Stages = (Simd + Chains - 1) / Chains;
  localparam int Codes = Pixels * Simd;
  localparam int Weights = Simd * Pe;
  localparam int Uniform = 16;  // combinations of extremes

  logic [31:0] cycle_q;
  logic [Codes*ABits-1:0] codes_q, codes_skewed;
  logic [Weights*WBits-1:0] weights_q, pairs_q, pairs_skewed;
  logic [Weights*WBits-1:0] rest_mix, weights_mix;
  logic valid_q, last_q;
  logic [Stages-1:0] use_rest_q;
  int word_q;

  function automatic logic [WBits-1:0] clipped(input logic [WBits-1:0] weight);  // narrow pairs
    clipped = (DspChannels == 2 && weight == WBits'(1) << (WBits - 1)) ? weight + 1'b1 : weight;
  endfunction

  function automatic logic [ABits-1:0] code(input int pixel, input bit high);  // an extreme
    if (pixel % DspPixels == 0) code = {ABits{high}};
    else code = {!high, {(ABits - 1) {high}}};
  endfunction

  function automatic logic [WBits-1:0] weight(input bit high);
    weight = clipped({!high, {(WBits - 1) {high}}});
  endfunction

  // ---------------------------------------------------------------------------------- stimulus
  logic [Codes*ABits-1:0] some_codes;
  logic [Weights*WBits-1:0] some_weights, some_pairs;
  logic some_valid;
  always @(posedge clk_i) begin
    // verilator lint_off BLKSEQ
    for (int k = 0; k < Codes; k++) begin
      logic [ABits-1:0] value;
      if (Exhaustive) value = ABits'(64'(cycle_q) >> (k * ABits));
      else if (cycle_q < Uniform) value = code(k / Simd, cycle_q[(k/Simd)%2]);
      else if (cycle_q[9]) value = code(k / Simd, 1'($urandom));
      else value = ABits'($urandom);
      some_codes[k*ABits+:ABits] = value;
    end
    for (int k = 0; k < Weights; k++) begin
      logic [WBits-1:0] value;
      if (Exhaustive) value = WBits'(64'(cycle_q) >> (Codes * ABits + k * WBits));
      else if (cycle_q < Uniform) value = weight(cycle_q[2+k%2]);
      else if (cycle_q[9]) value = weight(1'($urandom));
      else value = WBits'($urandom);
      value = clipped(value);
      some_weights[k*WBits+:WBits] = value;
      // what the sign of the lower borrows comes off the upper
      if (DspChannels == 2 && k % 2 == 1) value -= WBits'(some_weights[k*WBits-1]);
      some_pairs[k*WBits+:WBits] = value;
    end
    some_valid = !rst_i && cycle_q < Cycles && (Words == 1 || word_q != 0 || 2'($urandom) != 0);
    // verilator lint_on BLKSEQ
    codes_q    <= some_codes;
    weights_q  <= some_weights;
    pairs_q    <= some_pairs;
    valid_q    <= some_valid;
    last_q     <= (word_q == Words - 1);
    use_rest_q <= Stages'($urandom);
    cycle_q    <= rst_i ? 0 : cycle_q + 1;
    if (rst_i) word_q <= 0;
    else if (some_valid) word_q <= (word_q == Words - 1) ? 0 : word_q + 1;
  end
  assign done_o = cycle_q > Cycles + 64;

  for (genvar x = 0; x < Pixels; x++) begin : g_pixel
    zf_skew #(.Lanes(Simd), .Bits(ABits), .Chains(Chains)) u_skew (
        .clk_i, .data_i(codes_q[x*Simd*ABits+:Simd*ABits]),
        .data_o(codes_skewed[x*Simd*ABits+:Simd*ABits])
    );
  end
  zf_skew #(.Lanes(Simd), .Bits(Pe * WBits), .Chains(Chains)) u_skew (
      .clk_i, .data_i(pairs_q), .data_o(pairs_skewed)
  );
  // weights on one port, their complement on the other
  for (genvar l = 0; l < Simd; l++) begin : g_lane
    localparam int At = l * Pe * WBits;
    logic [Pe*WBits-1:0] word;
    assign word = pairs_skewed[At+:Pe*WBits];
    assign rest_mix[At+:Pe*WBits]    = use_rest_q[Stages-1-l/Chains] ? word : ~word;
    assign weights_mix[At+:Pe*WBits] = use_rest_q[Stages-1-l/Chains] ? ~word : word;
  end

  // ----------------------------------------------------------------------------------- the forms
  logic [1:0] fetch, valid;
  logic [2*Pixels*Pe*AccBits-1:0] data;
  for (genvar f = 0; f < 2; f++) begin : g_form
    zf_mac_dsp #(
        .Pe(Pe), .Simd(Simd), .Pixels(Pixels), .ABits(ABits), .WBits(WBits), .AccBits(AccBits),
        .Words(Words), .DspPixels(DspPixels), .DspChannels(DspChannels), .CodeAt(CodeAt),
        .WeightAt(WeightAt), .Chains(Chains), .Primitives((f == 0) ? 0 : Primitives)
    ) u_mac (
        .clk_i, .rst_i, .s_valid_i(valid_q), .s_last_i(last_q), .codes_i(codes_skewed),
        .weights_i(weights_mix), .rest_i(rest_mix), .use_rest_i(use_rest_q), .m_fetch_o(fetch[f]),
        .m_valid_o(valid[f]), .m_data_o(data[f*Pixels*Pe*AccBits+:Pixels*Pe*AccBits])
    );
  end

  // --------------------------------------------------------------------------- plain arithmetic
  logic [Pixels*Pe*AccBits-1:0] sums_q, due[64];
  logic [5:0] made_q, read_q;
  // verilator lint_off BLKSEQ
  always @(posedge clk_i) begin
    if (rst_i) begin
      sums_q = '0;
      {made_q, read_q} = '0;
      {products_o, differ_o, wrong_o} = '0;
    end else begin
      if (valid_q) begin
        for (int x = 0; x < Pixels; x++)
          for (int p = 0; p < Pe; p++)
            for (int l = 0; l < Simd; l++) begin
              int c, w;
              c = int'(codes_q[(x*Simd+l)*ABits+:ABits]);
              if (x % DspPixels == 1) c = int'($signed(codes_q[(x*Simd+l)*ABits+:ABits]));
              w = int'($signed(weights_q[(l*Pe+p)*WBits+:WBits]));
              sums_q[(x*Pe+p)*AccBits+:AccBits] += AccBits'(c * w);
            end
        if (last_q) begin
          due[made_q] = sums_q;
          made_q++;
          sums_q = '0;
        end
      end
      if (valid[0] != valid[1] || fetch[0] != fetch[1]) differ_o++;
      else if (valid[0]) begin
        if (data[Pixels*Pe*AccBits-1:0] != data[Pixels*Pe*AccBits+:Pixels*Pe*AccBits]) differ_o++;
        if (data[Pixels*Pe*AccBits-1:0] != due[read_q]) wrong_o++;
        read_q++;
        products_o++;
      end
    end
  end
  // verilator lint_on BLKSEQ

endmodule
