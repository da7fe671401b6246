"""How far the resource formulas are from synthesis, layer by layer.

``python -m zynqfire.board.calibrate BUILD ...`` synthesizes builds with Yosys and prints what
`hls.resources` and `hls.memory` estimated beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from .. import Refusal
from ..hls import manifest
from .synth import synth

KEYS = ("lut", "lutram", "srl", "ff", "bram36", "dsp")


def compare(build: Path) -> dict[str, tuple[Mapping[str, float], Mapping[str, float]]]:
    """Return each layer's estimate and synthesis, and those of the whole build under ``total``."""
    facts = manifest.read(build, "estimate", "estimate_by_layer")
    found = synth(build, report=lambda line: print(line, file=sys.stderr))
    rows = {
        layer: (facts["estimate_by_layer"][layer], found["by_layer"][layer])
        for layer in found["by_layer"]
    }
    return rows | {"total": (facts["estimate"], found)}


def main() -> None:
    """Print a table a build."""
    for build in sys.argv[1:]:
        try:
            rows = compare(Path(build))
        except Refusal as refusal:
            sys.exit(str(refusal))
        print(f"\n{build}: estimated / synthesized\n")
        print("| layer |" + "".join(f" {key} |" for key in KEYS))
        print("|---|" + "---:|" * len(KEYS))
        for layer, (guess, found) in rows.items():
            cells = "".join(f" {guess[key]:,g} / {found[key]:,g} |" for key in KEYS)
            print(f"| {layer} |{cells}")
        guess, found = rows["total"]
        print(
            "\nTotals off by "
            + ", ".join(f"{key} {guess[key] / found[key] - 1:+.1%}" for key in KEYS if found[key])
        )


if __name__ == "__main__":
    main()
