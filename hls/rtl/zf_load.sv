// SPDX-License-Identifier: Apache-2.0
//
// zf_load: loads the memories that have no contents after configuration, one at a time.
//
//   run_o = every memory m has had its Words[32*m+:32] writes to DATA since it was last begun
// A write to SELECT chooses a memory and begins its loading; each write to DATA is a piece for it
// (zf_uram, which begin_o begins, after reset too). Beyond its last piece nothing is written, and
// refused_o says so, as of a SELECT of no memory. Every output but refused_o comes from a flip-flop.
//
// Latency: 1 cycle from a write to begin_o and we_o, 2 to run_o. Throughput: a write a cycle.

module zf_load #(
    parameter int Memories = 1,
    parameter logic [32*Memories-1:0] Words = (32 * Memories)'(3)
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic                   select_write_i,
    input  logic [           31:0] select_i,
    input  logic                   data_write_i,
    input  logic [           31:0] data_i,
    output logic                   refused_o,
    output logic [           31:0] select_o,     // the memory that the following are of
    output logic                   loaded_o,
    output logic                   signed_o,
    output logic [           31:0] signature_o,
    output logic                   run_o,
    output logic                   begin_o,
    output logic [   Memories-1:0] we_o,
    output logic [           31:0] data_o,
    input  logic [32*Memories-1:0] signatures_i,
    input  logic [   Memories-1:0] signed_i
);

  localparam int SelectBits = (Memories > 1) ? $clog2(Memories) : 1;
  localparam int LeftBits = bits(Words);

  function automatic int bits(input logic [32*Memories-1:0] words);
    bits = 1;
    for (int m = 0; m < Memories; m++) begin
      if ($clog2(words[32*m+:32] + 1) > bits) bits = $clog2(words[32*m+:32] + 1);
    end
  endfunction

  if (Memories < 1) begin : gen_bad
    initial $fatal(1, "%m: Memories must be positive, not %0d", Memories);
  end
  for (genvar m = 0; m < Memories; m++) begin : g_check
    initial
      if (Words[32*m+:32] == 0) $fatal(1, "%m: Words must be positive, not %0d", Words[32*m+:32]);
  end

  logic chosen, some, last, taken;
  logic [SelectBits-1:0] select_q;
  logic [LeftBits-1:0] left_q;  // pieces of the selected memory that are still to come
  logic [Memories-1:0] selected, all_loaded_q;
  assign chosen = select_write_i && select_i < 32'(Memories);
  assign some = left_q != '0;
  assign last = left_q == LeftBits'(1);
  assign taken = data_write_i && some;
  assign refused_o = (select_write_i && !chosen) || (data_write_i && !some);
  assign select_o = 32'(select_q);
  for (genvar m = 0; m < Memories; m++) begin : g_memory
    assign selected[m] = select_q == SelectBits'(m);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      select_q <= '0;
      left_q   <= Words[LeftBits-1:0];
    end else if (chosen) begin
      select_q <= select_i[SelectBits-1:0];
      left_q   <= Words[32*select_i[SelectBits-1:0]+:LeftBits];
    end else if (taken) begin
      left_q <= left_q - 1'b1;
    end

    begin_o      <= chosen || rst_i;
    we_o         <= {Memories{taken && !rst_i}} & selected;
    data_o       <= data_i;
    all_loaded_q <= rst_i ? '0 : taken ? (all_loaded_q & ~selected) | ({Memories{last}} & selected)
                                       : all_loaded_q;
    run_o        <= &all_loaded_q && !rst_i;

    loaded_o    <= all_loaded_q[select_q];
    signed_o    <= signed_i[select_q];
    signature_o <= signatures_i[32*select_q+:32];
  end

endmodule
