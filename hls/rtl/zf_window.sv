// SPDX-License-Identifier: Apache-2.0
//
// zf_window: sliding window over a feature map, read word by word for a folded convolution.
//
// Keeps `Places` pixels of the map in a ring and, for every step of `Pixels` neighbouring output
// pixels, reads their windows side by side, `Groups` times over. The window of output pixel (y, x)
// has its top left corner at (y*StrideH - PadTop, x*StrideW - PadLeft). Positions outside the map
// read as code 0; pixels of a row's last step beyond OutW read as anything. A word holds `Taps`
// taps of `Lanes` channels of each pixel, lane p*Taps*Lanes + t*Lanes + c:
//   Taps = 1                all KernelH*KernelW taps one after the other, row by row
//   Taps = KernelH          a column of taps, the KernelW columns one after the other
//   Taps = KernelH*KernelW  the whole window
// and the Channels/Lanes channel groups follow each other innermost. Where Toggle[p] is set, the
// codes of pixel p leave with their top bit inverted. For a cascade, the lanes of each pixel come
// skewed over ceil(Taps*Lanes/Chains) stages as those of zf_skew.
//
// A step is computed as soon as its last input pixel is stored, and an input pixel's place is free
// as soon as no later window needs it, so that the next rows and the next frame stream in while
// this one is computed.
//
// Each further pixel of a step, and each further column that is read at once, has a memory of its
// own, which holds the same pixels as many places to the left, so that one address serves all. The
// windows of a 1x1 convolution share no pixels: the memories take them in turn (zf_window_write).
//
// Latency: a word's stage 0 leaves 2 cycles after it is issued, 3 where Taps > 1; fetch_o is 2
// cycles ahead of its word.
// Throughput: a word a cycle while input is ahead and go_i (room for one more product) is high.
// A product, once begun, runs to its last word without a gap, and where Pixels > 1 all products of
// a step do; take_o marks their beginning.

