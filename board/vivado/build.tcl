# SPDX-License-Identifier: Apache-2.0
#
# Builds a bitstream around a packaged accelerator: processor, DMA, interrupt, one clock.
#
#   vivado -mode batch -source build.tcl -tclargs NAME VALUE ...
#
# part, family (xc7 or xcup), clock_mhz, in_bits and out_bits (of the streams), ip (folder of the
# packaged accelerator), out (folder of the results, which is there), jobs; and board_part, a
# pattern of Vivado's name of the board without its version, from whose files the settings of
# memory and pins of the processor come.

source [file join [file dirname [info script]] arguments.tcl]
set needed {part family clock_mhz in_bits out_bits ip out jobs}
set given [arguments $needed board_part]
set preset [dict exists $given board_part]
dict with given {}

set design system
create_project project [file normalize project] -part $part -force
if {$preset} {
    set boards [lsort -dictionary [get_board_parts -quiet -latest_file_version $board_part:*]]
    if {![llength $boards]} {
        error "board $board_part: its files must be installed in Vivado (Tools, Vivado Store,\
            Boards)"
    }
    set_property board_part [lindex $boards end] [current_project]
}
# A memory without its contents is a wrong network, not a warning.
set_msg_config -id {Synth 8-4445} -new_severity ERROR
set_msg_config -id {Synth 8-2898} -string {$readmem} -new_severity ERROR
set_property ip_repo_paths [file normalize $ip] [current_project]
update_ip_catalog -rebuild

# --- block design -------------------------------------------------------------------------------

proc cell {name ip settings} {
    set cell [create_bd_cell -type ip -vlnv $ip $name]
    if {[llength $settings]} {
        set_property -dict $settings $cell
    }
    return $cell
}

proc one {kind name} {
    set found [$kind -quiet $name]
    if {[llength $found] != 1} {
        error "$kind $name: must be one of the block design, found [llength $found]"
    }
    return $found
}

# Drive the pins `sinks` from the pin `source`.
proc wire {source args} {
    foreach sink $args {
        connect_bd_net [one get_bd_pins $source] [one get_bd_pins $sink]
    }
}

proc bus {master slave} {
    connect_bd_intf_net [one get_bd_intf_pins $master] [one get_bd_intf_pins $slave]
}

step "block design for $family at $clock_mhz MHz"
create_bd_design $design
switch $family {
    xc7 {
        set ps [cell ps xilinx.com:ip:processing_system7 {}]
        apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config [list \
            make_external {FIXED_IO, DDR} apply_board_preset $preset \
            Master Disable Slave Disable] $ps
        set_property -dict [list \
            CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $clock_mhz \
            CONFIG.PCW_USE_M_AXI_GP0 1 \
            CONFIG.PCW_USE_S_AXI_HP0 1 \
            CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
            CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
            CONFIG.PCW_IRQ_F2P_INTR 1] $ps
        set clock ps/FCLK_CLK0
        set reset ps/FCLK_RESET0_N
        set clocked {ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK}
        set master ps/M_AXI_GP0
        set memory ps/S_AXI_HP0
        set interrupt ps/IRQ_F2P
        set address_bits 32
    }
    xcup {
        set ps [cell ps xilinx.com:ip:zynq_ultra_ps_e {}]
        if {$preset} {
            apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e \
                -config {apply_board_preset 1} $ps
        }
        set_property -dict [list \
            CONFIG.PSU__FPGA_PL0_ENABLE 1 \
            CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $clock_mhz \
            CONFIG.PSU__USE__M_AXI_GP0 1 \
            CONFIG.PSU__USE__M_AXI_GP1 0 \
            CONFIG.PSU__USE__M_AXI_GP2 0 \
            CONFIG.PSU__USE__S_AXI_GP2 1 \
            CONFIG.PSU__SAXIGP2__DATA_WIDTH 128 \
            CONFIG.PSU__USE__IRQ0 1] $ps
        set clock ps/pl_clk0
        set reset ps/pl_resetn0
        set clocked {ps/maxihpm0_fpd_aclk ps/saxihp0_fpd_aclk}
        set master ps/M_AXI_HPM0_FPD
        set memory ps/S_AXI_HP0_FPD
        set interrupt ps/pl_ps_irq0
        set address_bits 40
    }
    default {
        error "family: must be xc7 or xcup, not $family"
    }
}

