"""Export: QONNX that says what the network computes, golden vectors, live activations."""

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from zynqfire import Refusal
from zynqfire.hls.executors import by_interpreter
from zynqfire.model.config import load
from zynqfire.model.exact import integers, tensor
from zynqfire.model.export import export_run, export_untrained
from zynqfire.model.live import live, noise, settle
from zynqfire.model.network import Network


def _settled(config, seed=0):
    torch.manual_seed(seed)
    network = Network(config)
    settle(network, noise(np.random.default_rng(seed), 16, config.input))
    return network.eval()


@torch.no_grad()
def _reference(network, codes):
    """Compute the logits with plain integers from the quantizers' scales, apart from Brevitas."""

    def codes_of(layer):
        weight, bias = layer.quant_weight(), layer.bias.detach().double()
        w = (weight.value.double() / weight.scale.double()).round()
        return w, weight.scale.double().flatten(), bias

    def convolve(layer, x, frac):
        w, scale, bias = codes_of(layer)
        scale = scale * 2.0**-frac
        y = torch.nn.functional.conv2d(x, w, None, layer.stride, layer.padding)
        b = torch.round(bias / scale)
        return (y + b.expand(y.shape[1])[None, :, None, None]), scale.expand(y.shape[1])

    def requantize(relu, y, scale):
        quant = relu.act_quant
        unit = quant.scale().double()
        top = 2 ** int(quant.bit_width()) - 1
        value = y * scale[None, :, None, None] / unit
        return torch.round(value).clamp(0, top), -int(torch.log2(unit))

    x, frac = torch.from_numpy(codes.astype(np.float64).transpose(0, 3, 1, 2)), 8

    def pool(after, x):
        name = "pool" + after.removeprefix("conv").removeprefix("fire").removeprefix("residual")
        if not hasattr(network, name):
            return x
        (size, _), (step, _) = (getattr(network, name).kernel_size, getattr(network, name).stride)
        rest = [-(n - size) % step for n in x.shape[2:]]  # of a window that hangs over
        padded = torch.nn.functional.pad(x, (0, rest[1], 0, rest[0]), value=-1.0)
        return padded.unfold(2, size, step).unfold(3, size, step).amax((4, 5))

    x, frac = requantize(network.conv1_relu, *convolve(network.conv1, x, frac))
    x = pool("conv1", x)
    one = torch.ones(1).double()
    fires, residual = (
        [block for block in network.blocks if block.prefix.startswith(kind)]
        for kind in ("fire", "residual")
    )
    for module in fires:
        entry, entry_frac = x, frac
        x, frac = requantize(module.squeeze_relu, *convolve(module.squeeze, x, frac))
        branches = [
            requantize(module.expand_relu, *convolve(layer, x, frac))
            for layer in (module.expand1, module.expand3)
        ]
        x, frac = torch.cat([branch[0] for branch in branches], 1), branches[0][1]
        if hasattr(module, "bypass_relu"):
            total = entry * 2.0**-entry_frac + x * 2.0**-frac
            x, frac = requantize(module.bypass_relu, total, one.expand(x.shape[1]))
        x = pool(module.prefix.rstrip("/"), x)
    for module in residual:
        entry = x * 2.0**-frac
        if hasattr(module, "shortcut"):
            entry, scale = convolve(module.shortcut, x, frac)
            entry = entry * scale[None, :, None, None]
        x, frac = requantize(module.conv1_relu, *convolve(module.conv1, x, frac))
        y, scale = convolve(module.conv2, x, frac)
        total = entry + y * scale[None, :, None, None]
        x, frac = requantize(module.add_relu, total, one.expand(y.shape[1]))
        x = pool(module.prefix.rstrip("/"), x)
    if hasattr(network, "pool_relu"):
        means = x.mean((2, 3), keepdim=True) * 2.0**-frac
        x, frac = requantize(network.pool_relu, means, one.expand(x.shape[1]))
    y, scale = convolve(network.classifier, x, frac)
    means = (y * scale[None, :, None, None]).mean((2, 3))
    return means[:, : network.config.classes].numpy()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [(4, 4), (8, 8), (3, 2)])
