# SPDX-License-Identifier: Apache-2.0
#
# The block design of the stubs: cells of the catalog, nets, interfaces, addresses.

namespace eval stub {
    variable cells {}     ;# name: the cell's IP
    variable settings {}  ;# name: what is set of it
    variable driven {}    ;# pin: the pin that drives it
    variable joined {}    ;# interface: what it is connected to, `external` for a port
    variable mapped {}    ;# master interface: the segments in its address space
    variable streams {32 64 128 256 512 1024}
}

# Return what the condition or width `text` is for the settings of a cell.
proc stub::value {cell text} {
    variable settings
    dict with settings $cell { return [expr $text] }
}

# Return `name direction kind must` of each pin that a cell has as it is set.
proc stub::pins {cell} {
    variable cells
    set found {}
    foreach {name direction kind when must} [dict get $catalog::ip [dict get $cells $cell] pins] {
        if {[value $cell $when]} { lappend found $name $direction $kind $must }
    }
    return $found
}

# Return `name mode protocol clock` of each interface that a cell has as it is set.
proc stub::interfaces {cell} {
    variable cells
    set all [dict get $catalog::ip [dict get $cells $cell] interfaces]
    set found {}
    foreach {name mode protocol clock when} $all {
        if {[value $cell $when]} { lappend found $name $mode $protocol $clock }
    }
    return $found
}

proc stub::find {what path} {
    variable cells
    lassign [split [string trimleft $path /] /] cell name
    if {![dict exists $cells $cell]} { return {} }
    foreach {own a b c} [$what $cell] {
        if {$own eq $name} { return [list $a $b $c] }
    }
}

stub::command create_bd_design {-dir} {} 1 1 {
    stub::needs project
    set stub::state(design) [lindex $words 0]
    lappend stub::state(files) [lindex $words 0].bd
}
stub::command create_bd_cell {-type -vlnv -reference} {} 1 1 {
    stub::needs design
    set name [lindex $words 0]
    if {[stub::option -type] ne "ip"} { error "create_bd_cell: there is no type [stub::option -type]" }
    set ip [stub::option -vlnv]
    if {![dict exists $catalog::ip $ip]} { error "create_bd_cell: the catalog has no $ip" }
    if {[dict exists $stub::cells $name]} { error "create_bd_cell: $name is there already" }
    dict set stub::cells $name $ip
    dict set stub::settings $name [dict get $catalog::ip $ip settings]
    return cell:$name
}
stub::command get_bd_cells {} {} 1 1 {
    set name [string trimleft [lindex $words 0] /]
    if {[dict exists $stub::cells $name]} { return cell:$name }
}
stub::command get_bd_pins {} {} 1 1 {
    if {[stub::find pins [lindex $words 0]] ne {}} { return pin:[lindex $words 0] }
}
stub::command get_bd_intf_pins {} {} 1 1 {
    if {[stub::find interfaces [lindex $words 0]] ne {}} { return intf:[lindex $words 0] }
}

proc stub::configure {object name value} {
    variable settings
    variable streams
    set cell [string range $object 5 end]
    if {![string match CONFIG.* $name]} { error "set_property: $object has no property $name" }
    set name [string range $name 7 end]
    if {![dict exists $settings $cell $name]} {
        error "set_property: $cell has no setting CONFIG.$name"
    }
    if {![string is double -strict $value]} {
        error "set_property: CONFIG.$name of $cell must be a number, not $value"
    }
    switch -glob $name {
        c_m_axi*_data_width { set good [expr {$value in $streams}] }
        c_*_tdata_width { set good [expr {$value in [concat 8 16 $streams]}] }
        c_sg_length_width { set good [expr {$value >= 8 && $value <= 26}] }
        c_addr_width { set good [expr {$value >= 32 && $value <= 64}] }
        NUM_SI - NUM_MI { set good [expr {$value >= 1 && $value <= 16}] }
        NUM_PORTS { set good [expr {$value >= 1 && $value <= 32}] }
        PCW_S_AXI_HP*_DATA_WIDTH { set good [expr {$value in {32 64}}] }
        PSU__*__DATA_WIDTH { set good [expr {$value in {32 64 128}}] }
        *FREQMHZ { set good [expr {$value > 0 && $value <= 500}] }
        default { set good [expr {$value in {0 1}}] }
    }
    if {!$good} { error "set_property: CONFIG.$name of $cell cannot be $value" }
    dict set settings $cell $name $value
}

proc stub::configured {object name} {
    variable settings
    return [dict get $settings [string range $object 5 end] [string range $name 7 end]]
}

