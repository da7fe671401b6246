"""zf_fork: every taker gets every word once, and none waits for another."""

import cocotb
import pytest

from zynqfire.rtl_tb import simulator
from zynqfire.rtl_tb.stream import Bench, check_stream_unit


@cocotb.test()
async def exact(dut):
    """All words at all ports in the same cycle, each port with stalls of its own."""
    case = simulator.config()
    width, ports = case["Width"], case["Ports"]
    timing = await check_stream_unit(
        dut,
        lambda rng: [[rng.getrandbits(width) for _ in range(15)]],
        lambda words: words * ports,
        bench=Bench(dut, sinks=ports, shared=("m_tdata_o",)),
    )
    assert timing.taken[0] == list(range(60))
    assert timing.emitted == [list(range(60))] * ports


@pytest.mark.parametrize(("width", "ports"), [(8, 2), (5, 3), (1, 1)])
def test_zf_fork(width, ports):
    """Run `exact`."""
    parameters = {"Width": width, "Ports": ports}
    built = simulator.build("zf_fork", simulator.library("zf_fork"), parameters)
    simulator.run(built, "zynqfire.rtl_tb.test_zf_fork")
