"""`zynqfire.Accelerator`: a build's network on simulated hardware, or on the board this runs on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import Refusal
from .board import driver

DEVICES = ("sim", "pynq")


class Accelerator(driver.Accelerator):
    """The network of a build; see `zynqfire.board.driver.Accelerator`.

    Parameters
    ----------
    build : path
        What `zynqfire compile` or an unpacked `zynqfire package` made.
    device : {"sim", "pynq"}
        The compiled RTL in this process, or the bitstream on this board.
    **options
        `timeout` and `packet_frames` of the driver.

    Raises
    ------
    Refusal
        There is no such device, or the folder does not hold what it needs.
    zynqfire.board.driver.AcceleratorError
        The hardware is not the one of the build.
    """

    def __init__(self, build: Path | str, device: str = "sim", **options: Any) -> None:
        if device not in DEVICES:
            raise Refusal(f"accelerator: device must be one of {', '.join(DEVICES)}, not {device}")
        build = Path(build)
        if device == "sim":
            from .rtl_tb.sim_device import SimDevice, described

            manifest, opened = described(build), SimDevice(build)
        else:
            opened = driver.PynqDevice(driver.bitstream(build))
            manifest = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
        super().__init__(opened, manifest, build, **options)
