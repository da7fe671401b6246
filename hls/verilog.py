"""Small pieces of SystemVerilog text."""

from __future__ import annotations

from collections.abc import Mapping


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


def instance(
    module: str, name: str, parameters: Mapping[str, int | str], ports: Mapping[str, str]
) -> list[str]:
    """Return an instance with its parameters and what its ports are connected to."""
    given = [f".{key}({literal(value)})" for key, value in parameters.items()]
    head = (
        [f"  {module} #(", *listed(given), f"  ) {name} ("] if given else [f"  {module} {name} ("]
    )
    return ["", *head, *listed([f".{port}({wire})" for port, wire in ports.items()]), "  );"]
