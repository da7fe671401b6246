"""Signatures of the weights in block RAM and UltraRAM: one a layer, in the core, beside it.

`zf_signature` makes them of the words as the layer reads them; `signature` is the same number from
the contents. Weights in LUTs are logic, and have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .design import Design
from .memory import Placed
from .verilog import instance

PIECE = 32  # bits of a word that are folded together
POLY = 0x04C11DB7
REMARK = (
    "// signatures: a zf_signature of each memory of weights, 32 bits each; valid after a frame.",
)


@dataclass(frozen=True)
class Signed:
    """An instance's weights of which there is a signature.

    Attributes
    ----------
    instance, layer : str
        Whose weights.
    width, depth : int
        Bits of a word, wherever they lie, and words.
    loads : bool
        Whether a host loads them.
    """

    instance: str
    layer: str
    width: int
    depth: int
    loads: bool

    @property
    def size(self) -> dict[str, int]:
        """Parameters of its zf_signature."""
        return {"Width": self.width, "Depth": self.depth}


def signed(design: Design, placed: Mapping[str, tuple[Placed, ...]]) -> list[Signed]:
    """Return the weights that have signatures, as SELECT numbers them: first those to load."""
    found = [
        Signed(i.name, i.layer, own.memory.width, own.memory.depth, own.ultra > 0)
        for i in design.instances
        for own in placed.get(i.name, ())[:1]
        if own.signed
    ]
    return sorted(found, key=lambda each: not each.loads)


def wires(found: Sequence[Signed]) -> dict[str, str]:
    """Return for each instance the beginning of its wires' names."""
    return {each.instance: f"rom_{m}" for m, each in enumerate(found)}


def ports(found: Sequence[Signed]) -> list[str]:
    """Return the core's ports to who reads the signatures."""
    count = len(found)
    return [
        f"output logic [{32 * count - 1}:0] signatures",
        f"output logic [{count - 1}:0] signatures_valid",
    ]


def services(found: Sequence[Signed]) -> list[tuple[str, str, str, dict[str, int]]]:
    """Return (module, name, instance served, parameters) of each."""
    return [
        ("zf_signature", f"signature_{m}", each.instance, each.size) for m, each in enumerate(found)
    ]


def wiring(found: Sequence[Signed]) -> list[str]:
    """Return the signatures and the wires to their layers."""
    lines = []
    for m, (wire, each) in enumerate(zip(wires(found).values(), found, strict=True)):
        address = max(1, (each.depth - 1).bit_length())
        lines += ["", f"  logic [{address - 1}:0] {wire}_addr;", f"  logic {wire}_step;"]
        lines.append(f"  logic [{each.width - 1}:0] {wire}_data;")
        given = {"clk_i": "aclk", "rst_i": "rst_q"}
        given["clear_i"] = f"load_we[{m}]" if each.loads else "1'b0"
        given |= {"step_i": f"{wire}_step", "addr_i": f"{wire}_addr", "word_i": f"{wire}_data"}
        given |= {"signature_o": f"signatures[{32 * m}+:32]"}
        given |= {"valid_o": f"signatures_valid[{m}]"}
        lines += instance("zf_signature", f"signature_{m}", each.size, given)[1:]
    return lines


def entry(own: Signed, words: Sequence[int]) -> dict[str, Any]:
    """Return what the manifest says of a signature; `words` are all of the memory."""
    return {
        "memory": own.instance,
        "layer": own.layer,
        "width": own.width,
        "depth": own.depth,
        "signature": signature(words, own.width),
    }


def signature(words: Sequence[int], width: int) -> int:
    """Return the signature of words read from the first to the last; `zf_signature` says how."""
    count = -(-width // PIECE)
    data = b"".join(word.to_bytes(4 * count, "little") for word in words)
    pieces = np.frombuffer(data, "<u4").reshape(len(words), count).astype(np.uint64)
    turns = (np.arange(count) % PIECE).astype(np.uint64)
    turned = pieces << turns  # the upper half holds what leaves the lower
    folded = np.bitwise_xor.reduce(turned | turned >> np.uint64(PIECE), axis=1)
    state = (1 << PIECE) - 1
    for word in (folded & np.uint64(0xFFFFFFFF)).tolist():
        state = ((state << 1) & 0xFFFFFFFF) ^ (POLY if state >> 31 else 0) ^ word
    return state