stub::command apply_bd_automation {-rule -config} {} 1 1 {
    set cell [string range [lindex $words 0] 5 end]
    set rule [stub::option -rule]
    if {![dict exists $catalog::rules $rule]} { error "apply_bd_automation: there is no $rule" }
    if {[lindex [split $rule :] end] ne [lindex [split [dict get $stub::cells $cell] :] end]} {
        error "apply_bd_automation: $rule is not for [dict get $stub::cells $cell]"
    }
    foreach {name value} [stub::option -config] {
        if {$name ni [dict get $catalog::rules $rule]} {
            error "apply_bd_automation: $rule has no $name"
        }
        if {$name eq "apply_board_preset" && $value
            && ![info exists stub::properties(project:,board_part)]} {
            error "apply_bd_automation: a preset of no board"
        }
        if {$name eq "apply_board_preset" && $value} { set stub::state(preset) 1 }
        set fresh [dict get $catalog::ip [dict get $stub::cells $cell] settings]
        if {$name eq "apply_board_preset" && $value
            && [dict get $stub::settings $cell] ne $fresh} {
            error "apply_bd_automation: a preset overwrites what was set of $cell"
        }
        if {$name eq "make_external"} {
            foreach port [split $value ,] {
                dict set stub::joined $cell/[string trim $port] external
            }
        }
    }
}

stub::command connect_bd_net {-net} {} 2 2 {
    lassign $words source sink
    set source [string range $source 4 end]
    set sink [string range $sink 4 end]
    lassign [stub::find pins $source] direction kind
    lassign [stub::find pins $sink] towards wanted
    if {$direction ne "out" || $towards ne "in"} {
        error "connect_bd_net: $source ($direction) cannot drive $sink ($towards)"
    }
    if {$kind ne $wanted} { error "connect_bd_net: $source is $kind, $sink takes $wanted" }
    if {[dict exists $stub::driven $sink]} {
        error "connect_bd_net: $sink is driven by [dict get $stub::driven $sink] already"
    }
    dict set stub::driven $sink $source
}
stub::command connect_bd_intf_net {-intf_net} {} 2 2 {
    lassign $words one two
    set one [string range $one 5 end]
    set two [string range $two 5 end]
    lassign [stub::find interfaces $one] mode protocol
    lassign [stub::find interfaces $two] other kind
    if {"$mode $other" ne "master slave"} {
        error "connect_bd_intf_net: $one ($mode) cannot drive $two ($other)"
    }
    if {$protocol ne $kind} { error "connect_bd_intf_net: $one is $protocol, $two is $kind" }
    foreach end [list $one $two] {
        if {[dict exists $stub::joined $end]} {
            error "connect_bd_intf_net: $end is connected already"
        }
    }
    dict set stub::joined $one $two
    dict set stub::joined $two $one
}

# Return the slaves behind an interface of a master, through interconnects.
proc stub::slaves {interface} {
    variable joined
    variable cells
    if {![dict exists $joined $interface]} { return {} }
    set end [dict get $joined $interface]
    lassign [split $end /] cell
    if {[dict get $cells $cell] ne "xilinx.com:ip:smartconnect"} { return [list $end] }
    set found {}
    foreach {name mode protocol clock} [interfaces $cell] {
        if {$mode eq "master"} { lappend found {*}[slaves $cell/$name] }
    }
    return $found
}

stub::command assign_bd_address {-offset -range -target_address_space} {} 0 1 {
    stub::needs design
    dict for {cell ip} $stub::cells {
        foreach {name bits} [dict get $catalog::ip $ip spaces] {
            if {[stub::find interfaces $cell/$name] eq {}} continue
            set bits [stub::value $cell $bits]
            foreach slave [stub::slaves $cell/$name] {
                lassign [split $slave /] other interface
                set segments [dict get $catalog::ip [dict get $stub::cells $other] segments]
                foreach {own segment bytes} $segments {
                    if {$own ne $interface} continue
                    if {$bytes eq "32G" && $bits < 36} {
                        error "assign_bd_address: $segment is out of the $bits bits of $cell/$name"
                    }
                    dict lappend stub::mapped $cell/$name $other/$segment
                }
            }
        }
    }
}

stub::command validate_bd_design {} {-force} 0 0 {
    stub::needs design
    dict for {cell ip} $stub::cells {
        foreach {name direction kind must} [stub::pins $cell] {
            if {$must eq "must" && ![dict exists $stub::driven $cell/$name]} {
                error "validate_bd_design: $kind pin $cell/$name is not connected"
            }
        }
    }
    dict for {cell ip} $stub::cells {
        foreach {name mode protocol clock} [stub::interfaces $cell] {
            if {![dict exists $stub::joined $cell/$name]} {
                error "validate_bd_design: interface $cell/$name is not connected"
            }
            set other [dict get $stub::joined $cell/$name]
            if {$mode ne "master" || $other eq "external"} continue
            stub::one_clock $cell/$name $clock $other
            if {$protocol eq "axis"} { stub::one_width $cell/$name $other }
        }
        foreach {name bits} [dict get $catalog::ip $ip spaces] {
            if {[stub::find interfaces $cell/$name] eq {}} continue
            if {![dict exists $stub::mapped $cell/$name]} {
                error "validate_bd_design: nothing is in the address space of $cell/$name"
            }
        }
        foreach {interface segment bytes} [dict get $catalog::ip $ip segments] {
            if {[stub::find interfaces $cell/$interface] eq {}} continue
            if {"$cell/$segment" ni [concat {*}[dict values $stub::mapped]]} {
                error "validate_bd_design: segment $cell/$segment has no address"
            }
        }
    }
    stub::agreed
    set stub::state(validated) 1
}

