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
//   spare = Places - (stored - done) - 1;       room_o = spare >= 0
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
    parameter int Places  = 16
) (
    input  logic clk_i,
    input  logic rst_i,
    input  logic stored_i,  // an input pixel is complete
    input  logic step_i,    // the current step is read
    output logic ready_o,
    output logic room_o
);

  function automatic int least(input int a, input int b);
    least = (a < b) ? a : b;
  endfunction

  localparam int Steps = (OutW + Pixels - 1) / Pixels;  // of a row
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

  // How much need and done grow from step (y, x) to the one after it, less a constant.
  function automatic count_t more_need(input int y, input int x, input int less);
    if (x != Steps - 1) begin
      if (below(x, ClipX)) more_need = count_t'(StepW - less);
      else if (x == ClipX)
        more_need = count_t'(InW - (ClipX * StepW - PadLeft + Reach) - less);
      else more_need = count_t'(-less);
    end else if (y != OutH - 1) begin
      if (below(y, ClipY)) more_need = count_t'(StrideH * InW + NeedX - NeedXEnd - less);
      else if (y == ClipY)
        more_need =
            count_t'((InH - (ClipY * StrideH - PadTop + KernelH)) * InW + NeedX - NeedXEnd - less);
      else more_need = count_t'(NeedX - NeedXEnd - less);
    end else begin
      more_need = count_t'((InH - NeedYEnd + NeedY) * InW - NeedXEnd + NeedX - less);
    end
  endfunction

  function automatic count_t more_done(input int y, input int x, input int less);
    if (x != Steps - 1) begin
      if (below(y, FreeY) || below(x, FreeX - 1)) more_done = count_t'(-less);
      else if (x == FreeX - 1) more_done = count_t'(FreeX * StepW - PadLeft - less);
      else more_done = count_t'(StepW - less);
    end else if (y != OutH - 1) begin
      if (below(y, FreeY - 1)) more_done = count_t'(-less);
      else if (y == FreeY - 1) more_done = count_t'((FreeY * StrideH - PadTop) * InW - less);
      else more_done = count_t'(StrideH * InW - DoneXEnd - less);
    end else begin
      more_done = count_t'(InH * InW - DoneEnd - less);
    end
  endfunction

  // The step after the current one.
  localparam int XBits = (Steps > 1) ? $clog2(Steps) : 1;
  localparam int YBits = (OutH > 1) ? $clog2(OutH) : 1;
  logic [XBits-1:0] x;
  logic [YBits-1:0] y;
  logic last_x, unused_last;
  zf_count #(.Count(Steps), .Start(Steps > 1 ? 1 : 0)) u_x (
      .clk_i, .rst_i, .step_i(step_i), .value_o(x), .last_o(last_x)
  );
  zf_count #(.Count(OutH), .Start(Steps == 1 && OutH > 1 ? 1 : 0)) u_y (
      .clk_i, .rst_i, .step_i(step_i && last_x), .value_o(y), .last_o(unused_last)
  );

  // Each with the pixel that may be stored in the same cycle taken off: one adder, not two.
  count_t need_q, need_less_q, done_q, done_less_q, ahead_q, spare_q;
  count_t fall, rise;
  assign fall = step_i ? (stored_i ? need_less_q : need_q) : (stored_i ? '1 : '0);
  assign rise = step_i ? (stored_i ? done_less_q : done_q) : (stored_i ? '1 : '0);

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      need_q      <= more_need(0, 0, 0);
      need_less_q <= more_need(0, 0, 1);
      done_q      <= more_done(0, 0, 0);
      done_less_q <= more_done(0, 0, 1);
      ahead_q     <= count_t'(-(NeedY * InW + NeedX));
      spare_q     <= count_t'(Places - 1);
    end else begin
      if (step_i) begin
        need_q      <= more_need(int'(y), int'(x), 0);
        need_less_q <= more_need(int'(y), int'(x), 1);
        done_q      <= more_done(int'(y), int'(x), 0);
        done_less_q <= more_done(int'(y), int'(x), 1);
      end
      ahead_q <= ahead_q - fall;
      spare_q <= spare_q + rise;
    end
  end

  assign ready_o = !ahead_q[Bits-1];
  assign room_o  = !spare_q[Bits-1];

endmodule
