# SPDX-License-Identifier: Apache-2.0
#
# Vivado's commands as far as board/vivado/*.tcl uses them, after UG835 (2022.2 to 2024.2), for any
# Tcl 8.6. Each checks its options and the number of its arguments, and refuses what Vivado would:
# names that are not there, settings that an IP does not have, a run before the one it needs.
# ipx.tcl packages, design.tcl is the block design; `stub::finished` is what a script must have
# done in the end.

namespace eval stub {
    variable folder [file dirname [file normalize [info script]]]
    variable state  ;# project, files, properties, runs: what a name stands for
    array set state {project {} core {} design {} validated 0 saved 0 generated 0 closed 0}
    variable properties
    array set properties {}
    variable log {}
}

# Define a Vivado command: its options with a value, its flags, fewest and most other words.
# The body finds the options in the array `o`, flags as 0 or 1, and the words in `words`.
proc stub::command {name valued flags least most body} {
    proc ::$name args [string map [list @name $name @valued "{$valued}" \
        @flags "{[concat $flags -quiet -verbose]}" @least $least @most $most @body $body] {
        set words {}
        array set o {}
        foreach flag @flags { set o($flag) 0 }
        while {[llength $args]} {
            set args [lassign $args word]
            if {$word in @valued} {
                if {![llength $args]} { error "@name: option $word needs a value" }
                set args [lassign $args o($word)]
            } elseif {$word in @flags} {
                set o($word) 1
            } elseif {[regexp {^-[a-z_]+$} $word]} {
                error "@name: there is no option $word"
            } else {
                lappend words $word
            }
        }
        if {[llength $words] < @least || [llength $words] > @most} {
            error "@name: takes @least to @most words, not [llength $words]"
        }
        lappend ::stub::log @name
        @body
    }]
}

proc stub::needs {what} {
    variable state
    if {$state($what) eq {} || $state($what) eq 0} { error "there is no open $what" }
}

proc stub::option {name} {
    upvar 1 o o
    return [expr {[info exists o($name)] ? $o($name) : {}}]
}

source [file join $stub::folder catalog.tcl]
source [file join $stub::folder design.tcl]
source [file join $stub::folder ipx.tcl]

# --- project ------------------------------------------------------------------------------------

stub::command create_project {-part} {-force -in_memory} 1 2 {
    if {![regexp {^xc[7kz][a-z0-9]+-[a-z0-9-]+$} [stub::option -part]]} {
        error "create_project: there is no part [stub::option -part]"
    }
    if {[stub::option -part] ne $::part} { error "create_project: the part must be $::part" }
    array set stub::state [list project [lindex $words 0] folder [lindex $words 1] files {} \
        part [stub::option -part] closed 0]
    file mkdir $stub::state(folder)
}
stub::command close_project {} {-delete} 0 0 {
    stub::needs project
    set stub::state(project) {}
    set stub::state(closed) 1
}
stub::command current_project {} {} 0 0 { stub::needs project; return project: }
stub::command get_filesets {} {} 0 1 {
    if {$words ni {sources_1 constrs_1 sim_1}} { error "get_filesets: there is no $words" }
    return fileset:$words
}
stub::command add_files {-fileset} {-norecurse -force} 1 1 {
    stub::needs project
    foreach file [lindex $words 0] {
        if {![file isfile $file]} { error "add_files: there is no file $file" }
        if {$file in $stub::state(files)} { error "add_files: $file is there already" }
        lappend stub::state(files) $file
        if {[stub::option -fileset] ni {{} sources_1}} {
            error "add_files: $file must be in sources_1, not [stub::option -fileset]"
        }
    }
}
stub::command get_files {-of_objects} {} 0 1 {
    set found {}
    foreach file $stub::state(files) {
        if {$file eq [lindex $words 0] || [file tail $file] eq [lindex $words 0]} {
            lappend found file:$file
        }
    }
    if {![llength $found] && !$o(-quiet)} { error "get_files: there is no $words" }
    return $found
}
stub::command update_compile_order {-fileset} {} 0 0 { stub::needs project }
stub::command get_board_parts {-filter} {-latest_file_version -latest_hw_revision} 0 1 {
    set found {}
    foreach board $catalog::boards {
        if {[string match [lindex $words 0] $board]} { lappend found $board }
    }
    # Those of all revisions of a board, the oldest first
    return $found
}
stub::command update_ip_catalog {} {-rebuild} 0 0 {
    stub::needs project
    foreach repository [stub::property project: ip_repo_paths] {
        stub::load_component [file join $repository component.xml]
    }
}
stub::command set_msg_config {-id -new_severity -string -limit} {-suppress} 0 0 {
    if {[stub::option -new_severity] ni {ERROR {CRITICAL WARNING} WARNING INFO STATUS}} {
        error "set_msg_config: there is no severity [stub::option -new_severity]"
    }
    set stub::state(severity,[stub::option -id],[stub::option -string]) \
        [stub::option -new_severity]
}

