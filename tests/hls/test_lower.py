"""hls4ml's graph to the IR: codes, types, alignment, and edits of the graph."""

import contextlib
import io

import numpy as np
import pytest
from qonnx_nets import Net, codes, fire_net, pixels
from random_networks import folded

from zynqfire import Refusal
from zynqfire.hls import executors, interpret, narrow, prepare
from zynqfire.hls.backend import ensure_registered
from zynqfire.hls.ir import Concat, Conv, QType, Requantize, SumPool
from zynqfire.hls.ir_text import dumps, loads
from zynqfire.hls.lower import from_onnx, lower
from zynqfire.hls.passes.wiring import wire


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def model_graph(model, **config):
    """Return hls4ml's graph of `model`, quietly."""
    from hls4ml.converters import convert_from_onnx_model

    ensure_registered()
    with contextlib.redirect_stdout(io.StringIO()):
        return convert_from_onnx_model(
            prepare(model), backend="zynqfire", output_dir="unused", hls_config=config
        )


def test_codes_and_types_are_those_of_the_model(rng):
    """Weights, biases, geometry and quantizers arrive as they were."""
    weights, bias = codes(rng, 5, 3, (3, 1), 6, False), rng.integers(-99, 99, 5)
    weights[0, 0, 0, 0] = -32
    net = Net(signed=True)
    x = net.conv(net.last, weights, 5, 6, False, bias, 13, (2, 1), (1, 0, 1, 0))
    net.quant(net.relu(x), 3, 5, False)
    network = from_onnx(net.model())
    conv = network.convolutions[0]
    assert np.array_equal(conv.weights, weights.transpose(0, 2, 3, 1))
    assert np.array_equal(conv.bias, bias)
    assert (conv.weight_bits, conv.stride, conv.pads) == (6, (2, 1), (1, 0, 1, 0))
    assert network.input.output.qtype == QType(8, True, 8)
    assert (conv.output.qtype.frac, conv.output.align) == (13, ())
    (quant,) = (op for op in network.operations if isinstance(op, Requantize))
    assert (quant.output.qtype, quant.lo, quant.hi) == (QType(5, False, 3), 0, 31)


@pytest.mark.parametrize("narrow_range", [True, False])
def test_signed_quantizers_and_relu(rng, narrow_range):
    """A rectifier folds into the lower clamp; a narrow range lacks the lowest code."""
    net = Net()
    x = net.conv(net.last, codes(rng, 4, 3, (1, 1)))
    net.concat(
        net.quant(x, 3, 4, True, narrow_range), net.quant(net.relu(x), 3, 4, True, narrow_range)
    )
    clamps = [
        (op.lo, op.hi) for op in from_onnx(net.model()).operations if isinstance(op, Requantize)
    ]
    assert clamps == [(-8 + narrow_range, 7), (0, 7)]


def test_per_channel_weights_are_narrow_again(rng):
    """Scales a channel become shifts; the stored weights keep their width."""
    fracs = np.array([3, 6, 4, 5])
    weights = codes(rng, 4, 3, (3, 3))
    weights[:, 0, 0, 0] = 7  # no channel is narrower than the others
    weights[:, 0, 0, 1] = 5
    bias = np.array([7, -3, 1, 5])
    net = Net()
    net.conv(net.last, weights, fracs, bias=bias, bias_frac=fracs + 8)
    conv = from_onnx(net.model()).convolutions[0]
    assert np.array_equal(conv.weights, weights.transpose(0, 2, 3, 1))
    assert np.array_equal(conv.bias, bias)
    assert conv.weight_bits == 4
    assert conv.output.align == tuple(6 - fracs)
    assert conv.output.qtype.frac == 14


def test_small_spread_is_still_narrow(rng):
    """Two-bit weights whose channels differ by one bit stay two-bit weights."""
    fracs = np.array([3, 4, 3, 4])
    weights = np.sign(codes(rng, 4, 3, (3, 3)))
    net = Net()
    net.conv(net.last, weights, fracs, 2)
    conv = from_onnx(net.model()).convolutions[0]
    assert conv.weight_bits == 2
    assert conv.output.align == (1, 0, 1, 0)


def test_zero_weights():
    """A dead layer lowers, too."""
    net = Net()
    net.conv(net.last, np.zeros((2, 3, 1, 1), int), np.array([2, 5]))
    conv = from_onnx(net.model()).convolutions[0]
    assert not conv.weights.any()
    assert conv.weight_bits == 4


