"""One network, several executors, one answer; and a mutation of one is a difference of that one."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from onnx import numpy_helper
from qonnx_nets import fire_net, pixels

from zynqfire.hls import executors, interpret, vitis
from zynqfire.hls.ir import Concat, Conv, Requantize
from zynqfire.hls.lower import from_onnx

SEED = 11


def model():
    """Return the network of these tests."""
    return fire_net(np.random.default_rng(SEED), per_channel=True).model()


@pytest.fixture(scope="module")
def frames():
    return pixels(np.random.default_rng(SEED), 24)


@pytest.fixture(scope="module")
def expected(frames):
    answer = executors.by_qonnx(model(), frames)
    assert not isinstance(answer, str)
    return answer


def test_the_network_is_alive(frames, expected):
    """Equality on a dead network would prove nothing."""
    network = from_onnx(model())
    tensors = interpret.run(network, frames)
    for op in network.operations:
        if isinstance(op, Requantize) and op.output.qtype.bits <= 8:
            codes = tensors[op.output.name]
            assert len(np.unique(codes)) >= 8, op.name
            assert 0.1 <= (codes != 0).mean() <= 0.9, op.name
            assert (codes == op.hi).any(), op.name
    assert len(np.unique(expected, axis=0)) == len(expected)


def test_executors_agree(frames, expected):
    assert np.array_equal(executors.by_interpreter(model(), frames), expected)


def half_up(x, shift):
    """Round half towards plus infinity."""
    return np.floor(np.ldexp(x.astype(float), -np.asarray(shift)) + 0.5).astype(np.int64)


def floor(x, shift):
    """Round down."""
    return np.floor(np.ldexp(x.astype(float), -np.asarray(shift))).astype(np.int64)


@pytest.mark.parametrize("rounding", [half_up, floor])
def test_other_roundings_differ(frames, expected, monkeypatch, rounding):
    monkeypatch.setattr(interpret, "rhe", rounding)
    assert not np.array_equal(executors.by_interpreter(model(), frames), expected)


def test_padding_of_one_differs(frames, expected, monkeypatch):
    padded = np.pad
    monkeypatch.setattr(np, "pad", lambda x, width: padded(x, width, constant_values=1))
    assert not np.array_equal(executors.by_interpreter(model(), frames), expected)


def wider_clamp(op):
    return replace(op, hi=op.hi + 1) if isinstance(op, Requantize) and op.hi == 15 else op


def wrong_shift(op):
    if not isinstance(op, Requantize) or op.name != "fire2/squeeze/quant":
        return op
    return replace(op, lo=op.lo >> 1, hi=op.hi >> 1)


def weight_bit(op):
    if not isinstance(op, Conv) or op.name != "fire2/expand3":
        return op
    weights = op.weights.copy()
    weights[0, 1, 1, 0] ^= 1
    return replace(op, weights=weights)


def bias_unit(op):
    if not isinstance(op, Conv) or op.name != "conv10":
        return op
    return replace(op, bias=op.bias + (np.arange(len(op.bias)) == 1))


def swapped_concat(op):
    return replace(op, inputs=op.inputs[::-1]) if isinstance(op, Concat) else op


def swapped_channels(op):
    if not isinstance(op, Conv) or op.name != "conv1":
        return op
    return replace(op, weights=op.weights[..., [1, 0, 2]])


@pytest.mark.parametrize(
    "mutate", [wrong_shift, weight_bit, bias_unit, swapped_concat, swapped_channels]
)
def test_a_mutated_network_differs(frames, expected, mutate):
    """The interpreter runs the network it is given."""
    network = from_onnx(model())
    mutant = network.with_operations([mutate(op) for op in network.operations])
    assert not np.array_equal(interpret.outputs(mutant, frames), expected)


def test_a_missing_clamp_leaves_its_range(frames):
    """A code beyond its type is not an answer at all."""
    network = from_onnx(model())
    mutant = network.with_operations([wider_clamp(op) for op in network.operations])
    with pytest.raises(AssertionError, match="does not hold the proven range"):
        interpret.outputs(mutant, frames)


def test_a_mutated_file_differs(frames, expected):
    """Both readers of the file see one flipped weight, and see the same."""
    mutant = model()
    for item in mutant.graph.initializer:
        if item.name == "conv10.weight":
            values = numpy_helper.to_array(item).copy()
            values[2, 3] = -values[2, 3] if values[2, 3] else np.abs(values).max()
            item.CopyFrom(numpy_helper.from_array(values, item.name))
    answer = executors.by_qonnx(mutant, frames)
    assert not np.array_equal(answer, expected)
    assert np.array_equal(executors.by_interpreter(mutant, frames), answer)


RERUN = """
import ctypes, sys, numpy as np
library, inputs, outputs = sys.argv[1:]
frames = np.load(inputs)
run = getattr(ctypes.CDLL(library), "{project}_double")
results = np.zeros((len(frames), {count}))
pointer = lambda array: array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))
for frame, result in zip(frames, results):
    run(pointer(frame), pointer(result))
np.save(outputs, results)
"""


def test_emulation_agrees_and_its_mutant_differs(frames, expected, tmp_path):
    """One C++ build: right as it is, wrong with one number in one of its weight files."""
    folder = tmp_path / "project"
    assert np.array_equal(executors.by_vitis(model(), frames, folder), expected)
    network = from_onnx(model())
    (library,) = (folder / "firmware").glob("*.so")
    np.save(tmp_path / "in.npy", np.ldexp(frames.astype(float), -network.input.output.qtype.frac))
    script = RERUN.format(project=vitis.PROJECT, count=expected.shape[1])

    def rerun():
        arguments = [str(library), str(tmp_path / "in.npy"), str(tmp_path / "out.npy")]
        subprocess.run([sys.executable, "-c", script, *arguments], check=True, cwd=folder)
        scaled = np.ldexp(np.load(tmp_path / "out.npy"), network.output.output.qtype.frac)
        return scaled.astype(np.int64)

    assert np.array_equal(rerun(), expected)
    files = sorted((folder / "firmware" / "weights").glob("w*.txt"))
    numbers = files[-1].read_text().split(",")
    numbers[3] = str(-float(numbers[3]) if float(numbers[3]) else 0.25)
    files[-1].write_text(",".join(numbers))
    assert not np.array_equal(rerun(), expected)
