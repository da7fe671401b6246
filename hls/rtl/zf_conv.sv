// SPDX-License-Identifier: Apache-2.0
//
// zf_conv: a convolution layer, window to codes.
//
//   y[m] = clamp(rhe((sum w[m] * a + bias[m]) * 2**-shift[m]), Lo, Hi)
// Chains zf_window, zf_mvu and zf_requantize_shared, which never stall once a product has begun. The
// window begins one only against a credit: a free place in the output buffer, given back when its
// beat leaves. With several pixels a step, the credit is for the whole step. So stalls on either
// side stop nothing in mid-product and no enable fans out.
//
// Input: raster order, Lanes channels a beat. Output: raster order, Pe channels a beat.
// Pixels neighbouring outputs of a row are computed side by side with the same weights. Products are
// made of LUTs (DspChannels = 0) or share DSPs (zf_mac_dsp); then Toggle says whose codes'
// top bits are inverted, and the biases make up for it.
//
// With IndexBits > 0 weight memories hold places in Codebook (zf_codebook), so many bits each.
// The low Outside bits of each weight word are not in its ROM: rom_word_i must be those of the word
// at rom_addr_o two cycles before; rom_step_o says that it is taken, rom_data_o is all of it, with
// rom_word_i; 0 where all weights are in LUTs.
//
// Latency: that of zynqfire.hls.passes.sizes, from the last input beat that a step of Pixels
// outputs needs to its first output beat.
// Throughput: OutH*ceil(OutW/Pixels)*Groups*Words cycles a frame, Words =
// KernelH*KernelW*Channels/(Taps*Lanes), while Room covers the pipeline and the input keeps its
// rate.

module zf_conv #(
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
    parameter int          Taps       = 1,
    parameter int          Pixels     = 1,
    parameter int          Places     = 16,
    parameter int          Pe         = 2,
    parameter int          Groups     = 2,
    parameter int          DspPixels  = 0,
    parameter int          DspChannels = 0,
    parameter int          CodeAt     = 0,
    parameter int          WeightAt   = 0,
    parameter int          Chains     = Taps * Lanes,
    parameter logic [Pixels-1:0] Toggle = '0,
    parameter int          Requantizers = Pe,
    parameter int          BiasBits   = 8,
    parameter int          ShiftMin   = 4,
    parameter int          ShiftMax   = 4,
    parameter int          ShiftBits  = 0,
    parameter int          OutBits    = 4,
    parameter              Lo         = 0,
    parameter              Hi         = 15,
    parameter int          Room       = 16,
    parameter logic [511:0] RomCut   = '0,
    parameter logic [511:0] RamCut   = '0,
    parameter              WeightFile = "none.mem",
    parameter              BiasFile   = "none.mem",
    parameter              RestInit   = 32'd0,
    parameter int          Primitives = 0,
    parameter int          Outside    = 0,
    parameter int          IndexBits  = 0,
    parameter logic [255:0] Codebook  = '0,
    localparam int Simd = Taps * Lanes,
    localparam int Words = KernelH * KernelW * Channels / Simd,
    localparam int RomAddrBits = (Words * Groups > 1) ? $clog2(Words * Groups) : 1,
    localparam int Outer = (Outside > 0) ? Outside : 1,
    localparam int RomBits = Simd * Pe * ((IndexBits > 0) ? IndexBits : WBits)
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic [Lanes*ABits-1:0] s_tdata_i,
    input  logic                   s_tvalid_i,
    output logic                   s_tready_o,
    output logic [ Pe*OutBits-1:0] m_tdata_o,
    output logic                   m_tvalid_o,
    input  logic                   m_tready_i,
    output logic [RomAddrBits-1:0] rom_addr_o,
    output logic                   rom_step_o,
    input  logic [      Outer-1:0] rom_word_i,
    output logic [    RomBits-1:0] rom_data_o
);

  logic go, take, fetch, word_valid, word_last;
  logic [Pixels*Simd*ABits-1:0] word;
  zf_window #(
      .Bits(ABits), .Channels(Channels), .Lanes(Lanes), .InH(InH), .InW(InW), .KernelH(KernelH),
      .KernelW(KernelW), .StrideH(StrideH), .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft),
      .OutH(OutH), .OutW(OutW), .Pixels(Pixels), .Taps(Taps), .Groups(Groups), .Places(Places),
      .Chains(Chains), .Toggle(Toggle), .Cut(RamCut)
  ) u_window (
      .clk_i, .rst_i, .s_tdata_i, .s_tvalid_i, .s_tready_o, .go_i(go), .take_o(take),
      .fetch_o(fetch), .m_valid_o(word_valid), .m_last_o(word_last), .m_data_o(word)
  );

  logic acc_fetch, acc_valid;
  logic [Pixels*Pe*AccBits-1:0] acc;
  zf_mvu #(
      .Pe(Pe), .Simd(Simd), .Pixels(Pixels), .ABits(ABits), .ASigned(ASigned), .WBits(WBits),
      .AccBits(AccBits), .Words(Words), .Groups(Groups), .DspPixels(DspPixels),
      .DspChannels(DspChannels), .CodeAt(CodeAt), .WeightAt(WeightAt), .Chains(Chains),
      .Cut(RomCut), .InitFile(WeightFile),
      .RestInit(RestInit), .Primitives(Primitives), .Outside(Outside),
      .IndexBits(IndexBits), .Codebook(Codebook)
  ) u_mvu (
      .clk_i, .rst_i, .fetch_i(fetch), .s_valid_i(word_valid), .s_last_i(word_last),
      .s_data_i(word), .rom_addr_o, .rom_step_o, .rom_word_i, .rom_data_o,
      .m_fetch_o(acc_fetch), .m_valid_o(acc_valid), .m_data_o(acc)
  );

  logic code_valid;
  logic [Pe*OutBits-1:0] code;
  zf_requantize_shared #(
      .Pe(Pe), .Pixels(Pixels), .Lanes(Requantizers), .InBits(AccBits),
      .BiasBits(BiasBits), .ShiftMin(ShiftMin), .ShiftMax(ShiftMax), .ShiftBits(ShiftBits),
      .Groups(Groups), .OutBits(OutBits), .Lo(Lo), .Hi(Hi), .InitFile(BiasFile),
      .Primitives(Primitives)
  ) u_requantize (
      .clk_i, .rst_i, .fetch_i(acc_fetch), .s_valid_i(acc_valid), .s_data_i(acc),
      .m_valid_o(code_valid), .m_data_o(code)
  );

  if (Pixels == 1) begin : g_fifo
    zf_credit_fifo #(.Width(Pe * OutBits), .Depth(Room)) u_fifo (
        .clk_i, .rst_i, .take_i(take), .go_o(go), .s_valid_i(code_valid), .s_data_i(code),
        .m_tdata_o, .m_tvalid_o, .m_tready_i
    );
  end else begin : g_reorder
    zf_reorder #(
        .Bits(Pe * OutBits), .Pixels(Pixels), .Groups(Groups), .OutW(OutW), .Blocks(Room)
    ) u_reorder (
        .clk_i, .rst_i, .take_i(take), .go_o(go), .s_valid_i(code_valid), .s_data_i(code),
        .m_tdata_o, .m_tvalid_o, .m_tready_i
    );
  end

endmodule
