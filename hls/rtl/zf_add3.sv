// SPDX-License-Identifier: Apache-2.0
//
// zf_add3: ternary adder, a LUT a bit.
//
//   sum_o = x_i + y_i + z_i mod 2**Bits
// The low XBits of x_i and y_i count, those above are zero. Primitives: 0 behaviour, 1 the
// primitives of the 7 series, where a LUT6_2 makes a bit's full adder and the xor of the carry
// chain behind it; 2 leaves it to the synthesizer, which knows this adder for UltraScale+.
// Latency: 0. Throughput: a sum a cycle.

module zf_add3 #(
    parameter int Bits       = 8,
    parameter int XBits      = 8,
    parameter int Primitives = 0
) (
    input  logic [Bits-1:0] x_i,
    input  logic [Bits-1:0] y_i,
    input  logic [Bits-1:0] z_i,
    output logic [Bits-1:0] sum_o
);

  if (Primitives == 1) begin : g_primitives
    localparam int Blocks = (Bits + 3) / 4;
    logic [4*Blocks:0] carry;  // of the full adder of a bit, into the next
    logic [4*Blocks-1:0] half, sum;
    logic [Blocks:0] chain;
    logic [2:0] unused[Blocks];
    assign carry[0] = 1'b0;
    assign chain[0] = 1'b0;
    assign sum_o    = sum[Bits-1:0];

    for (genvar b = 0; b < 4 * Blocks; b++) begin : g_bit
      if (b >= Bits) begin : g_none
        assign half[b]    = 1'b0;
        assign carry[b+1] = 1'b0;
      end else if (b > XBits) begin : g_upper
        assign half[b]    = z_i[b];
        assign carry[b+1] = 1'b0;
      end else if (b == XBits) begin : g_last
        assign half[b]    = z_i[b] ^ carry[b];
        assign carry[b+1] = 1'b0;
      end else begin : g_full  // O5 = majority(I0, I1, I2), O6 = I0 ^ I1 ^ I2 ^ I3
        LUT6_2 #(.INIT(64'h6996_6996_E8E8_E8E8)) u_lut (
            .I0(x_i[b]), .I1(y_i[b]), .I2(z_i[b]), .I3(carry[b]), .I4(1'b0), .I5(1'b1),
            .O5(carry[b+1]), .O6(half[b])
        );
      end
    end
    for (genvar k = 0; k < Blocks; k++) begin : g_chain
      CARRY4 u_carry (
          .CI(chain[k]), .CYINIT(1'b0), .DI(carry[4*k+:4]), .S(half[4*k+:4]), .O(sum[4*k+:4]),
          .CO({chain[k+1], unused[k]})
      );
    end
  end else begin : g_behaviour
    assign sum_o = x_i + y_i + z_i;
  end

endmodule
