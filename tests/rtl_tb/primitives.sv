// SPDX-License-Identifier: Apache-2.0
// Ports of the vendor's cells that the library instantiates, for tools that look at it alone.
// verilator lint_off DECLFILENAME
// verilator lint_off UNUSEDPARAM
// verilator lint_off UNUSEDSIGNAL
// verilator lint_off UNDRIVEN

(* blackbox *)
module LUT6_2 #(
    parameter logic [63:0] INIT = '0
) (
    input  logic I0, I1, I2, I3, I4, I5,
    output logic O5, O6
);
endmodule

(* blackbox *)
module MUXF7 (
    input  logic I0, I1, S,
    output logic O
);
endmodule

(* blackbox *)
module CARRY4 (
    input  logic [3:0] S, DI,
    input  logic       CI, CYINIT,
    output logic [3:0] O, CO
);
endmodule

(* blackbox *)
module DSP48E1 #(
    parameter     USE_DPORT = "FALSE",
    parameter int AREG = 1, ACASCREG = 1, ADREG = 1, DREG = 1, BREG = 1, BCASCREG = 1, CREG = 1,
    parameter int MREG = 1, PREG = 1, INMODEREG = 1, OPMODEREG = 1, ALUMODEREG = 1,
    parameter int CARRYINREG = 1, CARRYINSELREG = 1
) (
    input  logic        CLK,
    input  logic [29:0] A, ACIN,
    input  logic [17:0] B, BCIN,
    input  logic [47:0] C, PCIN,
    input  logic [24:0] D,
    input  logic [ 6:0] OPMODE,
    input  logic [ 4:0] INMODE,
    input  logic [ 3:0] ALUMODE,
    input  logic [ 2:0] CARRYINSEL,
    input  logic CARRYIN, CARRYCASCIN, MULTSIGNIN, CEA1, CEA2, CEB1, CEB2, CEM, CEP, CEAD, CED, CEC,
    input  logic CEALUMODE, CECARRYIN, CECTRL, CEINMODE, RSTA, RSTB, RSTC, RSTD, RSTM, RSTP,
    input  logic RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
    output logic [47:0] P, PCOUT,
    output logic [29:0] ACOUT,
    output logic [17:0] BCOUT,
    output logic [ 3:0] CARRYOUT,
    output logic CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, UNDERFLOW, PATTERNDETECT, PATTERNBDETECT
);
endmodule

(* blackbox *)
module DSP48E2 #(
    parameter     AMULTSEL = "A", BMULTSEL = "B", USE_MULT = "MULTIPLY",
    parameter int AREG = 1, ACASCREG = 1, ADREG = 1, DREG = 1, BREG = 1, BCASCREG = 1, CREG = 1,
    parameter int MREG = 1, PREG = 1, INMODEREG = 1, OPMODEREG = 1, ALUMODEREG = 1,
    parameter int CARRYINREG = 1, CARRYINSELREG = 1
) (
    input  logic        CLK,
    input  logic [29:0] A, ACIN,
    input  logic [17:0] B, BCIN,
    input  logic [47:0] C, PCIN,
    input  logic [26:0] D,
    input  logic [ 8:0] OPMODE,
    input  logic [ 4:0] INMODE,
    input  logic [ 3:0] ALUMODE,
    input  logic [ 2:0] CARRYINSEL,
    input  logic CARRYIN, CARRYCASCIN, MULTSIGNIN, CEA1, CEA2, CEB1, CEB2, CEM, CEP, CEAD, CED, CEC,
    input  logic CEALUMODE, CECARRYIN, CECTRL, CEINMODE, RSTA, RSTB, RSTC, RSTD, RSTM, RSTP,
    input  logic RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
    output logic [47:0] P, PCOUT,
    output logic [29:0] ACOUT,
    output logic [17:0] BCOUT,
    output logic [ 7:0] XOROUT,
    output logic [ 3:0] CARRYOUT,
    output logic CARRYCASCOUT, MULTSIGNOUT, OVERFLOW, UNDERFLOW, PATTERNDETECT, PATTERNBDETECT
);
endmodule
