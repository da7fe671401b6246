// SPDX-License-Identifier: Apache-2.0
//
// zf_control: AXI4-Lite slave with the registers of docs/registers.md: loads the memories that have
// no contents after configuration, and says whether the layers read what was loaded.
//
//   run_o = every memory m has had its Words[32*m+:32] writes to DATA since it was last begun
// A write to SELECT chooses a memory and begins its loading; each write to DATA is a piece for it
// (zf_uram, which load_begin_o begins). Beyond its last piece nothing is written. Responses are
// always OKAY; what is refused sets STATUS.refused. Every output comes from a flip-flop, but for
// bvalid and the readys, which are a LUT behind one.
//
// Latency: 2 cycles from awvalid and wvalid to bvalid, 3 to load_*_o; 3 from arvalid to rvalid. What
// is read after a write's response sees the write. Throughput: a write a cycle, a read in 4.

module zf_control #(
    parameter int Memories = 1,
    parameter logic [32*Memories-1:0] Words = (32 * Memories)'(3)
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic [           11:0] s_axi_awaddr,
    input  logic                   s_axi_awvalid,
    output logic                   s_axi_awready,
    input  logic [           31:0] s_axi_wdata,
    input  logic [            3:0] s_axi_wstrb,
    input  logic                   s_axi_wvalid,
    output logic                   s_axi_wready,
    output logic [            1:0] s_axi_bresp,
    output logic                   s_axi_bvalid,
    input  logic                   s_axi_bready,
    input  logic [           11:0] s_axi_araddr,
    input  logic                   s_axi_arvalid,
    output logic                   s_axi_arready,
    output logic [           31:0] s_axi_rdata,
    output logic [            1:0] s_axi_rresp,
    output logic                   s_axi_rvalid,
    input  logic                   s_axi_rready,
    output logic                   run_o,
    output logic                   load_begin_o,
    output logic [   Memories-1:0] load_we_o,
    output logic [           31:0] load_data_o,
    input  logic [32*Memories-1:0] signature_i,
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

  // --------------------------------------------------------------------------------- AXI4-Lite
  logic unused;
  assign unused = ^{s_axi_awaddr, s_axi_araddr};  // bytes of a word

  logic aw_ready, aw_valid, w_ready, w_valid, accept;
  logic [9:0] write_word;
  logic [31:0] write_data;
  logic [3:0] write_bytes;
  zf_stream_reg #(.Width(10)) u_aw (
      .clk_i, .rst_i, .s_tdata_i(s_axi_awaddr[11:2]), .s_tvalid_i(s_axi_awvalid),
      .s_tready_o(aw_ready), .m_tdata_o(write_word), .m_tvalid_o(aw_valid), .m_tready_i(accept)
  );
  zf_stream_reg #(.Width(36)) u_w (
      .clk_i, .rst_i, .s_tdata_i({s_axi_wstrb, s_axi_wdata}), .s_tvalid_i(s_axi_wvalid),
      .s_tready_o(w_ready), .m_tdata_o({write_bytes, write_data}), .m_tvalid_o(w_valid),
      .m_tready_i(accept)
  );
  assign s_axi_awready = aw_ready && !rst_i;
  assign s_axi_wready = w_ready && !rst_i;

  logic [1:0] answers_q;  // responses that are due
  assign accept = aw_valid && w_valid && answers_q != 2'd3;
  assign s_axi_bvalid = answers_q != 2'd0;
  assign s_axi_bresp = 2'b00;

  logic idle_q, ask_q, look_q;  // a read waits for none, its address is decoded, it is looked up
  logic [9:0] read_word_q;
  assign s_axi_arready = idle_q && !rst_i;
  assign s_axi_rresp = 2'b00;

  always_ff @(posedge clk_i) begin
    if (s_axi_arready) read_word_q <= s_axi_araddr[11:2];
    ask_q  <= s_axi_arready && s_axi_arvalid;
    look_q <= ask_q;
    if (look_q) s_axi_rvalid <= 1'b1;
    else if (s_axi_rready) s_axi_rvalid <= 1'b0;
    if (s_axi_arready && s_axi_arvalid) idle_q <= 1'b0;
    else if (s_axi_rvalid && s_axi_rready) idle_q <= 1'b1;
    answers_q <= answers_q + 2'(accept) - 2'(s_axi_bvalid && s_axi_bready);
    if (rst_i) begin
      ask_q        <= 1'b0;
      look_q       <= 1'b0;
      s_axi_rvalid <= 1'b0;
      idle_q       <= 1'b1;
      answers_q    <= '0;
    end
  end

  // --------------------------------------------------------------------------------- registers
  logic status_write, clear_refused, select_write, data_write, bad_access;
  logic refused_q, loaded_q, signed_q;
  logic [31:0] select, data, signature_q;
  logic [SelectBits-1:0] select_q;
  zf_registers u_registers (
      .clk_i, .rst_i,
      .write_i(accept), .write_word_i(write_word), .write_data_i(write_data),
      .write_whole_i(write_bytes == 4'b1111),
      .read_i(ask_q), .read_word_i(read_word_q), .read_data_o(s_axi_rdata),
      .status_running_i(run_o), .status_refused_i(refused_q),
      .memories_i(32'(Memories)), .select_i(32'(select_q)),
      .memory_loaded_i(loaded_q), .memory_signed_i(signed_q), .signature_i(signature_q),
      .status_write_o(status_write), .status_refused_o(clear_refused),
      .select_write_o(select_write), .select_o(select),
      .data_write_o(data_write), .data_o(data), .refused_o(bad_access)
  );

  // -------------------------------------------------------------------------------- the memories
  logic chosen, some, last, taken;
  logic [LeftBits-1:0] left_q;  // pieces of the selected memory that are still to come
  logic [Memories-1:0] selected, all_loaded_q;
  assign chosen = select_write && select < 32'(Memories);
  assign some = left_q != '0;
  assign last = left_q == LeftBits'(1);
  assign taken = data_write && some;
  for (genvar m = 0; m < Memories; m++) begin : g_memory
    assign selected[m] = select_q == SelectBits'(m);
  end

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      select_q <= '0;
      left_q   <= Words[LeftBits-1:0];
    end else if (chosen) begin
      select_q <= select[SelectBits-1:0];
      left_q   <= Words[32*select[SelectBits-1:0]+:LeftBits];
    end else if (taken) begin
      left_q <= left_q - 1'b1;
    end

    load_begin_o <= chosen && !rst_i;
    load_we_o    <= {Memories{taken && !rst_i}} & selected;
    load_data_o  <= data;
    all_loaded_q <= rst_i ? '0 : taken ? (all_loaded_q & ~selected) | ({Memories{last}} & selected)
                                       : all_loaded_q;
    run_o        <= &all_loaded_q && !rst_i;

    loaded_q    <= all_loaded_q[select_q];
    signed_q    <= signed_i[select_q];
    signature_q <= signature_i[32*select_q+:32];

    if (rst_i) refused_q <= 1'b0;
    else if (bad_access || (select_write && !chosen) || (data_write && !some)) refused_q <= 1'b1;
    else if (status_write && clear_refused) refused_q <= 1'b0;
  end

endmodule
