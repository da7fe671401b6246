// SPDX-License-Identifier: Apache-2.0
//
// faulty: a unit with every fault that check_stream_unit must see, chosen by fault_i.
//
// Two lanes of four bits, four words a frame; word i of a frame leaves as word + i. Fault 0 is none.

module faulty (
    input  logic       clk_i,
    input  logic       rst_i,
    input  logic [3:0] fault_i,
    input  logic [7:0] s_tdata_i,
    input  logic       s_tvalid_i,
    output logic       s_tready_o,
    output logic [7:0] m_tdata_o,
    output logic       m_tvalid_o,
    input  logic       m_tready_i
);

  logic [7:0] word_q, sum;
  logic [2:0] index_q;
  logic valid_q, again_q, free, step;

  assign free       = !valid_q || m_tready_i;
  assign s_tready_o = free || fault_i == 1;  // drops a word under stall
  assign step       = s_tvalid_i && s_tready_o;
  assign sum        = s_tdata_i + 8'(index_q);

  always_ff @(posedge clk_i) begin
    if (step) index_q <= (index_q == 3 && fault_i != 2) ? '0 : index_q + 1'b1;  // 2: across frames
    if (rst_i && fault_i != 3) index_q <= '0;  // state across reset

    if (step) word_q <= fault_i == 4 ? {sum[3:0], sum[7:4]} : sum;  // swaps lanes
    else if (valid_q && !m_tready_i && fault_i == 6) word_q <= word_q + 1'b1;  // payload moves

    again_q <= fault_i == 8 && valid_q && !m_tready_i;
    if (step) valid_q <= 1'b1;
    else if (m_tready_i && !(again_q && !step)) valid_q <= 1'b0;  // 8: twice after a stall
    if (valid_q && !m_tready_i && fault_i == 5 && !step) valid_q <= 1'b0;  // gives up
    if (rst_i && fault_i != 9) valid_q <= 1'b0;  // a word across reset
  end

  assign m_tdata_o  = word_q;
  assign m_tvalid_o = valid_q && (m_tready_i || fault_i != 7);  // waits for tready

endmodule
