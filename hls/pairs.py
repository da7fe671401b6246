"""Weights of two layers in one block RAM: which share one, how the top wires it, its contents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .cuts import half_words
from .design import Design
from .memory import Placed
from .verilog import listed, literal


@dataclass(frozen=True)
class Half:
    """The low bits of an instance's weight words, in half of a block RAM."""

    instance: str
    layer: str
    bits: int
    depth: int


@dataclass(frozen=True)
class Pair:
    """A block RAM, `number` in its name, and what its halves hold."""

    number: int
    halves: tuple[Half, Half]

    @property
    def file(self) -> str:
        """Where its contents are in the build folder."""
        return f"mem/pair_{self.number}.mem"

    @property
    def deep(self) -> int:
        """Words of the block RAM."""
        return 2 * half_words(max(half.depth for half in self.halves))

    @property
    def parameters(self) -> dict[str, int | str]:
        """Parameters of its zf_rom_pair."""
        a, b = self.halves
        sizes = {"WidthA": a.bits, "DepthA": a.depth, "WidthB": b.bits, "DepthB": b.depth}
        return sizes | {"Deep": self.deep.bit_length() - 1, "InitFile": self.file}

    def contents(self, words: Mapping[str, Sequence[int]]) -> str:
        """Return the contents, from all the words of its instances."""
        bits = max(half.bits for half in self.halves)
        lines = []
        for half in self.halves:
            low = [word & ((1 << half.bits) - 1) for word in words[half.instance]]
            lines += low + [0] * (self.deep // 2 - len(low))
        return "".join(f"{word:0{-(-bits // 4)}x}\n" for word in lines)


def pairs(design: Design, placed: Mapping[str, tuple[Placed, ...]]) -> list[Pair]:
    """Return the block RAMs that two layers share, neighbours of the same depth together.

    Raises
    ------
    AssertionError
        The placement left one without another.

    """
    waiting: dict[int, Half] = {}
    found: list[Pair] = []
    for instance in design.instances:
        for own in placed.get(instance.name, ())[:1]:
            if not own.shared:
                continue
            memory = own.memory
            half = Half(instance.name, instance.layer, own.shared, memory.depth)
            most = half_words(memory.depth)
            if most in waiting:
                found.append(Pair(len(found), (waiting.pop(most), half)))
            else:
                waiting[most] = half
    if waiting:
        raise AssertionError(f"{[half.layer for half in waiting.values()]}: shares with nobody")
    return found


def services(found: Sequence[Pair]) -> list[tuple[str, str, str, dict[str, int | str]]]:
    """Return (module, name, instance served, parameters) of each."""
    return [
        ("zf_rom_pair", f"pair_{pair.number}", pair.halves[0].instance, pair.parameters)
        for pair in found
    ]


def wiring(found: Sequence[Pair], wires: Mapping[str, str]) -> list[str]:
    """Return the shared block RAMs, on the `wires` to their layers."""
    lines = []
    for pair in found:
        ports = {"clk_i": "aclk"}
        for side, half in zip("ab", pair.halves, strict=True):
            wire = wires[half.instance]
            lines.append(f"  logic [{half.bits - 1}:0] {wire}_word;")
            ports |= {f"addr_{side}_i": f"{wire}_addr", f"data_{side}_o": f"{wire}_word"}
        lines += [
            f"  // {pair.halves[0].layer} and {pair.halves[1].layer}",
            "  zf_rom_pair #(",
            *listed([f".{name}({literal(value)})" for name, value in pair.parameters.items()]),
            f"  ) pair_{pair.number} (",
            *listed([f".{port}({wire})" for port, wire in ports.items()]),
            "  );",
            "",
        ]
    return lines
