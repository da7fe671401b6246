"""The integer interpreter against plain loops, against qonnx, and its refusals."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from qonnx_nets import Net, assert_as_qonnx, codes, pixels

from zynqfire import Refusal
from zynqfire.hls import executors, interpret
from zynqfire.hls.ir import (
    Conv,
    Input,
    Network,
    Output,
    QType,
    Requantize,
    SumPool,
    Tensor,
)
from zynqfire.hls.lower import from_onnx
from zynqfire.hls.passes import widths


@given(st.integers(-(1 << 55), 1 << 55), st.integers(-6, 90))
@settings(max_examples=300)
def test_rhe_is_python_rounding(x, shift):
    """Python rounds fractions half to even, too."""
    assert int(interpret.rhe(np.int64(x), shift)) == round(Fraction(x) / Fraction(2) ** shift)


@pytest.mark.parametrize("shift", [1, 2, 5])
def test_rhe_at_every_tie(shift):
    """All ties of a range, in one array."""
    x = np.arange(-300, 300)
    assert np.array_equal(interpret.rhe(x, shift), np.rint(x / 2.0**shift).astype(int))


def one_conv(weights, bias, qtype, shape, stride, pads):
    """Return a network of one convolution."""
    entry = Tensor("input", shape, qtype)
    height = (shape[0] + pads[0] + pads[2] - weights.shape[1]) // stride[0] + 1
    width = (shape[1] + pads[1] + pads[3] - weights.shape[2]) // stride[1] + 1
    lo, hi = widths.accumulator(weights, bias, (qtype.lo, qtype.hi))
    acc = Tensor("acc", (height, width, len(weights)), QType.holding(lo, hi, qtype.frac))
    conv = Conv("conv", "input", acc, weights, 8, bias, stride, pads)
    output = Output("output", "acc", Tensor("output", acc.shape, acc.qtype))
    return Network("one", (Input("input", entry), conv, output))


@pytest.mark.parametrize("magnitude", [8, 1 << 20, 1 << 45])
@pytest.mark.parametrize(
    ("kernel", "stride", "pads"),
    [((3, 3), (2, 1), (1, 0, 2, 1)), ((1, 1), (1, 1), (0,) * 4), ((5, 3), (1, 2), (2, 2, 1, 0))],
)
def test_convolution_is_the_sum(kernel, stride, pads, magnitude):
    """Float32, float64 and integer products all give the plain sum."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-magnitude, magnitude, (3, *kernel, 2))
    bias = rng.integers(-magnitude, magnitude, 3)
    network = one_conv(weights, bias, QType(8, False, 8), (7, 6, 2), stride, pads)
    x = pixels(rng, 2, (2, 7, 6))
    padded = np.pad(x, ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)))
    height, width, outputs = network.tensor("acc").shape
    expected = np.zeros((2, height, width, outputs), dtype=np.int64)
    for row in range(height):
        for column in range(width):
            top, left = row * stride[0], column * stride[1]
            window = padded[:, top : top + kernel[0], left : left + kernel[1]]
            expected[:, row, column] = np.einsum("nijc,mijc->nm", window, weights) + bias
    assert np.array_equal(interpret.run(network, x)["acc"], expected)


def test_chunks_and_keep(monkeypatch):
    """Frames in chunks of one give what all at once give; `keep` returns only what it names."""
    rng = np.random.default_rng(1)
    network = one_conv(
        rng.integers(-7, 8, (4, 3, 3, 2)),
        np.arange(4),
        QType(4, True, 3),
        (6, 6, 2),
        (1, 1),
        (1,) * 4,
    )
    x = pixels(rng, 5, (2, 6, 6), 4, True)
    whole = interpret.run(network, x)
    monkeypatch.setattr(interpret, "_CHUNK_BYTES", 1)
    for name, value in interpret.run(network, x).items():
        assert value.dtype == np.int64
        assert np.array_equal(value, whole[name])
    assert set(interpret.run(network, x, keep=("acc",))) == {"acc"}
    assert interpret.outputs(network, x).shape == (5, 6 * 6 * 4)


