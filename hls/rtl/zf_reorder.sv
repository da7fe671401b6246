// SPDX-License-Identifier: Apache-2.0
//
// zf_reorder: output buffer of a convolution of several pixels a step.
//
// A step's products come group by group, Pixels words each; the words leave pixel by pixel, all
// Groups of a pixel together. The last step of a row of OutW pixels has what is left of it; the
// rest of its words is dropped. Blocks steps have room; go_o says that one more may begin, take_i
// begins it.
// Latency: 2 cycles from a step's last word to its first one out. Throughput: a word a cycle.

module zf_reorder #(
    parameter int          Bits   = 4,
    parameter int          Pixels = 2,
    parameter int          Groups = 4,
    parameter int          OutW   = 4,
    parameter int          Blocks = 2
) (
    input  logic            clk_i,
    input  logic            rst_i,
    input  logic            take_i,
    output logic            go_o,
    input  logic            s_valid_i,
    input  logic [Bits-1:0] s_data_i,
    output logic [Bits-1:0] m_tdata_o,
    output logic            m_tvalid_o,
    input  logic            m_tready_i
);

  localparam int Steps = (OutW + Pixels - 1) / Pixels;  // of a row
  localparam int Rest = OutW - (Steps - 1) * Pixels;  // pixels of a row's last step
  localparam int GroupBits = (Groups > 1) ? $clog2(Groups) : 0;
  localparam int PixelBits = $clog2(Pixels);
  localparam int BlockBits = $clog2(Blocks);
  localparam int AddrBits = BlockBits + PixelBits + GroupBits;
  localparam int Depth = Blocks << (PixelBits + GroupBits);

  initial
    if (Pixels < 2 || Blocks < 2)
      $fatal(1, "%m: Pixels and Blocks must be at least 2, not %0d, %0d", Pixels, Blocks);

  // ------------------------------------------------------------------------------------- credits
  localparam int FreeBits = $clog2(Blocks + 1) + 1;
  logic signed [FreeBits-1:0] free_q;  // less one
  logic release_step;
  assign go_o = !free_q[FreeBits-1];
  always_ff @(posedge clk_i) begin
    if (rst_i) free_q <= FreeBits'(Blocks - 1);
    else if (take_i != release_step) free_q <= take_i ? free_q - 1'b1 : free_q + 1'b1;
  end

  // --------------------------------------------------------------------------------------- write
  logic last_write_pixel, last_write_group, unused_write_block, written;
  logic [PixelBits-1:0] write_pixel;
  logic [((Groups > 1) ? $clog2(Groups) : 1)-1:0] write_group;
  logic [BlockBits-1:0] write_block;
  zf_count #(.Count(Pixels)) u_write_pixel (
      .clk_i, .rst_i, .step_i(s_valid_i), .value_o(write_pixel), .last_o(last_write_pixel)
  );
  zf_count #(.Count(Groups)) u_write_group (
      .clk_i, .rst_i, .step_i(s_valid_i && last_write_pixel), .value_o(write_group),
      .last_o(last_write_group)
  );
  zf_count #(.Count(Blocks)) u_write_block (
      .clk_i, .rst_i, .step_i(written), .value_o(write_block), .last_o(unused_write_block)
  );
  assign written = s_valid_i && last_write_pixel && last_write_group;

  // ---------------------------------------------------------------------------------------- read
  localparam int FullBits = $clog2(Blocks + 1);
  logic load, last_read_group, last_pixel, last_step, unused_read_block;
  logic [FullBits-1:0] full_q;  // whole steps
  logic [PixelBits-1:0] read_pixel;
  logic [((Groups > 1) ? $clog2(Groups) : 1)-1:0] read_group;
  logic [BlockBits-1:0] read_block;
  logic [((Steps > 1) ? $clog2(Steps) : 1)-1:0] unused_step;

  assign load = full_q != '0 && (!m_tvalid_o || m_tready_i);
  zf_count #(.Count(Groups)) u_read_group (
      .clk_i, .rst_i, .step_i(load), .value_o(read_group), .last_o(last_read_group)
  );
  assign last_pixel = read_pixel == PixelBits'(last_step ? Rest - 1 : Pixels - 1);
  always_ff @(posedge clk_i) begin
    if (rst_i) read_pixel <= '0;
    else if (load && last_read_group) read_pixel <= last_pixel ? '0 : read_pixel + 1'b1;
  end
  assign release_step = load && last_read_group && last_pixel;
  zf_count #(.Count(Blocks)) u_read_block (
      .clk_i, .rst_i, .step_i(release_step), .value_o(read_block), .last_o(unused_read_block)
  );
  zf_count #(.Count(Steps)) u_step (
      .clk_i, .rst_i, .step_i(release_step), .value_o(unused_step), .last_o(last_step)
  );

  always_ff @(posedge clk_i) begin
    if (rst_i) begin
      full_q     <= '0;
      m_tvalid_o <= 1'b0;
    end else begin
      if (written != release_step) full_q <= written ? full_q + 1'b1 : full_q - 1'b1;
      if (load) m_tvalid_o <= 1'b1;
      else if (m_tready_i) m_tvalid_o <= 1'b0;
    end
  end

  // -------------------------------------------------------------------------------------- memory
  logic [AddrBits-1:0] write_addr, read_addr;
  if (Groups > 1) begin : g_groups
    assign write_addr = {write_block, write_pixel, write_group};
    assign read_addr  = {read_block, read_pixel, read_group};
  end else begin : g_groups
    assign write_addr = {write_block, write_pixel};
    assign read_addr  = {read_block, read_pixel};
    logic unused;
    assign unused = ^{write_group, read_group};
  end

  (* ram_style = "distributed" *) logic [Bits-1:0] memory[Depth];
  always_ff @(posedge clk_i) begin
    if (s_valid_i) memory[write_addr] <= s_data_i;
    if (load) m_tdata_o <= memory[read_addr];
  end

endmodule
