// SPDX-License-Identifier: Apache-2.0
//
// zf_credit_fifo: output FIFO of a pipeline that cannot stall.
//
// go_o says that one more result may be begun; take_i begins it, and each begun result arrives
// later as Words s_valid_i words. go_o falls while there is no room for another result beside those
// begun and not yet taken out, so the FIFO never overflows.
// Latency: that of zf_fifo. Throughput: a word a cycle while Depth exceeds the pipeline's latency
// in results by that of the FIFO and one.

module zf_credit_fifo #(
    parameter int Width = 4,
    parameter int Depth = 8,
    parameter int Words = 1
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             take_i,
    output logic             go_o,
    input  logic             s_valid_i,
    input  logic [Width-1:0] s_data_i,
    output logic [Width-1:0] m_tdata_o,
    output logic             m_tvalid_o,
    input  logic             m_tready_i
);

  // Words left, less those of one result: the sign says that there is no room.
  localparam int Bits = $clog2(Depth + 1) + 1;
  logic signed [Bits-1:0] left_q;
  logic back, unused_ready;

  assign back = m_tvalid_o && m_tready_i;
  assign go_o = !left_q[Bits-1];

  always_ff @(posedge clk_i) begin
    if (rst_i) left_q <= Bits'(Depth - Words);
    else left_q <= left_q + Bits'($signed({1'b0, back})) - (take_i ? Bits'(Words) : '0);
  end

  zf_fifo #(.Width(Width), .Depth(Depth)) u_fifo (
      .clk_i, .rst_i, .s_tdata_i(s_data_i), .s_tvalid_i(s_valid_i), .s_tready_o(unused_ready),
      .m_tdata_o, .m_tvalid_o, .m_tready_i
  );

endmodule
