"""Products of every width: both forms of the multipliers are equal, whatever the packing."""

import cocotb
import pytest

from zynqfire.hls.packing import WIDE_PORTS
from zynqfire.rtl_tb import forms, test_zf_mac_dsp, test_zf_mac_lut

BENCH = "zynqfire.rtl_tb.test_products"
WIDTHS = range(2, 9)
CASCADES = {
    f"p{port}w{weight}a{code}_{pixels}{channels}": setup
    for port in WIDE_PORTS.values()
    for weight in WIDTHS
    for code in WIDTHS
    for pixels, channels in ((2, 2), (2, 1), (1, 2), (1, 1))
    if (setup := test_zf_mac_dsp.Setup(weight, code, pixels, channels, port, cycles=1500)).packing
}
SINGLE = {
    f"w{weight}a{code}_{'us'[signed]}": test_zf_mac_lut.Setup(weight, code, signed, exhaustive=True)
    for weight in WIDTHS
    for code in WIDTHS
    for signed in (False, True)
}
CASES = {name: setup.case() for name, setup in (CASCADES | SINGLE).items()}


@cocotb.test()
@cocotb.parametrize(name=list(CASES))
async def same(dut, name):
    """Both forms give the plain sums, on the same cycles."""
    await forms.check(dut, name, CASES[name])


@pytest.mark.long
@pytest.mark.parametrize("weight", WIDTHS)
@pytest.mark.parametrize("port", WIDE_PORTS.values())
def test_cascades(port, weight):
    """The longest cascade of every packing."""
    some = {n: c for n, c in CASES.items() if n.startswith(f"p{port}w{weight}")}
    forms.run("zf_tb_mac_dsp", some, BENCH)


@pytest.mark.long
@pytest.mark.parametrize("weight", WIDTHS)
def test_products_of_luts(weight):
    """Every operand of a product."""
    some = {n: c for n, c in CASES.items() if n.startswith(f"w{weight}")}
    forms.run("zf_tb_mac_lut", some, BENCH)
