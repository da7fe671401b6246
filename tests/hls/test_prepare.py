"""QONNX to the channels-last form that hls4ml parses, without a change in value."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from qonnx_nets import Net, assert_as_qonnx, codes, fire_net, pixels

from zynqfire.hls import executors, prepare
from zynqfire.hls.lower import from_onnx


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_layers_have_readable_names(rng):
    """Names come from the parameters, and hls4ml gets them as identifiers."""
    prepared = prepare(fire_net(rng).model())
    names = [node.name for node in prepared.graph.node if node.op_type == "Conv"]
    assert names == ["conv1", "fire2__squeeze", "fire2__expand1", "fire2__expand3", "conv10"]
    convolutions = [conv.name for conv in from_onnx(fire_net(rng).model()).convolutions]
    assert convolutions == ["conv1", "fire2/squeeze", "fire2/expand1", "fire2/expand3", "conv10"]


def test_names_from_modules_and_from_nodes(rng):
    """Without parameter names, the exporter's module path is used, else the node's name."""
    net = Net()
    net.conv(net.last, codes(rng, 4, 3, (1, 1)), name="a")
    model = net.model()
    for item in model.graph.initializer:
        if item.name == "a.weight":
            item.name = "slice_1"
    model.graph.node[1].input[0] = "slice_1"
    assert from_onnx(model).convolutions[0].name == "a"  # of the node /a/Conv
    model.graph.node[2].name = "node_conv2d"
    assert from_onnx(model).convolutions[0].name == "node_conv2d"
    entry = model.graph.node[2].metadata_props.add()
    entry.key, entry.value = "pkg.torch.onnx.name_scopes", "['', 'top', 'top.left', 'conv2d']"
    assert from_onnx(model).convolutions[0].name == "top/left"


def test_equal_names_are_told_apart(rng):
    """hls4ml's configuration ignores case, so names differ in more than case."""
    net = Net()
    x = net.last
    for name in ("Conv", "conv"):
        x = net.quant(net.conv(x, codes(rng, 3, 3, (1, 1)), name=name), 6, 4, True)
    assert [conv.name for conv in from_onnx(net.model(x)).convolutions] == ["Conv", "conv_2"]


def test_reserved_names(rng):
    """Layers called like the ends of the network, or like the input, get other names."""
    net = Net()
    x = net.last
    for name in ("input", "output", "x"):
        x = net.quant(net.conv(x, codes(rng, 3, 3, (1, 1)), name=name), 6, 4, True)
    convolutions = from_onnx(net.model(x)).convolutions
    assert [conv.name for conv in convolutions] == ["input_2", "output_2", "x_2"]


def test_dead_filters_are_cut(rng):
    """A final Slice of classes leaves no Slice, and no filters that nobody reads."""
    prepared = prepare(fire_net(rng, classes=4, head=6).model())
    assert {node.op_type for node in prepared.graph.node} <= {
        *("Quant", "Conv", "Relu", "Concat", "AveragePool")
    }
    network = from_onnx(fire_net(rng, classes=4, head=6).model())
    assert network.convolutions[-1].weights.shape[0] == 4
    assert network.output.output.shape == (1, 1, 4)


@pytest.mark.parametrize(("start", "end"), [(0, 3), (2, 5), (-3, 9)])
def test_slices_of_slices(rng, start, end):
    """Slices compose; the channels that stay are the ones of the original."""
    net = Net()
    x = net.conv(net.last, codes(rng, 6, 3, (1, 1)), bias=[1, 2, 3, 4, 5, 6], bias_frac=12)
    x = net.slice(net.slice(x, 1, 6), start, end)
    frames = pixels(rng, 3)
    model = net.model(x)
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )
    kept = np.arange(6)[1:6][start:end]
    assert from_onnx(model).convolutions[0].bias.tolist() == (kept + 1).tolist()


def test_prepared_is_left_alone(rng):
    """Preparing twice is preparing once."""
    prepared = prepare(fire_net(rng).model())
    assert prepare(prepared) is prepared


def test_parameters_stay_exact_through_float(rng):
    """Wide per-channel weights have trailing zeros, and float32 holds them."""
    fracs = np.array([2, 5, 7, 3])
    wanted = codes(rng, 4, 3, (3, 3))
    net = Net()
    net.conv(net.last, wanted, fracs)
    prepared = prepare(net.model())
    (values,) = (
        numpy_helper.to_array(item)
        for item in prepared.graph.initializer
        if item.name == "conv__weight__data"
    )
    back = np.ldexp(values.transpose(0, 3, 1, 2).astype(np.float64), fracs.reshape(-1, 1, 1, 1))
    assert np.array_equal(back, wanted)


def test_equal_quantizers_are_one(rng):
    """Two quantizers of the same map, as for two branches, become one."""
    net = Net()
    x = net.conv(net.last, codes(rng, 4, 3, (1, 1)))
    a, b = (net.quant(x, 5, 4, True) for _ in range(2))
    net.concat(
        net.conv(a, codes(rng, 2, 4, (1, 1)), name="a"),
        net.conv(b, codes(rng, 2, 4, (1, 1)), name="b"),
    )
    network = from_onnx(net.model())
    first, second = network.convolutions[1:]
    assert first.input == second.input


