"""An AXI4-Lite slave port ``s_axi`` for benches: its signals, and a master that may stall."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Mapping

from cocotbext.axi import AxiLiteBus, AxiLiteMaster

CHANNELS = ("aw", "w", "b", "ar", "r")
_WIDTHS = {
    **dict.fromkeys(("awaddr", "araddr"), 12),
    **dict.fromkeys(("wdata", "rdata"), 32),
    **dict.fromkeys(("bresp", "rresp"), 2),
    "wstrb": 4,
    **{f"{c}{s}": 1 for c in CHANNELS for s in ("valid", "ready")},
}
PORTS = {f"s_axi_{name}": width for name, width in _WIDTHS.items()}
_DRIVEN = ("awaddr", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arvalid", "rready")
INPUTS = tuple(f"s_axi_{name}" for name in _DRIVEN)


def master(dut, case: str, stalls: Mapping[str, float]) -> AxiLiteMaster:
    """Return a master of a case's port; `stalls` are the shares of cycles that a channel waits."""
    bus = AxiLiteBus.from_prefix(dut, f"{case}_s_axi")
    made = AxiLiteMaster(bus, getattr(dut, f"{case}_clk_i"), getattr(dut, f"{case}_rst_i"))
    for side, names in ((made.write_if, CHANNELS[:3]), (made.read_if, CHANNELS[3:])):
        side.log.setLevel(logging.WARNING)
        for name in names:
            if share := stalls.get(name, 0.0):
                pauses = _pauses(share)
                getattr(side, f"{name}_channel").set_pause_generator(pauses)
    return made


def _pauses(share: float):
    return (random.random() < share for _ in itertools.count())
