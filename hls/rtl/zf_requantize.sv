// SPDX-License-Identifier: Apache-2.0
//
// zf_requantize: bias, shift, round half to even, clamp.
//
//   y[l] = clamp(rhe((x[l] + bias[c]) * 2**-shift[c]), Lo, Hi),   c = channel of lane l
// A negative shift is an exact left shift. Bias and shift come from a ROM of Groups words, one a
// channel group, lane 0 in the low bits, each {shift - ShiftMin, bias + half}, where half =
// 2**(shift-1) for a shift above 0, else 0, makes the shift round up at ties; a tie leaves zeros
// below the point, and then the last bit goes, which makes it even. ShiftBits = 0 where all channels
// share ShiftMin; BiasBits = 0 where there is no bias, half being one for all.
// Sums are taken modulo 2**SumBits, which must hold x + bias + half; x and bias alone need not fit.
//
// A ROM word arrives two cycles after fetch_i; s_valid_i must come just then.
// Latency: 3 cycles. Throughput: a word a cycle, no stall.

module zf_requantize #(
    parameter int Lanes     = 2,
    parameter int InBits    = 16,
    parameter bit InSigned  = 1,
    parameter int SumBits   = InBits + 2,
    parameter int BiasBits  = 8,
    parameter int ShiftMin  = 4,
    parameter int ShiftMax  = 4,
    parameter int ShiftBits = 0,
    parameter int Groups    = 2,
    parameter int OutBits   = 4,
    parameter     Lo        = 0,
    parameter     Hi        = 15,
    parameter     InitFile  = "none.mem"
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic                     fetch_i,
    input  logic                     s_valid_i,
    input  logic [ Lanes*InBits-1:0] s_data_i,
    output logic                     m_valid_o,
    output logic [Lanes*OutBits-1:0] m_data_o
);

  localparam int Left = (ShiftMin < 0) ? -ShiftMin : 0;  // all channels move left by this first
  localparam int Least = ShiftMin + Left;
  localparam int WordBits = BiasBits + ShiftBits;
  localparam int WideBits = SumBits + Left;
  localparam int AddrBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam logic signed [63:0] Lowest = 64'(Lo);  // Lo and Hi have the width of their constant
  localparam logic signed [63:0] Highest = 64'(Hi);

  initial begin
    if (BiasBits > SumBits) $fatal(1, "%m: BiasBits %0d above %0d", BiasBits, SumBits);
    if (BiasBits == 0 && ShiftBits > 0)
      $fatal(1, "%m: BiasBits must not be 0 for shifts %0d to %0d", ShiftMin, ShiftMax);
    if (ShiftMax < ShiftMin) $fatal(1, "%m: ShiftMax %0d below ShiftMin %0d", ShiftMax, ShiftMin);
    if (ShiftBits == 0 && ShiftMax != ShiftMin)
      $fatal(1, "%m: ShiftBits must not be 0 for shifts %0d to %0d", ShiftMin, ShiftMax);
  end

  // ---------------------------------------------------------------------------------- parameters
  localparam int RomBits = (WordBits > 0) ? WordBits : 1;
  logic [Lanes*RomBits-1:0] words;
  if (WordBits > 0) begin : g_rom
    logic [AddrBits-1:0] addr;
    logic unused_last;
    zf_count #(.Count(Groups)) u_addr (
        .clk_i, .rst_i, .step_i(fetch_i), .value_o(addr), .last_o(unused_last)
    );
    zf_rom #(
        .Width(Lanes * WordBits), .Depth(Groups), .InitFile(InitFile)
    ) u_rom (
        .clk_i, .addr_i(addr), .data_o(words)
    );
  end else begin : g_none
    logic unused;
    assign unused = ^{fetch_i, words};
    assign words  = '0;
  end

  logic [2:0] valid_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) valid_q <= '0;
    else valid_q <= {valid_q[1:0], s_valid_i};
  end
  assign m_valid_o = valid_q[2];

  localparam int Bits = WideBits - Least;  // after the least shift
  localparam int Whole = (Bits > 1) ? Bits : 1;
  localparam logic signed [63:0] Half = (ShiftMin > 0) ? 64'sd1 <<< (ShiftMin - 1) : 64'sd0;

  // Whether a code is beyond an end; an end at a power of two is seen at the bits above it.
  function automatic logic above(input logic signed [Whole-1:0] value);
    if ((Highest & (Highest + 64'sd1)) == 64'sd0 && Highest >= 64'sd0)
      above = !value[Whole-1] && (64'(value) >> $clog2(Highest + 64'sd1)) != 64'd0;
    else above = 64'(value) > Highest;
  endfunction

  function automatic logic below(input logic signed [Whole-1:0] value);
    if (Lowest == 64'sd0) below = value[Whole-1];
    else if (Lowest < 64'sd0 && (-Lowest & (-Lowest - 64'sd1)) == 64'sd0)
      below = value[Whole-1] && (64'(value) >>> $clog2(-Lowest)) != -64'sd1;
    else below = 64'(value) < Lowest;
  endfunction

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    // 1: add the bias and half
    logic [InBits-1:0] x;
    logic signed [SumBits-1:0] sum_q;
    assign x = s_data_i[l*InBits+:InBits];
    if (BiasBits > 0) begin : g_bias
      always_ff @(posedge clk_i)
        sum_q <= SumBits'($signed({InSigned && x[InBits-1], x}))
               + SumBits'($signed(words[l*RomBits+:BiasBits]));
    end else begin : g_bias
      always_ff @(posedge clk_i)
        sum_q <= SumBits'($signed({InSigned && x[InBits-1], x})) + SumBits'(Half);
    end

    // 2: shift; of the bits that fall off, only whether all are zero matters
    logic signed [WideBits-1:0] wide;
    logic signed [Whole-1:0] moved, shifted_q;
    logic even_q;
    assign wide = WideBits'(sum_q) <<< Left;
    if (ShiftBits > 0) begin : g_shift
      logic [ShiftBits-1:0] shift_q;
      logic [WideBits-1:0] low;
      always_ff @(posedge clk_i) shift_q <= words[l*RomBits+BiasBits+:ShiftBits];
      always_comb begin
        for (int b = 0; b < WideBits; b++) low[b] = wide[b] && (b < Least + 32'(shift_q));
      end
      assign moved = Whole'((wide >>> Least) >>> shift_q);
      always_ff @(posedge clk_i) even_q <= low == '0 && 32'(shift_q) + ShiftMin > 0;
    end else begin : g_shift
      assign moved = Whole'(wide >>> Least);
      if (ShiftMin > 0) begin : g_tie
        always_ff @(posedge clk_i)
          even_q <= (wide & WideBits'((64'd1 << Least) - 64'd1)) == '0;
      end else begin : g_tie
        assign even_q = 1'b0;
      end
    end
    always_ff @(posedge clk_i) shifted_q <= moved;

    // 3: make ties even, clamp
    logic signed [Whole-1:0] rounded;
    always_comb begin
      rounded = shifted_q;
      if (even_q) rounded[0] = 1'b0;
    end
    always_ff @(posedge clk_i) begin
      if (above(rounded)) m_data_o[l*OutBits+:OutBits] <= OutBits'(Highest);
      else if (below(rounded)) m_data_o[l*OutBits+:OutBits] <= OutBits'(Lowest);
      else m_data_o[l*OutBits+:OutBits] <= OutBits'(rounded);
    end
  end

endmodule
