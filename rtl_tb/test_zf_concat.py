"""zf_concat: the ports in their order, pixel by pixel."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit, pack


@cocotb.test()
async def exact(dut):
    """Each pixel is its words of port 0, then of port 1, and so on; a word a cycle."""
    case = simulator.config()
    width, beats = case["Width"], case["beats"]

    def frame(rng):
        pixels = rng.randint(1, 5)
        return [[rng.getrandbits(width) for _ in range(pixels * n)] for n in beats]

    def model(words):
        pixels = len(words[0]) // beats[0]
        joined = []
        for pixel in range(pixels):
            for port, n in zip(words, beats, strict=True):
                joined += port[pixel * n : (pixel + 1) * n]
        return [joined]

    timing = await check_stream_unit(dut, frame, model, bench=Bench(dut, sources=len(beats)))
    assert sorted(t for port in timing.taken for t in port) == list(range(len(timing.emitted[0])))
    assert timing.emitted[0] == [t + 1 for t in range(len(timing.emitted[0]))]


@pytest.mark.parametrize(
    ("width", "beats"), [(8, (1, 1)), (6, (2, 3)), (16, (5, 1)), (9, (1, 4, 2)), (3, (3,))]
)
def test_zf_concat(width, beats):
    """Run `exact`."""
    packed = simulator.sized(pack(beats, 16), 16 * len(beats))
    parameters = {"Width": width, "Ports": len(beats), "Beats": packed}
    built = simulator.build("zf_concat", simulator.library("zf_concat"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_concat", config={"beats": beats})
