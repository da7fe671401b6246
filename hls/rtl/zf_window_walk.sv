// SPDX-License-Identifier: Apache-2.0
//
// zf_window_walk: which word of which window comes now, for zf_window.
//
// Counts, innermost first, the Deep channel groups, the Columns of a run of consecutive addresses,
// the Lines (runs) of a product, the Groups products of a step, and the steps of a frame in raster
// order. A step is `Pixels` neighbouring output pixels of a row; the last of a row may have fewer.
// end_*_o say what the current word is the last of, and outermost_o[4:0] which is the largest of
// frame, row, step, product and run that it is the last of, one-hot or none; inside_o[p*Taps + t]
// says that tap t of pixel p lies inside the map. next_o says that the current word changes; y_o,
// x_o is the step of the word after, and next_end_step_o is the end_step_o of that.
//
// The counters lead the current word by one. So end_*_o and outermost_o are registers, y_o and x_o
// are the counters', inside_o is two LUTs away from registers and next_end_step_o one; next_o
// follows step_i in its cycle.
//
// Latency: the first word's flags come a cycle after reset. Throughput: a step a cycle.

module zf_window_walk #(
    parameter int InH     = 4,
    parameter int InW     = 4,
    parameter int KernelH = 3,
    parameter int KernelW = 3,
    parameter int StrideH = 1,
    parameter int StrideW = 1,
    parameter int PadTop  = 1,
    parameter int PadLeft = 1,
    parameter int OutH    = 4,
    parameter int OutW    = 4,
    parameter int Pixels  = 1,
    parameter int Taps    = 1,
    parameter int Deep    = 2,
    parameter int Columns = 3,
    parameter int Lines   = 3,
    parameter int Groups  = 1,
    localparam int Steps = (OutW + Pixels - 1) / Pixels,  // of a row
    localparam int XBits = (Steps > 1) ? $clog2(Steps) : 1,
    localparam int YBits = (OutH > 1) ? $clog2(OutH) : 1
) (
    input  logic                   clk_i,
    input  logic                   rst_i,
    input  logic                   step_i,
    output logic                   end_product_o,
    output logic                   end_step_o,
    output logic                   next_o,
    output logic                   next_end_step_o,
    output logic [            4:0] outermost_o,
    output logic [Pixels*Taps-1:0] inside_o,
    output logic [      YBits-1:0] y_o,
    output logic [      XBits-1:0] x_o
);

  localparam int StepW = Pixels * StrideW;
  localparam int Reach = KernelW + (Pixels - 1) * StrideW;  // columns of the windows of a step
  localparam int ColumnBits = (Columns > 1) ? $clog2(Columns) : 1;
  localparam int LineBits = (Lines > 1) ? $clog2(Lines) : 1;
  localparam int DeepBits = (Deep > 1) ? $clog2(Deep) : 1;
  localparam int GroupBits = (Groups > 1) ? $clog2(Groups) : 1;

  // ------------------------------------------------------------------------------- the next word
  logic lead, primed_q;
  logic last_deep, last_column, last_line, last_group, last_x, last_y;
  logic end_run, end_product, end_step, end_row;
  logic [DeepBits-1:0] unused_deep;
  logic [GroupBits-1:0] unused_group;
  logic [ColumnBits-1:0] column;
  logic [LineBits-1:0] line;

  assign lead = step_i || !primed_q;
  always_ff @(posedge clk_i) primed_q <= !rst_i;

  zf_count #(.Count(Deep)) u_deep (
      .clk_i, .rst_i, .step_i(lead), .value_o(unused_deep), .last_o(last_deep)
  );
  zf_count #(.Count(Columns)) u_column (
      .clk_i, .rst_i, .step_i(lead && last_deep), .value_o(column), .last_o(last_column)
  );
  zf_count #(.Count(Lines)) u_line (
      .clk_i, .rst_i, .step_i(lead && end_run), .value_o(line), .last_o(last_line)
  );
  zf_count #(.Count(Groups)) u_group (
      .clk_i, .rst_i, .step_i(lead && end_product), .value_o(unused_group), .last_o(last_group)
  );
  zf_count #(.Count(Steps)) u_x (
      .clk_i, .rst_i, .step_i(lead && end_step), .value_o(x_o), .last_o(last_x)
  );
  zf_count #(.Count(OutH)) u_y (
      .clk_i, .rst_i, .step_i(lead && end_row), .value_o(y_o), .last_o(last_y)
  );

  assign end_run     = last_deep && last_column;
  assign end_product = end_run && last_line;
  assign end_step    = end_product && last_group;
  assign end_row     = end_step && last_x;
  assign next_o          = lead;
  assign next_end_step_o = end_step;

  // Output rows at which window row k lies inside the map, and likewise for columns.
  logic [KernelH-1:0] row_inside;
  logic [Reach-1:0] column_inside;
  for (genvar k = 0; k < KernelH; k++) begin : g_row_inside
    localparam int First = (PadTop > k) ? (PadTop - k + StrideH - 1) / StrideH : 0;
    localparam int Below = InH - 1 + PadTop - k;  // negative: never inside
    assign row_inside[k] = Below >= 0 && (First == 0 || 32'(y_o) >= First)
        && (Below / StrideH >= OutH - 1 || 32'(y_o) <= Below / StrideH);
  end
  for (genvar k = 0; k < Reach; k++) begin : g_column_inside
    localparam int First = (PadLeft > k) ? (PadLeft - k + StepW - 1) / StepW : 0;
    localparam int Right = InW - 1 + PadLeft - k;
    assign column_inside[k] = Right >= 0 && (First == 0 || 32'(x_o) >= First)
        && (Right / StepW >= Steps - 1 || 32'(x_o) <= Right / StepW);
  end

  // ---------------------------------------------------------------------------- the current word
  logic [KernelH-1:0] row_inside_q;
  logic [Reach-1:0] column_inside_q;
  logic [LineBits-1:0] line_q;
  logic [ColumnBits-1:0] column_q;
  always_ff @(posedge clk_i) begin
    if (lead) begin
      end_product_o   <= end_product;
      end_step_o      <= end_step;
      outermost_o     <= {end_row && last_y, end_row && !last_y, end_step && !last_x,
                          end_product && !last_group, end_run && !last_line};
      row_inside_q    <= row_inside;
      column_inside_q <= column_inside;
      line_q          <= line;
      column_q        <= column;
    end
  end

  for (genvar p = 0; p < Pixels; p++) begin : g_pixel
    logic [KernelW-1:0] column_in;
    assign column_in = column_inside_q[p*StrideW+:KernelW];
    for (genvar t = 0; t < Taps; t++) begin : g_inside
      if (Taps == 1) begin : g_serial
        assign inside_o[p] = row_inside_q[line_q] && column_in[column_q];
      end else if (Taps == KernelH * KernelW) begin : g_full
        assign inside_o[p*Taps+t] = row_inside_q[t/KernelW] && column_in[t%KernelW];
      end else begin : g_column
        assign inside_o[p*Taps+t] = row_inside_q[t] && column_in[column_q];
      end
    end
  end

  logic unused;
  assign unused = ^{line_q, column_q};

endmodule
