// SPDX-License-Identifier: Apache-2.0
//
// DSP48E2: model of the slice of UltraScale+ as UG579 describes it, as far as the library uses it.
//
//   P = W + X + Y + Z + CARRYIN (ALUMODE 0), X + Y = A_or_AD * B where OPMODE[3:0] is 0101
// Multiplier and pre-adder, all pipeline registers, all multiplexers but those of carries and of the
// B path's pre-adder; what is not modelled stops the simulation.
// Latency: a cycle for each register switched on.

module DSP48E2 #(
    parameter AMULTSEL = "A",
    parameter BMULTSEL = "B",
    parameter PREADDINSEL = "A",
    parameter A_INPUT = "DIRECT",
    parameter B_INPUT = "DIRECT",
    parameter USE_MULT = "MULTIPLY",
    parameter USE_SIMD = "ONE48",
    parameter int AREG = 1,
    parameter int ACASCREG = 1,
    parameter int ADREG = 1,
    parameter int DREG = 1,
    parameter int BREG = 1,
    parameter int BCASCREG = 1,
    parameter int CREG = 1,
    parameter int MREG = 1,
    parameter int PREG = 1,
    parameter int INMODEREG = 1,
    parameter int OPMODEREG = 1,
    parameter int ALUMODEREG = 1,
    parameter int CARRYINREG = 1,
    parameter int CARRYINSELREG = 1,
    parameter logic [47:0] RND = '0
) (
    input  logic        CLK,
    input  logic [29:0] A,
    input  logic [17:0] B,
    input  logic [47:0] C,
    input  logic [26:0] D,
    input  logic [47:0] PCIN,
    output logic [47:0] PCOUT,
    output logic [47:0] P,
    input  logic [ 8:0] OPMODE,
    input  logic [ 3:0] ALUMODE,
    input  logic [ 4:0] INMODE,
    input  logic        CARRYIN,
    input  logic [ 2:0] CARRYINSEL,
    input  logic [29:0] ACIN,
    input  logic [17:0] BCIN,
    input  logic        CARRYCASCIN,
    input  logic        MULTSIGNIN,
    input  logic CEA1, CEA2, CEB1, CEB2, CEC, CED, CEAD, CEM, CEP,
    input  logic CEALUMODE, CECARRYIN, CECTRL, CEINMODE,
    input  logic RSTA, RSTB, RSTC, RSTD, RSTM, RSTP,
    input  logic RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE,
    output logic [29:0] ACOUT,
    output logic [17:0] BCOUT,
    output logic        CARRYCASCOUT,
    output logic [ 3:0] CARRYOUT,
    output logic        MULTSIGNOUT,
    output logic        OVERFLOW,
    output logic        PATTERNBDETECT,
    output logic        PATTERNDETECT,
    output logic        UNDERFLOW,
    output logic [ 7:0] XOROUT
);

  // A register where there is one, else a wire.
  logic [29:0] a1, a2, a1_q, a2_q;
  logic [17:0] b1, b2, b1_q, b2_q;
  logic [47:0] c, c_q, p_q;
  logic [26:0] d, d_q, ad, ad_q;
  logic [44:0] m, m_q;
  logic [8:0] op_mode, op_mode_q;
  logic [4:0] in_mode, in_mode_q;
  assign a1      = (AREG == 2) ? a1_q : (AREG == 1) ? a2_q : A;
  assign a2      = (AREG != 0) ? a2_q : A;
  assign b1      = (BREG == 2) ? b1_q : (BREG == 1) ? b2_q : B;
  assign b2      = (BREG != 0) ? b2_q : B;
  assign c       = (CREG != 0) ? c_q : C;
  assign d       = (DREG != 0) ? d_q : D;
  assign in_mode = (INMODEREG != 0) ? in_mode_q : INMODE;
  assign op_mode = (OPMODEREG != 0) ? op_mode_q : OPMODE;

  // Pre-adder: D or nothing, plus or minus A or nothing.
  logic [26:0] pre_a, pre_d, sum;
  assign pre_a = in_mode[1] ? '0 : in_mode[0] ? a1[26:0] : a2[26:0];
  assign pre_d = in_mode[2] ? d : '0;
  assign sum   = in_mode[3] ? pre_d - pre_a : pre_d + pre_a;
  assign ad    = (ADREG != 0) ? ad_q : sum;

  logic signed [26:0] factor_a;
  logic signed [17:0] factor_b;
  assign factor_a = (AMULTSEL == "AD") ? ad : pre_a;
  assign factor_b = in_mode[4] ? b1 : b2;
  logic signed [44:0] product;
  assign product = factor_a * factor_b;
  assign m       = (MREG != 0) ? m_q : product;

  // The multiplier takes X and Y together; here X holds its product.
  logic [47:0] w, x, y, z, p;
  always_comb begin
    case (op_mode[1:0])
      2'b00: x = '0;
      2'b01: x = 48'($signed(m));
      2'b10: x = P;
      default: x = {a2, b2};
    endcase
    case (op_mode[3:2])
      2'b00, 2'b01: y = '0;
      2'b10: y = '1;
      default: y = c;
    endcase
    case (op_mode[6:4])
      3'b000: z = '0;
      3'b001: z = PCIN;
      3'b010, 3'b100: z = P;
      3'b011: z = c;
      3'b101: z = 48'($signed(PCIN[47:17]));
      default: z = 48'($signed(P[47:17]));
    endcase
    case (op_mode[8:7])
      2'b00: w = '0;
      2'b01: w = P;
      2'b10: w = RND;
      default: w = c;
    endcase
  end
  assign p     = w + x + y + z + 48'(CARRYIN);
  assign P     = (PREG != 0) ? p_q : p;
  assign PCOUT = P;

  always_ff @(posedge CLK) begin
    if (RSTA) a1_q <= '0;
    else if (CEA1) a1_q <= A;
    if (RSTA) a2_q <= '0;
    else if (CEA2) a2_q <= (AREG == 2) ? a1_q : A;
    if (RSTB) b1_q <= '0;
    else if (CEB1) b1_q <= B;
    if (RSTB) b2_q <= '0;
    else if (CEB2) b2_q <= (BREG == 2) ? b1_q : B;
    if (RSTC) c_q <= '0;
    else if (CEC) c_q <= C;
    if (RSTD) d_q <= '0;
    else if (CED) d_q <= D;
    if (RSTD) ad_q <= '0;
    else if (CEAD) ad_q <= sum;
    if (RSTM) m_q <= '0;
    else if (CEM) m_q <= product;
    if (RSTP) p_q <= '0;
    else if (CEP) p_q <= p;
    if (RSTINMODE) in_mode_q <= '0;
    else if (CEINMODE) in_mode_q <= INMODE;
    if (RSTCTRL) op_mode_q <= '0;
    else if (CECTRL) op_mode_q <= OPMODE;
  end

  initial begin
    if (A_INPUT != "DIRECT" || B_INPUT != "DIRECT" || BMULTSEL != "B" || PREADDINSEL != "A")
      $fatal(1, "%m: only direct operands and a pre-adder of A and D are modelled");
    if (USE_MULT != "MULTIPLY" || USE_SIMD != "ONE48" || CARRYINREG != 0)
      $fatal(1, "%m: only the multiplier and one sum of 48 bits are modelled");
  end
  always @(posedge CLK)
    if (ALUMODE != '0 || CARRYINSEL != '0 || (op_mode[1:0] == 2'b01) != (op_mode[3:2] == 2'b01))
      $fatal(1, "%m: ALUMODE %b, CARRYINSEL %b, OPMODE %b are not modelled", ALUMODE, CARRYINSEL,
             op_mode);

  assign ACOUT = (ACASCREG == 1) ? a1 : a2;
  assign BCOUT = (BCASCREG == 1) ? b1 : b2;
  assign {CARRYCASCOUT, CARRYOUT, MULTSIGNOUT, OVERFLOW, PATTERNBDETECT, PATTERNDETECT} = 'x;
  assign {UNDERFLOW, XOROUT} = 'x;
  logic unused;
  assign unused = ^{ACIN, BCIN, CARRYCASCIN, MULTSIGNIN, CEALUMODE, CECARRYIN, RSTALLCARRYIN,
                    RSTALUMODE, 1'(ALUMODEREG), 1'(CARRYINSELREG)};

endmodule
