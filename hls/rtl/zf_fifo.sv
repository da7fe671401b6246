// SPDX-License-Identifier: Apache-2.0
// First in, first out: holds exactly Depth words (3 for Depth = 2; 4 for Depth = 2 or 3 in block
// RAM), the words in the output registers included.
//
// Cut = 0: LUT RAM, read straight into the output register.
// Else block RAM, cut as Cut says (zf_block), whose read register and the output register behind it are a pipeline that
// closes its gaps, so that no further buffer is needed.
// s_tready_o, m_tvalid_o and m_tdata_o are registers.
//
// Latency 2 clocks (LUT RAM) or 3 (block RAM) through an empty FIFO; a word in and out every
// clock.
module zf_fifo #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 16,
  parameter logic [511:0] Cut = '0
) (
  input  logic             clk_i,
  input  logic             rst_i,

  input  logic [Width-1:0] s_tdata_i,
  input  logic             s_tvalid_i,
  output logic             s_tready_o,

  output logic [Width-1:0] m_tdata_o,
  output logic             m_tvalid_o,
  input  logic             m_tready_i
);

  if (Width < 1 || Depth < 2) begin : gen_bad
    initial $fatal(1, "%m: Width >= 1 and Depth >= 2 wanted, not %0d, %0d", Width, Depth);
  end

  // The words of the memory itself; the registers behind it hold the others.
  localparam int unsigned Stages = Cut == '0 ? 1 : 2;
  localparam int unsigned Words = Depth < Stages + 2 ? 2 : Depth - Stages;
  localparam int unsigned AddrBits = $clog2(Words);
  localparam int unsigned CountBits = $clog2(Words + 1);
  // Where a power of two takes no more primitives, the addresses wrap for nothing.
  localparam int unsigned Places = Words <= (Cut == '0 ? 64 : 4096) ? 2**AddrBits : Words;
  localparam bit Wrap = Places != 2**AddrBits;
  localparam logic [AddrBits-1:0] Last = AddrBits'(Places - 1);

  logic [AddrBits-1:0]  waddr_q, raddr_q;
  logic [CountBits-1:0] count_q;
  logic                 ready_q, some_q, valid_q;
  logic                 push, pop, read;
  logic [Width-1:0]     data_q;

  assign s_tready_o = ready_q;
  assign m_tvalid_o = valid_q;
  assign m_tdata_o  = data_q;
  assign push       = s_tvalid_i && ready_q;
  assign pop        = some_q && read;

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      waddr_q <= '0;
      raddr_q <= '0;
      count_q <= '0;
      ready_q <= 1'b0;
      some_q  <= 1'b0;
    end else begin
      if (push) waddr_q <= Wrap && waddr_q == Last ? '0 : waddr_q + 1'b1;
      if (pop) raddr_q <= Wrap && raddr_q == Last ? '0 : raddr_q + 1'b1;
      if (push != pop) begin
        count_q <= count_q + {{(CountBits - 1){pop}}, 1'b1};  // plus or minus 1
        some_q  <= push || count_q != CountBits'(1);
      end
      ready_q <= pop || !some_q || (ready_q && !(push && count_q == CountBits'(Words - 1)));
    end
  end

  if (Cut == '0) begin : gen_lut
    (* ram_style = "distributed" *) logic [Width-1:0] memory [Places];

    assign read = !valid_q || m_tready_i;

    always_ff @(posedge clk_i) begin
      if (push) memory[waddr_q] <= s_tdata_i;
      if (read) data_q <= memory[raddr_q];
      if (rst_i) valid_q <= 1'b0;
      else if (read) valid_q <= some_q;
    end
  end else begin : gen_block
    logic             fetched_q, move;
    logic [Width-1:0] word;

    assign move = !valid_q || m_tready_i;
    assign read = !fetched_q || move;

    zf_block #(
      .Width(Width),
      .Depth(Places),
      .Cut  (Cut)
    ) u_memory (
      .clk_i,
      .we_i   (push),
      .waddr_i(waddr_q),
      .wdata_i(s_tdata_i),
      .re_i   (read),
      .raddr_i(raddr_q),
      .rdata_o(word)
    );

    always_ff @(posedge clk_i) begin
      if (move) data_q <= word;
      if (rst_i) begin
        fetched_q <= 1'b0;
        valid_q   <= 1'b0;
      end else begin
        if (read) fetched_q <= some_q;
        if (move) valid_q <= fetched_q;
      end
    end
  end

endmodule
