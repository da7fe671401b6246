"""A model that cannot be taken is refused in one sentence that names what, why and the value."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qonnx_nets import Net, codes, fire_net

from zynqfire import Refusal
from zynqfire.hls import prepare
from zynqfire.hls.lower import from_onnx

RNG = np.random.default_rng(3)


def small(**settings):
    """Return a one-convolution network with settings of the convolution."""
    net = Net()
    net.conv(net.last, codes(RNG, 4, 3, (3, 3)), **settings)
    return net


def refusal(source):
    """Return the sentence with which `source` is refused."""
    with pytest.raises(Refusal) as caught:
        from_onnx(source.model() if isinstance(source, Net) else source)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_missing_file(tmp_path):
    path = tmp_path / "none.onnx"
    assert refusal(path) == f"model {path}: there is no such file"


@pytest.mark.parametrize("content", [b"", b"hello, this is no model\n" * 9, bytes(range(256)) * 4])
def test_not_onnx(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert refusal(path) == f"model {path}: not an ONNX file, or a truncated one"


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_truncated(tmp_path, share):
    whole = fire_net(RNG).model().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole[: int(len(whole) * share)])
    assert refusal(path) == f"model {path}: not an ONNX file, or a truncated one"


def test_lost_external_weights(tmp_path):
    path = tmp_path / "model.onnx"
    model = fire_net(RNG).model()
    onnx.save(model, path, save_as_external_data=True, location="model.data", size_threshold=0)
    (tmp_path / "model.data").unlink()
    assert refusal(path).startswith(f"model {path}: its external weights cannot be read (")
    unloaded = onnx.load(path, load_external_data=False)
    assert "external data must be loaded with the model" in refusal(unloaded)


def test_float_model():
    net = Net(quantized=False)
    weights = net.constant(RNG.normal(size=(4, 3, 3, 3)).astype(np.float32))
    net.node("Conv", ["x", weights], (1, 4, 6, 6), kernel_shape=[3, 3])
    assert refusal(net) == (
        "model small: must be quantized, but has no Quant node; train it with Brevitas' FixedPoint "
        "quantizers and export it with export_qonnx"
    )


def test_float_weights():
    net = Net()
    weights = net.constant(RNG.normal(size=(4, 3, 3, 3)).astype(np.float32), "conv.weight")
    net.node("Conv", [net.last, weights], (1, 4, 6, 6), kernel_shape=[3, 3])
    assert refusal(net) == (
        "layer conv: weights must come from a Quant node (Brevitas' Int8WeightPerTensorFixedPoint),"
        " but are float constants"
    )


def test_float_bias():
    net = small()
    net.nodes[-1].input.append(net.constant(np.ones(4, np.float32)))
    assert refusal(net) == (
        "layer conv: the bias must come from a Quant node (bias_quant=Int32Bias), but is float"
    )


def test_bias_off_the_grid():
    net = small(bias=[1, 2, 3, 4], bias_frac=13)
    assert refusal(net) == (
        "layer conv: the bias must lie on the accumulator's grid of 2^-12, but 0.00012207 does"
        " not; quantize it with Brevitas' Int32Bias"
    )


def test_bias_off_the_grid_of_its_channel():
    """With scales a channel, each bias must be a multiple of its own channel's scale."""
    frac = np.array([4, 3, 5, 4])
    weights = np.full((4, 3, 3, 3), 7)
    net = Net()
    net.conv(net.last, weights, frac, bias=[1, 1, 1, 1], bias_frac=frac + 8)
    assert from_onnx(net.model()).convolutions[0].weight_bits == 4
    net = Net()
    net.conv(net.last, weights, frac, bias=[1, 1, 1, 1], bias_frac=frac + 9)
    assert "the bias must lie on the accumulator's grid of 2^-13" in refusal(net)


@pytest.mark.parametrize("op", ["Tanh", "Softmax", "Sigmoid", "MatMul"])
def test_unsupported_operator(op):
    net = small()
    net.node(op, [net.last] * (1 + (op == "MatMul")), net.shapes[net.last], name="odd")
    assert refusal(net) == (
        f"layer odd: operator {op} is not supported, only Add, AveragePool, Concat, Conv, Dropout, "
        "Flatten, Gather, Gemm, GlobalAveragePool, Identity, MaxPool, Mul, Pad, Quant, ReduceMean, "
        "Relu, Reshape, Slice, Squeeze are"
    )


