// SPDX-License-Identifier: Apache-2.0
//
// zf_requantize_shared: a convolution's accumulators to codes, through fewer requantizers.
//
// A product brings Pixels*Pe accumulators, which stay until the next. They go through a
// zf_requantize of Lanes lanes, pixel by pixel, and leave as Pe codes of a pixel at a time. The ROM
// of biases (and halves) and shifts holds Groups*Pixels*Pe/Lanes words in the order in which they go.
//
// s_valid_i comes two cycles after its fetch_i and not before Turns = Pixels*Pe/Lanes cycles after
// the one before it.
// Latency: 3 cycles to the first pixel's codes where Turns = 1; else 4, and Parts = Pe/Lanes more
// where that is above 1.
// Throughput: Lanes accumulators a cycle, no stall.

module zf_requantize_shared #(
    parameter int Pe        = 2,
    parameter int Pixels    = 1,
    parameter int Lanes     = 2,
    parameter int InBits    = 16,
    parameter int BiasBits  = 8,
    parameter int ShiftMin  = 4,
    parameter int ShiftMax  = 4,
    parameter int ShiftBits = 0,
    parameter int Groups    = 2,
    parameter int OutBits   = 4,
    parameter     Lo        = 0,
    parameter     Hi        = 15,
    parameter     InitFile  = "none.mem",
    parameter int Primitives = 0
) (
    input  logic                        clk_i,
    input  logic                        rst_i,
    input  logic                        fetch_i,
    input  logic                        s_valid_i,
    input  logic [Pixels*Pe*InBits-1:0] s_data_i,
    output logic                        m_valid_o,
    output logic [      Pe*OutBits-1:0] m_data_o
);

  localparam int Turns = Pixels * Pe / Lanes;
  localparam int Parts = Pe / Lanes;  // of a pixel
  localparam int TurnBits = (Turns > 1) ? $clog2(Turns) : 1;

  initial if (Pe % Lanes != 0) $fatal(1, "%m: Lanes %0d must divide Pe %0d", Lanes, Pe);

  logic fetch, valid, code_valid;
  logic [Lanes*InBits-1:0] data;
  logic [Lanes*OutBits-1:0] code;
  zf_requantize #(
      .Lanes(Lanes), .InBits(InBits), .SumBits(InBits), .BiasBits(BiasBits),
      .ShiftMin(ShiftMin), .ShiftMax(ShiftMax), .ShiftBits(ShiftBits), .Groups(Groups * Turns),
      .OutBits(OutBits), .Lo(Lo), .Hi(Hi), .InitFile(InitFile)
  ) u_requantize (
      .clk_i, .rst_i, .fetch_i(fetch), .s_valid_i(valid), .s_data_i(data),
      .m_valid_o(code_valid), .m_data_o(code)
  );

  if (Turns == 1) begin : g_straight
    assign fetch = fetch_i;
    assign valid = s_valid_i;
    assign data  = s_data_i;
  end else begin : g_turns
    // Turns begin a cycle after fetch_i; each reads its accumulators a cycle after its fetch.
    logic busy_q, busy_qq, last_turn;
    logic [Lanes*InBits-1:0] turn_data;
    logic [TurnBits-1:0] turn, turn_q;
    zf_count #(.Count(Turns)) u_turn (
        .clk_i, .rst_i, .step_i(busy_q), .value_o(turn), .last_o(last_turn)
    );
    always_ff @(posedge clk_i) begin
      if (rst_i) busy_q <= 1'b0;
      else if (fetch_i) busy_q <= 1'b1;
      else if (last_turn) busy_q <= 1'b0;
      busy_qq <= busy_q && !rst_i;
      valid   <= busy_qq && !rst_i;
      turn_q  <= turn;
      data    <= turn_data;
    end
    zf_select #(.Bits(Lanes * InBits), .Count(Turns), .Primitives(Primitives)) u_select (
        .index_i(turn_q), .words_i(s_data_i), .data_o(turn_data)
    );
    assign fetch = busy_q;
    logic unused;
    assign unused = s_valid_i;
  end

  if (Parts == 1) begin : g_whole
    assign m_valid_o = code_valid;
    assign m_data_o  = code;
  end else begin : g_parts
    // Whether a turn is a pixel's last, as late as its codes.
    localparam int Late = 5;
    logic last_part;
    logic [$clog2(Parts)-1:0] unused_part;
    zf_count #(.Count(Parts)) u_part (
        .clk_i, .rst_i, .step_i(g_turns.busy_q), .value_o(unused_part), .last_o(last_part)
    );
    logic [Late-1:0] last_part_q;
    logic [Pe*OutBits-1:0] codes_q;  // filled from the top: the first part ends in the low bits
    always_ff @(posedge clk_i) last_part_q <= {last_part_q[Late-2:0], last_part};
    always_ff @(posedge clk_i) begin
      codes_q   <= {code, codes_q[Pe*OutBits-1:Lanes*OutBits]};
      m_valid_o <= code_valid && last_part_q[Late-1] && !rst_i;
    end
    assign m_data_o = codes_q;
  end

endmodule
