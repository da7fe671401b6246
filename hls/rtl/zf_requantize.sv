// SPDX-License-Identifier: Apache-2.0
//
// zf_requantize: bias, shift, round half to even, clamp.
//
//   y[l] = clamp(rhe((x[l] + bias[c]) * 2**-shift[c]), Lo, Hi),   c = channel of lane l
// A negative shift is an exact left shift. The sum is taken modulo 2**InBits (of one bit more where
// x is unsigned), which must hold it; x and bias alone need not fit. Bias and shift come from a ROM of Groups words, one a
// channel group, lane 0 in the low bits, each {shift - ShiftMin, bias}; ShiftBits = 0 where all
// channels share ShiftMin, BiasBits = 0 where there is no bias.
//
// A ROM word arrives two cycles after fetch_i; s_valid_i must come just then.
// Latency: 4 cycles. Throughput: a word a cycle, no stall.

module zf_requantize #(
    parameter int Lanes     = 2,
    parameter int InBits    = 16,
    parameter bit InSigned  = 1,
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
  localparam int SumBits = InBits + (InSigned ? 0 : 1);
  localparam int WideBits = SumBits + Left;
  localparam int AddrBits = (Groups > 1) ? $clog2(Groups) : 1;
  localparam logic signed [63:0] Lowest = 64'(Lo);  // Lo and Hi have the width of their constant
  localparam logic signed [63:0] Highest = 64'(Hi);

  initial begin
    if (BiasBits > SumBits) $fatal(1, "%m: BiasBits %0d above %0d", BiasBits, SumBits);
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
        .Width(Lanes * WordBits), .Depth(Groups), .Block(0), .InitFile(InitFile)
    ) u_rom (
        .clk_i, .addr_i(addr), .data_o(words)
    );
  end else begin : g_none
    logic unused;
    assign unused = ^{fetch_i, words};
    assign words  = '0;
  end

  logic [3:0] valid_q;
  always_ff @(posedge clk_i) begin
    if (rst_i) valid_q <= '0;
    else valid_q <= {valid_q[2:0], s_valid_i};
  end
  assign m_valid_o = valid_q[3];

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    // 1: add the bias
    logic [InBits-1:0] x;
    logic signed [SumBits-1:0] sum_q;
    assign x = s_data_i[l*InBits+:InBits];
    if (BiasBits > 0) begin : g_bias
      always_ff @(posedge clk_i)
        sum_q <= SumBits'($signed({InSigned && x[InBits-1], x}))
               + SumBits'($signed(words[l*RomBits+:BiasBits]));
    end else begin : g_bias
      always_ff @(posedge clk_i) sum_q <= SumBits'($signed({InSigned && x[InBits-1], x}));
    end

    // 2: shift; one bit is kept below the point, the rest only matters if any is set
    logic signed [WideBits:0] twice;
    logic signed [WideBits:0] shifted_q;
    logic sticky_q;
    assign twice = (WideBits + 1)'(sum_q) <<< (Left + 1);
    if (ShiftBits > 0) begin : g_shift
      logic [ShiftBits-1:0] shift_q;
      logic [WideBits:0] low;
      always_ff @(posedge clk_i) shift_q <= words[l*RomBits+BiasBits+:ShiftBits];
      always_comb begin  // the bits that fall below the kept one
        for (int b = 0; b <= WideBits; b++) low[b] = twice[b] && (b < Least + 32'(shift_q));
      end
      always_ff @(posedge clk_i) begin
        shifted_q <= (twice >>> Least) >>> shift_q;
        sticky_q  <= |low;
      end
    end else begin : g_shift
      always_ff @(posedge clk_i) begin
        shifted_q <= twice >>> Least;
        sticky_q  <= |(twice & (WideBits + 1)'((64'd1 << Least) - 64'd1));
      end
    end

    // 3: round half to even
    logic signed [WideBits-1:0] rounded_q;
    always_ff @(posedge clk_i)
      rounded_q <= shifted_q[WideBits:1]
          + WideBits'({1'b0, shifted_q[0] && (sticky_q || shifted_q[1])});

    // 4: clamp
    always_ff @(posedge clk_i) begin
      if (64'(rounded_q) > Highest) m_data_o[l*OutBits+:OutBits] <= OutBits'(Highest);
      else if (64'(rounded_q) < Lowest) m_data_o[l*OutBits+:OutBits] <= OutBits'(Lowest);
      else m_data_o[l*OutBits+:OutBits] <= OutBits'(rounded_q);
    end
  end

endmodule
