"""The whole IP around small networks, on its buses, which between them show what an IP can be.

What runs in the simulators is in `ip_streams` and `ip_loads`, which import no more than they need:
starting would take longer than the tests.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board import catalog
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import ip
from zynqfire.hls.ir import Network, QType
from zynqfire.rtl_tb import simulator, test_loaded_networks
from zynqfire.rtl_tb.ip_bench import FRAMES


def one(shape, align=(0, 0, 0)) -> Network:
    """Return one convolution of weights without 0: each byte of a frame shows in some logit.

    `align` are the shifts of its outputs' scales.
    """
    grown = Builder(np.random.default_rng(7), shape, QType(8, False, 8))
    pixels = grown.operations[0].output
    logits = grown.convolution("only", pixels, 3, (3, 3), (2, 2), (0,) * 4, 8, align=align)
    assert grown.operations[-1].weights.all()
    return grown.output(logits)


def two(shape) -> Network:
    """Return two convolutions."""
    grown = Builder(np.random.default_rng(7), shape, QType(8, False, 8))
    first = grown.convolution("first", grown.operations[0].output, 4, (3, 3), (2, 2), (0,) * 4)
    codes = grown.requantize("first", first, 8)
    return grown.output(grown.convolution("last", codes, 3, (1, 1), (1, 1), (0,) * 4, 8))


@dataclass(frozen=True)
class Case:
    """A network whose frames have an odd number of bytes, so that they begin at every place.

    Attributes
    ----------
    network : callable
        Makes it.
    folding : dict
        Of its layers.
    bits : int
        Of s_axis.
    loaded : bool
        Its weights are in UltraRAM.
    """

    network: Callable[[], Network]
    folding: dict
    bits: int
    loaded: bool = False


def _fold(pe: int, simd: int) -> dict[str, int]:
    return {"pe": pe, "simd": simd, "pixels": 1}


CASES = {
    "slow core": Case(lambda: one((5, 7, 3)), {"only": _fold(1, 9)}, 32),
    "lanes wider than a beat": Case(lambda: one((5, 3, 9)), {"only": _fold(3, 9)}, 32),
    "weights to load": Case(
        lambda: two((5, 3, 3)), {"first": _fold(4, 9), "last": _fold(1, 4)}, 64, True
    ),
    "logits of 64 bits": Case(lambda: one((5, 3, 3), (18, 0, 18)), {"only": _fold(3, 9)}, 128),
}


def build(case: Case, folder: Path) -> dict:
    """Write a case's build and frames for it; return its manifest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ip, "WIDTHS", dict.fromkeys(ip.WIDTHS, (case.bits,)))
        if case.loaded:
            test_loaded_networks.apart(patch, lambda width, layer: width)
        board = catalog.load("kv260" if case.loaded else "pynq-z2")
        hls_compile.build(case.network(), board, folder, folding=case.folding)
    manifest = json.loads((folder / "manifest.json").read_text())
    shape = (FRAMES, manifest["ip"]["input_bytes"])
    np.save(folder / "frames.npy", np.random.default_rng(3).integers(0, 256, shape, np.uint8))
    return manifest


@pytest.mark.parametrize("name", CASES)
def test_ip(name, tmp_path):
    """Run those of the streams, and those of loading where there is something to load."""
    folder = tmp_path / "build"
    manifest = build(CASES[name], folder)
    sources = [folder / source for source in manifest["ip"]["sources"]]
    # In one file, for which the compiled headers of all small designs serve
    options = ("-Wno-fatal", "--output-split", "0")
    made = simulator.build(manifest["ip"]["packager_top"], sources, options=options)
    for module in ("ip_streams", "ip_loads") if manifest["loads"] else ("ip_streams",):
        run = f"zynqfire.rtl_tb.{module}"
        simulator.run(made, run, cwd=folder, config={"folder": str(folder)})