proc stub::one_clock {master clock slave} {
    variable driven
    lassign [split $master /] cell
    lassign [split $slave /] other
    set own [dict get $driven $cell/$clock]
    set there [dict get $driven $other/[lindex [find interfaces $slave] 2]]
    if {$own ne $there} { error "validate_bd_design: $master is on $own, $slave on $there" }
}

proc stub::width {interface} {
    variable cells
    lassign [split $interface /] cell name
    return [value $cell [dict get $catalog::ip [dict get $cells $cell] widths $name]]
}

proc stub::one_width {master slave} {
    if {[width $master] != [width $slave]} {
        error "validate_bd_design: $master has [width $master] bits, $slave [width $slave]"
    }
}

# What the script was asked for and the driver counts on, beyond what Vivado would ask for.
proc stub::agreed {} {
    variable settings
    variable cells
    variable driven
    variable state
    set board [info exists stub::properties(project:,board_part)]
    if {[info exists state(preset)] != $board} {
        error "agreement: the board's preset must be applied where there is a board"
    }
    set asked [dict create axi_dma_0,c_m_axi_mm2s_data_width $::in_bits \
        axi_dma_0,c_m_axi_s2mm_data_width $::out_bits \
        ps,PCW_FPGA0_PERIPHERAL_FREQMHZ $::clock_mhz ps,PCW_S_AXI_HP0_DATA_WIDTH 64 \
        ps,PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $::clock_mhz ps,PSU__SAXIGP2__DATA_WIDTH 128]
    dict for {name value} $asked {
        lassign [split $name ,] cell setting
        if {[dict exists $settings $cell $setting]
            && [dict get $settings $cell $setting] != $value} {
            error "agreement: $setting of $cell must be $value"
        }
    }
    dict for {pin source} $driven {
        lassign [stub::find pins $pin] direction kind
        if {$kind eq "reset" && $pin ne "resets/ext_reset_in" && ![string match resets/* $source]} {
            error "agreement: $pin must be driven by resets, in step with the clock, not $source"
        }
    }
    foreach {cell ip} {zynqfire_0 zynqfire:zynqfire:zynqfire:1.0 axi_dma_0 xilinx.com:ip:axi_dma} {
        if {![dict exists $cells $cell] || [dict get $cells $cell] ne $ip} {
            error "agreement: $cell must be $ip"
        }
    }
    foreach {name value} {c_include_sg 0 c_sg_length_width 26 c_include_mm2s_dre 0
        c_include_s2mm_dre 0} {
        if {[dict get $settings axi_dma_0 $name] != $value} {
            error "agreement: $name of axi_dma_0 must be $value"
        }
    }
    foreach end {axi_dma_0/M_AXIS_MM2S axi_dma_0/S_AXIS_S2MM} {
        if {[lindex [split [dict get $stub::joined $end] /] 0] ne "zynqfire_0"} {
            error "agreement: $end must be at zynqfire_0"
        }
    }
    foreach pin {zynqfire_0/irq axi_dma_0/mm2s_introut axi_dma_0/s2mm_introut interrupts/dout} {
        if {$pin ni [dict values $driven]} { error "agreement: $pin must be connected" }
    }
}

stub::command save_bd_design {} {} 0 1 {
    stub::needs design
    set stub::state(saved) 1
}
stub::command generate_target {} {-force} 2 2 {
    if {[lindex $words 0] ne "all"} { error "generate_target: there is no target $words" }
    if {!$stub::state(validated) || !$stub::state(saved)} {
        error "generate_target: the block design must be valid and saved"
    }
    if {[lindex $words 1] ne "file:$stub::state(design).bd"} { error "generate_target: of $words" }
    set stub::state(generated) 1
    set sources [file join $stub::state(folder) $stub::state(project).gen sources_1 bd $stub::state(design)]
    stub::write [file join $sources hw_handoff $stub::state(design).hwh] "<EDKSYSTEM/>\n"
}
stub::command make_wrapper {-files -fileset} {-top -testbench -import -force} 0 0 {
    if {!$o(-top) || [stub::option -files] ne "file:$stub::state(design).bd"} {
        error "make_wrapper: needs -top and the block design"
    }
    set name $stub::state(design)_wrapper.v
    set folder [file join $stub::state(folder) $stub::state(project).gen sources_1 bd $stub::state(design) hdl]
    stub::write [file join $folder $name] "module $stub::state(design)_wrapper;\nendmodule\n"
    return [file join $folder $name]
}
