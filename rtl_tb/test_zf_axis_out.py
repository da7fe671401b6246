"""zf_axis_out: codes extended, tlast on the last of a frame."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit, pack, unpack


@cocotb.test()
async def exact(dut):
    """Widen the numbers unchanged; count tlast from reset."""
    case = simulator.config()
    bits, signed, out_bits, beats = (case[k] for k in ("Bits", "Signed", "OutBits", "Beats"))

    def model(words):
        codes = [unpack(word, 1, bits, signed)[0] for word in words[0]]
        return [
            [pack([code], out_bits) | (i == beats - 1) << out_bits for i, code in enumerate(codes)]
        ]

    timing = await check_stream_unit(
        dut,
        lambda rng: [[rng.getrandbits(bits) for _ in range(beats)]],
        model,
        bench=Bench(dut, sink_payload=("m_tdata_o", "m_tlast_o")),
    )
    assert timing.taken[0] == list(range(4 * beats))
    assert timing.emitted[0] == list(range(1, 4 * beats + 1))


@pytest.mark.parametrize(
    ("bits", "signed", "out_bits", "beats"),
    [(16, 1, 32, 10), (16, 0, 32, 7), (40, 1, 64, 3), (32, 0, 32, 1), (1, 0, 32, 2)],
)
def test_zf_axis_out(bits, signed, out_bits, beats):
    """Run `exact`."""
    parameters = {"Bits": bits, "Signed": signed, "OutBits": out_bits, "Beats": beats}
    built = simulator.build("zf_axis_out", simulator.library("zf_axis_out"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_axis_out")
