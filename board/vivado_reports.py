"""What Vivado's reports say, as the same `Estimate` as everything else.

Three text files (UG906, 2022.2 to 2024.2): `report_utilization`, the same `-hierarchical`, and
`report_timing_summary`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import Refusal
from ..hls.memory import Estimate

FLAT, HIERARCHY, TIMING = (
    "utilization.rpt",
    "utilization_hierarchical.rpt",
    "timing_summary.rpt",
)
_INDENT = 2  # columns a level of the hierarchy
_SLACK = re.compile(r"^Slack(?: \((?:MET|VIOLATED)\))?\s*:\s*(\S+?)(?:ns)?(?:\s|$)")
_SECTION = re.compile(r"^(Max Delay|Min Delay|Pulse Width)")
_SUMMARY = 12  # columns of the Design Timing Summary: four each of setup, hold, pulse width


@dataclass(frozen=True)
class Node:
    """An instance, what it and everything below it takes, and what is right below."""

    name: str
    estimate: Estimate
    below: tuple[Node, ...]

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Yield the path and the node of this instance and of all below, outer ones first."""
        path = (*path, self.name)
        level = [(path, self)]
        while level:
            yield from level
            level = [((*above, each.name), each) for above, node in level for each in node.below]


@dataclass(frozen=True)
class Timing:
    """The verdict on timing and the worst path from register to register.

    Attributes
    ----------
    wns, whs, wpws : float
        Worst slack of setup, hold and pulse width, ns; negative where it is not met.
    period : float
        Of the clock of the worst path, ns.
    levels : int
        Cells between the registers of the worst path, as Vivado counts them.
    cells : tuple of str
        The cells by type, ``LUT6=2``.
    source, destination : str
        The pins at its ends.

    """

    wns: float
    whs: float
    wpws: float
    period: float
    levels: int
    cells: tuple[str, ...]
    source: str
    destination: str

    @property
    def met(self) -> bool:
        """Whether every path is fast enough, none too fast, and no pulse too short."""
        return min(self.wns, self.whs, self.wpws) >= 0

    @property
    def fmax_mhz(self) -> float:
        """The clock at which the worst path would just be fast enough."""
        return 1000 / (self.period - self.wns)