def test_branches_are_aligned_before_a_concatenation(rng):
    """Branches of different types come exactly onto one grid."""
    net = Net()
    entry = net.last
    a = net.quant(net.conv(entry, codes(rng, 2, 3, (1, 1)), name="a"), 3, 4, True)
    b = net.quant(net.relu(net.conv(entry, codes(rng, 2, 3, (1, 1)), name="b")), 6, 5, False)
    net.concat(a, b, a)
    model = net.model()
    network = from_onnx(model)
    concats = [op for op in network.operations if isinstance(op, Concat)]
    assert len(concats) == 1
    assert len(concats[0].inputs) == 3
    assert len({network.tensor(name).qtype for name in concats[0].inputs}) == 1
    frames = pixels(rng, 4)
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


@pytest.mark.parametrize("ending", ["conv", "relu", "quant", "pool", "relu pool", "pool quant"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_endings(rng, ending, per_channel):
    """A network may end in an accumulator, a quantizer or a pool; channels come out aligned."""
    frac = np.array([2, 5, 3, 4]) if per_channel else 4
    net = Net()
    net.conv(net.last, codes(rng, 4, 3, (1, 1)), frac, bias=[5, -3, 9, 0], bias_frac=8 + frac)
    for step in ending.split()[:]:
        if step == "relu":
            net.relu(net.last)
        elif step == "pool":
            net.pool(net.last)
        elif step == "quant":
            net.quant(net.last, 5, 6, True)
    model = net.model()
    frames = pixels(rng, 4)
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )
    network = from_onnx(model)
    assert not network.tensor(network.output.input).align
    assert dumps(loads(dumps(network))) == dumps(network)


def test_average_over_a_power_of_two_gains_fraction_bits(rng):
    """64 positions: the sum, with six more fraction bits."""
    network = from_onnx(fire_net(rng).model())
    pool = next(op for op in network.operations if isinstance(op, SumPool))
    source = network.tensor(pool.input)
    area = source.shape[0] * source.shape[1]
    assert pool.output.qtype.frac == source.qtype.frac + int(np.log2(area))
    assert network.output.divisor == 1


def test_average_over_another_area_is_a_sum_and_a_divisor(rng):
    """Last, an average over 15 positions leaves as sums."""
    net = Net((2, 3, 5))
    net.pool(net.conv(net.last, codes(rng, 4, 2, (1, 1))))
    network = from_onnx(net.model())
    frames = pixels(rng, 3, (2, 3, 5))
    sums = interpret.run(network, frames)["conv/acc"].sum(axis=(1, 2))
    assert network.output.divisor == 15
    assert np.array_equal(interpret.outputs(network, frames), sums)
    assert network.output.output.qtype.frac == network.tensor("conv/acc").qtype.frac
    assert "no multiple of 2^-n" in executors.by_qonnx(net.model(), frames)


def test_narrow_input_is_clamped(rng):
    """A narrow signed input quantizer takes the lowest code away."""
    net = Net((1, 1, 1), 4, 3, True, narrow=True)
    net.conv(net.last, np.ones((1, 1, 1, 1), int), 0, 2)
    network = from_onnx(net.model())
    frames = np.arange(-8, 8).reshape(-1, 1, 1, 1)
    assert interpret.outputs(network, frames).ravel().tolist() == [-7, *range(-7, 8)]


def test_an_edited_weight_changes_the_network(rng):
    """The graph of hls4ml is the model, not a memory of the file."""
    graph = model_graph(fire_net(rng).model())
    before = lower(graph)
    layer = next(node for node in graph.get_layers() if node.name.endswith("fire2__expand3"))
    layer.get_weights("weight").data[1, 2, 3, 4] = 3 * 2.0**-4  # row, column, channel, filter
    layer.get_weights("bias").data[0] += 2.0**-7
    after = lower(graph)
    names = [conv.name for conv in after.convolutions]
    old, new = (n.convolutions[names.index("fire2/expand3")] for n in (before, after))
    assert new.weights[4, 1, 2, 3] == 3
    assert new.bias[0] == old.bias[0] + 1
    assert (old.weights != new.weights).sum() <= 1
    assert dumps(before) != dumps(after)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0.03, "layer conv1: weights must be multiples of 2^-4 from -7 to 7 times that, not such"),
        (0.5, "layer conv1: weights must be multiples of 2^-4 from -7 to 7 times that, not such"),
    ],
)
def test_an_edit_off_the_grid_is_refused(rng, value, sentence):
    graph = model_graph(fire_net(rng).model())
    layer = next(node for node in graph.get_layers() if node.name.endswith("conv1"))
    layer.get_weights("weight").data[0, 0, 0, 0] = value
    with pytest.raises(Refusal, match="weights must be multiples") as caught:
        lower(graph)
    assert str(caught.value) == f"{sentence} as {value}"


