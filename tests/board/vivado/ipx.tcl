# SPDX-License-Identifier: Apache-2.0
#
# The IP packager of the stubs. Interfaces come from the X_INTERFACE attributes of the Verilog top,
# as Vivado infers them; component.xml is a Tcl dictionary that update_ip_catalog reads back.

namespace eval ipx {}
namespace eval stub {
    variable buses {}       ;# interface: kind, mode, parameters, signals
    # Of each signal of an interface, who drives it where the interface is a slave.
    variable signals {
        xilinx.com:interface:axis {
            TDATA input TKEEP input TSTRB input TUSER input TVALID input TLAST input TID input
            TDEST input TREADY output
        }
        xilinx.com:interface:aximm {
            AWADDR input AWPROT input AWVALID input AWREADY output WDATA input WSTRB input
            WVALID input WREADY output BRESP output BVALID output BREADY input ARADDR input
            ARPROT input ARVALID input ARREADY output RDATA output RRESP output RVALID output
            RREADY input
        }
        xilinx.com:signal:clock {CLK input}
        xilinx.com:signal:reset {RST input}
        xilinx.com:signal:interrupt {INTERRUPT input}
    }
    variable needed {
        xilinx.com:interface:axis {TDATA TVALID TREADY TLAST}
        xilinx.com:interface:aximm {
            AWADDR AWPROT AWVALID AWREADY WDATA WSTRB WVALID WREADY BRESP BVALID BREADY
            ARADDR ARPROT ARVALID ARREADY RDATA RRESP RVALID RREADY
        }
    }
}

