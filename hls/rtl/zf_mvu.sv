// SPDX-License-Identifier: Apache-2.0
//
// zf_mvu: folded matrix-vector unit, weights in its own ROM.
//
// Each word brings Simd activations, which meet the ROM's next Pe*Simd weights:
//   acc[p] = sum over the words of a product, sum over l, of w[p*Simd + l] * a[l]
// exactly. The ROM holds Words*Groups words in the order in which zf_window reads (weight order of
// hls/ir.py) and starts over after the last, once a pixel.
//
// Products are made of LUTs: activations are cut into slices, narrow enough for one cycle each, and
// the adder tree puts the slices together before it adds up the lanes.
//
// A ROM word arrives two cycles after fetch_i; the activations of s_valid_i must come just then.
// Latency: 2 + ceil(log2 Slices) + ceil(log2 Simd) cycles from the last word of a product;
// m_fetch_o is 2 cycles ahead. Slices is 1 where weights and activations have 4 bits at most.
// Throughput: a word a cycle, no stall: the results' reader must have room (zf_conv's credit).

module zf_mvu #(
    parameter int          Pe       = 2,
    parameter int          Simd     = 2,
    parameter int          ABits    = 4,
    parameter bit          ASigned  = 0,
    parameter int          WBits    = 4,
    parameter int          AccBits  = 16,
    parameter int          Words    = 4,
    parameter int          Groups   = 2,
    parameter int unsigned Block    = 0,
    parameter              InitFile = "none.mem"
) (
    input  logic                  clk_i,
    input  logic                  rst_i,
    input  logic                  fetch_i,
    input  logic                  s_valid_i,
    input  logic                  s_last_i,
    input  logic [Simd*ABits-1:0] s_data_i,
    output logic                  m_fetch_o,
    output logic                  m_valid_o,
    output logic [Pe*AccBits-1:0] m_data_o
);

  localparam int Slice = (WBits > 4) ? 2 : 4;  // bits of an activation
  localparam int Slices = (ABits <= Slice) ? 1 : (ABits <= 2 * Slice) ? 2 : 4;
  localparam int Joins = $clog2(Slices);  // levels of the tree that put slices together
  localparam int Levels = Joins + ((Simd > 1) ? $clog2(Simd) : 0);
  localparam int Depth = Words * Groups;
  localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1;

  // ------------------------------------------------------------------------------------- weights
  logic [AddrBits-1:0] addr;
  logic [Pe*Simd*WBits-1:0] weights;
  logic unused_last;
  zf_count #(.Count(Depth)) u_addr (
      .clk_i, .rst_i, .step_i(fetch_i), .value_o(addr), .last_o(unused_last)
  );
  zf_rom #(.Width(Pe * Simd * WBits), .Depth(Depth), .Block(Block), .InitFile(InitFile)) u_rom (
      .clk_i, .addr_i(addr), .data_o(weights)
  );

  // ------------------------------------------------------------------------------------ products
  // Level 0 registers each slice's product, level n the sums of 2**n of them.
  function automatic int lanes(input int level);
    lanes = (level < Joins) ? Simd * (Slices >> level)
                            : (Simd + (1 << (level - Joins)) - 1) >> (level - Joins);
  endfunction

  function automatic int width(input int level);
    width = (level >= Joins) ? WBits + ABits + level - Joins
          : (Slice << level) < ABits ? WBits + (Slice << level) : WBits + ABits;
  endfunction

  // w times a digit of two bits, whose upper bit counts -2 if is_signed. Bit by bit instead of by
  // an adder, so that each bit is one LUT where w has no more than four.
  function automatic logic signed [WBits+1:0] times(input logic [WBits-1:0] w,
                                                    input logic [1:0] digit, input bit is_signed);
    logic [WBits+2:0] twice;
    logic one, two, carry;
    twice = (WBits + 3)'($signed({w, 1'b0}));
    carry = is_signed;
    for (int b = 0; b < WBits + 2; b++) begin
      one = twice[b+1] & digit[0];
      two = (twice[b] & digit[1]) ^ is_signed;
      times[b] = one ^ two ^ carry;
      carry = (one & two) | (one & carry) | (two & carry);
    end
  endfunction

  for (genvar n = 0; n <= Levels; n++) begin : g_level
    localparam int Bits = width(n);
    localparam int Lanes = lanes(n);
    logic [Pe*Lanes*Bits-1:0] sum_q;
    if (n == 0) begin : g_product
      for (genvar p = 0; p < Pe; p++) begin : g_pe
        for (genvar l = 0; l < Simd; l++) begin : g_lane
          logic [WBits-1:0] w;
          logic [Slice*Slices-1:0] a;
          assign w = weights[(p*Simd+l)*WBits+:WBits];
          assign a = (Slice * Slices)'(
              $signed({ASigned && s_data_i[l*ABits+ABits-1], s_data_i[l*ABits+:ABits]}));
          for (genvar s = 0; s < Slices; s++) begin : g_slice
            localparam bit Signed = ASigned && (s == Slices - 1);
            localparam int At = ((p * Simd + l) * Slices + s) * Bits;
            logic signed [Bits-1:0] low, high;
            if (Slice == 2) begin : g_two
              assign low  = a[2*s] ? Bits'($signed(w)) : '0;
              assign high = a[2*s+1] ? Bits'($signed({w, 1'b0})) : '0;
              always_ff @(posedge clk_i) sum_q[At+:Bits] <= Signed ? low - high : low + high;
            end else begin : g_four
              assign low  = Bits'(times(w, a[4*s+:2], 1'b0));
              assign high = Bits'($signed({times(w, a[4*s+2+:2], Signed), 2'b00}));
              always_ff @(posedge clk_i) sum_q[At+:Bits] <= low + high;
            end
          end
        end
      end
    end else begin : g_sum
      localparam int Before = lanes(n - 1);
      localparam int Narrow = width(n - 1);
      localparam int Shift = (n <= Joins) ? Slice << (n - 1) : 0;  // of a pair's upper slice
      always_ff @(posedge clk_i) begin
        for (int p = 0; p < Pe; p++) begin
          for (int l = 0; l < Lanes; l++) begin
            if (2 * l + 1 < Before)
              sum_q[(p*Lanes+l)*Bits+:Bits] <=
                  Bits'($signed(g_level[n-1].sum_q[(p*Before+2*l)*Narrow+:Narrow]))
                + (Bits'($signed(g_level[n-1].sum_q[(p*Before+2*l+1)*Narrow+:Narrow])) << Shift);
            else
              sum_q[(p*Lanes+l)*Bits+:Bits] <=
                  Bits'($signed(g_level[n-1].sum_q[(p*Before+2*l)*Narrow+:Narrow]));
          end
        end
      end
    end
  end

  // -------------------------------------------------------------------------------- accumulators
  localparam int SumBits = width(Levels);
  logic [Levels:0] valid_q, last_q;
  logic first_q;

  always_ff @(posedge clk_i) begin
    if (rst_i) valid_q <= '0;
    else valid_q <= (Levels + 1)'({valid_q, s_valid_i});
    last_q <= (Levels + 1)'({last_q, s_last_i});
    if (rst_i) first_q <= 1'b1;
    else if (valid_q[Levels]) first_q <= last_q[Levels];
    if (rst_i) m_valid_o <= 1'b0;
    else m_valid_o <= valid_q[Levels] && last_q[Levels];
  end

  // AccBits holds every proven value, so the sum modulo 2**AccBits is the sum.
  always_ff @(posedge clk_i) begin
    for (int p = 0; p < Pe; p++) begin
      if (valid_q[Levels])
        m_data_o[p*AccBits+:AccBits] <= (first_q ? '0 : m_data_o[p*AccBits+:AccBits])
            + AccBits'($signed(g_level[Levels].sum_q[p*SumBits+:SumBits]));
    end
  end

  if (Levels == 0) begin : g_fetch
    assign m_fetch_o = s_valid_i && s_last_i;
  end else begin : g_fetch
    assign m_fetch_o = valid_q[Levels-1] && last_q[Levels-1];
  end

endmodule