# --- properties ---------------------------------------------------------------------------------

namespace eval stub {
    # What may be set, by the kind of object: a pattern of its value each.
    variable settable {
        project {board_part * ip_repo_paths * target_language {V*} part *}
        fileset {top *}
        file {file_type * used_in * is_enabled ?}
        core {
            name * version *.* core_revision * display_name * description * vendor_display_name *
            company_url * taxonomy * supported_families *
        }
        parameter {value *}
        interface {slave_memory_map_ref * interface_mode *}
        block {base_address * range * width * usage *}
        run {strategy * STEPS.SYNTH_DESIGN.ARGS.FLATTEN_HIERARCHY *}
    }
    # What Vivado calls the contents of memories.
    variable types {{Memory Initialization Files} SystemVerilog Verilog XDC}
}

proc stub::property {object name} {
    variable properties
    return $properties($object,$name)
}

proc stub::set_one {name value object} {
    variable settable
    variable properties
    variable types
    lassign [split $object :] kind
    if {$kind eq "cell"} { return [configure $object $name $value] }
    set name [expr {$kind eq "run" ? $name : [string tolower $name]}]
    if {![dict exists $settable $kind] || ![dict exists $settable $kind $name]} {
        error "set_property: $object has no property $name"
    }
    if {![string match [dict get $settable $kind $name] $value]} {
        error "set_property: $name of $object cannot be $value"
    }
    if {$name eq "file_type" && $value ni $types} {
        error "set_property: there is no file type $value"
    }
    if {$name eq "board_part" && $value ni $catalog::boards} {
        error "set_property: there is no board part $value"
    }
    if {$name eq "board_part" && $value ne [lindex [lsort -dictionary [lsearch -all -inline \
        $catalog::boards [join [lrange [split $value :] 0 2] :]:*]] end]} {
        error "set_property: there is a newer board part than $value"
    }
    if {$name eq "top"} { set ::stub::state(top) $value }
    set properties($object,$name) $value
}

stub::command set_property {-dict} {} 1 3 {
    if {[stub::option -dict] ne {}} {
        if {[llength $words] != 1} { error "set_property: -dict takes one object" }
        foreach {name value} [stub::option -dict] { stub::set_one $name $value [lindex $words 0] }
    } else {
        lassign $words name value object
        if {[llength $words] != 3} { error "set_property: takes name, value and object" }
        if {![llength $object]} { error "set_property: $name of no object" }
        foreach each $object { stub::set_one $name $value $each }
    }
}
stub::command get_property {} {} 2 2 {
    lassign $words name object
    lassign [split $object :] kind
    if {$kind eq "run"} { return [stub::run_property $name [string range $object 4 end]] }
    if {$object eq "project:" && $name eq "DIRECTORY"} { return $stub::state(folder) }
    if {$kind eq "cell"} { return [stub::configured $object $name] }
    if {![info exists stub::properties($object,$name)]} {
        error "get_property: $object has no property $name"
    }
    return $stub::properties($object,$name)
}

# --- runs ---------------------------------------------------------------------------------------

proc stub::run_property {name run} {
    variable state
    switch $name {
        PROGRESS { return [expr {$state(run,$run) eq "complete" ? "100%" : "42%"}] }
        STATUS { return [expr {$state(run,$run) eq "complete" ? "Complete!" : "ERROR"}] }
        DIRECTORY { return [file join $state(folder) $state(project).runs $run] }
    }
    error "get_property: a run has no property $name"
}

