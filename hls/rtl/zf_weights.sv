// SPDX-License-Identifier: Apache-2.0
//
// zf_weights: weight ROM for a cascade, whose lanes come one cycle later from stage to stage.
//
//   data_o[lane l](t + 2 + stage(l)) = memory[addr_i(t)][lane l],  stage(l) = Stages-1 - l/Chains
// Block = 0: LUTs; the address goes down the stages, not the data, and the word is not registered:
// it goes straight into the DSPs. Block = 1: block RAM (zf_rom) and zf_skew.
// Latency: 2 cycles and the lane's stage. Throughput: a word a cycle.

module zf_weights #(
    parameter int          Lanes    = 4,
    parameter int          Bits     = 8,
    parameter int          Chains   = 2,
    parameter int          Depth    = 16,
    parameter int unsigned Block    = 0,
    parameter              InitFile = "none.mem",
    localparam int Stages = (Lanes + Chains - 1) / Chains,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                  clk_i,
    input  logic [  AddrBits-1:0] addr_i,
    output logic [Lanes*Bits-1:0] data_o
);

  if (Block == 0) begin : g_lut
    // Vivado reads the second attribute, Yosys the first.
    (* ram_block = "logic", rom_style = "distributed" *)
    logic [Lanes*Bits-1:0] memory[Depth];
    initial $readmemh(InitFile, memory);

    logic [(Stages+1)*AddrBits-1:0] addr_q;
    always_ff @(posedge clk_i) addr_q <= {addr_q[Stages*AddrBits-1:0], addr_i};

    for (genvar s = 0; s < Stages; s++) begin : g_stage
      localparam int First = (Stages - 1 - s) * Chains;
      localparam int Width = ((First + Chains > Lanes) ? Lanes - First : Chains) * Bits;
      logic [Lanes*Bits-1:0] word;
      assign word = memory[addr_q[(s+1)*AddrBits+:AddrBits]];
      assign data_o[First*Bits+:Width] = word[First*Bits+:Width];
    end
  end else begin : g_block
    logic [Lanes*Bits-1:0] word;
    zf_rom #(.Width(Lanes * Bits), .Depth(Depth), .Block(1), .InitFile(InitFile)) u_rom (
        .clk_i, .addr_i, .data_o(word)
    );
    zf_skew #(.Lanes(Lanes), .Bits(Bits), .Chains(Chains)) u_skew (
        .clk_i, .data_i(word), .data_o
    );
  end

endmodule