def test_sum_pool_and_requantize():
    """The sum over the map, then a shift each channel has for itself."""
    entry = Tensor("input", (2, 2, 2), QType(8, True, 4))
    pooled = Tensor("pool", (1, 1, 2), QType(10, True, 6))
    small = Tensor("small", (1, 1, 2), QType(4, True, 2))
    network = Network(
        "pooled",
        (
            Input("input", entry),
            SumPool("pool", "input", pooled),
            Requantize("quant", "pool", small, -7, 7),
            Output("output", "small", Tensor("output", (1, 1, 2), small.qtype)),
        ),
    )
    x = np.array([[[[10, -128], [10, -128]], [[4, -128], [0, -128]]]])
    results = interpret.run(network, x)
    assert results["pool"].ravel().tolist() == [24, -512]
    assert results["small"].ravel().tolist() == [2, -7]  # 24 / 16 = 1.5, to even


def test_range_is_asserted():
    """An accumulator type that does not hold the worst case is a bug, and says so."""
    network = one_conv(
        np.full((1, 1, 1, 1), 7), np.zeros(1, int), QType(4, False, 0), (1, 1, 1), (1, 1), (0,) * 4
    )
    conv = network.operations[1]
    tight = Conv(**{**conv.__dict__, "output": Tensor("acc", (1, 1, 1), QType(6, False, 0))})
    output = Output("output", "acc", Tensor("output", (1, 1, 1), QType(6, False, 0)))
    broken = network.with_operations([network.operations[0], tight, output])
    with pytest.raises(AssertionError, match="does not hold the proven range 0 to 105"):
        interpret.run(broken, np.zeros((1, 1, 1, 1), int))


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (
            np.zeros((2, 3, 3, 1), int),
            "input: must be frames of 1x1x1 codes, not an array",
        ),
        (np.zeros((2, 1, 1, 1)), "input: must be integer codes, not float64"),
        (np.full((2, 1, 1, 1), 16), "input: codes must be from 0 to 15, not 16 to 16"),
    ],
)
def test_inputs_that_are_refused(inputs, sentence):
    network = one_conv(
        np.ones((1, 1, 1, 1), int),
        np.zeros(1, int),
        QType(4, False, 0),
        (1, 1, 1),
        (1, 1),
        (0,) * 4,
    )
    with pytest.raises(Refusal, match="input: ") as caught:
        interpret.run(network, inputs)
    assert str(caught.value).startswith(sentence)


def test_encode_and_decode():
    """Values become the nearest codes, ties to even, clamped; codes become values."""
    entry = Tensor("input", (1, 1, 4), QType(4, False, 3))
    output = Output("output", "input", Tensor("output", (1, 1, 4), entry.qtype), divisor=2)
    network = Network("plain", (Input("input", entry), output))
    found = interpret.encode(network, np.array([0.0625, 0.1875, -1.0, 99.0]))
    assert found.ravel().tolist() == [0, 2, 0, 15]
    assert interpret.decode(network, found).ravel().tolist() == [0, 0.125, 0, 0.9375]
    with pytest.raises(Refusal, match="frames of 1x1x4 values, not an array of shape"):
        interpret.encode(network, np.zeros(5))


