"""Types and the JSON of the IR."""

import numpy as np
import pytest
from random_networks import conv

from zynqfire import Refusal
from zynqfire.hls import ir, ir_text


@pytest.mark.parametrize(
    ("lo", "hi", "bits", "signed"),
    [(0, 15, 4, False), (0, 16, 5, False), (-8, 7, 4, True), (-9, 7, 5, True), (-1, 200, 9, True)],
)
def test_narrowest_type_holds_its_range_and_no_bit_less(lo, hi, bits, signed):
    qtype = ir.QType.holding(lo, hi, 3)
    assert (qtype.bits, qtype.signed, qtype.frac) == (bits, signed, 3)
    assert qtype.lo <= lo
    assert hi <= qtype.hi


def test_json_round_trip_is_exact_and_deterministic():
    tensor = ir.Tensor("x", (5, 4, 6), ir.QType(8, False, 8))
    op = conv()
    out = ir.Tensor("y", (5, 4, 8), ir.QType(4, False, 2))
    operations = (
        ir.Input("in", tensor),
        op,
        ir.Requantize("r", "acc", out, 0, 15),
        ir.Output("o", "y", out, 3),
    )
    text = ir_text.dumps(ir.Network("n", operations))
    again = ir_text.loads(text)
    assert ir_text.dumps(again) == text
    assert np.array_equal(again.operations[1].weights, op.weights)
    assert np.array_equal(again.operations[1].bias, op.bias)
    assert again.operations[1].output == op.output
    assert again.output.divisor == 3


def test_json_of_another_format_is_refused():
    with pytest.raises(Refusal, match="format must be 1, not 7"):
        ir_text.loads('{"format": 7}')