stub::command get_runs {} {} 0 1 {
    if {[lindex $words 0] ni {synth_1 impl_1}} { error "get_runs: there is no $words" }
    return run:[lindex $words 0]
}
stub::command launch_runs {-jobs -to_step -host} {-force -scripts_only} 1 1 {
    stub::needs project
    set run [lindex $words 0]
    get_runs $run
    if {![string is integer -strict [stub::option -jobs]] || [stub::option -jobs] < 1} {
        error "launch_runs: -jobs must be a number, not [stub::option -jobs]"
    }
    if {$run eq "synth_1"} {
        if {!$stub::state(generated)} { error "launch_runs: the block design is not generated" }
        if {$stub::state(top) ne "system_wrapper"} { error "launch_runs: top is $stub::state(top)" }
    } else {
        if {![info exists stub::state(run,synth_1)] || $stub::state(run,synth_1) ne "complete"} {
            error "launch_runs: synth_1 is not complete"
        }
        if {[stub::option -to_step] ni {{} write_bitstream}} {
            error "launch_runs: there is no step [stub::option -to_step]"
        }
        set stub::state(bitstream) [expr {[stub::option -to_step] eq "write_bitstream"}]
    }
    set stub::state(run,$run) running
}
stub::command wait_on_run {-timeout} {} 1 1 {
    set run [lindex $words 0]
    if {![info exists stub::state(run,$run)]} { error "wait_on_run: $run was not launched" }
    stub::finish_run $run
}

# What a run leaves behind; a test may replace it to let one fail.
proc stub::finish_run {run} {
    variable state
    set state(run,$run) complete
    set folder [file join $state(folder) $state(project).runs $run]
    file mkdir $folder
    write [file join $folder runme.log] "INFO: \[Common 17-83\] Releasing license\n"
    if {$run eq "impl_1"} {
        puts "Starting Placer Task\nINFO: \[Timing 38-35\] Done setting XDC timing constraints."
    }
    if {$run eq "impl_1" && $state(bitstream)} {
        write [file join $folder $state(top).bit] "bitstream of $state(part)\n"
    }
}

proc stub::write {path text} {
    file mkdir [file dirname $path]
    set file [open $path w]
    puts -nonewline $file $text
    close $file
}

stub::command open_run {-name} {} 1 1 {
    set run [lindex $words 0]
    if {![info exists stub::state(run,$run)] || $stub::state(run,$run) ne "complete"} {
        error "open_run: $run is not complete"
    }
    set stub::state(opened) $run
}

proc stub::report {sample file} {
    variable state
    if {![info exists state(opened)] || $state(opened) ne "impl_1"} {
        error "a report: no implemented design is open"
    }
    if {$file eq {}} { error "a report: goes nowhere" }
    file copy -force [file join $::env(ZYNQFIRE_STUB_REPORTS) $sample] $file
}

stub::command report_utilization {-file -hierarchical_depth} {-hierarchical -append} 0 0 {
    set kind [expr {$o(-hierarchical) ? "utilization_hierarchical" : "utilization"}]
    stub::report $kind.rpt [stub::option -file]
}
stub::command report_timing_summary {-file -max_paths -delay_type -nworst} {-append} 0 0 {
    stub::report timing_summary.rpt [stub::option -file]
}

# --- what a script must have done ---------------------------------------------------------------

proc stub::finished {script} {
    variable state
    if {!$state(closed)} { error "$script: leaves its project open" }
    if {[string match package* $script]} {
        if {![info exists state(packaged)]} { error "$script: saves no core" }
        return
    }
    # 8-2898 is also what Vivado says of any assertion that it ignores.
    foreach message {{Synth 8-4445,} {Synth 8-2898,$readmem}} {
        if {![info exists state(severity,$message)] || $state(severity,$message) ne "ERROR"} {
            error "$script: lets memories without contents pass ($message)"
        }
    }
    if {[info exists {state(severity,Synth 8-2898,)}]} {
        error "$script: lets no elaboration check pass (Synth 8-2898)"
    }
    if {!$state(validated)} { error "$script: does not validate the block design" }
    foreach command {report_utilization report_timing_summary open_run} {
        if {$command ni $stub::log} { error "$script: does not call $command" }
    }
}
