"""Small pieces of SystemVerilog text."""

from __future__ import annotations


def literal(value: int | str) -> str:
    """Return a SystemVerilog constant; beyond 32 bits it needs its size."""
    if isinstance(value, str):
        return f'"{value}"'
    if -(2**31) <= value < 2**31:
        return str(value)
    size = value.bit_length()
    return f"-{size + 1}'sd{-value}" if value < 0 else f"{size}'h{value:x}"


def listed(items: list[str], indent: int = 6) -> list[str]:
    """Return a list of parameters or ports, a line each."""
    last = len(items) - 1
    return [f"{' ' * indent}{item}{',' if i < last else ''}" for i, item in enumerate(items)]