@pytest.mark.parametrize("kind", ["tiny", "residual"])
def test_golden_outputs_are_the_integers_of_an_independent_evaluation(
    kind, request, tmp_path, per_channel, bits
):
    load = request.getfixturevalue(kind)
    config = load(per_channel=per_channel, weight_bits=bits[0], activation_bits=bits[1])
    result = export_untrained(config, tmp_path / "x.onnx", seed=3)
    with np.load(result["golden"]) as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
        assert golden["output_frac"] == result["output_frac"]
        assert golden["output_divisor"] == result["output_divisor"] == 1
    assert inputs.shape == (32, 8, 8, 3) and inputs.dtype == np.uint8
    assert outputs.shape == (32, 10) and outputs.dtype == np.int64
    assert len(np.unique(outputs, axis=0)) == 32
    network = _from_onnx(tmp_path / "x.onnx", config)
    values = outputs * 2.0 ** -result["output_frac"]
    assert np.array_equal(values, _reference(network, inputs))
    assert np.array_equal(outputs, integers(network, inputs)[0])


def _from_onnx(path, config):
    """Return the network whose weights and scales are those of the ONNX file."""
    graph = onnx.load(path).graph
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    scales = {}
    for node in graph.node:
        if node.op_type == "Quant" and "act_quant" in node.name:
            layer = node.name.strip("/").split("/act_quant")[0].replace("/", ".")
            scales[layer] = float(arrays[node.input[1]])
    network = Network(config)
    for name, layer in network.convolutions():
        dotted = name.replace("/", ".")
        layer.weight.data.copy_(torch.from_numpy(arrays[f"{dotted}.weight"].copy()))
        layer.bias.data.copy_(torch.from_numpy(arrays[f"{dotted}.bias"].copy()))
    network.calibrate_weights()
    for name, relu in network.activations():
        scale = scales[name.replace("/", ".") + "_relu"]
        relu.act_quant.fused_activation_quant_proxy.tensor_quant.scaling_impl.value.data.fill_(
            np.log2(scale) + relu.act_quant.bit_width().item()
        )
    return network.eval()


def test_float64_and_float32_agree_where_sums_are_small(tiny):
    network = _settled(tiny())
    codes = noise(np.random.default_rng(1), 6, (8, 8))
    outputs, frac, divisor = integers(network, codes)
    with torch.no_grad():
        logits = network(tensor(codes)).numpy()
    assert divisor == 1
    assert np.array_equal(logits, outputs * 2.0**-frac)


def test_an_area_that_is_no_power_of_two_gives_sums(tiny):
    network = _settled(tiny(input=12))
    codes = noise(np.random.default_rng(1), 3, (12, 12))
    outputs, frac, divisor = integers(network, codes)
    assert divisor == 36
    assert np.allclose(outputs * 2.0**-frac / 36, _reference(network, codes), rtol=1e-12)


@pytest.mark.parametrize("bits", [(4, 4), (3, 4), (8, 8)])
@pytest.mark.parametrize("kind", ["squeeze", "pooled_residual"])
def test_max_pools_are_exact_and_alive_and_read_as_they_compute(kind, request, tmp_path, bits):
    config = request.getfixturevalue(kind)(weight_bits=bits[0], activation_bits=bits[1])
    result = export_untrained(config, tmp_path / "x.onnx", seed=1)
    with np.load(result["golden"]) as golden:
        inputs, outputs = golden["inputs"], golden["outputs"]
    network = _from_onnx(tmp_path / "x.onnx", config)
    values = outputs * 2.0 ** -result["output_frac"] / result["output_divisor"]
    assert np.allclose(values, _reference(network, inputs), rtol=1e-12)
    assert np.array_equal(by_interpreter(tmp_path / "x.onnx", inputs), outputs)
    assert len(np.unique(outputs, axis=0)) == len(outputs)
    names = [entry["name"] for entry in result["live"]]
    pools = [name for name in names if name in ("pool1", "pool2")]
    assert pools == ["pool1", "pool2"]
    if kind == "squeeze":
        assert all(entry["alive"] for entry in result["live"])


