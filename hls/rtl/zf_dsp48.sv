// SPDX-License-Identifier: Apache-2.0
//
// zf_dsp48: one DSP48 as multiplier and adder of a cascade.
//
//   p_o(t + 4) = (use_d_i(t) ? d_i(t) : a_i(t)) * b_i(t) + (First ? Constant : pcin_i(t + 3))
// The pre-adder makes the choice. Generation 1: DSP48E1, whose A and D ports take 25 bits; 2:
// DSP48E2, 27 bits.
// Latency: 4 cycles, 1 from pcin_i. Throughput: a product a cycle.

module zf_dsp48 #(
    parameter int          Generation = 1,
    parameter bit          First      = 1,
    parameter logic [47:0] Constant   = 0
) (
    input  logic        clk_i,
    input  logic [26:0] a_i,
    input  logic [26:0] d_i,
    input  logic        use_d_i,
    input  logic [17:0] b_i,
    input  logic [47:0] pcin_i,
    output logic [47:0] pcout_o,
    output logic [47:0] p_o
);

  // X and Y take the product; Z takes C in the first of a cascade, PCIN in the others.
  localparam logic [6:0] OpMode = First ? 7'b0110101 : 7'b0010101;

  logic [4:0] in_mode;  // bit 1 takes A out of the pre-adder, bit 2 lets D in
  assign in_mode = {2'b0, use_d_i, use_d_i, 1'b0};

  if (Generation == 1) begin : g_e1
    logic unused;
    assign unused = ^{a_i[26:25], d_i[26:25]};
    DSP48E1 #(
        .USE_DPORT("TRUE"), .AREG(1), .ACASCREG(1), .ADREG(1), .DREG(1), .BREG(2), .BCASCREG(2),
        .CREG(0), .MREG(1), .PREG(1), .INMODEREG(1), .OPMODEREG(0), .ALUMODEREG(0), .CARRYINREG(0),
        .CARRYINSELREG(0)
    ) u_dsp (
        .CLK(clk_i), .A({{5{a_i[24]}}, a_i[24:0]}), .B(b_i), .C(Constant), .D(d_i[24:0]),
        .PCIN(pcin_i), .PCOUT(pcout_o), .P(p_o),
        .OPMODE(OpMode), .ALUMODE(4'b0), .INMODE(in_mode), .CARRYIN(1'b0), .CARRYINSEL(3'b0),
        .ACIN(30'b0), .BCIN(18'b0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
        .CEA1(1'b0), .CEA2(1'b1), .CEB1(1'b1), .CEB2(1'b1), .CEM(1'b1), .CEP(1'b1), .CEAD(1'b1),
        .CED(1'b1), .CEC(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0),
        .CEINMODE(1'b1),
        .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
        .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
        .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(),
        .PATTERNBDETECT(), .PATTERNDETECT(), .UNDERFLOW()
    );
  end else begin : g_e2
    DSP48E2 #(
        .AMULTSEL("AD"), .BMULTSEL("B"), .USE_MULT("MULTIPLY"), .AREG(1), .ACASCREG(1), .ADREG(1),
        .DREG(1), .BREG(2), .BCASCREG(2), .CREG(0), .MREG(1), .PREG(1), .INMODEREG(1),
        .OPMODEREG(0), .ALUMODEREG(0), .CARRYINREG(0), .CARRYINSELREG(0)
    ) u_dsp (
        .CLK(clk_i), .A({{3{a_i[26]}}, a_i}), .B(b_i), .C(Constant), .D(d_i),
        .PCIN(pcin_i), .PCOUT(pcout_o), .P(p_o),
        .OPMODE({2'b0, OpMode}), .ALUMODE(4'b0), .INMODE(in_mode), .CARRYIN(1'b0), .CARRYINSEL(3'b0),
        .ACIN(30'b0), .BCIN(18'b0), .CARRYCASCIN(1'b0), .MULTSIGNIN(1'b0),
        .CEA1(1'b0), .CEA2(1'b1), .CEB1(1'b1), .CEB2(1'b1), .CEM(1'b1), .CEP(1'b1), .CEAD(1'b1),
        .CED(1'b1), .CEC(1'b0), .CEALUMODE(1'b0), .CECARRYIN(1'b0), .CECTRL(1'b0),
        .CEINMODE(1'b1),
        .RSTA(1'b0), .RSTB(1'b0), .RSTC(1'b0), .RSTD(1'b0), .RSTM(1'b0), .RSTP(1'b0),
        .RSTALLCARRYIN(1'b0), .RSTALUMODE(1'b0), .RSTCTRL(1'b0), .RSTINMODE(1'b0),
        .ACOUT(), .BCOUT(), .CARRYCASCOUT(), .CARRYOUT(), .MULTSIGNOUT(), .OVERFLOW(),
        .PATTERNBDETECT(), .PATTERNDETECT(), .UNDERFLOW(), .XOROUT()
    );
  end

endmodule
