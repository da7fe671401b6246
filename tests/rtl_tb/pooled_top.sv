// SPDX-License-Identifier: Apache-2.0
//
// A whole top small enough to write by hand: 6 x 8 pixels of 4 channels in 2 lanes are requantized
// from u8.8 to u4.4 (stream quant, 2 lanes), summed by channel (stream pool, 1 lane) and sent one
// code a beat. The tests put numbers in place of Never to make it wrong at an accepted beat.

module zynqfire_top (
    input  logic        aclk,
    input  logic        aresetn,
    input  logic [15:0] s_axis_tdata,
    input  logic        s_axis_tvalid,
    output logic        s_axis_tready,
    input  logic        s_axis_tlast,
    output logic [31:0] m_axis_tdata,
    output logic        m_axis_tvalid,
    input  logic        m_axis_tready,
    output logic        m_axis_tlast
);

  localparam int unsigned Never = 32'hffff_ffff;
  localparam int unsigned WrongAt = Never;  // lane 1 of quant off by one bit
  localparam int unsigned DropAt = Never;  // quant swallows a beat
  localparam int unsigned StopAt = Never;  // quant takes no more
  localparam int unsigned FlickerAt = Never;  // output changes while it waits
  localparam int unsigned EarlyLast = Never;  // tlast on this output beat too
  localparam int unsigned Pixels = 48;

  logic [31:0] taken_q;  // input beats since reset
  logic [7:0] quant_tdata;
  logic [9:0] pool_tdata;
  logic quant_tvalid, quant_tready, pool_tvalid, pool_tready;

  function automatic logic [3:0] requantize(input logic [7:0] code);
    logic [4:0] rounded;
    rounded = {1'b0, code[7:4]} + 5'(code[3:0] > 4'd8 || (code[3:0] == 4'd8 && code[4]));
    return rounded[4] ? 4'd15 : rounded[3:0];
  endfunction

  assign s_axis_tready = (!quant_tvalid || quant_tready) && taken_q != StopAt;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      quant_tvalid <= 1'b0;
      taken_q      <= '0;
    end else begin
      if (s_axis_tvalid && s_axis_tready) begin
        taken_q     <= taken_q + 1;
        quant_tdata <= {
          requantize(s_axis_tdata[15:8]) ^ 4'(taken_q == WrongAt), requantize(s_axis_tdata[7:0])
        };
      end
      if (!quant_tvalid || quant_tready) begin
        quant_tvalid <= s_axis_tvalid && s_axis_tready && taken_q != DropAt;
      end
    end
  end

  logic [1:0][1:0][9:0] sums_q, sums;  // by beat of the pixel, by lane
  logic [3:0][9:0] pooled_q;
  logic [5:0] pixel_q;
  logic [1:0] sent_q;
  logic upper_q, last;

  always_comb begin
    sums = sums_q;
    sums[upper_q][0] += 10'(quant_tdata[3:0]);
    sums[upper_q][1] += 10'(quant_tdata[7:4]);
  end

  assign last         = upper_q && 32'(pixel_q) == Pixels - 1;
  assign quant_tready = !(last && pool_tvalid);
  assign pool_tready  = m_axis_tready;
  assign pool_tdata   = pooled_q[sent_q];

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      sums_q      <= '0;
      upper_q     <= 1'b0;
      pixel_q     <= '0;
      sent_q      <= '0;
      pool_tvalid <= 1'b0;
    end else begin
      if (pool_tvalid && pool_tready) begin
        sent_q <= sent_q + 1'b1;
        if (sent_q == 2'd3) pool_tvalid <= 1'b0;
      end
      if (quant_tvalid && quant_tready) begin
        upper_q <= !upper_q;
        sums_q  <= last ? '0 : sums;
        if (upper_q) pixel_q <= last ? '0 : pixel_q + 1'b1;
        if (last) begin
          pooled_q    <= sums;
          pool_tvalid <= 1'b1;
        end
      end
    end
  end

  assign m_axis_tdata  = 32'(pool_tdata) ^ 32'(taken_q[0] && taken_q >= FlickerAt);
  assign m_axis_tvalid = pool_tvalid;
  assign m_axis_tlast  = sent_q == 2'd3 || 32'(sent_q) == EarlyLast;

endmodule