# Return `name direction bits attributes` of each port of the Verilog module in `text`.
proc stub::ports {text} {
    regsub -all {//[^\n]*} $text {} text
    set found {}
    set pattern {((?:\(\*[^*]*\*\)\s*)*)(input|output)\s+wire\s*(?:\[\s*(\d+)\s*:\s*0\s*\])?\s*(\w+)}
    foreach {all attributes direction high name} [regexp -all -inline $pattern $text] {
        lappend found $name $direction [expr {$high eq {} ? 1 : $high + 1}] $attributes
    }
    return $found
}

proc stub::attribute {attributes name} {
    if {[regexp "$name\\s*=\\s*\"(\[^\"\]*)\"" $attributes all value]} { return $value }
}

stub::command ipx::package_project \
    {-root_dir -vendor -library -taxonomy -set_current -module} {-force -import_files} 0 0 {
    stub::needs project
    foreach option {-root_dir -vendor -library -taxonomy} {
        if {[stub::option $option] eq {}} { error "ipx::package_project: $option is missing" }
    }
    foreach file $stub::state(files) {
        if {!$o(-import_files) && ![string match [stub::option -root_dir]/* $file]} {
            error "ipx::package_project: $file lies outside [stub::option -root_dir]"
        }
        if {[file extension $file] ni {.v .sv}
            && ![info exists stub::properties(file:$file,file_type)]} {
            error "ipx::package_project: $file is of no type"
        }
        if {[file rootname [file tail $file]] eq $stub::state(top)
            && [file extension $file] in {.v .sv}} {
            set top $file
        }
    }
    if {![info exists top]} { error "ipx::package_project: there is no module $stub::state(top)" }
    if {[file extension $top] ne ".v"} { error "ipx::package_project: $top must be Verilog" }
    set stream [open $top]
    stub::infer [read $stream]
    close $stream
    set stub::state(root) [stub::option -root_dir]
    set stub::state(core) [expr {[stub::option -set_current] eq "true" ? "core:" : {}}]
    array set stub::properties [list core:,vendor [stub::option -vendor] \
        core:,library [stub::option -library]]
}

proc stub::infer {text} {
    variable buses
    variable signals
    variable needed
    foreach {port direction bits attributes} [ports $text] {
        set info [attribute $attributes X_INTERFACE_INFO]
        if {$info eq {}} { error "ipx::package_project: port $port is in no interface" }
        lassign $info vlnv bus signal
        regexp {^(.*):[0-9.]+$} $vlnv all kind
        if {![dict exists $signals $kind $signal]} {
            error "ipx::package_project: $kind has no signal $signal (port $port)"
        }
        set slave [expr {$direction eq [dict get $signals $kind $signal]}]
        set mode [expr {$slave ? "slave" : "master"}]
        if {[dict exists $buses $bus]} {
            if {[dict get $buses $bus mode] ne $mode || [dict get $buses $bus kind] ne $kind} {
                error "ipx::package_project: port $port does not fit the others of $bus"
            }
            if {[dict exists $buses $bus signals $signal]} {
                error "ipx::package_project: $bus has two $signal"
            }
        } else {
            dict set buses $bus [dict create kind $kind mode $mode parameters {} signals {}]
        }
        dict set buses $bus signals $signal [list $port $bits]
        foreach pair [split [attribute $attributes X_INTERFACE_PARAMETER] ,] {
            if {[llength $pair] != 2} continue
            lassign $pair name value
            dict set buses $bus parameters $name $value
        }
    }
    dict for {bus facts} $buses {
        if {[dict exists $needed [dict get $facts kind]]} {
            foreach signal [dict get $needed [dict get $facts kind]] {
                if {![dict exists $facts signals $signal]} {
                    error "ipx::package_project: $bus has no $signal"
                }
            }
        }
    }
    dict for {bus facts} $buses {
        foreach {name wanted} {ASSOCIATED_BUSIF interface ASSOCIATED_RESET signal:reset} {
            if {![dict exists $facts parameters $name]} continue
            foreach other [split [dict get $facts parameters $name] :] {
                if {![dict exists $buses $other]
                    || ![string match *:$wanted* [dict get $buses $other kind]]} {
                    error "ipx::package_project: $name of $bus names $other"
                }
            }
        }
        set abstraction [dict get $facts kind]_rtl:1.0
        set ::stub::properties(interface:$bus,abstraction_type_vlnv) $abstraction
        set ::stub::properties(interface:$bus,interface_mode) [dict get $facts mode]
    }
}

stub::command ipx::current_core {} {} 0 1 { stub::needs core; return core: }
stub::command ipx::get_bus_interfaces {-of_objects -filter} {} 0 1 {
    stub::needs core
    if {[dict exists $stub::buses [lindex $words 0]]} { return interface:[lindex $words 0] }
}
stub::command ipx::get_bus_parameters {-of_objects} {} 0 1 {
    set bus [string range [stub::option -of_objects] 10 end]
    if {[dict exists $stub::buses $bus parameters [lindex $words 0]]} {
        set parameter parameter:$bus:[lindex $words 0]
        if {![info exists stub::properties($parameter,value)]} {
            set ::stub::properties($parameter,value) \
                [dict get $stub::buses $bus parameters [lindex $words 0]]
        }
        return $parameter
    }
}
stub::command ipx::add_bus_parameter {} {} 2 2 {
    lassign $words name bus
    set bus [string range $bus 10 end]
    dict set stub::buses $bus parameters $name {}
    return parameter:$bus:$name
}
stub::command ipx::get_memory_maps {-of_objects} {} 0 1 {
    if {[info exists stub::state(map)]} { return map:$stub::state(map) }
}
stub::command ipx::add_memory_map {} {} 2 2 {
    set stub::state(map) [lindex $words 0]
    return map:[lindex $words 0]
}
stub::command ipx::get_address_blocks {-of_objects} {} 0 1 {
    if {[info exists stub::state(block)]} { return block:$stub::state(block) }
}
stub::command ipx::add_address_block {} {} 2 2 {
    if {[lindex $words 1] ne "map:$stub::state(map)"} { error "ipx::add_address_block: $words" }
    set stub::state(block) [lindex $words 0]
    return block:[lindex $words 0]
}
foreach name {create_xgui_files update_checksums check_integrity} {
    stub::command ipx::$name {} {} 1 1 [string map [list @name $name] {
        stub::needs core
        if {[lindex $words 0] ne "core:"} { error "ipx::@name: takes the core" }
    }]
}

stub::command ipx::save_core {} {} 1 1 {
    stub::needs core
    foreach step {create_xgui_files update_checksums check_integrity} {
        if {"ipx::$step" ni $stub::log} { error "ipx::save_core: ipx::$step comes before" }
    }
    array set got {name {} version {} core_revision {}}
    foreach property {vendor library name version core_revision} {
        set got($property) $stub::properties(core:,$property)
    }
    foreach {bus name value} {
        aresetn POLARITY ACTIVE_LOW irq SENSITIVITY LEVEL_HIGH s_axi PROTOCOL AXI4LITE
        aclk ASSOCIATED_RESET aresetn
    } {
        set key parameter:$bus:$name,value
        if {![info exists stub::properties($key)] || $stub::properties($key) ne $value} {
            error "ipx::save_core: $name of $bus must be $value"
        }
    }
    set clocked [split $stub::properties(parameter:aclk:ASSOCIATED_BUSIF,value) :]
    dict for {bus facts} $stub::buses {
        if {[string match *:interface:* [dict get $facts kind]] != ($bus in $clocked)} {
            error "ipx::save_core: $bus must be with aclk, if it is a bus"
        }
    }
    set key block:$stub::state(block)
    foreach {name value} {base_address 0 range 4096 width 32 usage register} {
        if {$stub::properties($key,$name) ne $value} {
            error "ipx::save_core: $name of the registers must be $value"
        }
    }
    if {$stub::properties(interface:s_axi,slave_memory_map_ref) ne $stub::state(map)} {
        error "ipx::save_core: the registers must belong to s_axi"
    }
    stub::write [file join $stub::state(root) component.xml] \
        [dict create vlnv $got(vendor):$got(library):$got(name):$got(version) buses $stub::buses]
    set lines {}
    dict for {bus facts} $stub::buses {
        dict for {signal port} [dict get $facts signals] {
            lassign $port name bits
            set given [dict get $stub::signals [dict get $facts kind] $signal]
            set slave [expr {[dict get $facts mode] eq "slave"}]
            set direction [expr {($given eq "input") == $slave ? "input" : "output"}]
            append lines "$name $direction $bits\n"
        }
    }
    stub::write [file join $stub::state(root) ports.txt] $lines
    set stub::state(packaged) 1
}

# Put the packaged IP of a repository into the catalog.
proc stub::load_component {path} {
    if {![file isfile $path]} { error "update_ip_catalog: there is no $path" }
    set stream [open $path]
    set component [read $stream]
    close $stream
    set interfaces {}
    set pins {}
    set widths {}
    dict for {bus facts} [dict get $component buses] {
        set mode [dict get $facts mode]
        switch -glob [dict get $facts kind] {
            *:interface:* {
                set protocol [lindex [split [dict get $facts kind] :] end]
                lappend interfaces $bus $mode $protocol aclk 1
                if {$protocol eq "axis"} {
                    lappend widths $bus [lindex [dict get $facts signals TDATA] 1]
                }
            }
            *:clock { lappend pins $bus in clock 1 must }
            *:reset { lappend pins $bus in reset 1 must }
            *:interrupt { lappend pins $bus out irq 1 open }
        }
    }
    dict set catalog::ip [dict get $component vlnv] [dict create settings {} \
        interfaces $interfaces pins $pins segments {s_axi reg0 4K} spaces {} widths $widths]
}
