"""Networks of depthwise convolutions, groups and wide paddings through compile and simulation."""

import warnings

import numpy as np
import pytest
import torch
from random_networks import Builder, folded, separable

from zynqfire.board.catalog import load
from zynqfire.hls import executors
from zynqfire.hls.compile import build, compile_model
from zynqfire.hls.ir import QType
from zynqfire.hls.lower import from_onnx
from zynqfire.model._brevitas import (
    Int8WeightPerTensorFixedPoint,
    Int32Bias,
    QuantConv2d,
    QuantIdentity,
    QuantReLU,
    Uint8ActPerTensorFixedPoint,
    export_qonnx,
)
from zynqfire.rtl_tb.simulate import simulate


def check(network, out, interval):
    """Compile for `interval`, simulate back to back and under stalls; all as predicted."""
    folding = {
        name: {"pe": fold.pe, "simd": fold.simd} for name, fold in folded(network, interval).items()
    }
    result = build(network, load("pynq-z2"), out, folding=folding)
    free = simulate(out, frames=6)
    assert free["bit_exact"], free
    assert free["interval_cycles"] == result["interval_cycles"] <= interval
    assert free["latency_cycles"] == result["latency_cycles"]
    stalled = simulate(out, frames=6, stalls=5)
    assert stalled["bit_exact"], stalled
    return result


def mobile(size=(8, 9)):
    """Return MobileNet's beginning: a convolution, then blocks of stride 1 and of stride 2."""
    build = Builder(np.random.default_rng(2), (*size, 3), QType(8, False, 8))
    tensor = build.convolution("conv1", build.operations[0].output, 6, (3, 3), (1, 1), (1,) * 4)
    tensor = build.requantize("conv1", tensor)
    tensor = separable(build, "block2", tensor, 8)
    tensor = separable(build, "block3", tensor, 12, (2, 2))
    tensor = build.convolution("head", tensor, 5, (1, 1), (1, 1), (0,) * 4)
    return build.output(build.sum_pool("pool", tensor))


@pytest.mark.parametrize(
    ("interval", "lanes"),
    [pytest.param(4000, [1, 1], marks=pytest.mark.long), (1300, [3, 2])],
)
def test_separable_blocks_keep_the_interval(interval, lanes, tmp_path):
    layers = check(mobile(), tmp_path / "build", interval)["layers"]
    found = {layer["name"]: (layer["pe"], layer["simd"]) for layer in layers}
    assert [found[f"block{n}/depthwise"] for n in (2, 3)] == [(n, 1) for n in lanes]


def framed(last):
    """Return SqueezeNet v1.0's end, a 1x1 convolution with padding 1, and after it `last`."""
    build = Builder(np.random.default_rng(5), (5, 6, 4), QType(4, False, 4))
    tensor = build.convolution("conv9", build.operations[0].output, 6, (3, 3), (1, 1), (4,) * 4)
    tensor = build.requantize("conv9", tensor)
    tensor = build.convolution("conv10", tensor, 4, (1, 1), (1, 1), (1,) * 4)
    return build.output(last(build, tensor))


@pytest.mark.parametrize(
    "last",
    [
        pytest.param(lambda build, tensor: build.sum_pool("pool", tensor), id="pooled"),
        pytest.param(lambda build, tensor: tensor, id="map", marks=pytest.mark.long),
    ],
)
def test_padding_as_large_as_the_kernel(last, tmp_path):
    check(framed(last), tmp_path / "build", 9000)


class Grouped(torch.nn.Module):
    """A separable block, groups, and at the end SqueezeNet v1.0's 1x1 kernels with padding 1."""

    def __init__(self):
        super().__init__()
        unsigned = {"act_quant": Uint8ActPerTensorFixedPoint, "return_quant_tensor": True}
        self.pixels = QuantIdentity(**unsigned)
        self.codes = torch.nn.ModuleList(QuantReLU(bit_width=4, **unsigned) for _ in range(4))
        self.stem = self._convolution(3, 8, 3)
        self.deep = self._convolution(8, 8, 3, 8, stride=2, weight_scaling_per_output_channel=True)
        self.point = self._convolution(8, 12, 1)
        self.groups = self._convolution(12, 12, 3, 4)
        self.head = self._convolution(12, 5, 1)

    @staticmethod
    def _convolution(inputs, outputs, kernel, groups=1, **settings):
        settings |= {"weight_quant": Int8WeightPerTensorFixedPoint, "bias_quant": Int32Bias}
        return QuantConv2d(
            *(inputs, outputs, kernel), padding=1, groups=groups, weight_bit_width=4, **settings
        )

    def forward(self, image):
        """Return the last accumulators."""
        maps = self.stem(self.pixels(image))
        for number, layer in enumerate((self.deep, self.point, self.groups, self.head)):
            maps = layer(self.codes[number](maps))
        return maps


def test_five_executors_agree_on_depthwise_groups_and_wide_padding(tmp_path):
    torch.manual_seed(0)
    network, model, image = Grouped(), tmp_path / "net.onnx", torch.rand(8, 3, 10, 9)
    frames = np.random.default_rng(0).integers(0, 256, (6, 10, 9, 3))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(10):  # scales settle
            network(image)
        network.eval()
        export_qonnx(network, image[:1], export_path=str(model), dynamo=False)
        lowered = from_onnx(model)
        values = np.ldexp(np.float32(frames), -lowered.input.output.qtype.frac).transpose(
            0, 3, 1, 2
        )
        sums = network(torch.tensor(values)).numpy().transpose(0, 2, 3, 1).reshape(len(frames), -1)
    compiled = compile_model(model, load("zcu102"), tmp_path / "build")
    simulated = simulate(tmp_path / "build", inputs=frames)
    expected = executors.by_interpreter(model, frames)
    answers = {
        "Brevitas": np.ldexp(np.float64(sums), lowered.output.output.qtype.frac),
        "qonnx": executors.by_qonnx(model, frames),
        "Vitis emulation": executors.by_vitis(model, frames),
        "RTL": np.load(simulated["outputs"]),
    }
    for name, codes in answers.items():
        assert np.array_equal(codes, expected), name
    assert len(np.unique(expected)) > 64
    for key in ("interval_cycles", "latency_cycles"):
        assert simulated[key] == compiled[key], key
    assert (
        simulated["interval_cycles"] == compiled["bound_cycles"] == 9 * 9 * 5
    )  # an output a cycle
