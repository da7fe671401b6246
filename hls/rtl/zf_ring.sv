// SPDX-License-Identifier: Apache-2.0
//
// zf_ring: position in a ring of any length, moved by distances in [0, Modulus).
//
// value' = (value + move_i) mod Modulus on step_i; Start after reset. back_i must be
// move_i - Modulus, in two's complement of one bit more: the caller picks both from constants, so
// that the two sums run side by side.
// Latency: 1 cycle. Throughput: a step a cycle.

module zf_ring #(
    parameter int Modulus = 4,
    parameter int Start = 0,
    localparam int Bits = (Modulus > 1) ? $clog2(Modulus) : 1
) (
    input  logic            clk_i,
    input  logic            rst_i,
    input  logic            step_i,
    input  logic [Bits-1:0] move_i,
    input  logic [  Bits:0] back_i,
    output logic [Bits-1:0] value_o
);

  initial
    if (Start < 0 || Start >= Modulus) $fatal(1, "%m: Start %0d not below %0d", Start, Modulus);

  logic [Bits-1:0] value_q, forth, next;
  assign forth = value_q + move_i;
  if (Modulus == 2 ** Bits) begin : g_power
    assign next = forth;
    logic unused;
    assign unused = ^back_i;
  end else begin : g_any
    logic [Bits:0] wrapped;
    assign wrapped = {1'b0, value_q} + back_i;
    assign next = wrapped[Bits] ? forth : wrapped[Bits-1:0];
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) value_q <= Bits'(Start);
    else if (step_i) value_q <= next;
  end

  assign value_o = value_q;

endmodule