def test_untrained_networks_are_alive(tiny, tmp_path):
    result = export_untrained(load("zynqnet-32"), tmp_path / "x.onnx")
    assert len(result["live"]) == 25  # conv1, then squeeze and both expansions of each module
    assert all(entry["alive"] for entry in result["live"])
    result = export_untrained(tiny(activation_bits=2), tmp_path / "x.onnx")
    assert [entry["distinct"] for entry in result["live"]] == [4] * 8
    assert all(entry["alive"] for entry in result["live"])


@pytest.mark.parametrize("bits", [4, 8])
def test_untrained_residual_networks_are_alive_and_read_as_they_compute(tmp_path, bits):
    config = load("resnet-8", {"weight_bits": bits, "activation_bits": bits})
    result = export_untrained(config, tmp_path / "x.onnx")
    names = [f"residual{n}/{part}" for n in (2, 3, 4) for part in ("conv1", "add")]
    assert [entry["name"] for entry in result["live"]] == ["conv1", *names, "pool"]
    assert all(entry["alive"] for entry in result["live"])
    with np.load(result["golden"]) as golden:
        outputs = by_interpreter(tmp_path / "x.onnx", golden["inputs"])
        assert np.array_equal(outputs, golden["outputs"])
        assert len(np.unique(outputs, axis=0)) == len(outputs)


def test_a_dead_network_is_seen(tiny):
    network = _settled(tiny())
    codes = noise(np.random.default_rng(1), 4, (8, 8))
    with torch.no_grad():
        network.fire2.squeeze.bias.fill_(-100.0)
    entries = {entry["name"]: entry for entry in live(network, codes)}
    assert not entries["fire2/squeeze"]["alive"]
    assert entries["fire2/squeeze"]["nonzero"] == 0
    assert entries["conv1"]["alive"]


def test_the_onnx_file(tiny, tmp_path):
    export_untrained(tiny(), tmp_path / "x.onnx")
    model = onnx.load(tmp_path / "x.onnx")
    assert model.ir_version <= 13
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "tiny.toml",
        "x.golden.npz",
        "x.onnx",
    ]
    graph = model.graph
    assert [item.name for item in graph.input] == ["image"]
    assert [item.name for item in graph.output] == ["logits"]
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    assert convolutions == [
        "/conv1/Conv",
        *(f"/fire{n}/{part}/Conv" for n in (2, 3) for part in ("squeeze", "expand1", "expand3")),
        "/conv10/Conv",
    ]
    weights = {item.name: list(item.dims) for item in graph.initializer}
    assert weights["fire2.squeeze.weight"] == [4, 8, 3, 3]
    ops = [node.op_type for node in graph.node]
    assert ops[-3:] == ["AveragePool", "Flatten", "Slice"]
    assert "Add" in ops and ops.count("Concat") == 2
    arrays = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    shared = [
        arrays[node.input[1]].item()
        for node in graph.node
        if node.op_type == "Quant" and "fire2/expand_relu" in node.name
    ]
    assert len(shared) == 2 and shared[0] == shared[1]


def test_exports_are_the_same_to_the_byte(tiny, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export_untrained(tiny(), tmp_path / name / "x.onnx", seed=5)
    for name in ("x.onnx", "x.golden.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    export_untrained(tiny(), tmp_path / "b" / "x.onnx", seed=6)
    assert (tmp_path / "a" / "x.onnx").read_bytes() != (tmp_path / "b" / "x.onnx").read_bytes()


def test_refusals(tiny, tmp_path):
    with pytest.raises(Refusal, match=r"the file's name must end in \.onnx, not x\.bin"):
        export_untrained(tiny(), tmp_path / "x.bin")
    with pytest.raises(Refusal, match=r"must be a folder that train wrote, it has no result\.json"):
        export_run(tmp_path, tmp_path / "x.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match=r"cannot be written \(Not a directory\)|File exists"):
        export_untrained(tiny(), tmp_path / "file" / "x.onnx")
