// SPDX-License-Identifier: Apache-2.0
//
// zf_width: changes the number of lanes in a word.
//
// The sequence of lanes stays, lane 0 (low bits) first. One of InLanes, OutLanes divides the other.
// A zf_stream_reg on the narrow side keeps every output's path short.
// Latency: 2 cycles from the last lane needed, 1 where the widths are equal.
// Throughput: a word a cycle on the narrow side. The wide side may stall for all but one of the
// cycles between its words and the narrow side does not notice.

module zf_width #(
    parameter int unsigned LaneBits = 4,
    parameter int unsigned InLanes  = 1,
    parameter int unsigned OutLanes = 4
) (
    input  logic                         clk_i,
    input  logic                         rst_i,
    input  logic [ InLanes*LaneBits-1:0] s_tdata_i,
    input  logic                         s_tvalid_i,
    output logic                         s_tready_o,
    output logic [OutLanes*LaneBits-1:0] m_tdata_o,
    output logic                         m_tvalid_o,
    input  logic                         m_tready_i
);

  initial begin
    if (LaneBits < 1 || InLanes < 1 || OutLanes < 1)
      $fatal(1, "%m: LaneBits %0d, lanes %0d, %0d: not positive", LaneBits, InLanes, OutLanes);
    if (InLanes % OutLanes != 0 && OutLanes % InLanes != 0)
      $fatal(1, "%m: InLanes %0d and OutLanes %0d: none divides the other", InLanes, OutLanes);
  end

  localparam int unsigned InBits = InLanes * LaneBits;
  localparam int unsigned OutBits = OutLanes * LaneBits;

  if (InLanes == OutLanes) begin : g_equal
    zf_stream_reg #(.Width(InBits)) u_reg (
        .clk_i, .rst_i, .s_tdata_i, .s_tvalid_i, .s_tready_o, .m_tdata_o, .m_tvalid_o, .m_tready_i
    );
  end else if (InLanes < OutLanes) begin : g_widen
    localparam int unsigned Parts = OutLanes / InLanes;
    localparam int unsigned EarlyBits = OutBits - InBits;  // all parts but the last

    logic [InBits-1:0] part;
    logic part_valid, part_ready, step, last;
    zf_stream_reg #(.Width(InBits)) u_reg (
        .clk_i, .rst_i, .s_tdata_i, .s_tvalid_i, .s_tready_o, .m_tdata_o(part),
        .m_tvalid_o(part_valid), .m_tready_i(part_ready)
    );

    logic [$clog2(Parts)-1:0] unused_count;
    zf_count #(.Count(Parts)) u_count (
        .clk_i, .rst_i, .step_i(step), .value_o(unused_count), .last_o(last)
    );

    logic [EarlyBits-1:0] early_q;  // filled from the top: the first part ends in the low bits
    logic [OutBits-1:0] word_q;
    logic valid_q;
    assign part_ready = !last || !valid_q || m_tready_i;
    assign step       = part_valid && part_ready;

    always_ff @(posedge clk_i) begin
      if (step && !last) early_q <= EarlyBits'({part, early_q} >> InBits);
      if (step && last) word_q <= {part, early_q};
      if (rst_i) valid_q <= 1'b0;
      else if (step && last) valid_q <= 1'b1;
      else if (m_tready_i) valid_q <= 1'b0;
    end

    assign m_tdata_o  = word_q;
    assign m_tvalid_o = valid_q;
  end else begin : g_narrow
    localparam int unsigned Parts = InLanes / OutLanes;

    logic [InBits-1:0] word_q;  // moves down a part at a time
    logic valid_q, part_ready, step, last;
    assign s_tready_o = !valid_q || (last && part_ready);
    assign step       = valid_q && part_ready;

    logic [$clog2(Parts)-1:0] unused_count;
    zf_count #(.Count(Parts)) u_count (
        .clk_i, .rst_i, .step_i(step), .value_o(unused_count), .last_o(last)
    );

    always_ff @(posedge clk_i) begin
      if (s_tready_o) word_q <= s_tdata_i;
      else if (step) word_q <= word_q >> OutBits;
      if (rst_i) valid_q <= 1'b0;
      else if (s_tready_o) valid_q <= s_tvalid_i;
    end

    zf_stream_reg #(.Width(OutBits)) u_reg (
        .clk_i, .rst_i, .s_tdata_i(word_q[OutBits-1:0]), .s_tvalid_i(valid_q),
        .s_tready_o(part_ready), .m_tdata_o, .m_tvalid_o, .m_tready_i
    );
  end

endmodule
