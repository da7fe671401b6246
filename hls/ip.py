"""The block that drops into Vivado: how wide its ports are, and what the manifest says of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import boot
from .register_map import REGISTERS

TOP = "zynqfire_ip"
PACKAGER_TOP = "zynqfire"
WIDTHS = {"xc7": (32, 64), "xcup": (32, 64, 128)}  # bits of s_axis, by family
BYTE = 8


@dataclass(frozen=True)
class Shell:
    """What is around a core.

    Attributes
    ----------
    core : str
        Its top module.
    shape : (int, int, int)
        Height, width and channels of a frame; a byte a code.
    lanes : int
        Bytes of a beat of the core's input; they divide the channels.
    outputs, out_bits : int
        Beats of a frame out, and bits of each.
    pieces : tuple of int
        Writes that load each memory.
    signatures : int
        Memories that have a signature, those to be loaded among them.
    network_hash : int
        32 bits that stand for the network.
    core_interval : int
        Cycles a frame of the core alone.
    widths : tuple of int
        Bits that s_axis may have, ascending.
    """

    core: str
    shape: tuple[int, int, int]
    lanes: int
    outputs: int
    out_bits: int
    pieces: tuple[int, ...]
    signatures: int
    network_hash: int
    core_interval: int
    widths: tuple[int, ...]

    @classmethod
    def of(
        cls, manifest: Mapping[str, Any], family: str, interval: int, network_hash: int
    ) -> Shell:
        """Return the shell of the core that a manifest describes."""
        entry, leave = manifest["input"], manifest["output"]
        return cls(
            core=manifest["top"],
            shape=tuple(entry["shape"]),
            lanes=entry["lanes"],
            outputs=leave["beats"],
            out_bits=leave["tdata_bits"],
            pieces=tuple(load["words32"] for load in manifest["loads"]),
            signatures=len(manifest["signatures"]),
            network_hash=network_hash,
            core_interval=interval,
            widths=WIDTHS[family],
        )

    @property
    def input_bytes(self) -> int:
        """Bytes of a frame in."""
        return math.prod(self.shape)

    @property
    def in_bits(self) -> int:
        """Bits of s_axis: the fewest that keep the core's interval, or come as near as any."""
        return min(self.widths, key=lambda bits: max(self.core_interval, self._cycles(bits)))

    @property
    def step(self) -> int:
        """Bytes of a frame that pass to the core in a cycle."""
        return self._step(self.in_bits)

    @property
    def interval(self) -> int:
        """Cycles a frame, the ports counted."""
        return max(self.core_interval, self._cycles(self.in_bits))

    def _step(self, bits: int) -> int:
        return max(d for d in range(1, bits // BYTE + 1) if self.lanes % d == 0)

    def _cycles(self, bits: int) -> int:
        """Return the cycles that a frame takes to enter over `bits`."""
        return max(-(-self.input_bytes * BYTE // bits), self.input_bytes // self._step(bits))

    @property
    def control(self) -> dict[str, int]:
        """zf_control's parameters."""
        return {
            **boot.parameters(self.pieces, self.signatures),
            "Network": self.network_hash,
            "InputBytes": self.input_bytes,
            "OutputBytes": self.outputs * self.out_bits // BYTE,
            "InBytes": self.in_bits // BYTE,
            "OutBytes": self.out_bits // BYTE,
        }

    def described(self, sources: Sequence[str]) -> dict[str, Any]:
        """Return the manifest's key ip, for a core of these sources."""
        return {
            "top": TOP,
            "packager_top": PACKAGER_TOP,
            "sources": [*sources, f"rtl/{TOP}.sv", f"rtl/{PACKAGER_TOP}.v"],
            "in_bits": self.in_bits,
            "out_bits": self.out_bits,
            "input_bytes": self.input_bytes,
            "output_bytes": self.control["OutputBytes"],
            "network_hash": self.network_hash,
            "interval_cycles": self.interval,
            "registers": REGISTERS,
        }


def bound(manifest: Mapping[str, Any]) -> str | None:
    """Return the sentence that says that the IP's input bounds the frame rate, where it does."""
    own, core = manifest["ip"], manifest["interval_cycles"]
    if own["interval_cycles"] <= core:
        return None
    return (
        f"the IP's input of {own['in_bits']} bits takes a frame of {own['input_bytes']} bytes in "
        f"{own['interval_cycles']} cycles: it bounds the frame rate, not the core's {core}"
    )
