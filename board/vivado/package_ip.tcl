# SPDX-License-Identifier: Apache-2.0
#
# Packages an accelerator for Vivado's catalog, as zynqfire:zynqfire:zynqfire:1.0.
#
#   vivado -mode batch -source package_ip.tcl -tclargs part P top T ip FOLDER files LIST
#
# part   Vivado's name of the part
# top    Verilog module whose X_INTERFACE attributes say what its ports are
# ip     folder of the IP; the files lie in it already and component.xml is written there
# files  text file with the path of a file a line: .v and .sv are sources, all else the contents
#        of memories. The sources name these by absolute path, for out-of-context synthesis
#        runs elsewhere; as files of the IP they are part of what Vivado watches and archives.

source [file join [file dirname [info script]] arguments.tcl]
set given [arguments {part top ip files} {}]
dict with given {}

step "package $top for $part"
set list [open $files]
set names [split [string trim [read $list]] \n]
close $list
create_project package [file normalize package] -part $part -force
foreach name $names {
    set path [file normalize $name]
    add_files -norecurse -fileset sources_1 $path
    if {[file extension $name] ni {.v .sv}} {
        set_property file_type {Memory Initialization Files} [get_files $path]
    }
}
set_property top $top [get_filesets sources_1]
update_compile_order -fileset sources_1

ipx::package_project -root_dir [file normalize $ip] -vendor zynqfire -library zynqfire \
    -taxonomy /UserIP -set_current true -force
set core [ipx::current_core]
set_property name zynqfire $core
set_property version 1.0 $core
set_property core_revision 1 $core
set_property display_name {zynqfire accelerator} $core
set_property description {A quantized network, every weight on chip} $core

# Nothing is inferred twice or by halves: each interface is there, of its kind and direction.
foreach {name kind mode} {
    aclk    xilinx.com:signal:clock_rtl:1.0     slave
    aresetn xilinx.com:signal:reset_rtl:1.0     slave
    irq     xilinx.com:signal:interrupt_rtl:1.0 master
    s_axis  xilinx.com:interface:axis_rtl:1.0   slave
    m_axis  xilinx.com:interface:axis_rtl:1.0   master
    s_axi   xilinx.com:interface:aximm_rtl:1.0  slave
} {
    set bus [ipx::get_bus_interfaces -quiet $name -of_objects $core]
    if {[llength $bus] != 1} {
        error "interface $name: must be inferred from $top once, not [llength $bus] times"
    }
    set found "[get_property abstraction_type_vlnv $bus] [get_property interface_mode $bus]"
    if {$found ne "$kind $mode"} {
        error "interface $name: must be $kind $mode, not $found"
    }
    set interface($name) $bus
}

proc parameter {bus name value} {
    set found [ipx::get_bus_parameters -quiet $name -of_objects $bus]
    if {$found eq ""} {
        set found [ipx::add_bus_parameter $name $bus]
    }
    set_property value $value $found
}

parameter $interface(aclk) ASSOCIATED_BUSIF s_axis:m_axis:s_axi
parameter $interface(aclk) ASSOCIATED_RESET aresetn
parameter $interface(aresetn) POLARITY ACTIVE_LOW
parameter $interface(irq) SENSITIVITY LEVEL_HIGH
parameter $interface(s_axi) PROTOCOL AXI4LITE

set map [ipx::get_memory_maps -quiet s_axi -of_objects $core]
if {$map eq ""} {
    set map [ipx::add_memory_map s_axi $core]
    set_property slave_memory_map_ref s_axi $interface(s_axi)
}
set block [ipx::get_address_blocks -quiet -of_objects $map]
if {$block eq ""} {
    set block [ipx::add_address_block reg0 $map]
}
set_property base_address 0 $block
set_property range 4096 $block
set_property width 32 $block
set_property usage register $block

ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
step "packaged zynqfire:zynqfire:zynqfire:1.0"
