// SPDX-License-Identifier: Apache-2.0
//
// zf_load: loads the memories that have no contents after configuration, one at a time, and shows
// the signatures of all.
//
//   run_o = every memory m has had its Words[32*m+:32] writes to DATA since it was last begun
// A write to SELECT chooses one of Signatures memories, of which the first Memories are to be loaded,
// and begins its loading; each write to DATA is a piece for it (zf_uram, which begin_o begins, after
// reset too). Beyond its last piece, and to the other memories, nothing is written, and refused_o
// says so, as of a SELECT of no memory. Every output but refused_o comes from a flip-flop.
//
// Latency: 1 cycle from a write to begin_o and we_o, 2 to run_o. Throughput: a write a cycle.

module zf_load #(
    parameter int Memories = 1,
    parameter logic [32*(Memories < 1 ? 1 : Memories)-1:0] Words = 32'd3,
    parameter int Signatures = Memories,
    localparam int Loads = (Memories < 1) ? 1 : Memories
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic                     select_write_i,
    input  logic [             31:0] select_i,
    input  logic                     data_write_i,
    input  logic [             31:0] data_i,
    output logic                     refused_o,
    output logic [             31:0] select_o,     // the memory that the following are of
    output logic                     loaded_o,
    output logic                     signed_o,
    output logic [             31:0] signature_o,
    output logic                     run_o,
    output logic                     begin_o,
    output logic [        Loads-1:0] we_o,
    output logic [             31:0] data_o,
    input  logic [32*Signatures-1:0] signatures_i,
    input  logic [   Signatures-1:0] signed_i
);

  localparam int SelectBits = (Signatures > 1) ? $clog2(Signatures) : 1;
  localparam int LeftBits = bits(Words);

  function automatic int bits(input logic [32*Loads-1:0] words);
    bits = 1;
    for (int m = 0; m < Memories; m++) begin
      if ($clog2(words[32*m+:32] + 1) > bits) bits = $clog2(words[32*m+:32] + 1);
    end
  endfunction

  if (Signatures < Loads || Memories < 0) begin : gen_bad
    initial
      $fatal(1, "%m: Signatures must be positive and at least Memories, not %0d of %0d",
             Signatures, Memories);
  end
  for (genvar m = 0; m < Memories; m++) begin : g_check
    initial
      if (Words[32*m+:32] == 0) $fatal(1, "%m: Words must be positive, not %0d", Words[32*m+:32]);
  end

  logic chosen, some, last, taken;
  logic [SelectBits-1:0] select_q;
  logic [LeftBits-1:0] left_q;  // pieces of the selected memory that are still to come
  logic [Loads-1:0] selected, all_loaded_q;
  logic [Signatures-1:0] loaded;
  logic [LeftBits-1:0] words;  // of the memory that is being chosen
  assign chosen = select_write_i && select_i < 32'(Signatures);
  assign some = left_q != '0;
  assign last = left_q == LeftBits'(1);
  assign taken = data_write_i && some;
  assign refused_o = (select_write_i && !chosen) || (data_write_i && !some);
  assign select_o = 32'(select_q);
  for (genvar m = 0; m < Loads; m++) begin : g_memory
    assign selected[m] = select_q == SelectBits'(m);
  end
  if (Signatures > Memories) begin : g_roms
    assign loaded[Signatures-1:Memories] = '1;
  end
  if (Memories > 0) begin : g_loads
    assign loaded[Loads-1:0] = all_loaded_q;
    always_comb begin
      words = '0;
      for (int m = 0; m < Memories; m++)
        if (select_i[SelectBits-1:0] == SelectBits'(m)) words = Words[32*m+:LeftBits];
    end
  end else begin : g_none
    assign words = '0;
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      select_q <= '0;
      left_q   <= (Memories > 0) ? Words[LeftBits-1:0] : '0;
    end else if (chosen) begin
      select_q <= select_i[SelectBits-1:0];
      left_q   <= words;
    end else if (taken) begin
      left_q <= left_q - 1'b1;
    end

    begin_o      <= chosen || rst_i;
    we_o         <= {Loads{taken && !rst_i}} & selected;
    data_o       <= data_i;
    all_loaded_q <= rst_i ? '0 : taken ? (all_loaded_q & ~selected) | ({Loads{last}} & selected)
                                       : all_loaded_q;
    run_o        <= &loaded && !rst_i;

    loaded_o    <= loaded[select_q];
    signed_o    <= signed_i[select_q];
    signature_o <= signatures_i[32*select_q+:32];
  end

endmodule
