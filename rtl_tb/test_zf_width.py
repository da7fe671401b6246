"""zf_width: the sequence of lanes stays, the narrow side never waits."""

import random

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit, pack, unpack


def frame(rng, count):
    case = simulator.config()
    return [[rng.getrandbits(case["LaneBits"] * case["InLanes"]) for _ in range(count)]]


def model(words):
    bits, lanes_in, lanes_out = (simulator.config()[k] for k in ("LaneBits", "InLanes", "OutLanes"))
    lanes = [lane for word in words[0] for lane in unpack(word, lanes_in, bits)]
    return [[pack(lanes[i : i + lanes_out], bits) for i in range(0, len(lanes), lanes_out)]]


@cocotb.test()
async def exact(dut):
    """Keep the lanes' order; take the exact cycles without stalls."""
    case = simulator.config()
    lanes_in, lanes_out = case["InLanes"], case["OutLanes"]
    wide = max(lanes_in, lanes_out)
    per_frame = 3 * wide // lanes_in

    timing = await check_stream_unit(dut, lambda rng: frame(rng, per_frame), model)
    words_in, words_out = range(len(timing.taken[0])), range(len(timing.emitted[0]))
    if lanes_in == lanes_out:
        taken, emitted = list(words_in), [t + 1 for t in words_out]
    elif lanes_in < lanes_out:
        parts = lanes_out // lanes_in
        taken, emitted = list(words_in), [(t + 1) * parts + 1 for t in words_out]
    else:
        parts = lanes_in // lanes_out
        taken, emitted = [t * parts for t in words_in], [t + 2 for t in words_out]
    assert timing.taken[0] == taken
    assert timing.emitted[0] == emitted


@cocotb.test()
async def slack(dut):
    """Stall the wide side for all but one cycle of each word: the narrow side does not notice."""
    case, rng = simulator.config(), random.Random(1)
    lanes_in, lanes_out = case["InLanes"], case["OutLanes"]
    words = frame(rng, 12 * max(lanes_in, lanes_out) // lanes_in)
    bench = Bench(dut)
    await bench.reset(2, rng)
    patterns = (max(lanes_in // lanes_out, 1), max(lanes_out // lanes_in, 1))
    await bench.play(words, model(words), patterns, rng)
    narrow = bench.sources[0] if lanes_in < lanes_out else bench.sinks[0]
    assert narrow.cycles == list(range(narrow.cycles[0], narrow.cycles[0] + len(narrow.cycles)))


@pytest.mark.parametrize(
    ("bits", "lanes_in", "lanes_out"),
    [(4, 1, 4), (4, 4, 1), (3, 2, 6), (5, 6, 2), (1, 1, 2), (8, 3, 3), (7, 10, 1)],
)
def test_zf_width(bits, lanes_in, lanes_out):
    """Run `exact` and `slack`."""
    parameters = {"LaneBits": bits, "InLanes": lanes_in, "OutLanes": lanes_out}
    built = simulator.build("zf_width", simulator.library("zf_width"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_width")


def test_lanes_that_do_not_divide_are_fatal():
    """The elaboration check prints the rule and the values."""
    built = simulator.build(
        "zf_width", simulator.library("zf_width"), {"LaneBits": 4, "InLanes": 3, "OutLanes": 8}
    )
    with pytest.raises(
        simulator.SimulationError, match="InLanes 3 and OutLanes 8: none divides the other"
    ):
        simulator.run(built, "zynqfire.rtl_tb.test_zf_width")