def test_unmerged_batch_normalization():
    net = small()
    ones = [net.constant(np.ones(4, np.float32)) for _ in range(4)]
    net.node("BatchNormalization", [net.last, *ones], net.shapes[net.last], name="bn1")
    assert refusal(net) == (
        "layer bn1: BatchNormalization must be merged into the convolution before export "
        "(brevitas.nn.utils.merge_bn)"
    )


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"zero": 3.0}, "quantizer q: the zero-point must be 0, not 3"),
        (
            {"scale": 0.1},
            "quantizer q: the scale must be a power of two, not 0.1; use Brevitas' FixedPoint "
            "quantizers (Int8WeightPerTensorFixedPoint, Uint8ActPerTensorFixedPoint)",
        ),
        ({"scale": -0.5}, "quantizer q: the scale must be a power of two, not -0.5"),
        ({"mode": "FLOOR"}, "quantizer q: the rounding mode must be ROUND, not FLOOR"),
        (
            {"narrow": True, "signed": False},
            "quantizer q: a narrow range must be signed, not unsigned",
        ),
        (
            {"bits": 3.5},
            "quantizer q: the bit width must be one whole number from 1 to 32, not 3.5",
        ),
        (
            {"frac": [2, 3, 2, 3]},
            "quantizer q: a feature map must have one scale, not 4 different ones",
        ),
    ],
)
def test_quantizers(settings, sentence):
    net = small()
    settings = {"frac": 4, "bits": 4, "signed": True} | settings
    net.quant(net.last, name="q", **settings)
    assert refusal(net).startswith(sentence)


@pytest.mark.parametrize("bits", [9, 16])
def test_wide_weights(bits):
    assert refusal(small(bits=bits)) == (f"layer conv: weights must have 2 to 8 bits, not {bits}")


def test_scale_of_weights_that_is_no_power_of_two():
    net = small()
    scale = net.nodes[1].input[1]
    net.constants[scale] = np.float32(0.03)
    assert "must be a power of two, not 0.03; use Brevitas' FixedPoint" in refusal(net)


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"dilations": [2, 2]}, "layer conv: dilation must be 1, not 2x2"),
        (
            {"group": 3},
            "layer conv: weights must have 3 input channels, not 3 in each of 3 groups",
        ),
        ({"stride": (3, 3)}, "layer conv: strides must be 1 or 2, not 3x3"),
        (
            {"pads": (3, 0, -1, 0)},
            "layer conv: padding must not be negative, not (3, 0, -1, 0)",
        ),
    ],
)
def test_geometry(attributes, sentence):
    assert refusal(small(**attributes)) == sentence


def test_groups_that_do_not_divide_the_outputs():
    net = Net()
    net.conv(net.last, codes(RNG, 4, 1, (3, 3)), group=3)
    assert refusal(net) == "layer conv: 3 groups must divide its 4 output channels"


def test_even_kernel_and_kernel_that_does_not_fit():
    net = Net()
    net.conv(net.last, codes(RNG, 4, 3, (2, 2)))
    assert refusal(net) == "layer conv: kernels must be odd, not 2x2"
    net = Net()
    net.conv(net.last, codes(RNG, 4, 3, (9, 9)))
    assert refusal(net) == "layer conv: a 9x9 kernel does not fit into its padded input of 8x8"


def test_channels_that_do_not_match():
    net = Net()
    net.conv(net.last, codes(RNG, 4, 5, (1, 1)))
    assert refusal(net) == "layer conv: weights must have 3 input channels, not 5"


def test_dynamic_shape():
    model = small().model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    assert refusal(model) == (
        "model small: input x must have a fixed shape, but its axis 2 is height"
    )


def test_input_without_axes():
    model = small().model()
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 192)))
    assert refusal(model) == (
        "model small: input x must have four axes (frame, channel, row, column), not 2"
    )


def test_input_without_quantizer():
    net = Net(quantized=False)
    net.conv("x", codes(RNG, 4, 3, (1, 1)))
    assert refusal(net) == (
        "model small: its input x must go through a Quant node first (a QuantIdentity with "
        "Uint8ActPerTensorFixedPoint), not into conv"
    )


def test_two_quantizers_of_the_input():
    net = Net()
    a = net.conv(net.last, codes(RNG, 2, 3, (1, 1)), name="a")
    b = net.conv(net.quant("x", 6, 8, False), codes(RNG, 2, 3, (1, 1)), name="b")
    net.concat(a, b)
    assert refusal(net) == (
        "model small: its input x must go through one Quant node, not 2 different ones"
    )


def test_two_outputs():
    model = small().model()
    model.graph.output.append(model.graph.output[0])
    assert refusal(model) == "model small: must have one input and one output, not 1 and 2"


def test_unquantized_activation():
    net = Net()
    x = net.conv(net.last, codes(RNG, 4, 3, (3, 3)), name="a")
    net.conv(net.relu(x), codes(RNG, 4, 4, (1, 1)), name="b")
    assert refusal(net).startswith(
        "layer b: a convolution's input must be quantized to 2 to 8 bits, not be u"
    )


def test_partial_pool_and_odd_pool_in_the_middle():
    net = small()
    kernel = {"kernel_shape": [2, 2], "strides": [2, 2]}
    net.node("AveragePool", [net.last], (1, 4, 3, 3), name="pool", **kernel)
    assert refusal(net) == (
        "layer pool: AveragePool must cover the whole map of 6x6 without padding, not 2x2"
    )
    net = small()  # a map of 6x6
    net.quant(net.pool(net.last), 4, 4, True)
    assert refusal(net) == (
        "layer pool: an average over 36 positions, no power of two, must be the last layer"
    )


