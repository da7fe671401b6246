// SPDX-License-Identifier: Apache-2.0
//
// zf_ram_skew: zf_ram for a cascade, whose lanes come one cycle later from stage to stage.
//
//   rdata_o[lane l](t + 2 + stage(l)) = clear_i(t + 1) ? ClearTo : memory[raddr_i(t)][lane l],
//   stage(l) = Stages - 1 - l / Chains
// LUT RAM is cut into one memory a stage, and the address goes down the stages, not the data;
// behind block RAM comes zf_skew.
// Latency: 2 cycles and the lane's stage. Throughput: a write and a read a cycle.

module zf_ram_skew #(
    parameter int              Lanes   = 4,
    parameter int              Bits    = 4,
    parameter int              Chains  = 4,
    parameter int              Depth   = 16,
    parameter logic [511:0] Cut   = '0,
    parameter logic [Bits-1:0] ClearTo = '0,
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1,
    localparam int Stages = (Lanes + Chains - 1) / Chains
) (
    input  logic                  clk_i,
    input  logic                  we_i,
    input  logic [  AddrBits-1:0] waddr_i,
    input  logic [Lanes*Bits-1:0] wdata_i,
    input  logic [  AddrBits-1:0] raddr_i,
    input  logic                  clear_i,
    output logic [Lanes*Bits-1:0] rdata_o
);

  if (Cut == '0) begin : g_lut
    logic [Stages*AddrBits-1:0] raddr;  // of each stage
    logic [Stages-1:0] clear;
    if (Stages > 1) begin : g_delay
      logic [(Stages-1)*AddrBits-1:0] raddr_q;
      logic [Stages-2:0] clear_q;
      assign raddr = {raddr_q, raddr_i};
      assign clear = {clear_q, clear_i};
      always_ff @(posedge clk_i) begin
        raddr_q <= raddr[(Stages-1)*AddrBits-1:0];
        clear_q <= clear[Stages-2:0];
      end
    end else begin : g_delay
      assign raddr = raddr_i;
      assign clear = clear_i;
    end
    for (genvar s = 0; s < Stages; s++) begin : g_stage
      localparam int First = (Stages - 1 - s) * Chains;
      localparam int Some = (First + Chains > Lanes) ? Lanes - First : Chains;
      zf_ram #(.Width(Some * Bits), .Depth(Depth), .ClearTo({Some{ClearTo}})) u_ram (
          .clk_i, .we_i, .waddr_i, .wdata_i(wdata_i[First*Bits+:Some*Bits]),
          .raddr_i(raddr[s*AddrBits+:AddrBits]), .clear_i(clear[s]),
          .rdata_o(rdata_o[First*Bits+:Some*Bits])
      );
    end
  end else begin : g_block
    logic [Lanes*Bits-1:0] word;
    zf_ram #(
        .Width(Lanes * Bits), .Depth(Depth), .Cut(Cut), .ClearTo({Lanes{ClearTo}})
    ) u_ram (
        .clk_i, .we_i, .waddr_i, .wdata_i, .raddr_i, .clear_i, .rdata_o(word)
    );
    zf_skew #(.Lanes(Lanes), .Bits(Bits), .Chains(Chains)) u_skew (
        .clk_i, .data_i(word), .data_o(rdata_o)
    );
  end

endmodule
