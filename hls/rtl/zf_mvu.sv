// SPDX-License-Identifier: Apache-2.0
//
// zf_mvu: folded matrix-vector unit, weights in its own ROM but for Outside low bits of each word.
//
// Each word brings Simd codes of each of Pixels pixels, which all meet the ROM's next Simd*Pe
// weights:
//   acc[x][p] = sum over the words of a product, sum over l, of w[l][p] * c[x][l]
// The ROM holds Words*Groups words, weight of lane l and output p at l*Pe + p, in the order in which
// zf_window reads (weight order of hls/ir.py), and starts over after the last, once a step.
// DspChannels = 0: products of LUTs (zf_mac_lut), exact sums. Else DSPs (zf_mac_dsp): codes come
// skewed and stand as it says, weights share DSPs as it says.
// IndexBits > 0: the ROM holds so many bits of each weight, its place in Codebook (zf_codebook).
// rom_word_i must be the low Outside bits of the word at rom_addr_o two cycles before (Block = 1);
// rom_step_o says that this word is taken, rom_data_o is it, two cycles later; 0 where all is in LUTs.
//
// A word's stage 0 must come two cycles after its fetch_i, a product's words without a gap.
// Latency: that of zf_mac_lut or zf_mac_dsp; m_fetch_o is 2 cycles ahead. Throughput: a word a
// cycle, no stall: the results' reader must take them before the next (zf_conv's credit).

module zf_mvu #(
    parameter int          Pe          = 2,
    parameter int          Simd        = 2,
    parameter int          Pixels      = 1,
    parameter int          ABits       = 4,
    parameter bit          ASigned     = 0,
    parameter int          WBits       = 4,
    parameter int          AccBits     = 16,
    parameter int          Words       = 4,
    parameter int          Groups      = 2,
    parameter int          DspPixels   = 0,
    parameter int          DspChannels = 0,
    parameter int          CodeAt      = 0,
    parameter int          WeightAt    = 0,
    parameter int          Chains      = Simd,
    parameter logic [511:0] Cut       = '0,
    parameter              InitFile    = "none.mem",
    parameter              RestInit    = 32'd0,
    parameter int          Primitives  = 0,
    parameter int          Outside     = 0,
    parameter int          IndexBits   = 0,
    parameter logic [255:0] Codebook   = '0,
    localparam int Depth = Words * Groups,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1,
    localparam int Outer = (Outside > 0) ? Outside : 1,
    localparam int Stored = (IndexBits > 0) ? IndexBits : WBits,
    localparam int Width = Simd * Pe * Stored
) (
    input  logic                         clk_i,
    input  logic                         rst_i,
    input  logic                         fetch_i,
    input  logic                         s_valid_i,
    input  logic                         s_last_i,
    input  logic [Pixels*Simd*ABits-1:0] s_data_i,
    output logic [         AddrBits-1:0] rom_addr_o,
    output logic                         rom_step_o,
    input  logic [            Outer-1:0] rom_word_i,
    output logic [            Width-1:0] rom_data_o,
    output logic                         m_fetch_o,
    output logic                         m_valid_o,
    output logic [Pixels*Pe*AccBits-1:0] m_data_o
);

  logic [AddrBits-1:0] addr;
  logic [Width-1:0] word;
  logic [Simd*Pe*WBits-1:0] weights;
  logic unused_last, unused;
  assign unused = ^rom_word_i;
  zf_count #(.Count(Depth)) u_addr (
      .clk_i, .rst_i, .step_i(fetch_i), .value_o(addr), .last_o(unused_last)
  );

  assign rom_addr_o = addr;
  assign rom_step_o = fetch_i;

  if (Outside > 0 && Outside < Width && Cut == '0) begin : gen_bad
    initial $fatal(1, "%m: Cut must not be 0 where Outside is %0d", Outside);
  end

  if (DspChannels == 0) begin : g_lut
    assign rom_data_o = (Cut == '0 && Outside == 0) ? '0 : word;
    if (Outside > 0) begin : g_outside
      assign word[Outer-1:0] = rom_word_i;
    end
    if (Outside < Width) begin : g_inside
      zf_rom #(
          .Width(Width - Outside), .Depth(Depth), .Cut(Cut), .InitFile(InitFile)
      ) u_rom (
          .clk_i, .addr_i(addr), .data_o(word[Width-1:Outside])
      );
    end
    if (IndexBits > 0) begin : g_decode
      zf_codebook #(
          .Lanes(Simd * Pe), .IndexBits(IndexBits), .Bits(WBits), .Table(Codebook),
          .Merged(1), .Primitives(Primitives)
      ) u_codebook (
          .index_i(word), .value_o(weights)
      );
    end else begin : g_plain
      assign weights = word;
    end
    zf_mac_lut #(
        .Pe(Pe), .Simd(Simd), .Pixels(Pixels), .ABits(ABits), .ASigned(ASigned), .WBits(WBits),
        .AccBits(AccBits), .Words(Words), .Primitives(Primitives)
    ) u_mac (
        .clk_i, .rst_i, .s_valid_i, .s_last_i, .codes_i(s_data_i), .weights_i(weights), .m_fetch_o,
        .m_valid_o, .m_data_o
    );
  end else begin : g_dsp
    localparam int Stages = (Simd + Chains - 1) / Chains;
    logic [Width-1:0] rest_word;
    logic [Simd*Pe*WBits-1:0] rest;
    logic [Stages-1:0] use_rest;
    zf_weights #(
        .Lanes(Simd), .Bits(Pe * Stored), .Chains(Chains), .Depth(Depth), .Cut(Cut),
        .InitFile(InitFile), .RestInit(RestInit), .Primitives(Primitives),
        .Registered(IndexBits > 0), .Outside(Outside)
    ) u_rom (
        .clk_i, .addr_i(addr), .word_i(rom_word_i), .data_o(word), .rest_o(rest_word),
        .use_rest_o(use_rest), .whole_o(rom_data_o)
    );
    if (IndexBits > 0) begin : g_decode
      zf_codebook #(
          .Lanes(Simd * Pe), .IndexBits(IndexBits), .Bits(WBits), .Table(Codebook),
          .Pairs(DspChannels == 2), .Primitives(Primitives)
      ) u_codebook (
          .index_i(word), .value_o(weights)
      );
      assign rest = '0;
      logic unused_rest;
      assign unused_rest = ^rest_word;
    end else begin : g_plain
      assign weights = word;
      assign rest = rest_word;
    end
    zf_mac_dsp #(
        .Pe(Pe), .Simd(Simd), .Pixels(Pixels), .ABits(ABits), .WBits(WBits), .AccBits(AccBits),
        .Words(Words), .DspPixels(DspPixels), .DspChannels(DspChannels), .CodeAt(CodeAt),
        .WeightAt(WeightAt), .Chains(Chains), .Primitives(Primitives)
    ) u_mac (
        .clk_i, .rst_i, .s_valid_i, .s_last_i, .codes_i(s_data_i), .weights_i(weights), .rest_i(rest),
        .use_rest_i(use_rest), .m_fetch_o, .m_valid_o, .m_data_o
    );
  end

endmodule
