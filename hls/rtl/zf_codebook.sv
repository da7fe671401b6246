// SPDX-License-Identifier: Apache-2.0
//
// zf_codebook: weights from their places in a table of up to 32 values.
//
//   value_o[lane l] = Table[index_i[lane l]] - (Pairs && l odd && value_o[lane l - 1] < 0)
// Table holds value k at bit k*Bits. Pairs: two weights share a DSP, whose upper one comes without
// what the sign of the lower borrows (zf_mac_dsp).
// Primitives: 0 behaviour, which simulates fast. Else LUT6_2, two bits of a value each, or, Merged,
// multiplexers, which synthesis takes into what follows: a bit of the product of one of 16 values
// and two bits of a code (zf_mac_lut) is one LUT.
// Latency: 0, at most two LUTs. Throughput: Lanes values a cycle.

module zf_codebook #(
    parameter int           Lanes      = 2,
    parameter int           IndexBits  = 4,
    parameter int           Bits       = 8,
    parameter logic [255:0] Table      = '0,
    parameter bit           Pairs      = 0,
    parameter bit           Merged     = 0,
    parameter int           Primitives = 0
) (
    input  logic [Lanes*IndexBits-1:0] index_i,
    output logic [     Lanes*Bits-1:0] value_o
);

  initial
    if (IndexBits < 1 || IndexBits > 5 || Bits > 8)
      $fatal(1, "%m: indices of %0d and values of %0d bits must have 1 to 5 and at most 8",
             IndexBits, Bits);

  // The table, and the table less one.
  function automatic logic [64*Bits-1:0] both();
    both = '0;
    for (int k = 0; k < 1 << IndexBits; k++) begin
      both[k*Bits+:Bits] = Table[k*Bits+:Bits];
      both[(32+k)*Bits+:Bits] = Table[k*Bits+:Bits] - Bits'(1);
    end
  endfunction

  // The same as truth tables, a bit of a value after the other; what is borrowed is the input after
  // the index.
  function automatic logic [32*Bits-1:0] truth();
    logic [64*Bits-1:0] values;
    values = both();
    for (int b = 0; b < Bits; b++)
      for (int a = 0; a < 32; a++)
        truth[32*b+a] = values[(32*(a>>IndexBits&1)+a%(1<<IndexBits))*Bits+b];
  endfunction

  // A value, by halving the tables.
  function automatic logic [Bits-1:0] looked_up(input logic [5:0] address);
    logic [64*Bits-1:0] left;
    left = both();
    for (int i = 0; i < 6; i++)
      for (int k = 0; k < 32 >> i; k++)
        left[k*Bits+:Bits] = address[i] ? left[(2*k+1)*Bits+:Bits] : left[2*k*Bits+:Bits];
    looked_up = left[Bits-1:0];
  endfunction

  localparam logic [64*Bits-1:0] Both = both();
  localparam logic [32*Bits-1:0] Truth = truth();

  for (genvar l = 0; l < Lanes; l++) begin : g_lane
    localparam bit Upper = Pairs && l % 2 == 1;
    logic [Bits-1:0] value;
    assign value_o[l*Bits+:Bits] = value;
    logic borrow;
    if (Upper) begin : g_upper
      assign borrow = g_lane[l-1].value[Bits-1];
    end else begin : g_lower
      assign borrow = 1'b0;
    end
    logic [5:0] address;
    assign address = {borrow, 5'(index_i[l*IndexBits+:IndexBits])};
    if (Primitives == 0) begin : g_behaviour
      assign value = Both[address*Bits+:Bits];
    end else if (Merged || (Upper && IndexBits == 5)) begin : g_logic
      assign value = looked_up(address);  // six inputs leave no room for a second bit
    end else begin : g_luts
      zf_pair_table #(.Bits(Bits), .Init(Truth)) u_table (
          .addr_i(5'({borrow, index_i[l*IndexBits+:IndexBits]})), .data_o(value)
      );
    end
  end

endmodule
