"""`zynqfire.Accelerator`: a build's network on simulated hardware, or on the board this runs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from . import Refusal
from .board import driver
from .hls import manifest as form

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
        manifest = form.with_ports(build, "input", "output", "loads", "signatures")
        if device == "sim":
            from .rtl_tb.sim_device import SimDevice

            opened = SimDevice(build)
        else:
            opened = driver.PynqDevice(driver.bitstream(build))
        super().__init__(opened, manifest, build, **options)
