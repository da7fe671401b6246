"""QONNX to hardware: hls4ml's graph, the integer IR, its interpreter, SystemVerilog."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Import what is re-exported on first use: onnx and hls4ml take seconds."""
    if name == "prepare":
        from .reader import prepare

        return prepare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
