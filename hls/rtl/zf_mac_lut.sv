// SPDX-License-Identifier: Apache-2.0
//
// zf_mac_lut: multipliers of LUTs and accumulators of a convolution.
//
//   acc[x][p] = sum over the words of a product, sum over lanes l, of w[l][p] * c[x][l]
// exactly, modulo 2**AccBits. Codes are cut into digits of two bits, whose products with a weight
// are a table: a LUT a bit where weights have four bits at most. Each digit's products are added
// up by levels of ternary adders; the last adders put the digits together and accumulate. The
// tables' top bit is inverted, so that all sums are unsigned; the accumulators start lower by as
// much.
//
// Primitives: 0 behaviour, whole products in loops that simulate fast; else logic, 1 with the
// ternary adders of the 7 series.
// Latency: 2 + Adds cycles from a product's last word, Adds the levels of ternary adders that
// leave one of Simd, and one more for codes of more than four bits; m_fetch_o is 2 cycles ahead.
// m_data_o stays until the next product. Throughput: a word a cycle; gaps only between products, no
// stall.

module zf_mac_lut #(
    parameter int Pe         = 2,
    parameter int Simd       = 2,
    parameter int Pixels     = 1,
    parameter int ABits      = 4,
    parameter bit ASigned    = 0,
    parameter int WBits      = 4,
    parameter int AccBits    = 16,
    parameter int Words      = 4,
    parameter int Primitives = 0
) (
    input  logic                         clk_i,
    input  logic                         rst_i,
    input  logic                         s_valid_i,
    input  logic                         s_last_i,
    input  logic [Pixels*Simd*ABits-1:0] codes_i,
    input  logic [    Simd*Pe*WBits-1:0] weights_i,
    output logic                         m_fetch_o,
    output logic                         m_valid_o,
    output logic [Pixels*Pe*AccBits-1:0] m_data_o
);

  localparam int Digits = (ABits + 1) / 2;
  localparam int Bits = WBits + 2;  // of a digit's product

  function automatic int left(input int count, input int level);  // operands after ternary adders
    left = count;
    for (int i = 0; i < level; i++) left = (left + 2) / 3;
  endfunction

  function automatic int add_levels(input int count);
    add_levels = 0;
    while (left(count, add_levels) > 1) add_levels++;
  endfunction

  localparam int Adds = add_levels(Simd);
  localparam int Joins = (Digits > 2) ? 1 : 0;
  localparam int Delay = 1 + Adds + Joins;  // to the cycle in which accumulators take the word
  logic [Delay:0] last_q;
  logic [Delay-1:0] idle_q;  // nothing of a product is to be kept
  always_ff @(posedge clk_i) begin
    if (rst_i) last_q <= '0;
    else last_q <= {last_q[Delay-1:0], s_valid_i && s_last_i};
    idle_q <= Delay'({idle_q, !s_valid_i || s_last_i});
  end
  assign m_valid_o = last_q[Delay];
  assign m_fetch_o = (Delay == 1) ? s_valid_i && s_last_i : last_q[(Delay>1)?Delay-2:0];

  if (Primitives == 0) begin : g_behaviour
    logic [Pixels*Pe*AccBits-1:0] line[Delay];
    logic [Pixels*Pe*AccBits-1:0] acc, data_q;
    assign m_data_o = data_q;

    // Blocking, last things first: each takes what the one before it had a cycle ago.
    // verilator lint_off BLKSEQ
    always @(posedge clk_i) begin
      for (int k = 0; k < Pixels * Pe; k++)
        acc[k*AccBits+:AccBits] += line[Delay-1][k*AccBits+:AccBits];
      if (last_q[Delay-1]) data_q <= acc;
      if (idle_q[Delay-1]) acc = '0;
      for (int k = Delay - 1; k > 0; k--) line[k] = line[k-1];
      for (int x = 0; x < Pixels; x++)
        for (int p = 0; p < Pe; p++) begin
          int sum;
          sum = 0;
          for (int l = 0; l < Simd; l++)
            sum += int'($signed(weights_i[(l*Pe+p)*WBits+:WBits])) * (ASigned
                ? int'($signed(codes_i[(x*Simd+l)*ABits+:ABits]))
                : int'(codes_i[(x*Simd+l)*ABits+:ABits]));
          line[0][(x*Pe+p)*AccBits+:AccBits] = AccBits'(sum);
        end
    end
    // verilator lint_on BLKSEQ
  end else begin : g_logic
    // w times a digit, its top bit inverted: plus 2**(Bits-1). The upper bit of the digit counts
    // -2 if is_signed. Bit by bit, so that each bit is one LUT where w has no more than four.
    function automatic logic [Bits-1:0] times(input logic [WBits-1:0] w, input logic [1:0] digit,
                                              input bit is_signed);
      logic [WBits+2:0] twice;
      logic one, two, carry;
      twice = (WBits + 3)'($signed({w, 1'b0}));
      carry = is_signed;
      for (int b = 0; b < Bits; b++) begin
        one = twice[b+1] & digit[0];
        two = (twice[b] & digit[1]) ^ is_signed;
        times[b] = one ^ two ^ carry;
        carry = (one & two) | (one & carry) | (two & carry);
      end
      times[Bits-1] = !times[Bits-1];
    endfunction

    // What the sums of a product's words are too high.
    localparam logic [63:0] Above =
        64'(Words) * 64'(Simd) * ((64'd1 << (2 * Digits)) - 64'd1) / 64'd3 << (Bits - 1);

    for (genvar x = 0; x < Pixels; x++) begin : g_pixel
      for (genvar p = 0; p < Pe; p++) begin : g_pe
        localparam int SumBits = Bits + 2 * Adds;
        logic [Digits*SumBits-1:0] digit_sums;
        for (genvar d = 0; d < Digits; d++) begin : g_digit
          logic [Simd*Bits-1:0] product_q;
          for (genvar l = 0; l < Simd; l++) begin : g_lane
            logic [2*Digits-1:0] code;
            assign code = (2 * Digits)'($signed({ASigned && codes_i[(x*Simd+l+1)*ABits-1],
                                                 codes_i[(x*Simd+l)*ABits+:ABits]}));
            always_ff @(posedge clk_i)
              product_q[l*Bits+:Bits] <= times(weights_i[(l*Pe+p)*WBits+:WBits], code[2*d+:2],
                                               ASigned && d == Digits - 1);
          end
          zf_sum #(
              .Bits(Bits), .Count(Simd), .Leave(1), .Levels(Adds), .Primitives(Primitives)
          ) u_sum (
              .clk_i, .operands_i(product_q), .sums_o(digit_sums[d*SumBits+:SumBits])
          );
        end

        // Two operands for the accumulator, whose sum is that of all digits in their places.
        localparam int Wide = SumBits + 2 * Digits - 1;
        logic [Wide-1:0] low, high;
        if (Digits <= 2) begin : g_digits
          assign low  = Wide'(digit_sums[SumBits-1:0]);
          assign high = (Digits == 2) ? Wide'({digit_sums[(Digits-1)*SumBits+:SumBits], 2'b00}) : '0;
        end else begin : g_digits
          logic [Wide-1:0] join_sum;
          zf_add3 #(.Bits(Wide), .XBits(Wide), .Primitives(Primitives)) u_join (
              .x_i(Wide'(digit_sums[SumBits-1:0])),
              .y_i(Wide'({digit_sums[SumBits+:SumBits], 2'b00})),
              .z_i(Wide'({digit_sums[2*SumBits+:SumBits], 4'b0000})), .sum_o(join_sum)
          );
          always_ff @(posedge clk_i) begin
            low  <= join_sum;
            high <= (Digits == 4) ? Wide'({digit_sums[(Digits-1)*SumBits+:SumBits], 6'b000000}) : '0;
          end
        end
        zf_accumulate #(
            .Bits(Wide), .AccBits(AccBits), .Start(AccBits'(-Above)), .Primitives(Primitives)
        ) u_accumulate (
            .clk_i, .idle_i(idle_q[Delay-1]), .last_i(last_q[Delay-1]), .x_i(low), .y_i(high),
            .sum_o(m_data_o[(x*Pe+p)*AccBits+:AccBits])
        );
      end
    end
  end

endmodule