def read(folder: Path, name: str) -> str:
    """Return the text of a report."""
    try:
        return (folder / name).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise Refusal(f"report {folder / name}: must be there: {error.strerror}") from None


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the head and the rows of each table, cells not stripped on the left."""
    rows: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|") and line.rstrip().endswith("|"):
            rows.append([cell.rstrip() for cell in line.strip()[1:-1].split("|")])
        elif not line.startswith("+") and rows:
            if len(rows[0]) > 1:
                yield [cell.strip() for cell in rows[0]], rows[1:]
            rows = []


def hierarchy(text: str) -> Node:
    """Return the top instance of a hierarchical utilization report."""
    named = (table for table in tables(text) if table[0][:2] == ["Instance", "Module"])
    head, rows = next(named, ([], []))
    flat = []
    for row in rows:
        cells = dict(zip(head, row, strict=True))
        name = cells["Instance"].strip()
        if name.startswith("("):  # what an instance has beside those below it
            continue
        depth = (len(cells["Instance"]) - len(cells["Instance"].lstrip()) - 1) // _INDENT
        flat.append((depth, name, _costs(cells)))
    if not flat:
        raise Refusal(f"report {HIERARCHY}: must have a table of instances, it has none")
    return _tree(flat)[0]


def _costs(cells: Mapping[str, str]) -> Estimate:
    def number(*names: str) -> int:
        for name in names:
            if name in cells:
                return int(cells[name])
        raise Refusal(f"report {HIERARCHY}: must have a column {names[0]}, not {', '.join(cells)}")

    return Estimate(
        lut=number("Logic LUTs"),
        lutram=number("LUTRAMs"),
        srl=number("SRLs"),
        ff=number("FFs"),
        bram36=number("RAMB36") + number("RAMB18") / 2,
        uram=int(cells.get("URAM", "0")),  # no column where the part has none
        dsp=number("DSP Blocks", "DSP48 Blocks"),
    )


def _tree(flat: Sequence[tuple[int, str, Estimate]]) -> list[Node]:
    """Return the nodes of the outermost depth in `flat`."""
    nodes, outer = [], flat[0][0]
    starts = [at for at, (depth, *_) in enumerate(flat) if depth == outer]
    for start, end in zip(starts, [*starts[1:], len(flat)], strict=True):
        inner = flat[start + 1 : end]
        nodes.append(Node(*flat[start][1:], tuple(_tree(inner)) if inner else ()))
    return nodes


def instance(top: Node, name: str) -> Node:
    """Return the outermost instance of that name."""
    for _, node in top.walk():
        if node.name == name:
            return node
    raise Refusal(f"report {HIERARCHY}: must have the instance {name}, it has not")


def found(top: Node, names: Collection[str]) -> dict[str, Node]:
    """Return the instances `names` by name: children of the outermost one that has any."""
    for _, node in top.walk():
        if known := {each.name: each for each in node.below if each.name in names}:
            return known
    raise Refusal(f"report {HIERARCHY}: must have the instances of the network, it has none")


def utilization(text: str) -> tuple[Estimate, dict[str, float]]:
    """Return what the whole design takes of a part and what there is, from the flat report."""
    used: dict[str, float] = {}
    there: dict[str, float] = {}
    for head, rows in tables(text):
        if head[0] not in ("Site Type", "Ref Name"):
            continue
        for row in rows:
            cells = dict(zip(head, (cell.strip() for cell in row), strict=True))
            name = cells[head[0]].rstrip("*")
            used.setdefault(name, float(cells["Used"]))
            if cells.get("Available"):
                there.setdefault(name, float(cells["Available"]))

    def number(values: Mapping[str, float], *names: str) -> float:
        for name in names:
            if name in values:
                return values[name]
        raise Refusal(f"report {FLAT}: must have a row {' or '.join(names)}, it has not")

    whole = Estimate(
        lut=int(number(used, "LUT as Logic")),
        lutram=int(used.get("LUT as Distributed RAM", 0)),
        srl=int(used.get("LUT as Shift Register", 0)),
        ff=int(number(used, "Slice Registers", "CLB Registers")),
        carry=int(used.get("CARRY4", used.get("CARRY8", 0))),
        bram36=number(used, "Block RAM Tile"),
        uram=int(used.get("URAM", 0)),
        dsp=int(number(used, "DSPs")),
    )
    available = {
        "lut": int(number(there, "Slice LUTs", "CLB LUTs")),
        "ff": int(number(there, "Slice Registers", "CLB Registers")),
        "bram36": number(there, "Block RAM Tile"),
        "uram": int(there.get("URAM", 0)),
        "dsp": int(number(there, "DSPs")),
    }
    return whole, available


def timing(text: str) -> Timing:
    """Return the summary and the worst path of a timing summary report."""
    lines = text.splitlines()
    summary: list[str] = []
    for at, line in enumerate(lines):
        if line.split()[:2] == ["WNS(ns)", "TNS(ns)"]:
            summary = (lines[at + 2] if at + 2 < len(lines) else "").split()
            break
    if len(summary) != _SUMMARY:
        raise Refusal(f"report {TIMING}: must have a Design Timing Summary of {_SUMMARY} columns")
    slacks = []
    for name, word in zip(("WNS", "WHS", "WPWS"), summary[::4], strict=True):
        try:
            slacks.append(float(word))
        except ValueError:
            raise Refusal(f"report {TIMING}: {name} must be a number, not {word}") from None
    period, levels, cells, source, destination = _worst(lines)
    return Timing(*slacks, period, levels, cells, source, destination)


def _worst(lines: Sequence[str]) -> tuple[float, int, tuple[str, ...], str, str]:
    """Return what is said of the path with the least slack for setup."""
    section, paths = "", []
    for at, line in enumerate(lines):
        if match := _SECTION.match(line):
            section = match[1]
        match = _SLACK.match(line)
        if match and section == "Max Delay" and match[1] != "inf":
            paths.append((float(match[1]), at))
    if not paths:
        raise Refusal(f"report {TIMING}: must have a path under Max Delay Paths, it has none")
    start = min(paths)[1]
    end = next((n for n in range(start + 1, len(lines)) if _SLACK.match(lines[n])), len(lines))
    path = "\n".join(lines[start:end])

    def find(pattern: str) -> re.Match[str]:
        match = re.search(pattern, path, re.M)
        if not match:
            raise Refusal(f"report {TIMING}: its worst path must have {pattern!r}, it has not")
        return match

    levels = find(r"Logic Levels: +(\d+)(?: +\(([^)]*)\))?")
    return (
        float(find(r"period=([\d.]+)ns")[1]),
        int(levels[1]),
        tuple((levels[2] or "").split()),
        find(r"^ +Source: +(\S+)")[1],
        find(r"^ +Destination: +(\S+)")[1],
    )