module zf_window #(
    parameter int              Bits     = 4,
    parameter int              Channels = 2,
    parameter int              Lanes    = 1,
    parameter int              InH      = 4,
    parameter int              InW      = 4,
    parameter int              KernelH  = 3,
    parameter int              KernelW  = 3,
    parameter int              StrideH  = 1,
    parameter int              StrideW  = 1,
    parameter int              PadTop   = 1,
    parameter int              PadLeft  = 1,
    parameter int              OutH     = 4,
    parameter int              OutW     = 4,
    parameter int              Pixels   = 1,
    parameter int              Taps     = 1,
    parameter int              Groups   = 1,
    parameter int              Places   = 16,
    parameter int              Chains   = Taps * Lanes,
    parameter logic [Pixels-1:0] Toggle = '0,
    parameter logic [511:0] Cut    = '0
) (
    input  logic                              clk_i,
    input  logic                              rst_i,
    input  logic [            Lanes*Bits-1:0] s_tdata_i,
    input  logic                              s_tvalid_i,
    output logic                              s_tready_o,
    input  logic                              go_i,
    output logic                              take_o,
    output logic                              fetch_o,
    output logic                              m_valid_o,
    output logic                              m_last_o,
    output logic [Pixels*Taps*Lanes*Bits-1:0] m_data_o
);

  localparam int Width = Lanes * Bits;
  localparam int Deep = Channels / Lanes;  // channel groups of a pixel
  localparam bit Serial = (Taps == 1);
  localparam bit Full = !Serial && (Taps == KernelH * KernelW);
  localparam int Rows = Serial ? 1 : Places / InW;
  localparam int Banks = Rows;  // rows that are read in one cycle
  localparam int Columns = Full ? KernelW : 1;  // columns that are read in one cycle
  localparam int Copies = Pixels * Columns;
  localparam bit Banked = Pixels > 1 && InH == 1 && KernelH == 1 && KernelW == 1 && StrideW == 1
      && PadTop == 0 && PadLeft == 0 && OutH == 1 && OutW == InW && InW % Pixels == 0;
  localparam int Share = Banked ? Pixels : 1;  // a memory holds every Share-th pixel of the map
  localparam int BankDepth = (Serial ? Places / Share : InW) * Deep;
  localparam int AddrBits = (BankDepth > 1) ? $clog2(BankDepth) : 1;
  // An address that goes down a cascade reads a word's last lanes as many cycles later.
  localparam int Late = Serial ? (Taps * Lanes + Chains - 1) / Chains - 1 : 0;
  localparam int Guard = (Late + Deep - 1) / Deep * Share;
  localparam int Steps = (OutW + Pixels - 1) / Pixels;  // of a row
  localparam int StepW = Pixels * StrideW / Share;  // in a memory
  localparam logic [Bits-1:0] TopBit = {1'b1, {(Bits - 1) {1'b0}}};

  initial begin
    if (Channels % Lanes != 0) $fatal(1, "%m: Lanes %0d must divide %0d", Lanes, Channels);
    if (!Serial && !Full && Taps != KernelH)
      $fatal(1, "%m: Taps must be 1, KernelH or KernelH*KernelW, not %0d", Taps);
    if (!Serial && (Places % InW != 0 || Rows < KernelH))
      $fatal(1, "%m: Places %0d must be %0d rows or more of %0d", Places, KernelH, InW);
    if (Places % Share != 0) $fatal(1, "%m: Pixels %0d must divide Places %0d", Pixels, Places);
  end

  function automatic int wrap(input int value, input int modulus);
    wrap = ((value % modulus) + modulus) % modulus;
  endfunction

  // --------------------------------------------------------------------------------------- words
  localparam int Run = Full ? 1 : KernelW;  // columns of consecutive addresses
  localparam int Lines = Serial ? KernelH : 1;  // runs of a product

  logic step, first_q, ready;
  logic end_product, end_step, end_frame, next_word, next_end_step;
  logic [4:0] outermost;  // frame, row, step, product, run
  logic [Pixels*Taps-1:0] in_map;  // of the current word's taps
  logic [((OutH > 1) ? $clog2(OutH) : 1)-1:0] y;  // step of the word after
  logic [((Steps > 1) ? $clog2(Steps) : 1)-1:0] x;
  zf_window_walk #(
      .InH(InH), .InW(InW), .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH),
      .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft), .OutH(OutH), .OutW(OutW),
      .Pixels(Pixels), .Taps(Taps), .Deep(Deep), .Columns(Run), .Lines(Lines), .Groups(Groups)
  ) u_walk (
      .clk_i, .rst_i, .step_i(step), .end_product_o(end_product), .end_step_o(end_step),
      .next_o(next_word), .next_end_step_o(next_end_step), .outermost_o(outermost),
      .inside_o(in_map), .y_o(y), .x_o(x)
  );

  // Only the first word waits; the rest of its window is stored by then.
  assign step   = !first_q || (ready && go_i);
  assign take_o = first_q && ready && go_i;

  logic next_first;  // the next word begins a product, or a step of several pixels
  assign next_first = !step || ((Pixels > 1) ? end_step : end_product);
  always_ff @(posedge clk_i) begin
    if (rst_i) first_q <= 1'b1;
    else if (step) first_q <= next_first;
  end

  // step && end_step, with all that is known before in registers: carry chains wait for it.
  logic ends_first_q, ends_later_q, step_ends;
  always_ff @(posedge clk_i) begin
    if (rst_i) {ends_first_q, ends_later_q} <= '0;
    else if (next_word) begin
      ends_first_q <= next_end_step && next_first;
      ends_later_q <= next_end_step && !next_first;
    end
  end
  assign step_ends = ends_later_q || (ends_first_q && ready && go_i);

  // ------------------------------------------------------------------------------------- storage
  logic store, stored, last_stored;
  logic [((Deep > 1) ? $clog2(Deep) : 1)-1:0] unused_stored;
  assign store  = s_tvalid_i && s_tready_o;
  assign stored = store && last_stored;
  zf_count #(.Count(Deep)) u_stored (
      .clk_i, .rst_i, .step_i(store), .value_o(unused_stored), .last_o(last_stored)
  );

  zf_window_credit #(
      .InH(InH), .InW(InW), .KernelH(KernelH), .KernelW(KernelW), .StrideH(StrideH),
      .StrideW(StrideW), .PadTop(PadTop), .PadLeft(PadLeft), .OutH(OutH), .OutW(OutW),
      .Pixels(Pixels), .Places(Places - Guard)
  ) u_credit (
      .clk_i, .rst_i, .stored_i(stored), .step_i(step_ends), .y_i(y), .x_i(x),
      .ready_o(ready), .room_o(s_tready_o)
  );

  logic [Copies*AddrBits-1:0] write_addr;
  logic [Copies*Banks-1:0] write;
  zf_window_write #(
      .Copies(Copies), .Columns(Columns), .StrideW(StrideW), .Rows(Banks), .Deep(Deep),
      .Depth(BankDepth), .Banked(Banked)
  ) u_write (
      .clk_i, .rst_i, .store_i(store), .last_i(last_stored), .addr_o(write_addr), .we_o(write)
  );

  // -------------------------------------------------------------------------------- read address
  // Every move of the window is one of six constant distances in the ring.
  localparam int Span = (Serial ? ((KernelH - 1) * InW + KernelW) * Deep : Run * Deep) - 1;
  localparam int RowWords = Serial ? InW / Share * Deep : 0;  // other rows are other banks
  localparam int RowLength = (Steps - 1) * StepW * Deep;
  localparam int FrameRows = InH - (OutH - 1) * StrideH;
  localparam int MoveWord = wrap(1, BankDepth);
  localparam int MoveLine = wrap((InW - KernelW) * Deep + 1, BankDepth);
  localparam int MoveGroup = wrap(-Span, BankDepth);
  localparam int MoveStep = wrap(StepW * Deep - Span, BankDepth);
  localparam int MoveRow = wrap(StrideH * RowWords - RowLength - Span, BankDepth);
  localparam int MoveFrame = wrap(FrameRows * RowWords - RowLength - Span, BankDepth);
  localparam int Start = wrap(-(PadTop * RowWords + PadLeft * Deep), BankDepth);

  function automatic logic [AddrBits:0] behind(input int move);
    behind = (AddrBits + 1)'(move - BankDepth);
  endfunction

  logic [AddrBits-1:0] move, read_addr;
  logic [AddrBits:0] back;
  assign end_frame = outermost[4];

  // A sum of products, not a choice: each bit of it is one LUT.
  function automatic logic [AddrBits:0] chosen(input logic [AddrBits:0] frame, row, next, group,
                                               line, word);
    chosen = ({(AddrBits + 1){outermost[4]}} & frame) | ({(AddrBits + 1){outermost[3]}} & row)
        | ({(AddrBits + 1){outermost[2]}} & next) | ({(AddrBits + 1){outermost[1]}} & group)
        | ({(AddrBits + 1){outermost[0]}} & line) | ({(AddrBits + 1){outermost == '0}} & word);
  endfunction

  assign move = AddrBits'(chosen((AddrBits + 1)'(MoveFrame), (AddrBits + 1)'(MoveRow),
                                 (AddrBits + 1)'(MoveStep), (AddrBits + 1)'(MoveGroup),
                                 (AddrBits + 1)'(MoveLine), (AddrBits + 1)'(MoveWord)));
  assign back = chosen(behind(MoveFrame), behind(MoveRow), behind(MoveStep), behind(MoveGroup),
                       behind(MoveLine), behind(MoveWord));
  zf_ring #(.Modulus(BankDepth), .Start(Start)) u_read (
      .clk_i, .rst_i, .step_i(step), .move_i(move), .back_i(back), .value_o(read_addr)
  );

  // The bank that holds the window's first row.
  localparam int TopRow = wrap(StrideH, Rows);
  localparam int TopFrame = wrap(FrameRows, Rows);
  logic [Rows-1:0] top_q;  // one-hot
  always_ff @(posedge clk_i) begin
    for (int b = 0; b < Rows; b++) begin
      if (rst_i) top_q[b] <= (b == wrap(-PadTop, Rows));
      else if (step && |outermost[4:3])
        top_q[b] <= end_frame ? top_q[wrap(b-TopFrame, Rows)] : top_q[wrap(b-TopRow, Rows)];
    end
  end

  // ---------------------------------------------------------------------------------- read words
  logic valid_q, last_q;
  always_ff @(posedge clk_i) begin
    valid_q <= step && !rst_i;
    last_q  <= end_product;
  end

  if (Serial) begin : g_serial
    assign fetch_o = step;
    always_ff @(posedge clk_i) begin
      m_valid_o <= valid_q && !rst_i;
      m_last_o  <= last_q;
    end
    for (genvar p = 0; p < Pixels; p++) begin : g_pixel
      localparam logic [Bits-1:0] Zero = Toggle[p] ? TopBit : '0;
      logic outside_q;
      always_ff @(posedge clk_i) outside_q <= !in_map[p];
      zf_ram_skew #(
          .Lanes(Lanes), .Bits(Bits), .Chains(Chains), .Depth(BankDepth), .Cut(Cut),
          .ClearTo(Zero)
      ) u_ram (
          .clk_i, .we_i(write[p]), .waddr_i(write_addr[p*AddrBits+:AddrBits]),
          .wdata_i(s_tdata_i ^ {Lanes{Zero}}),
          .raddr_i(read_addr), .clear_i(outside_q), .rdata_o(m_data_o[p*Width+:Width])
      );
    end
    logic unused;
    assign unused = ^top_q;
  end else begin : g_parallel
    logic valid_qq, last_qq;
    logic [Copies*Banks*Width-1:0] read;
    assign fetch_o = valid_q;
    always_ff @(posedge clk_i) begin
      valid_qq  <= valid_q && !rst_i;
      last_qq   <= last_q;
      m_valid_o <= valid_qq && !rst_i;
      m_last_o  <= last_qq;
    end

    // Bank b holds window row k where b = (top + k) mod Rows; a tap outside the map selects none.
    for (genvar p = 0; p < Pixels; p++) begin : g_pixel
      logic [Taps*Width-1:0] word_q;
      for (genvar t = 0; t < Taps; t++) begin : g_tap
        localparam int Row = Full ? t / KernelW : t;
        localparam int Copy = p * Columns + (Full ? t % KernelW : 0);
        logic [Banks-1:0] select_q, select_qq;
        logic [Width-1:0] tap;
        always_ff @(posedge clk_i) begin
          for (int b = 0; b < Banks; b++)
            select_q[b] <= in_map[p*Taps+t] && top_q[wrap(b-Row, Rows)];
          select_qq <= select_q;
        end
        always_comb begin
          tap = {Lanes{Toggle[p] ? TopBit : Bits'(0)}};
          for (int b = 0; b < Banks; b++)
            tap = tap ^ (read[(Copy*Banks+b)*Width+:Width] & {Width{select_qq[b]}});
        end
        always_ff @(posedge clk_i) word_q[t*Width+:Width] <= tap;
      end
      zf_skew #(.Lanes(Taps * Lanes), .Bits(Bits), .Chains(Chains)) u_skew (
          .clk_i, .data_i(word_q), .data_o(m_data_o[p*Taps*Width+:Taps*Width])
      );
    end

    for (genvar i = 0; i < Copies * Banks; i++) begin : g_bank
      zf_ram #(.Width(Width), .Depth(BankDepth), .Cut(Cut)) u_ram (
          .clk_i, .we_i(write[i]), .waddr_i(write_addr[i/Banks*AddrBits+:AddrBits]),
          .wdata_i(s_tdata_i), .raddr_i(read_addr), .clear_i(1'b0),
          .rdata_o(read[i*Width+:Width])
      );
    end
  end

endmodule
