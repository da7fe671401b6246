"""Quantized SqueezeNets from PyTorch to bit-exact SystemVerilog, every weight on chip."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


class Refusal(ValueError):
    """Input that cannot be taken: one sentence that names the object, the rule and the value.

    The command prints the sentence and exits with 2.
    """


def __getattr__(name: str) -> Any:
    """Import `Accelerator` on first use: commands that only print help do not wait for NumPy."""
    if name == "Accelerator":
        from .accelerator import Accelerator

        return Accelerator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
