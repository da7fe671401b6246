// SPDX-License-Identifier: Apache-2.0
//
// zf_axi_lite: the five channels of an AXI4-Lite slave as writes and reads of words.
//
//   write_o, with word and bytes, for each pair of address and data;
//   read_o for each read's address, whose read_data_i is looked at two cycles later
// Responses are always OKAY. Every output comes from a flip-flop, but for bvalid and the readys,
// which are a LUT behind one. What is read after a write's response sees the write.
//
// Latency: 1 cycle from awvalid and wvalid to write_o, 2 to bvalid; 3 from arvalid to rvalid.
// Throughput: a write a cycle, a read in 4.

module zf_axi_lite (
    input  logic        clk_i,
    input  logic        rst_i,
    input  logic [11:0] s_axi_awaddr,
    input  logic        s_axi_awvalid,
    output logic        s_axi_awready,
    input  logic [31:0] s_axi_wdata,
    input  logic [ 3:0] s_axi_wstrb,
    input  logic        s_axi_wvalid,
    output logic        s_axi_wready,
    output logic [ 1:0] s_axi_bresp,
    output logic        s_axi_bvalid,
    input  logic        s_axi_bready,
    input  logic [11:0] s_axi_araddr,
    input  logic        s_axi_arvalid,
    output logic        s_axi_arready,
    output logic [31:0] s_axi_rdata,
    output logic [ 1:0] s_axi_rresp,
    output logic        s_axi_rvalid,
    input  logic        s_axi_rready,
    output logic        write_o,
    output logic [ 9:0] write_word_o,   // address / 4
    output logic [31:0] write_data_o,
    output logic        write_whole_o,  // all four bytes
    output logic        read_o,
    output logic [ 9:0] read_word_o,
    input  logic [31:0] read_data_i     // holds until the next read
);

  logic unused;
  assign unused = ^{s_axi_awaddr, s_axi_araddr};  // bytes of a word

  logic aw_ready, aw_valid, w_ready, w_valid;
  logic [3:0] write_bytes;
  zf_stream_reg #(.Width(10)) u_aw (
      .clk_i, .rst_i, .s_tdata_i(s_axi_awaddr[11:2]), .s_tvalid_i(s_axi_awvalid),
      .s_tready_o(aw_ready), .m_tdata_o(write_word_o), .m_tvalid_o(aw_valid), .m_tready_i(write_o)
  );
  zf_stream_reg #(.Width(36)) u_w (
      .clk_i, .rst_i, .s_tdata_i({s_axi_wstrb, s_axi_wdata}), .s_tvalid_i(s_axi_wvalid),
      .s_tready_o(w_ready), .m_tdata_o({write_bytes, write_data_o}), .m_tvalid_o(w_valid),
      .m_tready_i(write_o)
  );
  assign s_axi_awready = aw_ready && !rst_i;
  assign s_axi_wready = w_ready && !rst_i;

  logic [1:0] answers_q;  // responses that are due
  assign write_o = aw_valid && w_valid && answers_q != 2'd3;
  assign write_whole_o = write_bytes == 4'b1111;
  assign s_axi_bvalid = answers_q != 2'd0;
  assign s_axi_bresp = 2'b00;

  logic idle_q, look_q;  // a read waits for none, it is looked up
  assign s_axi_arready = idle_q && !rst_i;
  assign s_axi_rdata = read_data_i;
  assign s_axi_rresp = 2'b00;

  always_ff @(posedge clk_i) begin
    if (s_axi_arready) read_word_o <= s_axi_araddr[11:2];
    read_o <= s_axi_arready && s_axi_arvalid;
    look_q <= read_o;
    if (look_q) s_axi_rvalid <= 1'b1;
    else if (s_axi_rready) s_axi_rvalid <= 1'b0;
    if (s_axi_arready && s_axi_arvalid) idle_q <= 1'b0;
    else if (s_axi_rvalid && s_axi_rready) idle_q <= 1'b1;
    answers_q <= answers_q + 2'(write_o) - 2'(s_axi_bvalid && s_axi_bready);
    if (rst_i) begin
      read_o       <= 1'b0;
      look_q       <= 1'b0;
      s_axi_rvalid <= 1'b0;
      idle_q       <= 1'b1;
      answers_q    <= '0;
    end
  end

endmodule
