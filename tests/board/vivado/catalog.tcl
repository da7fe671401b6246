# SPDX-License-Identifier: Apache-2.0
#
# The IP of Vivado's catalog that a block design may use, after its product guides: PG082 and
# DS871 (processing_system7), PG201 (zynq_ultra_ps_e), PG021 (axi_dma), PG247 (smartconnect),
# PG164 (proc_sys_reset), xlconcat.
#
#   settings    name and default of what may be set
#   interfaces  name, mode, protocol, the clock pin that it belongs to, and when it is there
#   pins        name, direction, kind (clock, reset, irq), when it is there, and `must` where the
#               pin may not stay open; an output never must
#   segments    slave interface, name, bytes
#   spaces      master interface, address bits
# A condition is an expression over the settings; `1` is always.

namespace eval catalog {
    variable ip
    dict set ip xilinx.com:ip:processing_system7 {
        settings {
            PCW_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_USE_M_AXI_GP0 1 PCW_USE_M_AXI_GP1 0
            PCW_USE_S_AXI_HP0 0 PCW_USE_S_AXI_HP1 0 PCW_S_AXI_HP0_DATA_WIDTH 64
            PCW_USE_FABRIC_INTERRUPT 0 PCW_IRQ_F2P_INTR 0 PCW_EN_CLK0_PORT 1 PCW_EN_RST0_PORT 1
        }
        interfaces {
            DDR       master ddrx   {}             1
            FIXED_IO  master fixed  {}             1
            M_AXI_GP0 master aximm  M_AXI_GP0_ACLK {$PCW_USE_M_AXI_GP0}
            M_AXI_GP1 master aximm  M_AXI_GP1_ACLK {$PCW_USE_M_AXI_GP1}
            S_AXI_HP0 slave  aximm  S_AXI_HP0_ACLK {$PCW_USE_S_AXI_HP0}
            S_AXI_HP1 slave  aximm  S_AXI_HP1_ACLK {$PCW_USE_S_AXI_HP1}
        }
        pins {
            FCLK_CLK0      out clock {$PCW_EN_CLK0_PORT}  open
            FCLK_RESET0_N  out reset {$PCW_EN_RST0_PORT}  open
            M_AXI_GP0_ACLK in  clock {$PCW_USE_M_AXI_GP0} must
            M_AXI_GP1_ACLK in  clock {$PCW_USE_M_AXI_GP1} must
            S_AXI_HP0_ACLK in  clock {$PCW_USE_S_AXI_HP0} must
            S_AXI_HP1_ACLK in  clock {$PCW_USE_S_AXI_HP1} must
            IRQ_F2P        in  irq   {$PCW_USE_FABRIC_INTERRUPT && $PCW_IRQ_F2P_INTR} must
        }
        segments {S_AXI_HP0 HP0_DDR_LOWOCM 512M S_AXI_HP1 HP1_DDR_LOWOCM 512M}
        spaces {M_AXI_GP0 32 M_AXI_GP1 32}
    }
    dict set ip xilinx.com:ip:zynq_ultra_ps_e {
        settings {
            PSU__FPGA_PL0_ENABLE 1 PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100
            PSU__USE__M_AXI_GP0 1 PSU__USE__M_AXI_GP1 1 PSU__USE__M_AXI_GP2 0
            PSU__USE__S_AXI_GP2 0 PSU__USE__S_AXI_GP3 0 PSU__SAXIGP2__DATA_WIDTH 128
            PSU__MAXIGP0__DATA_WIDTH 128 PSU__USE__IRQ0 0 PSU__USE__FABRIC__RST 1
        }
        interfaces {
            M_AXI_HPM0_FPD master aximm maxihpm0_fpd_aclk {$PSU__USE__M_AXI_GP0}
            M_AXI_HPM1_FPD master aximm maxihpm1_fpd_aclk {$PSU__USE__M_AXI_GP1}
            M_AXI_HPM0_LPD master aximm maxihpm0_lpd_aclk {$PSU__USE__M_AXI_GP2}
            S_AXI_HP0_FPD  slave  aximm saxihp0_fpd_aclk  {$PSU__USE__S_AXI_GP2}
            S_AXI_HP1_FPD  slave  aximm saxihp1_fpd_aclk  {$PSU__USE__S_AXI_GP3}
        }
        pins {
            pl_clk0           out clock {$PSU__FPGA_PL0_ENABLE}   open
            pl_resetn0        out reset {$PSU__USE__FABRIC__RST}  open
            maxihpm0_fpd_aclk in  clock {$PSU__USE__M_AXI_GP0}    must
            maxihpm1_fpd_aclk in  clock {$PSU__USE__M_AXI_GP1}    must
            maxihpm0_lpd_aclk in  clock {$PSU__USE__M_AXI_GP2}    must
            saxihp0_fpd_aclk  in  clock {$PSU__USE__S_AXI_GP2}    must
            saxihp1_fpd_aclk  in  clock {$PSU__USE__S_AXI_GP3}    must
            pl_ps_irq0        in  irq   {$PSU__USE__IRQ0}         must
        }
        segments {
            S_AXI_HP0_FPD HP0_DDR_LOW 2G S_AXI_HP0_FPD HP0_DDR_HIGH 32G
            S_AXI_HP0_FPD HP0_LPS_OCM 16M
        }
        spaces {M_AXI_HPM0_FPD 40 M_AXI_HPM1_FPD 40 M_AXI_HPM0_LPD 40}
    }
    dict set ip xilinx.com:ip:axi_dma {
        settings {
            c_include_sg 1 c_sg_include_stscntrl_strm 1 c_sg_length_width 14 c_addr_width 32
            c_micro_dma 0 c_include_mm2s 1 c_include_mm2s_dre 0 c_m_axi_mm2s_data_width 32
            c_m_axis_mm2s_tdata_width 32 c_mm2s_burst_size 16 c_include_s2mm 1
            c_include_s2mm_dre 0 c_m_axi_s2mm_data_width 32 c_s_axis_s2mm_tdata_width 32
            c_s2mm_burst_size 16
        }
        interfaces {
            S_AXI_LITE      slave  aximm s_axi_lite_aclk  1
            M_AXI_SG        master aximm m_axi_sg_aclk    {$c_include_sg}
            M_AXI_MM2S      master aximm m_axi_mm2s_aclk  {$c_include_mm2s}
            M_AXI_S2MM      master aximm m_axi_s2mm_aclk  {$c_include_s2mm}
            M_AXIS_MM2S     master axis  m_axi_mm2s_aclk  {$c_include_mm2s}
            S_AXIS_S2MM     slave  axis  m_axi_s2mm_aclk  {$c_include_s2mm}
            M_AXIS_CNTRL    master axis  m_axi_mm2s_aclk
                            {$c_include_sg && $c_sg_include_stscntrl_strm && $c_include_mm2s}
            S_AXIS_STS      slave  axis  m_axi_s2mm_aclk
                            {$c_include_sg && $c_sg_include_stscntrl_strm && $c_include_s2mm}
        }
        pins {
            s_axi_lite_aclk          in  clock 1                 must
            m_axi_sg_aclk            in  clock {$c_include_sg}   must
            m_axi_mm2s_aclk          in  clock {$c_include_mm2s} must
            m_axi_s2mm_aclk          in  clock {$c_include_s2mm} must
            axi_resetn               in  reset 1                 must
            mm2s_introut             out irq   {$c_include_mm2s} open
            s2mm_introut             out irq   {$c_include_s2mm} open
            mm2s_prmry_reset_out_n   out reset {$c_include_mm2s} open
            s2mm_prmry_reset_out_n   out reset {$c_include_s2mm} open
        }
        segments {S_AXI_LITE Reg 64K}
        spaces {M_AXI_SG {$c_addr_width} M_AXI_MM2S {$c_addr_width} M_AXI_S2MM {$c_addr_width}}
        widths {
            M_AXIS_MM2S {$c_m_axis_mm2s_tdata_width} S_AXIS_S2MM {$c_s_axis_s2mm_tdata_width}
        }
    }
    dict set ip xilinx.com:ip:smartconnect {
        settings {NUM_SI 1 NUM_MI 1 NUM_CLKS 1 HAS_ARESETN 1}
        interfaces {
            S00_AXI slave  aximm aclk 1          S01_AXI slave  aximm aclk {$NUM_SI > 1}
            S02_AXI slave  aximm aclk {$NUM_SI > 2}
            M00_AXI master aximm aclk 1          M01_AXI master aximm aclk {$NUM_MI > 1}
            M02_AXI master aximm aclk {$NUM_MI > 2}
        }
        pins {
            aclk    in clock 1             must
            aclk1   in clock {$NUM_CLKS > 1} must
            aresetn in reset {$HAS_ARESETN}  must
        }
        segments {}
        spaces {}
    }
    dict set ip xilinx.com:ip:proc_sys_reset {
        settings {C_EXT_RST_WIDTH 4 C_AUX_RST_WIDTH 4 C_NUM_PERP_ARESETN 1}
        interfaces {}
        pins {
            slowest_sync_clk     in  clock 1 must
            ext_reset_in         in  reset 1 must
            aux_reset_in         in  reset 1 open
            mb_debug_sys_rst     in  reset 1 open
            dcm_locked           in  locked 1 open
            mb_reset             out reset_high 1 open
            bus_struct_reset     out reset_high 1 open
            peripheral_reset     out reset_high 1 open
            interconnect_aresetn out reset 1 open
            peripheral_aresetn   out reset 1 open
        }
        segments {}
        spaces {}
    }
    dict set ip xilinx.com:ip:xlconcat {
        settings {NUM_PORTS 2}
        interfaces {}
        pins {
            In0 in irq 1 must          In1 in irq {$NUM_PORTS > 1} must
            In2 in irq {$NUM_PORTS > 2} must In3 in irq {$NUM_PORTS > 3} must
            dout out irq 1 open
        }
        segments {}
        spaces {}
    }

    # Boards whose files this Vivado has, and what it calls them.
    variable boards {
        tul.com.tw:pynq-z2:part0:1.0 xilinx.com:zcu104:part0:1.0 xilinx.com:zcu104:part0:1.1
        xilinx.com:kv260_som:part0:1.4
    }
    # Rules of block automation and what their -config may say.
    variable rules {
        xilinx.com:bd_rule:processing_system7 {make_external apply_board_preset Master Slave}
        xilinx.com:bd_rule:zynq_ultra_ps_e {apply_board_preset}
    }
}
