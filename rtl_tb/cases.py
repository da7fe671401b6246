"""One module several times over, each with parameters of its own, in one simulator.

Building a simulator takes longer than running it, so a bench collects its parameter sets::

    CASES = {"narrow": Case({"Width": 1}, {"s_data_i": 1, "m_data_o": 1}), ...}

`build` makes a top of one instance a case, and inside the simulation ``Part(dut, "narrow")`` looks
like that instance alone. Each has its own clock, so the ones that wait cost nothing.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import cells, simulator


@dataclass(frozen=True)
class Case:
    """Parameters of an instance and the widths of its ports but ``clk_i`` and ``rst_i``.

    Parameters of a packed type are made with `simulator.sized`.
    """

    parameters: Mapping[str, int | str]
    ports: Mapping[str, int]
    reset: bool = True  # whether there is a rst_i
    clock: bool = True  # whether there is a clk_i
    inputs: tuple[str, ...] = ()  # ports of a standard bus, whose names do not say it


class Part:
    """A case's ports by the names that they have in the module."""

    def __init__(self, dut, name: str):
        self._dut, self._name = dut, name
        self._driven: dict[str, int] = {}

    def __getattr__(self, port: str):
        """Return the handle of a port."""
        handle = getattr(self._dut, f"{self._name}_{port}")
        setattr(self, port, handle)
        return handle

    def drive(self, **values: int) -> None:
        """Set input ports; those that already have their value cost nothing."""
        for port, value in values.items():
            if self._driven.get(port) != value:
                getattr(self, port).value = self._driven[port] = value

    def read(self, *ports: str) -> list[int]:
        """Return the values of output ports."""
        return [int(getattr(self, port).value) for port in ports]


def build(
    module: str,
    cases: Mapping[str, Case],
    public: Mapping[str, Sequence[str]] | None = None,
    always: bool = False,
) -> simulator.Built:
    """Build one simulator of `module` with the parameters of every case; see `simulator.build`.

    Models of primitives come with it where a case says Primitives other than 0, or `always`.
    """
    top = f"{module}_cases"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, f"{top}.sv")
        source.write_text(_text(top, module, cases))
        sources = [*simulator.library(module), source]
        if any(case.parameters.get("Primitives", always) for case in cases.values()):
            sources.append(cells.write(Path(folder), "".join(map(Path.read_text, sources))))
        return simulator.build(top, sources, public=public)


def run(
    module: str,
    cases: Mapping[str, Case],
    folder: Path,
    files: Mapping[str, str] | None = None,
    **options: object,
) -> None:
    """Build `module` with every case and run its bench's cocotb tests with `files` in `folder`.

    `options` are those of `build`.
    """
    for path, text in (files or {}).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    built = build(module, cases, **options)
    simulator.run(built, f"zynqfire.rtl_tb.test_{module}", cwd=folder)


def _text(top: str, module: str, cases: Mapping[str, Case]) -> str:
    ports, instances = [], []
    for name, case in cases.items():
        known = {"clk_i": case.clock, "rst_i": case.reset and case.clock}
        widths = {port: 1 for port, there in known.items() if there} | dict(case.ports)
        for port, width in widths.items():
            given = port.endswith("_i") or port in case.inputs
            direction = "input" if given else "output"
            bits = f"[{width}-1:0] " if width > 1 else ""
            ports.append(f"  {direction} logic {bits}{name}_{port}")
        values = ", ".join(f".{key}({_literal(value)})" for key, value in case.parameters.items())
        wires = ", ".join(f".{port}({name}_{port})" for port in widths)
        instances.append(f"  {module} #({values}) {name} ({wires});")
    return "\n".join([f"module {top} (", ",\n".join(ports), ");", *instances, "endmodule", ""])


def _literal(value: int | str) -> str:
    if isinstance(value, str):
        return value if re.fullmatch(r"\d+'h[0-9a-f]+", value) else f'"{value}"'
    if -(2**31) < value < 2**31:
        return str(value)
    if value.bit_length() > 63:
        return simulator.sized(value, value.bit_length())
    return f"{'-' if value < 0 else ''}64'sd{abs(value)}"
