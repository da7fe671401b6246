// SPDX-License-Identifier: Apache-2.0
//
// zf_signature: 32 bits that stand for a memory's contents, taken from the words as a layer reads
// them, so that it needs no port of the memory.
//
//   fold = XOR of the word's pieces p of 32 bits, each rotated to the left by p
//   S' = (S*x mod P) + fold for each word from address 0 to Depth - 1, from S = 2**32 - 1
// over GF(2), P = x**32 + 32'h04C11DB7, which is primitive (zynqfire.hls.load.signature).
//
// One wrong bit always shows, and so do wrong bits of one word within 31 neighbours, or within a
// piece. Bits i and j of a word fold to the same bit where i + i/32 and j + j/32 differ by a multiple
// of 32: an even number of wrong ones there cancels. A bit of the fold counts as the next higher
// one of the next word: wrong bits that stand so cancel, too. Of all other changes (words, columns
// or whole memories exchanged, bits that stick) one in 2**32 does not show.
//
// step_i: the layer takes the word of addr_i, which comes two cycles later, as zf_rom's and zf_uram's.
// A new signature comes with each pass; valid_o falls when clear_i says that the contents change,
// until they were read from the first word to the last.
// Latency: 3 cycles from the last word's step_i. Throughput: a word a cycle.

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
  localparam int Pieces = (Width + 31) / 32;

  // Horner's rule; whole pieces, not bits, so that it simulates fast
  logic [32*Pieces-1:0] word;
  logic [31:0] folded;
  assign word = (32 * Pieces)'(word_i);
  always_comb begin
    folded = '0;
    for (int p = Pieces - 1; p >= 0; p--) folded = {folded[30:0], folded[31]} ^ word[32*p+:32];
  end

  // Of the addresses one and two cycles ago; the word is folded when it is two
  logic [1:0] step_q, first_q, last_q;
  logic [31:0] state_q, next;
  logic whole_q;  // the state is of all words since the first
  logic over;  // this is the last word
  assign over = step_q[1] && last_q[1];
  assign next = {state_q[30:0], 1'b0} ^ (Poly & {32{state_q[31]}}) ^ folded;

  always_ff @(posedge clk_i) begin
    step_q  <= {step_q[0], step_i};
    first_q <= {first_q[0], addr_i == '0};
    last_q  <= {last_q[0], addr_i == AddrBits'(Depth - 1)};
    if (step_q[1]) whole_q <= whole_q || first_q[1];
    if (over) begin
      signature_o <= next;
      valid_o     <= valid_o || whole_q || first_q[1];
    end
    if (rst_i || clear_i) begin
      step_q  <= '0;
      whole_q <= 1'b0;
      valid_o <= 1'b0;
    end
    if (over || rst_i || clear_i) state_q <= '1;
    else if (step_q[1]) state_q <= next;
  end

endmodule