def test_two_different_quantizers_of_one_map(rng):
    """hls4ml would merge the first into the convolution; each must see the accumulator."""
    net = Net()
    x = net.conv(net.last, codes(rng, 4, 3, (1, 1)), bias=[9, -9, 5, 0], bias_frac=12)
    a, b = net.quant(x, 3, 4, True), net.quant(net.relu(x), 5, 4, False)
    net.concat(
        net.conv(a, codes(rng, 2, 4, (1, 1)), name="a"),
        net.conv(b, codes(rng, 2, 4, (1, 1)), name="b"),
    )
    frames = pixels(rng, 4)
    model = net.model()
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


def test_untidied_graphs(rng):
    """Constants behind Identity and Reshape nodes, Dropout, Pad, and a Reshape at the end."""
    net = Net((2, 5, 7))
    x = net.node("Identity", [net.last], net.shapes[net.last])
    amounts = net.constant(np.array([0, 0, 1, 0, 0, 0, 0, 2], np.int64))
    x = net.node("Pad", [x, amounts], (1, 2, 6, 9))
    weights = codes(rng, 4, 2, (3, 3))
    shape = net.constant(np.array(weights.shape, np.int64))
    flat = net.constant(np.ldexp(weights.astype(np.float32), -4).ravel(), "conv.weight")
    weight = net.quant(net.node("Reshape", [flat, shape], weights.shape), 4, 4, True)
    x = net.node("Conv", [x, weight], (1, 4, 4, 7), pads=[0, 0, 0, 0], kernel_shape=[3, 3])
    x = net.node("Dropout", [x], net.shapes[x])
    x = net.quant(x, 4, 5, True)
    target = net.constant(np.array([1, -1], np.int64))
    net.node("Reshape", [x, target], (1, 4 * 4 * 7))
    model = net.model()
    network = from_onnx(model)
    assert network.convolutions[0].pads == (1, 0, 0, 2)
    frames = pixels(rng, 3, (2, 5, 7))
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2])
def test_automatic_padding(rng, mode, stride):
    """ONNX's automatic padding is resolved."""
    net = Net((2, 6, 5))
    size = (lambda n: -(-n // stride)) if mode != "VALID" else (lambda n: (n - 3) // stride + 1)
    net.conv(
        net.last,
        codes(rng, 3, 2, (3, 3)),
        stride=(stride, stride),
        auto_pad=mode,
    )
    del net.nodes[-1].attribute[[a.name for a in net.nodes[-1].attribute].index("pads")]
    net.shapes[net.last] = (1, 3, size(6), size(5))
    frames = pixels(rng, 2, (2, 6, 5))
    model = net.model()
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


@pytest.mark.parametrize("op", ["GlobalAveragePool", "ReduceMean"])
def test_other_averages(rng, op):
    """What AdaptiveAvgPool2d and mean export is the same average over the whole map."""
    net = Net((2, 4, 8))
    x = net.conv(net.last, codes(rng, 3, 2, (1, 1)))
    attributes = {"axes": [2, 3], "keepdims": 0} if op == "ReduceMean" else {}
    net.node(op, [x], (1, 3) if attributes else (1, 3, 1, 1), **attributes)
    frames = pixels(rng, 2, (2, 4, 8))
    model = net.model()
    assert np.array_equal(
        executors.by_interpreter(model, frames), executors.by_qonnx(model, frames)
    )


@pytest.mark.parametrize("per_channel", [False, True])
def test_residual_blocks_as_brevitas_writes_them(rng, per_channel):
    """Branches through one signed quantizer, an average, a fully connected layer."""
    fracs = (lambda m: rng.integers(3, 6, m)) if per_channel else (lambda m: 4)
    net = Net((3, 8, 8))

    def conv(x, outputs, kernel, stride, name):
        sizes = {"stride": (stride, stride), "pads": (kernel // 2,) * 4}
        weights = codes(rng, outputs, net.shapes[x][1], (kernel, kernel))
        return net.conv(x, weights, fracs(outputs), name=name, **sizes)

    def block(x, outputs, stride, name):
        y = net.quant(net.relu(conv(x, outputs, 3, stride, f"{name}.conv1")), 3, 4, False)
        y = net.quant(conv(y, outputs, 3, 1, f"{name}.conv2"), 2, 5, True)
        x = conv(x, outputs, 1, stride, f"{name}.downsample") if stride > 1 else x
        return net.quant(net.relu(net.add(net.quant(x, 2, 5, True), y)), 2, 4, False)

    x = net.quant(net.relu(conv(net.last, 4, 3, 1, "conv1")), 3, 4, False)
    x = block(block(x, 4, 1, "layer1"), 8, 2, "layer2")
    x = net.quant(net.flatten(net.pool(x)), 5, 8, False)
    frac = fracs(5)
    net.gemm(x, codes(rng, 5, 8, ()), frac, bias=rng.integers(-99, 99, 5), bias_frac=5 + frac)
    frames = pixels(rng, 8)
    assert_as_qonnx(net.model(), frames)
    outputs = executors.by_interpreter(net.model(), frames)
    assert len(np.unique(outputs, axis=0)) == len(frames)
    assert from_onnx(net.model()).convolutions[-1].name == "fc"


def test_dynamic_batch_and_larger_batch(rng):
    """Only the frame axis may vary."""
    model = fire_net(rng).model()
    dim = model.graph.input[0].type.tensor_type.shape.dim[0]
    dim.dim_param = "batch"
    assert prepare(model).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_external_weights(rng, tmp_path):
    """Brevitas writes a .data file beside the model."""
    model = fire_net(rng).model()
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=0)
    frames = pixels(rng, 2)
    assert np.array_equal(
        executors.by_interpreter(path, frames),
        executors.by_interpreter(fire_net(np.random.default_rng(7)).model(), frames),
    )
