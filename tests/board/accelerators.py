"""Builds of small networks, and accelerators over every device there is without a board."""

import json
import sys

import numpy as np
from random_networks import Builder

from zynqfire import Accelerator
from zynqfire.board import catalog
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import interpret, ir_text, manifest
from zynqfire.hls.ir import QType
from zynqfire.rtl_tb.sim_device import SimDevice

SHAPE, OUTPUTS = (6, 5, 3), 7


def network(seed=7):
    """Return two convolutions and the average over their map, which 90 bytes go into."""
    values = iter((9, 0, 0)).__next__
    grown = Builder(np.random.default_rng(seed), SHAPE, QType(8, False, 8), values)
    pixels = grown.operations[0].output
    first = grown.convolution("first", pixels, 8, (3, 3), (1, 1), (1,) * 4)
    codes = grown.requantize("first", first, 4, False)
    last = grown.convolution("last", codes, OUTPUTS, (1, 1), (1, 1), (0,) * 4)
    return grown.output(grown.sum_pool("pool", last))


def compiled(folder, seed=7):
    """Write the build of `network`."""
    hls_compile.build(network(seed), catalog.load("pynq-z2"), folder)
    return folder


def described(build):
    """Return the manifest of a build."""
    return json.loads((build / manifest.NAME).read_text())


def frames(count, seed=0, shape=SHAPE):
    """Return random images."""
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def expected(build, images):
    """Return what the interpreter makes of images."""
    return interpret.outputs(ir_text.read(build / "network.json"), images)


def computed(build):
    """Return a function of one image, for `ModelDevice`."""
    return lambda image: expected(build, image[None])[0]


def bitstream(build):
    """Put files with the names of a bitstream and its description into a build."""
    (build / "vivado").mkdir(exist_ok=True)
    for name in ("zynqfire.bit", "zynqfire.hwh"):
        (build / "vivado" / name).write_text("stands for the one that Vivado makes")


def opened(build, kind, monkeypatch, **options):
    """Return the accelerator of a build: `sim`, or `pynq` over the stand-in and the same RTL."""
    if kind == "sim":
        return Accelerator(build, "sim", **options)
    from fake_pynq import Pynq

    bitstream(build)
    device = SimDevice(build)
    monkeypatch.setitem(sys.modules, "pynq", Pynq(device, described(build)["ip"]))
    return Accelerator(build, "pynq", **options)
