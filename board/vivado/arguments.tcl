# SPDX-License-Identifier: Apache-2.0
#
# What both scripts share: arguments by name, and a line for each step.

# Return the pairs `name value` of the command line, every needed name among them.
proc arguments {needed optional} {
    global argv
    if {[llength $argv] % 2} {
        error "arguments: must be pairs of a name and a value, not [llength $argv] words"
    }
    foreach {name value} $argv {
        if {$name ni [concat $needed $optional]} {
            error "argument $name: must be one of [join [concat $needed $optional] {, }]"
        }
        dict set given $name $value
    }
    foreach name $needed {
        if {![info exists given] || ![dict exists $given $name]} {
            error "argument $name: is missing"
        }
    }
    return $given
}

# zynqfire shows lines that begin like this while Vivado runs.
proc step {text} {
    puts "zynqfire: $text"
    flush stdout
}
