"""Block RAM in pieces: that a memory of the library is cut as `hls.memory` counts it."""

from __future__ import annotations

from itertools import count

from ..hls.memory import cut, row_depth
from .cases import Case

# Where the cut changes: a word more, a bit more
SHAPES = (
    *((1, 1), (72, 512), (73, 513), (36, 1024), (18, 2048), (19, 2049), (9, 4096), (10, 4097)),
    *((9, 32768), (4, 32769), (5, 65536), (2, 65537), (3, 131072), (1, 131073)),
)
PUBLIC = ("*memory",)  # what `check` looks at


def cases(ports: dict[str, tuple[bool, bool]], **parameters: int) -> dict[str, Case]:
    """Return a case for each of `SHAPES`; `ports` tells which are addresses and which are words."""
    return {
        f"w{width}_d{depth}": Case(
            {"Width": width, "Depth": depth, **parameters},
            {
                port: max(1, (depth - 1).bit_length()) if address else width if word else 1
                for port, (address, word) in ports.items()
            },
            reset=False,
        )
        for width, depth in SHAPES
    }


def check(dut, path: str, width: int, depth: int) -> None:
    """Compare the memories below `path` with `hls.memory.cut`: how many, how deep, how wide."""
    found = []
    for row in count():
        before = len(found)
        for column in count():
            try:
                memory = getattr(dut, f"{path}.gen_row[{row}].gen_column[{column}].memory")
            except AttributeError:
                break
            found.append((row, len(memory), len(memory[0])))
        if len(found) == before:
            break
    row = row_depth(depth)
    deep = max(512, 1 << (row - 1).bit_length())
    assert found == [(piece.start // row, deep, piece.width) for piece in cut(width, depth)]
