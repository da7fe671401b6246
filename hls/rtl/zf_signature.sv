// SPDX-License-Identifier: Apache-2.0
//
// zf_signature: 32 bits that stand for a memory's contents, taken from the words as a layer reads
// them, so that it needs no port of the memory.
//
//   fold[k] = XOR of the word's bits j of columns c of 72 bits, k = j*(2*(c/32) + 1) + 9*c mod 32
//   S' = (S*x mod P) + fold for each word from address 0 to Depth - 1, from S = 2**32 - 1
// over GF(2), P = x**32 + 32'h04C11DB7 (zynqfire.hls.load.signature). 32 neighbouring bits of a
// column fold to different bits: any change within one loaded piece, and a bit that sticks, shows;
// words or columns exchanged, and other changes, but for one in 2**32. (Two changed bits of one
// word that fold to the same bit do not show.)
//
// step_i: the layer takes the word of addr_i, which comes two cycles later, as zf_uram's. A new
// signature comes with each pass; valid_o falls when clear_i says that the contents change, until
// they were read from the first word to the last.
// Latency: 4 cycles from the last word's step_i. Throughput: a word a cycle.

module zf_signature #(
    parameter int Width = 72,
    parameter int Depth = 4096,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                clk_i,
    input  logic                rst_i,
    input  logic                clear_i,
    input  logic                step_i,
    input  logic [AddrBits-1:0] addr_i,
    input  logic [   Width-1:0] word_i,
    output logic [        31:0] signature_o,
    output logic                valid_o
);

  localparam logic [31:0] Poly = 32'h04C1_1DB7;

  logic [31:0] folded;
  always_comb begin
    folded = '0;
    for (int i = 0; i < Width; i++) begin
      folded[((i % 72) * (2 * (i / 2304) + 1) + 9 * (i / 72)) % 32] ^= word_i[i];
    end
  end

  // Of the addresses one, two and three cycles ago; the word is folded when it is three
  logic [2:0] step_q, first_q, last_q;
  logic [31:0] fold_q, state_q, next;
  logic whole_q;  // the state is of all words since the first
  assign next = {state_q[30:0] | {31{first_q[2]}}, 1'b0} ^ (Poly & {32{state_q[31] || first_q[2]}})
                ^ fold_q;

  always_ff @(posedge clk_i) begin
    step_q  <= {step_q[1:0], step_i};
    first_q <= {first_q[1:0], addr_i == '0};
    last_q  <= {last_q[1:0], addr_i == AddrBits'(Depth - 1)};
    fold_q  <= folded;
    if (step_q[2]) begin
      state_q <= next;
      whole_q <= whole_q || first_q[2];
      if (last_q[2]) begin
        signature_o <= next;
        valid_o     <= valid_o || whole_q || first_q[2];
      end
    end
    if (rst_i || clear_i) begin
      step_q  <= '0;
      whole_q <= 1'b0;
      valid_o <= 1'b0;
    end
  end

endmodule
