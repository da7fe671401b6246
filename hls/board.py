"""What a board offers: its part, clock and limits. The boards themselves are files of `board`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A board and the limits of its part.

    Attributes
    ----------
    name : str
        What people type.
    part : str
        Vivado's name of the part.
    family : str
        Yosys's name of the family: xc7 (7 series) or xcup (UltraScale+).
    clock_mhz : float
        Clock of the programmable logic unless told otherwise.
    lut, ff, dsp : int
        LUTs, flip-flops, DSP slices.
    slicem_lut : int
        The LUTs among them that can be RAM or shift registers.
    bram36, uram : int
        RAMB36, each of which can be two RAMB18, and URAM288.
    board_part : str
        Pattern of Vivado's name of the board without its version, or nothing. From the board's
        files Vivado takes how the processor's memory, pins and clocks are set; without them the
        defaults of the processor hold, and its clocks may not be what was asked for.

    """

    name: str
    part: str
    family: str
    clock_mhz: float
    lut: int
    ff: int
    dsp: int
    slicem_lut: int
    bram36: int
    uram: int
    board_part: str = ""

    @property
    def limits(self) -> dict[str, int]:
        """What a build can use, as the manifest keeps it."""
        return {
            "lut": self.lut,
            "ff": self.ff,
            "dsp": self.dsp,
            "slicem_lut": self.slicem_lut,
            "bram36": self.bram36,
            "uram": self.uram,
        }
