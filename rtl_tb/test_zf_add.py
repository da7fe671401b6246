"""zf_add: lane by lane, only in pairs."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit, pack, unpack


@cocotb.test()
async def exact(dut):
    """Every word out is the sum of a word of each port; a word a cycle."""
    case = simulator.config()
    lanes, bits, signed = case["Lanes"], case["Bits"], case["Signed"]
    low = -(1 << (bits - 1)) if signed else 0
    high = low + (1 << bits) - 1

    def frame(rng):
        words = rng.randint(1, 12)

        def word():
            codes = [rng.choice([low, high, rng.randint(low, high)]) for _ in range(lanes)]
            return pack(codes, bits)

        return [[word() for _ in range(words)] for _ in range(2)]

    def model(words):
        ports = ([unpack(word, lanes, bits, signed) for word in port] for port in words)
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(*ports, strict=True)]
        return [[pack(codes, case["OutBits"]) for codes in sums]]

    timing = await check_stream_unit(dut, frame, model, bench=Bench(dut, sources=2))
    assert timing.taken[0] == timing.taken[1] == list(range(len(timing.emitted[0])))
    assert timing.emitted[0] == [t + 1 for t in range(len(timing.emitted[0]))]


@pytest.mark.parametrize(
    ("lanes", "bits", "signed", "out"), [(2, 4, 0, 5), (1, 1, 0, 2), (3, 6, 1, 7), (2, 8, 1, 12)]
)
def test_zf_add(lanes, bits, signed, out):
    """Run `exact`."""
    case = {"Lanes": lanes, "Bits": bits, "Signed": signed, "OutBits": out}
    built = simulator.build("zf_add", simulator.library("zf_add"), case)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_add")
