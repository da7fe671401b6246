"""A program `vivado` that runs a script under the stubs, for the tests of whoever calls it.

Environment: ``ZYNQFIRE_FAKE_VERSION`` is what it says it is, ``ZYNQFIRE_FAKE_TCL`` is evaluated
after the stubs, ``ZYNQFIRE_STUB_REPORTS`` is the folder of the reports that it gives.
"""

import os
import subprocess
import sys
from pathlib import Path

from tcl import command

STUBS = Path(__file__).with_name("stubs.tcl")
DRIVER = """\
source {STUBS}
TCL
if {[catch {
    source {SCRIPT}
    stub::finished SCRIPT
} message]} {
    puts "ERROR: \\[Stub 1-1\\] $message"
    error {the script ends here}
}
"""
FLAGS = ("-notrace", "-nojournal")
VALUED = ("-mode", "-source", "-log")


def main(words: list[str]) -> int:
    """Do as Vivado's command line would (UG835, chapter 1)."""
    if words == ["-version"]:
        print(os.environ.get("ZYNQFIRE_FAKE_VERSION", "vivado v2023.2 (64-bit)"))
        print("Tool Version Limit: 2023.10")
        return 0
    at = words.index("-tclargs")
    options, arguments = words[:at], words[at + 1 :]
    given = {}
    while options:
        word = options.pop(0)
        if word in VALUED:
            given[word] = options.pop(0)
        elif word not in FLAGS:
            sys.exit(f"ERROR: [Common 17-170] Unknown option '{word}'")
    assert given["-mode"] == "batch"
    braced = " ".join("{" + word + "}" for word in arguments)
    text = DRIVER.replace("STUBS", str(STUBS)).replace("SCRIPT", given["-source"])
    text = text.replace("TCL", os.environ.get("ZYNQFIRE_FAKE_TCL", ""))
    driver = Path(given["-log"]).with_suffix(".driver.tcl")
    driver.write_text(f"set argv [list {braced}]\n{text}")
    with open(given["-log"], "w") as log:
        process = subprocess.Popen(
            command(str(driver)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for line in process.stdout:
            print(line, end="", flush=True)
            log.write(line)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
