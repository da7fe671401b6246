"""What a ROM holds, and the block RAMs of each memory, read out of Yosys's netlist.

`words` puts every address on a module's address port and follows the nets to its data port. Which
pin carries which bit is the netlist's to say: nothing here knows how memories are cut (`hls.cuts`)
or their files written (`hls.memory`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .. import Refusal
from ..hls.memory import Kind
from . import netlist

# Modules of the library that are a memory, and what theirs hold where they have block RAMs
KINDS = {
    **{"zf_rom": Kind.WEIGHTS, "zf_weights": Kind.WEIGHTS},
    **{"zf_ram": Kind.WINDOW, "zf_fifo": Kind.FIFO},
}
_PARAMETERS = re.compile(r"\$paramod(?:\$[0-9a-f]+)?\\(\w+)")


def words(
    modules: Mapping[str, Any],
    module: str,
    depth: int,
    address: str = "addr_i",
    data: str = "data_o",
) -> np.ndarray:
    """Return the words of a ROM, (depth, bits) of 0 and 1, bit 0 first.

    Parameters
    ----------
    modules : mapping
        Of Yosys's JSON, block RAMs mapped; what lies in LUTs may still be ``$mem_v2``.
    module : str
        Its name there.
    depth : int
        Addresses 0 to depth - 1 are read.
    address, data : str
        Ports of the module; nothing that is read may depend on another.

    Raises
    ------
    Refusal
        A bit is unknown, can be written, or goes through something that is not understood.

    """
    numbers = np.arange(depth)
    bits = len(modules[module]["ports"][address]["bits"])
    if depth > 1 << bits:
        raise Refusal(f"module {module}: {address} must reach {depth} words, it has {bits} bits")

    def outside(port: str, index: int) -> np.ndarray:
        if port != address:
            raise Refusal(f"module {module}: {data} must follow from {address}, not {port}")
        return (numbers >> index & 1).astype(np.int8)

    found = netlist.Instance(modules, module, outside).port(data)
    table = np.stack([np.broadcast_to(bit, depth) for bit in found], axis=1)
    if unknown := np.argwhere(table == netlist.X).tolist():
        word, bit = unknown[0]
        raise Refusal(f"module {module}: {data} must be known, bit {bit} of word {word} is not")
    return table.astype(np.uint8)


def library(module: str) -> str:
    """Return the name in the library of a module that Yosys renamed after its parameters."""
    found = _PARAMETERS.match(module)
    return found[1] if found else module


def instances(
    modules: Mapping[str, Any], module: str, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and the module of every instance below `module`, outer ones first."""
    for name, cell in modules[module]["cells"].items():
        if netlist.is_module(modules, cell["type"]):
            yield (*path, name), cell["type"]
            yield from instances(modules, cell["type"], (*path, name))


def tally(modules: Mapping[str, Any]) -> dict[str, Counter]:
    """Return the number of cells of each type in each module that has any."""
    return {
        name: Counter(cell["type"] for cell in module["cells"].values())
        for name, module in modules.items()
        if netlist.is_module(modules, name)
    }


def memories(cells: Mapping[str, Mapping[str, int]], module: str) -> Iterator[tuple[str, Counter]]:
    """Yield each memory in a module: its name in the library, RAMB18 and RAMB36.

    Parameters
    ----------
    cells : mapping
        Module to the number of its cells of each type.
    module : str
        It may be a memory itself.

    """
    name = library(module)
    if name in KINDS:
        yield name, block_rams(cells, module)
    else:
        for kind, number in cells.get(module, {}).items():
            yield from list(memories(cells, kind)) * number


def block_rams(cells: Mapping[str, Mapping[str, int]], module: str) -> Counter:
    """Return the RAMB18 and RAMB36 of a module; `cells` as for `memories`."""
    found = Counter()
    for kind, number in cells.get(module, {}).items():
        own = {kind[:6]: 1} if netlist.RAMB.match(kind) else block_rams(cells, kind)
        for primitive, each in own.items():
            found[primitive] += number * each
    return found