cell zynqfire_0 zynqfire:zynqfire:zynqfire:1.0 {}
cell axi_dma_0 xilinx.com:ip:axi_dma [list \
    CONFIG.c_include_sg 0 \
    CONFIG.c_sg_include_stscntrl_strm 0 \
    CONFIG.c_sg_length_width 26 \
    CONFIG.c_addr_width $address_bits \
    CONFIG.c_include_mm2s 1 \
    CONFIG.c_include_mm2s_dre 0 \
    CONFIG.c_m_axi_mm2s_data_width $in_bits \
    CONFIG.c_m_axis_mm2s_tdata_width $in_bits \
    CONFIG.c_include_s2mm 1 \
    CONFIG.c_include_s2mm_dre 0 \
    CONFIG.c_m_axi_s2mm_data_width $out_bits \
    CONFIG.c_s_axis_s2mm_tdata_width $out_bits]
cell control xilinx.com:ip:smartconnect {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2}
cell data xilinx.com:ip:smartconnect {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1}
cell resets xilinx.com:ip:proc_sys_reset {}
cell interrupts xilinx.com:ip:xlconcat {CONFIG.NUM_PORTS 3}

wire $clock {*}$clocked resets/slowest_sync_clk control/aclk data/aclk zynqfire_0/aclk \
    axi_dma_0/s_axi_lite_aclk axi_dma_0/m_axi_mm2s_aclk axi_dma_0/m_axi_s2mm_aclk
wire $reset resets/ext_reset_in
wire resets/interconnect_aresetn control/aresetn data/aresetn
wire resets/peripheral_aresetn zynqfire_0/aresetn axi_dma_0/axi_resetn

bus $master control/S00_AXI
bus control/M00_AXI zynqfire_0/s_axi
bus control/M01_AXI axi_dma_0/S_AXI_LITE
bus axi_dma_0/M_AXIS_MM2S zynqfire_0/s_axis
bus zynqfire_0/m_axis axi_dma_0/S_AXIS_S2MM
bus axi_dma_0/M_AXI_MM2S data/S00_AXI
bus axi_dma_0/M_AXI_S2MM data/S01_AXI
bus data/M00_AXI $memory

wire zynqfire_0/irq interrupts/In0
wire axi_dma_0/mm2s_introut interrupts/In1
wire axi_dma_0/s2mm_introut interrupts/In2
wire interrupts/dout $interrupt

assign_bd_address
validate_bd_design
save_bd_design

# --- synthesis, implementation ------------------------------------------------------------------

set file [get_files $design.bd]
generate_target all $file
add_files -norecurse -fileset sources_1 [make_wrapper -files $file -top]
set_property top ${design}_wrapper [get_filesets sources_1]
update_compile_order -fileset sources_1

proc finish {run} {
    wait_on_run $run
    if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
        error "run $run: must be complete, not [get_property STATUS [get_runs $run]]"
    }
}

step synthesis
launch_runs synth_1 -jobs $jobs
finish synth_1
step "placement, routing, bitstream"
launch_runs impl_1 -to_step write_bitstream -jobs $jobs
finish impl_1

step reports
open_run impl_1
report_utilization -file [file join $out utilization.rpt]
report_utilization -hierarchical -file [file join $out utilization_hierarchical.rpt]
report_timing_summary -max_paths 10 -file [file join $out timing_summary.rpt]

set run [get_property DIRECTORY [get_runs impl_1]]
file copy -force [file join $run ${design}_wrapper.bit] [file join $out zynqfire.bit]
# Beside what generate_target wrote: PYNQ reads addresses, interrupts and clocks from there.
set folder [file join [get_property DIRECTORY [current_project]] project.gen]
set handoff [file join $folder sources_1 bd $design hw_handoff $design.hwh]
file copy -force $handoff [file join $out zynqfire.hwh]
close_project
step done
