// SPDX-License-Identifier: Apache-2.0
//
// zf_count: modulo counter with a registered flag for its last value.
//
// value' = (value + 1) mod Count on step_i; last_o = (value == Count - 1). Start after reset.
// Latency: 1 cycle. Throughput: a step a cycle.

module zf_count #(
    parameter int Count = 4,
    parameter int Start = 0,
    localparam int Bits = (Count > 1) ? $clog2(Count) : 1
) (
    input  logic            clk_i,
    input  logic            rst_i,
    input  logic            step_i,
    output logic [Bits-1:0] value_o,
    output logic            last_o
);

  initial if (Start < 0 || Start >= Count) $fatal(1, "%m: Start %0d not below %0d", Start, Count);

  if (Count == 1) begin : g_one
    assign value_o = '0;
    assign last_o  = 1'b1;
    logic unused;
    assign unused = ^{clk_i, rst_i, step_i};
  end else begin : g_many
    logic [Bits-1:0] value_q;
    logic last_q;

    // value + 1 by bits: a LUT or two each, where a carry chain would make other paths longer.
    function automatic logic [Bits-1:0] after(input logic [Bits-1:0] value);
      logic carry;
      carry = 1'b1;
      for (int b = 0; b < Bits; b++) begin
        after[b] = value[b] ^ carry;
        carry &= value[b];
      end
    endfunction

    always_ff @(posedge clk_i) begin
      if (rst_i) begin
        value_q <= Bits'(Start);
        last_q  <= (Start == Count - 1);
      end else if (step_i) begin
        value_q <= (last_q && Count != 2 ** Bits) ? '0 : after(value_q);
        last_q  <= (value_q == Bits'(Count - 2));
      end
    end

    assign value_o = value_q;
    assign last_o  = last_q;
  end

endmodule
