// SPDX-License-Identifier: Apache-2.0
//
// zf_window_credit: which output pixels of a sliding window have their input, which input has room.
//
// Counts input pixels in raster order, across frames. A step is `Pixels` output pixels of a row,
// whose windows together are Reach = KernelW + (Pixels - 1)*StrideW wide and move by
// StepW = Pixels*StrideW. Step (y, x) needs every input pixel up to their bottom right corner,
//   need(y, x) = (clamp(y*StrideH - PadTop + KernelH, 1, InH) - 1)*InW
//              + clamp(x*StepW - PadLeft + Reach, 1, InW)
// (one at least, also in the padding, so that no output comes before its frame),
// and once it comes up, no later window reads the input pixels before
//   top = y*StrideH - PadTop
//   done(y, x) = clamp(top, 0, InH)*InW + (0 <= top < InH ? clamp(x*StepW - PadLeft, 0, InW) : 0).
// Between neighbouring steps both grow by one of few constants; this unit adds them up, and has
// the next two ready in registers. Places is how many pixels the memory holds.
//   ahead = stored - need of the current step;  ready_o = ahead >= 0
//   above = stored - done - Places;             room_o = above < 0
// Latency: 1 cycle. Throughput: a pixel in and a step out a cycle.

module zf_window_credit #(
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
    parameter int Places  = 16,
    localparam int Steps = (OutW + Pixels - 1) / Pixels,  // of a row
    localparam int XBits = (Steps > 1) ? $clog2(Steps) : 1,
    localparam int YBits = (OutH > 1) ? $clog2(OutH) : 1
) (
    input  logic             clk_i,
    input  logic             rst_i,
    input  logic             stored_i,  // an input pixel is complete
    input  logic             step_i,    // the current step is read
    input  logic [YBits-1:0] y_i,       // the step after it
    input  logic [XBits-1:0] x_i,
    output logic             ready_o,
    output logic             room_o
);

  localparam int StepW = Pixels * StrideW;
  localparam int Reach = KernelW + (Pixels - 1) * StrideW;

  function automatic int clamp(input int value, input int least, input int most);
    clamp = (value < least) ? least : (value < most) ? value : most;
  endfunction

  function automatic int need(input int y, input int x);
    need = (clamp(y * StrideH - PadTop + KernelH, 1, InH) - 1) * InW
        + clamp(x * StepW - PadLeft + Reach, 1, InW);
  endfunction

  function automatic int done(input int y, input int x);
    int top;
    top  = y * StrideH - PadTop;
    done = clamp(top, 0, InH) * InW;
    if (top >= 0 && top < InH) done += clamp(x * StepW - PadLeft, 0, InW);
  endfunction

  // Need: the first step and row whose window is not all in the padding; the last ones whose window
  // does not hang over the right and the bottom edge, -1 if there is none.
  localparam int FirstX = (PadLeft < Reach) ? 0 : (PadLeft - Reach) / StepW + 1;
  localparam int FirstY = (PadTop < KernelH) ? 0 : (PadTop - KernelH) / StrideH + 1;
  localparam int ClipX =
      (InW + PadLeft < Reach) ? -1 : (InW + PadLeft - Reach) / StepW;
  localparam int ClipY = (InH + PadTop < KernelH) ? -1 : (InH + PadTop - KernelH) / StrideH;
  // Done: the first off the left and the upper padding, and the first beyond the map.
  localparam int FreeX = (PadLeft + StepW - 1) / StepW;
  localparam int FreeY = (PadTop + StrideH - 1) / StrideH;
  localparam int FullX = (InW + PadLeft + StepW - 1) / StepW;
  localparam int FullY = (InH + PadTop + StrideH - 1) / StrideH;

  localparam int NextX = need(0, 0) - need(0, Steps - 1);  // from the end of a row to the next
  localparam int DoneXEnd = clamp((Steps - 1) * StepW - PadLeft, 0, InW);

  initial begin
    if (Places < need(0, 0))
      $fatal(1, "%m: Places %0d cannot hold the first window", Places);
  end

  // Input is at most Places ahead and a window behind; done moves up to StrideH rows past what came.
  localparam int Most = (Places > KernelH * InW) ? Places : KernelH * InW;
  localparam int Bits = $clog2(Most + StrideH * InW + StepW + 1) + 1;
  typedef logic signed [Bits-1:0] count_t;

  // value < limit, by bits: one or two LUTs against a constant, where a carry chain would be four.
  function automatic logic below(input int value, input int limit);
    below = 1'b0;
    for (int b = 0; b < 31; b++) if (value[b] != limit[b]) below = limit[b];
    below = below && limit > 0;
  endfunction

  // How much need and done grow from step (y, x) to the one after it, negative: a choice among
  // constants, where a negation would be a carry chain.
  function automatic count_t less_need(input int y, input int x);
    if (x != Steps - 1) begin
      if (below(x, FirstX - 1)) less_need = '0;
      else if (x == FirstX - 1) less_need = count_t'(-(need(0, FirstX) - need(0, FirstX - 1)));
      else if (below(x, ClipX)) less_need = count_t'(-StepW);
      else if (x == ClipX)
        less_need = count_t'(-(InW - (ClipX * StepW - PadLeft + Reach)));
      else less_need = '0;
    end else if (y != OutH - 1) begin
      if (below(y, FirstY - 1)) less_need = count_t'(-NextX);
      else if (y == FirstY - 1)
        less_need = count_t'(-(need(FirstY, 0) - need(FirstY - 1, 0) + NextX));
      else if (below(y, ClipY)) less_need = count_t'(-(StrideH * InW + NextX));
      else if (y == ClipY)
        less_need = count_t'(-((InH - (ClipY * StrideH - PadTop + KernelH)) * InW + NextX));
      else less_need = count_t'(-NextX);
    end else begin
      less_need = count_t'(-(InH * InW - need(OutH - 1, Steps - 1) + need(0, 0)));
    end
  endfunction

  function automatic count_t less_done(input int y, input int x);
    if (x != Steps - 1) begin
      if (below(y, FreeY) || below(x, FreeX - 1)) less_done = '0;
      else if (FullY < OutH && !below(y, FullY)) less_done = '0;
      else if (x == FreeX - 1) less_done = count_t'(-(clamp(FreeX * StepW - PadLeft, 0, InW)));
      else if (FullX < Steps && x == FullX - 1)
        less_done = count_t'(-(InW - ((FullX - 1) * StepW - PadLeft)));
      else if (FullX < Steps && !below(x, FullX)) less_done = '0;
      else less_done = count_t'(-StepW);
    end else if (y != OutH - 1) begin
      if (below(y, FreeY - 1)) less_done = '0;
      else if (y == FreeY - 1) less_done = count_t'(-(done(FreeY, 0)));
      else if (FullY < OutH && y == FullY - 1)
        less_done = count_t'(-((InH - ((FullY - 1) * StrideH - PadTop)) * InW - DoneXEnd));
      else if (FullY < OutH && !below(y, FullY)) less_done = '0;
      else less_done = count_t'(-(StrideH * InW - DoneXEnd));
    end else begin
      less_done = count_t'(-(InH * InW - done(OutH - 1, Steps - 1)));
    end
  endfunction

  count_t need_q, done_q;  // what they grow by, negative
  count_t ahead_q, above_q;

  // The sum of three with a carry into the lowest bit: one carry chain.
  function automatic count_t count(input count_t value, input count_t less, input logic more);
    logic unused;
    {count, unused} = {value, 1'b1} + {less, more};
  endfunction

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      need_q  <= less_need(0, 0);
      done_q  <= less_done(0, 0);
      ahead_q <= count_t'(-need(0, 0));
      above_q <= count_t'(-Places);
    end else begin
      if (step_i) begin
        need_q <= less_need(int'(y_i), int'(x_i));
        done_q <= less_done(int'(y_i), int'(x_i));
      end
      ahead_q <= count(ahead_q, step_i ? need_q : '0, stored_i);
      above_q <= count(above_q, step_i ? done_q : '0, stored_i);
    end
  end

  assign ready_o = !ahead_q[Bits-1];
  assign room_o  = above_q[Bits-1];

endmodule