@st.composite
def networks(draw):
    """Draw a network in QONNX: sizes, kernels, strides, pads, scales, ranges, all at random."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))

    def pick(*choices):
        return choices[rng.integers(len(choices))]

    shape = (int(pick(1, 2, 3, 5, 16)), int(rng.integers(3, 14)), int(rng.integers(3, 14)))
    signed, bits, acc = bool(rng.integers(2)), int(pick(4, 8)), int(rng.integers(0, 9))
    frames = pixels(rng, 3, shape, bits, signed)
    net = Net(shape, bits, acc, signed)
    x, layers = net.last, int(rng.integers(1, 4))
    reach = 1 << 7
    for index in range(layers):
        channels, height, width = net.shapes[x][1:]
        kernel = [
            int(pick(*(k for k in (1, 3, 5, 7) if k <= size + 2))) for size in (height, width)
        ]
        pads = [int(rng.integers(0, kernel[i % 2] // 2 + 1)) for i in range(4)]
        if any(s + pads[i] + pads[i + 2] < kernel[i] for i, s in enumerate((height, width))):
            kernel, pads = [1, 1], [0] * 4
        outputs = int(pick(1, 2, 4, 7, 32, 64))
        bits, narrow = int(rng.integers(2, 9)), bool(rng.integers(2))
        weights = codes(rng, outputs, channels, kernel, bits, narrow)
        frac = rng.integers(2, 7, outputs) if rng.integers(2) else int(rng.integers(2, 7))
        size = weights[0].size ** 0.5 * (1 << (bits - 1)) * reach / 3
        bias = rng.integers(-size, size + 1, outputs) if rng.integers(2) else None
        before, stride = x, (int(pick(1, 2)), int(pick(1, 2)))
        same = {"bits": bits, "narrow": narrow, "stride": stride, "pads": pads}
        x = net.conv(
            x, weights, frac, bias=bias, bias_frac=acc + frac, name=f"layer{index}", **same
        )
        if rng.integers(3) == 0:  # accumulators of another grid on top
            twin = codes(rng, outputs, channels, kernel, bits, narrow)
            x = net.add(x, net.conv(before, twin, frac + 1, name=f"twin{index}", **same))
        if index == layers - 1 and rng.integers(2):
            break
        signed = bool(rng.integers(2))
        bits = int(rng.integers(2, 9))
        x = net.relu(x) if not signed and rng.integers(2) else x
        spread = np.log2(size) - acc - np.mean(frac)  # of the accumulator's values
        acc = int(np.round(bits - signed - spread))
        x = net.quant(x, acc, bits, signed, signed and bool(rng.integers(2)))
        reach = 1 << (bits - signed)
        if min(net.shapes[x][2:]) > 2 and rng.integers(3) == 0:
            size = int(pick(2, 3))
            padding = [int(rng.integers(0, 2)) for _ in range(4)]
            stride = [int(pick(1, 2)), int(pick(1, 2))]
            ceil = not any(padding)  # with padding, ONNX's inference and its runtime disagree
            x = net.max_pool(x, [size, size], stride, padding, ceil)
        if net.shapes[x] == net.shapes[before] and rng.integers(2):  # a bypass
            x = net.quant(net.add(before, x), acc, bits, signed)
    height, width = net.shapes[x][2:]
    if (height * width) & (height * width - 1) == 0 and rng.integers(2):
        x = net.pool(x)
    return net.model(x), frames


@given(networks())
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_random_networks_equal_qonnx(drawn):
    """The interpreter and qonnx's own executor agree on every bit."""
    model, frames = drawn
    expected = executors.by_qonnx(model, frames)
    assume(not isinstance(expected, str))
    assert np.array_equal(executors.by_interpreter(model, frames), expected)


def test_biases_on_the_grid_of_a_quantizer_that_changes_nothing():
    """Finer than the accumulator that it reads, it is gone; the next layer's biases know it."""
    rng = np.random.default_rng(1)
    net = Net((3, 6, 6), 4, 1, signed=True)
    x = net.conv(net.last, codes(rng, 1, 3, (1, 1), 3), 0, 3, name="coarse")
    x = net.quant(net.relu(net.quant(x, -2, 3, True)), 1, 7, False)
    bias = rng.integers(-99, 99, 4)
    net.conv(x, codes(rng, 4, 1, (3, 3)), 4, bias=bias, bias_frac=5, name="fine")
    assert_as_qonnx(net.model(), pixels(rng, 3, (3, 6, 6), 4, True))


def test_qonnx_is_not_asked_beyond_float32():
    """Where float32 would round, the reason comes instead of an answer."""
    rng = np.random.default_rng(0)
    net = Net((64, 5, 5))
    net.conv(net.last, np.full((1, 64, 5, 5), 127), 4, 8)
    reason = executors.by_qonnx(net.model(), pixels(rng, 1, (64, 5, 5)))
    assert reason == "layer conv: sums may reach 51816000, float32 is exact below 2^24"
    assert from_onnx(net.model()).tensor("conv/acc").qtype == QType(26, False, 12)
