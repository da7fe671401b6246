"""zf_width: the sequence of lanes stays, the narrow side never waits."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import check_stream_unit, pack, unpack


@cocotb.test()
async def exact(dut):
    """Keep the lanes' order; take the exact cycles without stalls."""
    case = simulator.config()
    bits, lanes_in, lanes_out = case["LaneBits"], case["InLanes"], case["OutLanes"]
    wide = max(lanes_in, lanes_out)
    per_frame = 3 * wide // lanes_in

    def frame(rng):
        return [[rng.getrandbits(bits * lanes_in) for _ in range(per_frame)]]

    def model(words):
        lanes = [lane for word in words[0] for lane in unpack(word, lanes_in, bits)]
        return [[pack(lanes[i : i + lanes_out], bits) for i in range(0, len(lanes), lanes_out)]]

    timing = await check_stream_unit(dut, frame, model)
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


@pytest.mark.parametrize(
    ("bits", "lanes_in", "lanes_out"),
    [(4, 1, 4), (4, 4, 1), (3, 2, 6), (5, 6, 2), (1, 1, 2), (8, 3, 3), (7, 10, 1)],
)
def test_zf_width(bits, lanes_in, lanes_out):
    """Run `exact`."""
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
