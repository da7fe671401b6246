"""A Tcl 8.6 for the stubs of Vivado: the one inside this Python, or else `tclsh`.

``python tcl.py FILE`` runs a file; `command` says how one is run on this machine.
"""

import importlib.util
import shutil
import sys


def command(file: str) -> list[str]:
    """Return the command line that runs a Tcl file.

    Raises
    ------
    RuntimeError
        There is no Tcl: a test must fail then, not pass unseen.

    """
    if importlib.util.find_spec("_tkinter") is not None:
        return [sys.executable, __file__, file]
    if found := shutil.which("tclsh"):
        return [found, file]
    raise RuntimeError(
        "the check of the Vivado scripts needs Tcl 8.6: a Python with tkinter, or tclsh on the "
        "PATH (Debian and Ubuntu: apt install tcl)"
    )


if __name__ == "__main__":
    import tkinter

    try:
        tkinter.Tcl().evalfile(sys.argv[1])
    except tkinter.TclError as error:
        sys.exit(f"ERROR: {error}")
