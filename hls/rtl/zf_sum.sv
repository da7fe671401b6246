// SPDX-License-Identifier: Apache-2.0
//
// zf_sum: adder tree of ternary adders.
//
// Adds up Count unsigned operands, three by three, until Leave are left; each level makes them two
// bits wider and a third as many.
// Latency: a cycle a level. Throughput: a set of operands a cycle.

module zf_sum #(
    parameter int Bits       = 8,
    parameter int Count      = 4,
    parameter int Leave      = 1,
    parameter int Primitives = 0,
    parameter int Levels     = 2,  // the fewest that leave no more than Leave
    localparam int Wide = Bits + 2 * Levels
) (
    input  logic                  clk_i,
    input  logic [Count*Bits-1:0] operands_i,
    output logic [Leave*Wide-1:0] sums_o
);

  if (Levels == 0) begin : g_done
    assign sums_o = (Leave * Wide)'(operands_i);
    initial if (Count > Leave) $fatal(1, "%m: %0d operands left, not %0d", Count, Leave);
    logic unused;
    assign unused = clk_i;
  end else begin : g_level
    localparam int Left = (Count + 2) / 3;
    localparam int More = Bits + 2;
    logic [Left*More-1:0] left_q;
    for (genvar k = 0; k < Left; k++) begin : g_add
      localparam int Some = (Count - 3 * k < 3) ? Count - 3 * k : 3;
      logic [More-1:0] x, y, z, sum;
      assign x = More'(operands_i[3*k*Bits+:Bits]);
      assign y = (Some > 1) ? More'(operands_i[(3*k+(Some>1?1:0))*Bits+:Bits]) : '0;
      assign z = (Some > 2) ? More'(operands_i[(3*k+(Some>2?2:0))*Bits+:Bits]) : '0;
      if (Some == 1) begin : g_one
        assign sum = x;
        logic unused;
        assign unused = ^{y, z};
      end else begin : g_more
        zf_add3 #(.Bits(More), .XBits(Bits), .Primitives(Primitives)) u_add (
            .x_i(x), .y_i(y), .z_i(z), .sum_o(sum)
        );
      end
      always_ff @(posedge clk_i) left_q[k*More+:More] <= sum;
    end
    zf_sum #(
        .Bits(More), .Count(Left), .Leave(Leave), .Primitives(Primitives), .Levels(Levels - 1)
    ) u_next (
        .clk_i, .operands_i(left_q), .sums_o
    );
  end

endmodule
