// SPDX-License-Identifier: Apache-2.0
//
// zf_rom: read-only memory filled by $readmemh.
//
//   data_o(t + 2) = memory[addr_i(t)]
// Cut = 0: LUTs; the address is registered, the word looked up and registered again.
// Else block RAM, cut as Cut says (zf_block), and an output register.
// Latency: 2 cycles. Throughput: a word a cycle.

module zf_rom #(
    parameter int           Width    = 8,
    parameter int           Depth    = 512,
    parameter logic [511:0] Cut      = '0,
    parameter               InitFile = "none.mem",
    localparam int AddrBits = (Depth > 1) ? $clog2(Depth) : 1
) (
    input  logic                clk_i,
    input  logic [AddrBits-1:0] addr_i,
    output logic [   Width-1:0] data_o
);

  logic [Width-1:0] data_q, word;
  assign data_o = data_q;
  always_ff @(posedge clk_i) data_q <= word;

  if (Cut == '0) begin : g_lut
    logic [AddrBits-1:0] addr_q;
    always_ff @(posedge clk_i) addr_q <= addr_i;
    zf_table #(.Width(Width), .Depth(Depth), .InitFile(InitFile)) u_table (
        .addr_i(addr_q), .data_o(word)
    );
  end else begin : g_block
    zf_block #(.Width(Width), .Depth(Depth), .Cut(Cut), .InitFile(InitFile)) u_block (
        .clk_i, .we_i(1'b0), .waddr_i({AddrBits{1'b0}}), .wdata_i({Width{1'b0}}), .re_i(1'b1),
        .raddr_i(addr_i), .rdata_o(word)
    );
  end

endmodule
