// SPDX-License-Identifier: Apache-2.0
//
// zf_weights: weight ROM for a cascade, whose lanes come one cycle later from stage to stage.
//
//   word[lane l](t + 2 + stage(l)) = memory[addr_i(t)][lane l],  stage(l) = Stages - 1 - l/Chains
// where word is rest_o at stages s with use_rest_o[s], else data_o.
// Cut = 0: LUTs; the address goes down the stages, not the data, and the word is not registered:
// it goes straight into the DSPs. A table is as large as a power of two: where few words go beyond
// one, they have a table of their own, and the DSPs choose. With Primitives = 1 and up to 32 such
// words that is zf_pair_table, RestInit its contents. Registered = 1, where words go through more
// LUTs: one table, whose word is registered in place of the last of the addresses.
// Else block RAM, cut as Cut says (zf_rom), and zf_skew; the low Outside bits of a word come from
// elsewhere, as word_i, two cycles after the address. whole_o is the word as it is read, before the
// skew; 0 where all is in LUTs.
// Latency: 2 cycles and the lane's stage. Throughput: a word a cycle.

module zf_weights #(
    parameter int          Lanes    = 4,
    parameter int          Bits     = 8,
    parameter int          Chains   = 2,
    parameter int          Depth    = 16,
    parameter logic [511:0] Cut    = '0,
    parameter              InitFile = "none.mem",
    parameter              RestInit = 32'd0,
    parameter int          Primitives = 0,
    parameter bit          Registered = 0,
    parameter int          Outside  = 0,
    localparam int Stages = (Lanes + Chains - 1) / Chains,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1,
    localparam int Outer = (Outside > 0) ? Outside : 1
) (
    input  logic                  clk_i,
    input  logic [  AddrBits-1:0] addr_i,
    input  logic [     Outer-1:0] word_i,
    output logic [Lanes*Bits-1:0] data_o,
    output logic [Lanes*Bits-1:0] rest_o,
    output logic [    Stages-1:0] use_rest_o,
    output logic [Lanes*Bits-1:0] whole_o
);

  localparam int Low = 1 << (AddrBits - 1);
  localparam bit Luts = Cut == '0 && Outside == 0;
  localparam bit Split = Luts && !Registered && Depth > 64 && Depth - Low <= Low / 2;
  localparam int Words = Split ? Low : Depth;
  localparam int WordBits = Split ? AddrBits - 1 : AddrBits;
  localparam int RestBits = (Depth - Low > 1) ? $clog2(Depth - Low) : 1;

  logic unused;
  assign unused = ^word_i;

  if (Luts) begin : g_lut
    assign whole_o = '0;
    localparam logic [32*Lanes*Bits-1:0] Init = (32 * Lanes * Bits)'(RestInit);
    localparam int Steps = Registered ? Stages : Stages + 1;  // of the address
    logic [Steps*AddrBits-1:0] addr_q;
    logic [Lanes*Bits-1:0] word;
    always_ff @(posedge clk_i) addr_q <= (Steps * AddrBits)'({addr_q, addr_i});
    if (Registered) begin : g_registered
      always_ff @(posedge clk_i) data_o <= word;
    end else begin : g_straight
      assign data_o = word;
    end

    for (genvar s = 0; s < Stages; s++) begin : g_stage
      localparam int First = (Stages - 1 - s) * Chains;
      localparam int Width = ((First + Chains > Lanes) ? Lanes - First : Chains) * Bits;
      logic [AddrBits-1:0] addr;
      assign addr = addr_q[(s+Steps-Stages)*AddrBits+:AddrBits];
      zf_table #(
          .Width(Lanes * Bits), .Depth(Depth), .First(First * Bits), .Bits(Width), .Words(Words),
          .InitFile(InitFile)
      ) u_table (
          .addr_i(addr[WordBits-1:0]), .data_o(word[First*Bits+:Width])
      );
      if (Split) begin : g_rest
        assign use_rest_o[s] = addr[AddrBits-1];
        if (Primitives == 1 && RestBits <= 5) begin : g_pairs
          zf_pair_table #(.Bits(Width), .Init(Init[32*First*Bits+:32*Width])) u_rest (
              .addr_i(5'(addr[RestBits-1:0])), .data_o(rest_o[First*Bits+:Width])
          );
        end else begin : g_table
          zf_table #(
              .Width(Lanes * Bits), .Depth(Depth), .First(First * Bits), .Bits(Width), .Start(Low),
              .Words(Depth - Low), .InitFile(InitFile)
          ) u_rest (
              .addr_i(addr[RestBits-1:0]), .data_o(rest_o[First*Bits+:Width])
          );
        end
      end else begin : g_rest
        assign use_rest_o[s] = 1'b0;
        assign rest_o[First*Bits+:Width] = '0;
      end
    end
  end else begin : g_block
    logic [Lanes*Bits-1:0] word;
    if (Outside > 0) begin : g_outside
      assign word[Outer-1:0] = word_i;
    end
    if (Outside < Lanes * Bits) begin : g_inside
      zf_rom #(
          .Width(Lanes * Bits - Outside), .Depth(Depth), .Cut(Cut), .InitFile(InitFile)
      ) u_rom (
          .clk_i, .addr_i, .data_o(word[Lanes*Bits-1:Outside])
      );
    end
    zf_skew #(.Lanes(Lanes), .Bits(Bits), .Chains(Chains)) u_skew (
        .clk_i, .data_i(word), .data_o
    );
    assign whole_o = word;
    assign rest_o = '0;
    assign use_rest_o = '0;
  end

endmodule