def test_slices_that_cannot_be_cut():
    net = small()
    net.slice(net.last, 0, 2, axis=2)
    assert refusal(net).endswith("Slice must choose channels (axis 1), not axis 2")
    net = small()
    x = net.quant(net.last, 4, 4, True)
    net.slice(net.concat(x, x), 0, 6)
    assert "a Slice of channels must follow one convolution, not the concatenation" in refusal(net)


def test_flatten_before_more_layers():
    net = small()
    net.quant(net.flatten(net.last), 4, 4, True)
    assert refusal(net).endswith("only a 1x1 map may be flattened before Quant, not 6x6")


def test_pad_of_ones():
    net = Net()
    amounts = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    one = net.constant(np.float32(1))
    x = net.node("Pad", [net.last, amounts, one], (1, 3, 10, 10), name="pad")
    net.conv(x, codes(RNG, 4, 3, (3, 3)))
    assert refusal(net) == "layer pad: Pad must add zeros, not the value 1.0"


def test_concat_of_rows():
    net = small()
    x = net.quant(net.last, 4, 4, True)
    net.node("Concat", [x, x], (1, 4, 12, 6), name="cat", axis=2)
    assert refusal(net) == "layer cat: Concat must join channels (axis 1), not axis 2"


def test_nothing_but_the_input():
    assert refusal(Net()) == "model small: must have at least one convolution, not none"


def test_prepare_refuses_the_same():
    """`prepare` alone, as scripts that call hls4ml use it, refuses too."""
    with pytest.raises(Refusal, match="dilation must be 1"):
        prepare(small(dilations=[2, 2]).model())


def test_additions_that_are_refused():
    net = small()
    wide = net.conv(net.last, codes(RNG, 5, 4, (1, 1)), name="wide")
    net.add(wide, net.constant(np.ones((1, 5, 1, 1), np.float32)))
    assert "input 1 of Add must be a feature map, not the constant" in refusal(net)
    net = small()
    first = net.quant(net.last, 4, 4, True)
    net.add(first, net.conv(first, codes(RNG, 1, 4, (1, 1)), name="thin"))
    assert "Add needs maps of one shape, not 6x6x4 and 6x6x1" in refusal(net)


@pytest.mark.parametrize(
    ("attribute", "sentence"),
    [
        ({"transB": 0}, "layer fc: transB of Gemm must be 1, not 0"),
        ({"transA": 1}, "layer fc: transA of Gemm must be 0, not 1"),
        ({"alpha": 0.5}, "layer fc: alpha of Gemm must be 1, not 0.5"),
        ({"beta": 2.0}, "layer fc: beta of Gemm must be 1, not 2"),
    ],
)
def test_fully_connected_layers_that_are_refused(attribute, sentence):
    net = small()
    x = net.flatten(net.quant(net.pool(net.quant(net.last, 4, 4, True)), 4, 4, True))
    net.gemm(x, codes(RNG, 5, 4, ()), **attribute)
    assert refusal(net) == sentence


def test_a_fully_connected_layer_takes_a_1x1_map():
    net = small()
    x = net.quant(net.last, 4, 4, True)
    net.gemm(net.flatten(x), codes(RNG, 5, 144, ()))
    assert "only a 1x1 map may be flattened before Gemm, not 6x6" in refusal(net)


def max_pool(kernel, **attributes):
    net = small()
    net.node("MaxPool", [net.last], (1, 4, 6, 6), name="odd", kernel_shape=kernel, **attributes)
    return refusal(net)


def test_max_pools_that_are_refused():
    assert max_pool([7, 3]) == (
        "layer odd: MaxPool's window of 7 with padding 0 and 0 must fit 6 positions and be larger "
        "than its padding"
    )
    assert "window of 2 with padding 2 and 0" in max_pool([2, 2], pads=[2, 0, 0, 0])
    assert max_pool([2, 2], dilations=[2, 1]) == "layer odd: dilation of MaxPool must be 1"
    assert max_pool([2, 2], auto_pad="SAME_UPPER").endswith("with explicit pads")
    assert "a stride must be from 1 to the kernel's 2, not 3" in max_pool([2, 2], strides=[3, 3])


def test_parameters_that_are_no_numbers_or_of_another_size():
    net = small(bias=[1, 2, 3], bias_frac=12)
    assert "the bias must have a value for each of the 4 output channels, not the sh" in refusal(
        net
    )
    net = small()
    net.constants["conv.weight"] = np.full((4, 3, 3, 3), np.nan, np.float32)
    assert refusal(net).endswith("its values must be finite, not nan")
    net = small()
    (scale,) = (node.input[1] for node in net.nodes if node.input[0] == "conv.weight")
    net.constants[scale] = np.zeros(0, np.float32)
    assert refusal(net).endswith("must have a scale and a bit width, not none")


def test_scales_too_far_apart():
    net = small(frac=np.array([4, 4, 4, 80]))
    assert (
        refusal(net)
        == "layer conv: scales of its channels must lie within a factor of 2^45, not 2^76"
    )
