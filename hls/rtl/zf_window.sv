// SPDX-License-Identifier: Apache-2.0
//
// zf_window: sliding window over a feature map, read word by word for a folded convolution.
//
// Keeps `Rows` rows of the map in a ring and, for every output pixel (y, x), reads the window with
// its top left corner at (y*StrideH - PadTop, x*StrideW - PadLeft), `Groups` times over. Positions
// outside the map read as code 0. A word holds `Taps` taps of `Lanes` channels, lane t*Lanes + c:
//   Taps = 1                all KernelH*KernelW taps one after the other, row by row
//   Taps = KernelH          a column of taps, the KernelW columns one after the other
//   Taps = KernelH*KernelW  the whole window
// and the Channels/Lanes channel groups follow each other innermost.
//
// A pixel is computed as soon as its last input pixel is stored, and an input pixel's place is free
// as soon as no later window needs it, so that the next rows and the next frame stream in while
// this one is computed.
//
// Latency: a word leaves 3 cycles after it is issued; fetch_o is 2 cycles ahead of its word.
// Throughput: a word a cycle while input is ahead and go_i (room for one more product) is high.
// A product, once begun, runs to its last word without a gap; take_o marks its beginning.

module zf_window #(
    parameter int          Bits     = 4,
    parameter int          Channels = 2,
    parameter int          Lanes    = 1,
    parameter int          InH      = 4,
    parameter int          InW      = 4,
    parameter int          KernelH  = 3,
    parameter int          KernelW  = 3,
    parameter int          StrideH  = 1,
    parameter int          StrideW  = 1,
    parameter int          PadTop   = 1,
    parameter int          PadLeft  = 1,
    parameter int          OutH     = 4,
    parameter int          OutW     = 4,
    parameter int          Taps     = 1,
    parameter int          Groups   = 1,
    parameter int          Rows     = 4,
    parameter int unsigned Block    = 0
) (
    input  logic                       clk_i,
    input  logic                       rst_i,
    input  logic [     Lanes*Bits-1:0] s_tdata_i,
    input  logic                       s_tvalid_i,
    output logic                       s_tready_o,
    input  logic                       go_i,
    output logic                       take_o,
    output logic                       fetch_o,
    output logic                       m_valid_o,
    output logic                       m_last_o,
    output logic [Taps*Lanes*Bits-1:0] m_data_o
);

  localparam int Width = Lanes * Bits;
  localparam int Deep = Channels / Lanes;  // channel groups of a pixel
  localparam bit Serial = (Taps == 1);
  localparam bit Full = !Serial && (Taps == KernelH * KernelW);
  localparam int Banks = Serial ? 1 : Rows;  // rows that are read in one cycle
  localparam int Copies = Full ? KernelW : 1;  // columns that are read in one cycle
  localparam int BankDepth = Serial ? Rows * InW * Deep : InW * Deep;
  localparam int AddrBits = (BankDepth > 1) ? $clog2(BankDepth) : 1;

  initial begin
    if (Channels % Lanes != 0) $fatal(1, "%m: Lanes %0d must divide %0d", Lanes, Channels);
    if (!Serial && !Full && Taps != KernelH)
      $fatal(1, "%m: Taps must be 1, KernelH or KernelH*KernelW, not %0d", Taps);
    if (!Serial && Rows < KernelH) $fatal(1, "%m: Rows %0d must be %0d or more", Rows, KernelH);
  end

  function automatic int wrap(input int value, input int modulus);
    wrap = ((value % modulus) + modulus) % modulus;
  endfunction

  // --------------------------------------------------------------------------------------- words
  localparam int Columns = Full ? 1 : KernelW;  // of a run of consecutive addresses
  localparam int Lines = Serial ? KernelH : 1;  // runs of a product

  logic step, first_q, ready;
  logic end_run, end_product, end_pixel, end_row, end_frame;
  logic [Taps-1:0] in_map;  // of the current word's taps
  zf_window_walk #(
      .InH(InH), .InW(InW), .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH),
      .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft), .OutH(OutH), .OutW(OutW), .Taps(Taps),
      .Deep(Deep), .Columns(Columns), .Lines(Lines), .Groups(Groups)
  ) u_walk (
      .clk_i, .rst_i, .step_i(step), .end_run_o(end_run), .end_product_o(end_product),
      .end_pixel_o(end_pixel), .end_row_o(end_row), .end_frame_o(end_frame), .inside_o(in_map)
  );

  // Only the first word of a product waits; the rest of its window is stored by then.
  assign step   = !first_q || (ready && go_i);
  assign take_o = first_q && ready && go_i;

  always_ff @(posedge clk_i) begin
    if (rst_i) first_q <= 1'b1;
    else if (step) first_q <= end_product;
  end

  // ------------------------------------------------------------------------------------- storage
  logic store, stored, last_stored, last_addr, last_bank;
  logic [((Deep > 1) ? $clog2(Deep) : 1)-1:0] unused_stored;
  assign store  = s_tvalid_i && s_tready_o;
  assign stored = store && last_stored;
  zf_count #(.Count(Deep)) u_stored (
      .clk_i, .rst_i, .step_i(store), .value_o(unused_stored), .last_o(last_stored)
  );

  zf_window_credit #(
      .InH(InH), .InW(InW), .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH),
      .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft), .OutH(OutH), .OutW(OutW), .Rows(Rows)
  ) u_credit (
      .clk_i, .rst_i, .stored_i(stored), .pixel_i(step && end_pixel), .ready_o(ready),
      .room_o(s_tready_o)
  );

  logic [AddrBits-1:0] write_addr;
  logic [((Banks > 1) ? $clog2(Banks) : 1)-1:0] write_bank;
  zf_count #(.Count(BankDepth)) u_write (
      .clk_i, .rst_i, .step_i(store), .value_o(write_addr), .last_o(last_addr)
  );
  zf_count #(.Count(Banks)) u_bank (
      .clk_i, .rst_i, .step_i(store && last_addr), .value_o(write_bank), .last_o(last_bank)
  );

  // ------------------------------------------------------------------------------ read addresses
  // Every move of the window is one of six constant distances in the ring.
  localparam int Span = (Serial ? ((KernelH - 1) * InW + KernelW) * Deep : Columns * Deep) - 1;
  localparam int RowWords = Serial ? InW * Deep : 0;  // other rows are other banks
  localparam int RowLength = (OutW - 1) * StrideW * Deep;
  localparam int FrameRows = InH - (OutH - 1) * StrideH;
  localparam int MoveWord = wrap(1, BankDepth);
  localparam int MoveLine = wrap((InW - KernelW) * Deep + 1, BankDepth);
  localparam int MoveGroup = wrap(-Span, BankDepth);
  localparam int MovePixel = wrap(StrideW * Deep - Span, BankDepth);
  localparam int MoveRow = wrap(StrideH * RowWords - RowLength - Span, BankDepth);
  localparam int MoveFrame = wrap(FrameRows * RowWords - RowLength - Span, BankDepth);

  function automatic logic [AddrBits:0] behind(input int move);
    behind = (AddrBits + 1)'(move - BankDepth);
  endfunction

  logic [AddrBits-1:0] move;
  logic [AddrBits:0] back;
  always_comb begin
    if (end_frame) begin
      move = AddrBits'(MoveFrame);
      back = behind(MoveFrame);
    end else if (end_row) begin
      move = AddrBits'(MoveRow);
      back = behind(MoveRow);
    end else if (end_pixel) begin
      move = AddrBits'(MovePixel);
      back = behind(MovePixel);
    end else if (end_product) begin
      move = AddrBits'(MoveGroup);
      back = behind(MoveGroup);
    end else if (end_run) begin
      move = AddrBits'(MoveLine);
      back = behind(MoveLine);
    end else begin
      move = AddrBits'(MoveWord);
      back = behind(MoveWord);
    end
  end

  // The bank that holds the window's first row.
  localparam int TopRow = wrap(StrideH, Rows);
  localparam int TopFrame = wrap(FrameRows, Rows);
  logic [Rows-1:0] top_q;  // one-hot
  always_ff @(posedge clk_i) begin
    for (int b = 0; b < Rows; b++) begin
      if (rst_i) top_q[b] <= (b == wrap(-PadTop, Rows));
      else if (step && end_row)
        top_q[b] <= end_frame ? top_q[wrap(b-TopFrame, Rows)] : top_q[wrap(b-TopRow, Rows)];
    end
  end

  // Bank b holds window row k where b = (top + k) mod Rows; a tap outside the map selects none.
  logic [Taps*Banks-1:0] select_q, select_qq;
  for (genvar t = 0; t < Taps; t++) begin : g_select
    localparam int Row = Full ? t / KernelW : t;
    for (genvar b = 0; b < Banks; b++) begin : g_bank
      always_ff @(posedge clk_i)
        select_q[t*Banks+b] <= in_map[t] && (Serial || top_q[wrap(b-Row, Rows)]);
    end
  end
  always_ff @(posedge clk_i) select_qq <= select_q;

  // ---------------------------------------------------------------------------------- read words
  logic valid_q, valid_qq, last_q, last_qq;
  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      valid_q   <= 1'b0;
      valid_qq  <= 1'b0;
      m_valid_o <= 1'b0;
    end else begin
      valid_q   <= step;
      valid_qq  <= valid_q;
      m_valid_o <= valid_qq;
    end
    last_q   <= end_product;
    last_qq  <= last_q;
    m_last_o <= last_qq;
  end
  assign fetch_o = valid_q;

  logic [Copies*Banks*Width-1:0] read;
  for (genvar i = 0; i < Copies; i++) begin : g_copy
    localparam int Start =
        wrap((Serial ? -PadTop * InW * Deep : 0) + (i - PadLeft) * Deep, BankDepth);
    logic [AddrBits-1:0] read_addr;
    zf_ring #(.Modulus(BankDepth), .Start(Start)) u_read (
        .clk_i, .rst_i, .step_i(step), .move_i(move), .back_i(back), .value_o(read_addr)
    );
    for (genvar b = 0; b < Banks; b++) begin : g_bank
      zf_ram #(.Width(Width), .Depth(BankDepth), .Block(Block)) u_ram (
          .clk_i, .we_i(store && 32'(write_bank) == b), .waddr_i(write_addr),
          .wdata_i(s_tdata_i), .raddr_i(read_addr), .rdata_o(read[(i*Banks+b)*Width+:Width])
      );
    end
  end

  for (genvar t = 0; t < Taps; t++) begin : g_tap
    localparam int Copy = Full ? t % KernelW : 0;
    logic [Width-1:0] tap;
    always_comb begin
      tap = '0;
      for (int b = 0; b < Banks; b++)
        tap = tap | (read[(Copy*Banks+b)*Width+:Width] & {Width{select_qq[t*Banks+b]}});
    end
    always_ff @(posedge clk_i) m_data_o[t*Width+:Width] <= tap;
  end

  logic unused;
  assign unused = ^{last_bank, top_q};

endmodule
