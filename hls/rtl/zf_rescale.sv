// SPDX-License-Identifier: Apache-2.0
//
// zf_rescale: requantization of a stream that is not a convolution's accumulator.
//
//   y[c] = clamp(rhe(x[c] * 2**-shift[c]), Lo, Hi), channel c = lane l of beat g of a pixel
// Where shifts differ, the ROM of zf_requantize has the halves that round them as biases.
// Latency: 7 cycles. Throughput: a beat a cycle.

module zf_rescale #(
    parameter int Lanes     = 2,
    parameter int InBits    = 8,
    parameter bit InSigned  = 0,
    parameter int BiasBits  = 0,
    parameter int ShiftMin  = 2,
    parameter int ShiftMax  = 2,
    parameter int ShiftBits = 0,
    parameter int Groups    = 1,
    parameter int OutBits   = 4,
    parameter     Lo        = 0,
    parameter     Hi        = 15,
    parameter     InitFile  = "none.mem"
) (
    input  logic                     clk_i,
    input  logic                     rst_i,
    input  logic [ Lanes*InBits-1:0] s_tdata_i,
    input  logic                     s_tvalid_i,
    output logic                     s_tready_o,
    output logic [Lanes*OutBits-1:0] m_tdata_o,
    output logic                     m_tvalid_o,
    input  logic                     m_tready_i
);

  // The shift's ROM word comes two cycles after its beat is taken: the codes wait for it.
  logic take, code_valid;
  logic [1:0] valid_q;
  logic [Lanes*InBits-1:0] data_q, data_qq;
  logic [Lanes*OutBits-1:0] code;
  assign take = s_tvalid_i && s_tready_o;

  always_ff @(posedge clk_i) begin
    if (rst_i) valid_q <= '0;
    else valid_q <= {valid_q[0], take};
    data_q  <= s_tdata_i;
    data_qq <= data_q;
  end

  localparam int SumBits = ((ShiftMax > InBits) ? ShiftMax : InBits) + 2;  // code + half, signed
  zf_requantize #(
      .Lanes(Lanes), .InBits(InBits), .InSigned(InSigned), .SumBits(SumBits), .BiasBits(BiasBits),
      .ShiftMin(ShiftMin), .ShiftMax(ShiftMax), .ShiftBits(ShiftBits), .Groups(Groups),
      .OutBits(OutBits), .Lo(Lo), .Hi(Hi), .InitFile(InitFile)
  ) u_requantize (
      .clk_i, .rst_i, .fetch_i(take), .s_valid_i(valid_q[1]), .s_data_i(data_qq),
      .m_valid_o(code_valid), .m_data_o(code)
  );

  zf_credit_fifo #(.Width(Lanes * OutBits), .Depth(16)) u_fifo (
      .clk_i, .rst_i, .take_i(take), .go_o(s_tready_o), .s_valid_i(code_valid), .s_data_i(code),
      .m_tdata_o, .m_tvalid_o, .m_tready_i
  );

endmodule
