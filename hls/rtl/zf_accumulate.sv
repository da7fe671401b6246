// SPDX-License-Identifier: Apache-2.0
//
// zf_accumulate: accumulator of a product's words, two unsigned operands a word.
//
//   sum = Start + sum over a product's words of x + y, mod 2**AccBits
// idle_i says that the word is a product's last or none, last_i that it is the last.
// Latency: 1 cycle; sum_o stays until the next product. Throughput: a word a cycle.

module zf_accumulate #(
    parameter int                 Bits       = 8,
    parameter int                 AccBits    = 16,
    parameter logic [AccBits-1:0] Start      = '0,
    parameter int                 Primitives = 0
) (
    input  logic               clk_i,
    input  logic               idle_i,
    input  logic               last_i,
    input  logic [   Bits-1:0] x_i,
    input  logic [   Bits-1:0] y_i,
    output logic [AccBits-1:0] sum_o
);

  logic [AccBits-1:0] sum, acc_q;
  zf_add3 #(
      .Bits(AccBits), .XBits((Bits < AccBits) ? Bits : AccBits), .Primitives(Primitives)
  ) u_add (
      .x_i(AccBits'(x_i)), .y_i(AccBits'(y_i)), .z_i(acc_q), .sum_o(sum)
  );
  always_ff @(posedge clk_i) begin
    if (idle_i) acc_q <= Start;
    else acc_q <= sum;
    if (last_i) sum_o <= sum;
  end

endmodule
