"""Logic levels: the longest path between registers in Yosys's netlist of one module.

Paths start at flip-flops, block RAMs, DSPs, shift registers and the module's inputs; they end there
and at the module's outputs. A LUT, an inverter and a wide multiplexer count 1, a carry chain
1 + bits/16, a read of LUT RAM 1. (Yosys's own `ltp` walks through flip-flops.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Bit = int | str  # a net, or a constant "0", "1", "x", "z"
Edge = tuple[Bit, float]  # what an output depends on, and the levels between

_LOGIC = re.compile(r"LUT[1-6]$|INV$|MUXF[789]$")
_CLOCKED = re.compile(r"FD[RSCP]E|LD[CP]E|RAMB(18|36)E|DSP48E|URAM288|FIFO(18|36)E")
_WIRE = re.compile(r"(IBUF|OBUF|BUFG|BUF)$")
CARRY_BIT = 1 / 16


@dataclass(frozen=True)
class Path:
    """The longest path: its levels and the cells along it with the nets that they drive."""

    levels: float
    cells: tuple[str, ...]


def longest(module: Mapping[str, Any]) -> Path:
    """Return the longest path of a flat module in Yosys's JSON format."""
    cells = module["cells"]
    driver: dict[Bit, tuple[str, str, int]] = {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                for index, bit in enumerate(bits):
                    driver[bit] = (name, port, index)

    levels: dict[Bit, float] = {}
    through: dict[Bit, Bit | None] = {}

    def edges(bit: Bit) -> list[Edge]:
        if bit not in driver:
            return []
        name, port, index = driver[bit]
        found = _edges(cells[name], port, index, lambda b: _is_carry(cells, driver, b))
        return [(source, cost) for source, cost in found if not isinstance(source, str)]

    def visit(start: Bit) -> None:
        # An explicit stack: paths of real designs are deeper than Python's recursion.
        stack = [(start, edges(start), 0)]
        open_bits = {start}
        while stack:
            bit, sources, position = stack.pop()
            if position < len(sources):
                stack.append((bit, sources, position + 1))
                source = sources[position][0]
                if source in open_bits:
                    raise ValueError(f"combinational loop through {driver[source][0]}")
                if source not in levels:
                    stack.append((source, edges(source), 0))
                    open_bits.add(source)
                continue
            open_bits.discard(bit)
            levels[bit], through[bit] = 0.0, None
            for source, cost in sources:
                if levels[source] + cost > levels[bit]:
                    levels[bit], through[bit] = levels[source] + cost, source

    most, last, end = 0.0, None, None
    for bit, *sink in _sinks(module):
        if bit not in levels:
            visit(bit)
        if levels[bit] > most:
            most, last, end = levels[bit], bit, sink
    names = _net_names(module)
    path = [_end(cells, names, *end)] if end else []
    while last is not None:
        name = driver[last][0] if last in driver else ""
        path.append(f"{cells[name]['type'] if name else 'input'} {names.get(last, name)}")
        last = through[last]
    return Path(most, tuple(reversed(path)))


def _sinks(module: Mapping[str, Any]) -> Iterator[tuple[Bit, str, str]]:
    """Yield every net that a path can end in, with the cell and its port; or no cell, a port."""
    for name, cell in module["cells"].items():
        kind = cell["type"]
        if _LOGIC.match(kind) or kind == "LUT6_2" or kind.startswith("CARRY") or _WIRE.match(kind):
            continue
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                yield from ((bit, name, port) for bit in bits)
    for name, port in module["ports"].items():
        if port["direction"] != "input":
            yield from ((bit, "", name) for bit in port["bits"])


def _edges(cell: Mapping[str, Any], port: str, index: int, carry: Any) -> Iterator[Edge]:
    """Yield what bit `index` of the output `port` depends on within the clock cycle."""
    kind, nets = cell["type"], cell["connections"]
    if _LOGIC.match(kind):
        for name, bits in nets.items():
            if cell["port_directions"][name] == "input":
                yield bits[0], 1
    elif kind == "LUT6_2":
        # O5 is the lower half of the table, and need not depend on all its inputs
        table = int(str(cell["parameters"]["INIT"]).replace("x", "0"), 2)
        size = 64 if port == "O6" else 32
        for number in range(6 if port == "O6" else 5):
            step = 1 << number
            if any((table >> i ^ table >> (i | step)) & 1 for i in range(size) if not i & step):
                yield nets[f"I{number}"][0], 1
    elif kind in ("CARRY4", "CARRY8"):
        for bit in nets.get("CI", ()):
            yield bit, (index + 1) * CARRY_BIT + (0 if carry(bit) else 1)
        for name in ("CYINIT", "CI_TOP"):
            for bit in nets.get(name, ()):
                yield bit, (index + 1) * CARRY_BIT + 1
        for lane in range(index + 1):
            for name in ("S", "DI"):
                yield nets[name][lane], (index - lane + 1) * CARRY_BIT + 1
    elif kind.startswith("SRL"):
        for name, bits in nets.items():
            if re.fullmatch(r"A\d?", name) and port != "Q31":
                yield from ((bit, 1) for bit in bits)
    elif re.match(r"RAM\d", kind):
        pattern = {"DO": f"ADDR{port[-1]}", "DP": r"DPRA\d*"}.get(port[:2], r"A\d*")
        for name, bits in nets.items():
            if re.fullmatch(pattern, name):
                yield from ((bit, 1) for bit in bits)
    elif _WIRE.match(kind):
        yield nets["I"][0], 0
    elif not _CLOCKED.match(kind) and kind not in ("VCC", "GND"):
        raise ValueError(f"cell type {kind} is not known")


def _is_carry(cells: Mapping[str, Any], driver: Mapping[Bit, Any], bit: Bit) -> bool:
    return bit in driver and cells[driver[bit][0]]["type"].startswith("CARRY")


def _end(cells: Mapping[str, Any], names: Mapping[Bit, str], name: str, port: str) -> str:
    """Return where a path ends: a cell, called after a net that it drives, and its port."""
    if not name:
        return f"output {port}"
    cell = cells[name]
    driven = (
        names[bit]
        for out, bits in cell["connections"].items()
        if cell["port_directions"][out] == "output"
        for bit in bits
        if bit in names
    )
    return f"{cell['type']} {next(driven, name)}.{port}"


def _net_names(module: Mapping[str, Any]) -> dict[Bit, str]:
    """Return the shortest name that the source gives each net."""
    names: dict[Bit, str] = {}
    for name, net in module.get("netnames", {}).items():
        if net["hide_name"]:
            continue
        for index, bit in enumerate(net["bits"]):
            full = f"{name}[{index}]" if len(net["bits"]) > 1 else name
            if bit not in names or len(full) < len(names[bit]):
                names[bit] = full
    return names
