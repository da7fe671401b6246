"""Each rule of the IR, broken once."""

from dataclasses import replace

import numpy as np
import pytest

from zynqfire import Refusal
from zynqfire.hls.ir import (
    Concat,
    Conv,
    Input,
    Network,
    Output,
    QType,
    Requantize,
    SumPool,
    Tensor,
)
from zynqfire.hls.verify import check

ENTRY = Input("input", Tensor("x", (4, 4, 2), QType(4, False, 4)))
CONV = Conv(
    "conv",
    "x",
    Tensor("acc", (4, 4, 3), QType(12, True, 6)),
    np.ones((3, 3, 3, 2), int),
    4,
    np.zeros(3, int),
    (1, 1),
    (1, 1, 1, 1),
)
QUANT = Requantize("quant", "acc", Tensor("y", (4, 4, 3), QType(4, False, 2)), 0, 15)
JOIN = Concat("join", ("y", "y"), Tensor("z", (4, 4, 6), QType(4, False, 2)))
POOL = SumPool("pool", "z", Tensor("p", (1, 1, 6), QType(8, False, 6)))
LEAVE = Output("output", "p", Tensor("out", (1, 1, 6), QType(8, False, 6)))
OPERATIONS = (ENTRY, CONV, QUANT, JOIN, POOL, LEAVE)


def tensor(op, **changes):
    """Return `op` with its tensor changed."""
    return replace(op, output=replace(op.output, **changes))


def sentence(*changed):
    """Return why the network with `changed` operations in place of the legal ones is refused."""
    by_name = {op.name: op for op in changed}
    network = Network("net", tuple(by_name.get(op.name, op) for op in OPERATIONS))
    with pytest.raises(Refusal) as caught:
        check(network)
    return str(caught.value)


def test_a_legal_network_is_returned():
    network = Network("net", OPERATIONS)
    assert check(network) is network


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            tensor(ENTRY, qtype=QType(9, False, 4)),
            "layer input: input codes must have 2 to 8 bits, not 9",
        ),
        (replace(CONV, input="y"), "layer conv: reads y, which no earlier layer writes"),
        (
            replace(CONV, weight_bits=9),
            "layer conv: weights must have 2 to 8 bits, not 9",
        ),
        (
            replace(CONV, weights=CONV.weights * 9),
            "layer conv: weights from 9 to 9 must fit 4 bits",
        ),
        (
            replace(CONV, bias=CONV.bias + (1 << 33)),
            "layer conv: biases must fit 32 bits, not 35",
        ),
        (
            replace(CONV, weights=np.ones((3, 3, 3, 5), int)),
            "layer conv: weights (3, 3, 3, 5) and bias (3,) must match 2 input channels",
        ),
        (
            replace(CONV, weights=np.ones((3, 2, 3, 2), int)),
            "layer conv: kernels must be odd, not 2x3",
        ),
        (replace(CONV, stride=(1, 3)), "layer conv: strides must be 1 or 2, not 1x3"),
        (
            replace(CONV, pads=(1, -1, 1, 1)),
            "layer conv: padding must not be negative, not (1, -1, 1, 1)",
        ),
        (
            replace(CONV, pads=(0, 1, 1, 1)),
            "layer conv: its result must have the shape (3, 4, 3), not (4, 4, 3)",
        ),
        (
            tensor(CONV, align=(1, 2)),
            "layer conv: shifts of channels must be 3 and none negative, not (1, 2)",
        ),
        (
            tensor(CONV, qtype=QType(8, True, 6)),
            "tensor acc: its type s8.6 must hold every value from 0 to 270",
        ),
        (
            tensor(CONV, qtype=QType(63, True, 6)),
            "layer conv: results may have 62 bits, not 63",
        ),
        (
            replace(QUANT, hi=16),
            "layer quant: the clamp 0 to 16 must lie in u4.2",
        ),
        (
            tensor(QUANT, qtype=QType(4, False, 57)),
            "layer quant: shifted to the left by 51, codes of s12.6 may have 62 bits, not 63",
        ),
        (
            tensor(QUANT, align=(1, 0, 0)),
            "layer quant: channels of y must be aligned by a Requantize first",
        ),
        (
            tensor(QUANT, shape=(4, 4, 4)),
            "layer quant: its result must have the shape (4, 4, 3), not (4, 4, 4)",
        ),
        (
            tensor(JOIN, qtype=QType(5, False, 2)),
            "layer join: inputs of a concatenation must share one type, not u4.2, u5.2",
        ),
        (
            tensor(JOIN, shape=(4, 3, 6)),
            "layer join: inputs of a concatenation must share one map size",
        ),
        (
            tensor(POOL, shape=(1, 2, 6)),
            "layer pool: its result must have the shape (1, 1, 6), not (1, 2, 6)",
        ),
        (
            tensor(LEAVE, qtype=QType(9, False, 6)),
            "layer output: the output must have the type u8.6, not u9.6",
        ),
        (replace(LEAVE, divisor=0), "layer output: the divisor must be positive, not 0"),
        (replace(POOL, input="y", output=replace(POOL.output, shape=(1, 1, 3))), "layer output"),
        (replace(QUANT, name="conv"), "layer conv: names must be unique, this one occurs twice"),
    ],
)
def test_rules(changed, expected):
    if changed is not None and changed.name == "conv" and isinstance(changed, Requantize):
        with pytest.raises(Refusal) as caught:
            check(Network("net", (ENTRY, CONV, changed, *OPERATIONS[3:])))
        assert str(caught.value) == expected
    else:
        assert sentence(changed).startswith(expected)


def test_entry_and_exit():
    with pytest.raises(Refusal, match="network net: must start with its Input"):
        check(Network("net", OPERATIONS[1:]))
    with pytest.raises(Refusal, match="network net: must end with its Output"):
        check(Network("net", OPERATIONS[:-1]))


def test_what_nobody_reads():
    extra = Requantize("extra", "acc", Tensor("e", (4, 4, 3), QType(4, False, 2)), 0, 15)
    with pytest.raises(Refusal, match="layer extra: nothing reads its result e"):
        check(Network("net", (*OPERATIONS[:3], extra, *OPERATIONS[3:])))


def test_what_is_written_twice():
    twice = replace(QUANT, name="again")
    with pytest.raises(Refusal, match="layer again: writes y, which another layer writes"):
        check(Network("net", (*OPERATIONS[:3], twice, *OPERATIONS[3:])))


def test_wide_activations():
    wide = replace(QUANT, output=Tensor("y", (4, 4, 3), QType(9, False, 2)))
    conv = replace(
        CONV,
        name="next",
        input="y",
        weights=np.ones((3, 3, 3, 3), int),
        output=Tensor("n", (4, 4, 3), QType(20, True, 6)),
    )
    leave = Output("output", "n", Tensor("out", (4, 4, 3), QType(20, True, 6)))
    with pytest.raises(Refusal) as caught:
        check(Network("net", (ENTRY, CONV, wide, conv, leave)))
    assert str(caught.value) == (
        "layer next: a convolution's input must be quantized to 2 to 8 bits, not be u9.2"
    )
