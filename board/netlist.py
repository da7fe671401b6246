"""Yosys's netlist of a ROM, followed from its address to its data for all addresses at once.

Registers stand where they settle while the address stays. Block RAMs are read as UG473 and UG573
tell: of `D` data bits a word, bit `i` of word `n` is bit `n * D + i` of INIT_00, INIT_01, ...;
parity is so in INITP. What is not understood is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from .. import Refusal

X = 2  # of a bit: unknown
_BITS = {"0": 0, "1": 1, "x": X, "z": X}
RAMB = re.compile(r"RAMB(18|36)E[12]$")
# A pin of a block RAM's data: whether parity, and of which port
_PINS = {
    **{"DOADO": (False, "A"), "DOBDO": (False, "B"), "DOPADOP": (True, "A"), "DOPBDOP": (True, "B")}
} | {
    **{"DOUTADOUT": (False, "A"), "DOUTBDOUT": (False, "B")},
    **{"DOUTPADOUTP": (True, "A"), "DOUTPBDOUTP": (True, "B")},
}
_OUTPUTS = dict.fromkeys(_PINS, "output")
_PORTS = {
    "A": ("ADDRARDADDR", "ENARDEN", "RSTRAMARSTRAM"),
    "B": ("ADDRBWRADDR", "ENBWREN", "RSTRAMB"),
}
_WRITES = ("WEA", "WEBWE")
_PLAIN = re.compile(r"DO[AB]_REG$|IS_.*_INVERTED$|RAM_EXTENSION_|CASCADE_")
_NUMBERS = {"$ge": np.greater_equal, "$mul": np.multiply}
_FLOPS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce")


class Instance:
    """A module in its place: `outside` tells what is on a bit of its input ports."""

    def __init__(
        self, modules: Mapping[str, Any], name: str, outside: Callable[[str, int], np.ndarray]
    ):
        self.modules, self.name, self.outside = modules, name, outside
        self.module = modules[name]
        self.known: dict[Any, Any] = {}
        self.open: set[int] = set()  # nets that are being followed
        self.children: dict[str, Instance] = {}

    @cached_property
    def drivers(self) -> dict[int, tuple[str, str, int]]:
        """Net to the cell, its port and the bit of it that drive it; cell "" is the outside."""
        found = {}
        for port, entry in self.module["ports"].items():
            if entry["direction"] == "input":
                found |= {bit: ("", port, n) for n, bit in enumerate(entry["bits"])}
        for name, cell in self.module["cells"].items():
            directions = cell.get("port_directions", _OUTPUTS)  # Yosys knows no RAMB36E2
            for port, bits in cell["connections"].items():
                if directions.get(port) == "output":
                    found |= {bit: (name, port, n) for n, bit in enumerate(bits)}
        return found

    def port(self, name: str) -> list[np.ndarray]:
        """Return what is on a port, bit by bit."""
        return [self.bit(bit) for bit in self.module["ports"][name]["bits"]]

    def bit(self, net: int | str) -> np.ndarray:
        """Return what is on a net, for every address."""
        if isinstance(net, str):
            return np.array(_BITS[net], np.int8)
        passed: dict[int, None] = {}
        while net not in self.known:
            if net in passed or net in self.open:
                raise Refusal(f"module {self.name}: net {net} must not depend on itself")
            if net not in self.drivers:
                raise Refusal(f"module {self.name}: net {net} must have a driver")
            passed[net] = None
            name, port, index = self.drivers[net]
            if name and self.module["cells"][name]["type"] in _FLOPS[:2]:  # chains of them are long
                self._enabled(name)
                net = self.module["cells"][name]["connections"]["D"][index]
                if isinstance(net, str):
                    self.known[net] = self.bit(net)
            else:
                self.open.add(net)
                self.known[net] = self._driven(name, port, index)
                self.open.remove(net)
        self.known |= dict.fromkeys(passed, self.known[net])
        return self.known[net]

    def _driven(self, name: str, port: str, index: int) -> np.ndarray:
        if not name:
            return self.outside(port, index)
        cell = self.module["cells"][name]
        kind = cell["type"]
        if is_module(self.modules, kind):
            if name not in self.children:
                wires = cell["connections"]
                self.children[name] = Instance(
                    self.modules, kind, lambda own, n: self.bit(wires[own][n])
                )
            child = self.children[name]
            return child.bit(child.module["ports"][port]["bits"][index])
        if kind in _FLOPS:
            return self._flop(name, index)
        if RAMB.match(kind):
            return self._block_ram(name, port, index)
        if (name, port) not in self.known:
            self.known[name, port] = self._cell(name, port)
        return self.known[name, port][index]

    def _bits(self, name: str, port: str) -> list[np.ndarray]:
        return [self.bit(net) for net in self.module["cells"][name]["connections"][port]]

    def _number(self, name: str, port: str) -> np.ndarray:
        signed = self._value(name, f"{port}_SIGNED")
        return self._sum(name, port, self._bits(name, port), bool(signed))

    def _sum(
        self, name: str, port: str, bits: list[np.ndarray], signed: bool = False
    ) -> np.ndarray:
        total = np.zeros((), np.int64)
        for weight, bit in enumerate(bits):
            if np.any(bit == X):
                self._refuse(name, f"{port} must be known")
            total = total + bit.astype(np.int64) * (1 << weight)
        return total - (bits[-1].astype(np.int64) << len(bits)) if signed else total

    def _value(self, name: str, parameter: str, default: str = "0") -> int:
        text = self.module["cells"][name]["parameters"].get(parameter, default)
        if not re.fullmatch("[01]+", text):
            self._refuse(name, f"{parameter} must be known, not {text}")
        return int(text, 2)

    def _hold(self, name: str, port: str, level: int) -> None:
        """Refuse a cell unless all bits of `port` stand at `level`."""
        wires = self.module["cells"][name]["connections"]
        if any(np.any(self.bit(net) != level) for net in wires.get(port, ())):
            self._refuse(name, f"{port} must be {level}")

    def _refuse(self, name: str, rule: str) -> None:
        kind = self.module["cells"][name]["type"]
        raise Refusal(f"cell {name} ({kind}) of {self.name}: {rule} where contents are read")

    def _enabled(self, name: str) -> None:
        self._hold(name, "EN", self._value(name, "EN_POLARITY", "1"))

    def _flop(self, name: str, index: int) -> np.ndarray:
        """Return what a register has settled at."""
        self._enabled(name)
        cell = self.module["cells"][name]
        reset = self._sum(name, "SRST", self._bits(name, "SRST"))
        value = cell["parameters"]["SRST_VALUE"][::-1][index]
        active = reset == self._value(name, "SRST_POLARITY")
        return np.where(active, np.int8(_BITS[value]), self.bit(cell["connections"]["D"][index]))

    def _cell(self, name: str, port: str) -> list[np.ndarray]:
        """Return one output of a cell of logic or of a table."""
        cell = self.module["cells"][name]
        kind, wires = cell["type"], cell["connections"]
        if kind in _NUMBERS:
            result = _NUMBERS[kind](self._number(name, "A"), self._number(name, "B"))
            result = result.astype(np.int64)
            return [(result >> n & 1).astype(np.int8) for n in range(len(wires["Y"]))]
        if kind == "$reduce_or":
            return [(self._number(name, "A") != 0).astype(np.int8)]
        if kind == "$mux":
            choice = self._sum(name, "S", self._bits(name, "S"))
            pairs = zip(self._bits(name, "A"), self._bits(name, "B"), strict=True)
            return [np.where(choice, b, a) for a, b in pairs]
        if kind == "$shiftx":
            shift, source = self._number(name, "B"), self._bits(name, "A")
            found = [np.full(shift.shape, X, np.int8) for _ in wires["Y"]]
            for amount in np.unique(shift).tolist():
                for n, bits in enumerate(found):
                    if 0 <= amount + n < len(source):
                        found[n] = np.where(shift == amount, source[amount + n], bits)
            return found
        if kind == "$mem_v2":
            return self._table(name)
        if kind == "LUT6_2":
            own = self._sum(name, "I", [self.bit(wires[f"I{n}"][0]) for n in range(6)])
            table = _bits(cell["parameters"]["INIT"])
            return [table[own if port == "O6" else own % 32]]
        self._refuse(name, "it must be a register, a memory, a choice or a comparison")

    def _table(self, name: str) -> list[np.ndarray]:
        """Return the data of a memory that is not mapped yet."""
        if self._value(name, "WR_PORTS") or self._value(name, "RD_PORTS") != 1:
            self._refuse(name, "it must have one port, a read port")
        for port, level in (("RD_EN", 1), ("RD_SRST", 0), ("RD_ARST", 0)):
            self._hold(name, port, level)
        width, size = self._value(name, "WIDTH"), self._value(name, "SIZE")
        index = self._sum(name, "RD_ADDR", self._bits(name, "RD_ADDR"))
        index = index - self._value(name, "OFFSET")
        table = _bits(self.module["cells"][name]["parameters"]["INIT"])
        table = np.pad(table, (0, width * (size + 1) - len(table)), constant_values=X)
        index = np.where((index >= 0) & (index < size), index, size)  # beyond: unknown
        return list(table.reshape(size + 1, width)[index].T)

    def _block_ram(self, name: str, pin: str, index: int) -> np.ndarray:
        """Return a data pin of a block RAM."""
        if pin not in _PINS:
            self._refuse(name, f"its output must be data, not {pin}")
        cell = self.module["cells"][name]
        half = cell["type"].startswith("RAMB18")
        parity, port = _PINS[pin]
        pins = (2 if half else 4) if parity else (16 if half else 32)
        if index >= pins:
            self._refuse(name, f"{pin} must be {pins} bits, not {index + 1}")
        wide = 36 if half else 72  # the word of both ports together, by the address of A
        if port == "B" and self._value(name, "READ_WIDTH_A") == wide:
            port, index = "A", index + pins
        width = self._value(name, f"READ_WIDTH_{port}")
        data = width // 9 * 8 or width
        lanes = width - data if parity else data
        if index >= lanes:
            self._refuse(name, f"{pin} must be read in {lanes} bits, not {index + 1}")
        stored = "INITP" if parity else "INIT"
        key = (name, port, stored)
        if key not in self.known:
            self.known[key] = self._read(name, port, stored, data, lanes, half)
        return self.known[key][index]

    def _read(
        self, name: str, port: str, stored: str, data: int, lanes: int, half: bool
    ) -> list[np.ndarray]:
        """Return the data or the parity bits that a port of a block RAM reads."""
        cell = self.module["cells"][name]
        parameters = cell["parameters"]
        address, enable, reset = _PORTS[port]
        self._hold(name, enable, 1)
        for each in (reset, *_WRITES):
            self._hold(name, each, 0)
        for parameter, value in parameters.items():
            if _PLAIN.match(parameter) and value != "NONE" and value.strip("0"):
                self._refuse(name, f"{parameter} must be 0 or NONE, not {value}")
        spans = (8 if stored == "INITP" else 64) * (1 if half else 2)
        zeros = "0" * 256
        texts = [parameters.get(f"{stored}_{n:02X}", zeros) for n in range(spans)]
        table = np.concatenate([_bits(text.rjust(256, "0")) for text in texts])
        pins = self._bits(name, address)[data.bit_length() - 1 : 14 if half else 15]
        index = self._sum(name, address, pins)
        return list(table.reshape(-1, lanes)[index].T)


def is_module(modules: Mapping[str, Any], name: str) -> bool:
    """Whether a cell's type is a module with contents, not a primitive."""
    return name in modules and not modules[name]["attributes"].keys() & {"blackbox", "whitebox"}


def _bits(text: str) -> np.ndarray:
    """Return a parameter's bits, bit 0 first."""
    return np.array([_BITS[bit] for bit in reversed(text)], np.int8)