def test_types_of_a_configuration_count(rng):
    """A result type set for a layer is a quantizer, if it is one that can be computed exactly."""
    net = Net()
    net.conv(net.last, codes(rng, 4, 3, (1, 1)))
    types = {"result": "fixed<6,2,RND_CONV,SAT_SYM>"}
    network = lower(model_graph(net.model(), LayerName={"conv": {"Precision": types}}))
    quant = network.operations[-2]
    assert (quant.output.qtype, quant.lo, quant.hi) == (QType(6, True, 4), -31, 31)
    types = {"result": "fixed<6,2>"}
    with pytest.raises(Refusal, match="must round half to even and saturate") as caught:
        lower(model_graph(net.model(), LayerName={"conv": {"Precision": types}}))
    assert str(caught.value) == (
        "layer conv: its result type must round half to even and saturate (RND_CONV, SAT) or hold "
        "every value, but s6.4 does not"
    )


def test_accumulators_are_as_narrow_as_proven():
    """Worst cases: all products of one sign, with the bias and without."""
    net = Net((2, 1, 1), 4, 0)
    weights = np.array([[3, 2], [-1, 1]]).reshape(2, 2, 1, 1)
    net.conv(net.last, weights, 0, 3, bias=[5, -40], bias_frac=0)
    conv = from_onnx(net.model()).convolutions[0]
    # filter 0: 0..75, then 5..80; filter 1: -15..15, then -55..-25
    assert conv.output.qtype == QType.holding(-55, 80, 0) == QType(8, True, 0)


def test_narrow_recovers_any_channel():
    """Shifting back what was shifted forth, for every width and shift."""
    rng = np.random.default_rng(0)
    for bits in range(2, 9):
        top = (1 << (bits - 1)) - 1
        stored = rng.integers(-top, top + 1, (6, 2, 2, 3))
        stored[:, 0, 0, 0] = top
        shifts = rng.integers(0, 12, 6)
        shifts[0] = 11
        wide = narrow.Weights(stored << shifts.reshape(-1, 1, 1, 1), bits + 11, 20)
        bias = rng.integers(-1000, 1000, 6)
        back, biases, align = narrow.aligned(wide, bias << shifts)
        assert back.bits == bits
        assert np.array_equal(back.codes << np.reshape(align, (-1, 1, 1, 1)), wide.codes)
        assert np.array_equal(biases << np.array(align), bias << shifts)


def test_unknown_layers_are_refused(rng):
    """A layer of hls4ml that has no counterpart is named."""
    graph = model_graph(fire_net(rng).model())
    node = next(node for node in graph.get_layers() if node.name.endswith("conv1"))
    odd = type("Conv3D", (), {"name": "odd", "class_name": "Conv3D"})()
    graph.graph["odd"] = odd
    with pytest.raises(Refusal, match="layer odd: hls4ml's Conv3D is not supported, only Input"):
        lower(graph)
    assert isinstance(from_onnx(fire_net(rng).model()).convolutions[0], Conv)
    assert node is not None


def test_scale_of_a_dead_channel_says_nothing(rng):
    """Brevitas gives a channel of zeros the smallest scale that it knows."""
    weights = codes(rng, 4, 3, (3, 3))
    weights[2] = 0
    net = Net()
    net.conv(net.last, weights, np.array([4, 5, 60, 4]))
    model = net.model()
    assert from_onnx(model).convolutions[0].output.align == (1, 0, 0, 1)
    frames = pixels(rng, 2)
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


def test_a_map_joined_with_itself(rng, tmp_path):
    """Every time that a map is read it has a stream of its own."""
    net = Net()
    x = net.quant(net.conv(net.last, codes(rng, 4, 3, (3, 3))), 3, 4, True)
    net.add(net.quant(net.add(x, x), 2, 4, True), x)
    network = from_onnx(net.model())
    design = wire(network, folded(network, 200))
    written = [stream.name for i in design.instances for stream in i.sinks]
    read = [stream.name for i in design.instances for stream in i.sources]
    assert sorted(written) == sorted(read)
