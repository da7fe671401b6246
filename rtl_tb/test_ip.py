"""The whole IP around a small network, on its buses: bit-exact, whatever happens to a frame."""

import json

import cocotb
import numpy as np
import pytest
from random_networks import Builder

from zynqfire.board import catalog
from zynqfire.hls import compile as hls_compile
from zynqfire.hls import interpret, ip
from zynqfire.hls.ir import QType
from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.ip_bench import Ip

FRAMES = 12


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(pauses=[(0.0, 0.0), (0.5, 0.0), (0.0, 0.7), (0.3, 0.3)])
async def frames(dut, pauses):
    """Frames back to back, one a packet and several."""
    ip = await Ip(dut, pauses).start()
    assert await ip.read("STATUS") == 1
    for number in range(FRAMES):
        ip.send(number)
    for number in range(FRAMES):
        await ip.expect(number)
    await ip.write("PACKET", 3)
    for first in range(0, FRAMES, 3):
        ip.send(first, first + 1, first + 2)
    for first in range(0, FRAMES, 3):
        await ip.expect(first, first + 1, first + 2)
    assert await ip.read("FRAMES_IN") == await ip.read("FRAMES_OUT") == 2 * FRAMES
    assert await ip.read("ERRORS") == 0


def network(shape, bits=4):
    """Return two convolutions."""
    values = iter((0, 0, 0)).__next__
    grown = Builder(np.random.default_rng(7), shape, QType(8, False, 8), values)
    first = grown.convolution("first", grown.operations[0].output, 8, (3, 3), (1, 1), (1,) * 4)
    codes = grown.requantize("first", first, bits, False)
    return grown.output(grown.convolution("last", codes, 5, (1, 1), (2, 2), (0,) * 4))


SHAPES = {32: (6, 6, 3), 64: (5, 7, 3), 128: (5, 3, 3)}


def built(folder, bits, monkeypatch):
    """Write a build whose IP has an input of so many bits, and frames with their logits."""
    monkeypatch.setattr(ip, "WIDTHS", {"xc7": (bits,)})
    hls_compile.build(network(SHAPES[bits]), catalog.load("pynq-z2"), folder)
    codes = np.random.default_rng(3).integers(0, 256, (FRAMES, *SHAPES[bits]))
    np.save(folder / "frames.npy", codes.astype(np.uint8).reshape(FRAMES, -1))
    logits = interpret.outputs(network(SHAPES[bits]), codes)
    np.save(folder / "logits.npy", logits.reshape(FRAMES, -1))
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize("bits", [32, 64, 128])
def test_ip(bits, tmp_path, monkeypatch):
    """Run the tests above."""
    folder = tmp_path / "build"
    manifest = built(folder, bits, monkeypatch)
    assert manifest["ip"]["in_bits"] == bits
    sources = [folder / source for source in manifest["ip"]["sources"]]
    made = simulator.build(manifest["ip"]["packager_top"], sources, options=("-Wno-fatal",))
    config = {"folder": str(folder)}
    simulator.run(made, "zynqfire.rtl_tb.test_ip", cwd=folder, config=config)
