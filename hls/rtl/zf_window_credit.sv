// SPDX-License-Identifier: Apache-2.0
//
// zf_window_credit: which output pixels of a sliding window have their input, which input has room.
//
// Counts input pixels in raster order, across frames. A step is `Pixels` output pixels of a row,
// whose windows together are Reach = KernelW + (Pixels - 1)*StrideW wide and move by
// StepW = Pixels*StrideW. Step (y, x) needs every input pixel up to their bottom right corner,
//   need(y, x) = min(y*StrideH - PadTop + KernelH - 1, InH - 1) * InW
//              + min(x*StepW - PadLeft + Reach, InW),
// and once it comes up, no later window reads the input pixels before
//   done(y, x) = y*StrideH >= PadTop ? (y*StrideH - PadTop)*InW + max(0, x*StepW - PadLeft) : 0.
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

  function automatic int least(input int a, input int b);
    least = (a < b) ? a : b;
  endfunction

  localparam int StepW = Pixels * StrideW;
  localparam int Reach = KernelW + (Pixels - 1) * StrideW;

  // Last step and row whose window does not hang over the right and the bottom edge; -1: none.
  localparam int ClipX =
      (InW + PadLeft < Reach) ? -1 : (InW + PadLeft - Reach) / StepW;
  localparam int ClipY = (InH + PadTop < KernelH) ? -1 : (InH + PadTop - KernelH) / StrideH;
  localparam int FreeX = (PadLeft + StepW - 1) / StepW;  // first column off the left padding
  localparam int FreeY = (PadTop + StrideH - 1) / StrideH;

  localparam int NeedX = least(Reach - PadLeft, InW);
  localparam int NeedXEnd = least((Steps - 1) * StepW - PadLeft + Reach, InW);
  localparam int NeedY = least(KernelH - PadTop - 1, InH - 1);
  localparam int NeedYEnd = least((OutH - 1) * StrideH - PadTop + KernelH - 1, InH - 1);
  localparam int DoneXEnd = (Steps - 1 >= FreeX) ? (Steps - 1) * StepW - PadLeft : 0;
  localparam int DoneEnd =
      (OutH - 1 >= FreeY) ? ((OutH - 1) * StrideH - PadTop) * InW + DoneXEnd : 0;

  initial begin
    if (PadTop >= KernelH || PadLeft >= KernelW)
      $fatal(1, "%m: pads %0d, %0d must be below the kernel", PadTop, PadLeft);
    if (Places < NeedY * InW + NeedX)
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

  // How much need and done grow from step (y, x) to the one after it.
  function automatic count_t more_need(input int y, input int x);
    if (x != Steps - 1) begin
      if (below(x, ClipX)) more_need = count_t'(StepW);
      else if (x == ClipX)
        more_need = count_t'(InW - (ClipX * StepW - PadLeft + Reach));
      else more_need = '0;
    end else if (y != OutH - 1) begin
      if (below(y, ClipY)) more_need = count_t'(StrideH * InW + NeedX - NeedXEnd);
      else if (y == ClipY)
        more_need =
            count_t'((InH - (ClipY * StrideH - PadTop + KernelH)) * InW + NeedX - NeedXEnd);
      else more_need = count_t'(NeedX - NeedXEnd);
    end else begin
      more_need = count_t'((InH - NeedYEnd + NeedY) * InW - NeedXEnd + NeedX);
    end
  endfunction

  function automatic count_t more_done(input int y, input int x);
    if (x != Steps - 1) begin
      if (below(y, FreeY) || below(x, FreeX - 1)) more_done = '0;
      else if (x == FreeX - 1) more_done = count_t'(FreeX * StepW - PadLeft);
      else more_done = count_t'(StepW);
    end else if (y != OutH - 1) begin
      if (below(y, FreeY - 1)) more_done = '0;
      else if (y == FreeY - 1) more_done = count_t'((FreeY * StrideH - PadTop) * InW);
      else more_done = count_t'(StrideH * InW - DoneXEnd);
    end else begin
      more_done = count_t'(InH * InW - DoneEnd);
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
      need_q  <= -more_need(0, 0);
      done_q  <= -more_done(0, 0);
      ahead_q <= count_t'(-(NeedY * InW + NeedX));
      above_q <= count_t'(-Places);
    end else begin
      if (step_i) begin
        need_q <= -more_need(int'(y_i), int'(x_i));
        done_q <= -more_done(int'(y_i), int'(x_i));
      end
      ahead_q <= count(ahead_q, step_i ? need_q : '0, stored_i);
      above_q <= count(above_q, step_i ? done_q : '0, stored_i);
    end
  end

  assign ready_o = !ahead_q[Bits-1];
  assign room_o  = above_q[Bits-1];

endmodule
