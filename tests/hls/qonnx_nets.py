"""Small QONNX models in the form that Brevitas exports: channels first, untidied."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zynqfire.hls import executors

QUANT_DOMAIN = "qonnx.custom_op.general"


class Net:
    """A graph that grows node by node; every method returns the name of its result."""

    def __init__(self, shape=(3, 8, 8), bits=8, frac=8, signed=False, quantized=True, **settings):
        self.nodes, self.constants = [], {}
        self.shapes = {"x": (1, *shape)}
        self.input_shape = [1, *shape]
        self.last = "x"
        if quantized:
            self.quant("x", frac, bits, signed, **settings)

    def constant(self, value, name=None):
        """Add an initializer."""
        name = name or f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op, inputs, shape, name=None, domain="", **attributes):
        """Add any node."""
        output = f"t{len(self.nodes)}"
        name = name or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=name, domain=domain, **attributes)
        )
        self.shapes[output] = tuple(shape)
        self.last = output
        return output

    def quant(
        self, x, frac, bits, signed, narrow=False, mode="ROUND", zero=0.0, scale=None, name=None
    ):
        """Add a Quant node; `frac` may be an array of one entry a channel."""
        shape = self.shapes.get(x) or self.constants[x].shape
        scale = np.float32(2.0) ** -np.asarray(frac, np.float32) if scale is None else scale
        scale = np.asarray(scale, np.float32)
        if scale.ndim == 1 and len(shape) == 4:
            scale = scale.reshape(-1, 1, 1, 1)
        inputs = [x, *(self.constant(np.float32(v)) for v in (scale, zero, bits))]
        return self.node(
            "Quant",
            inputs,
            shape,
            name,
            QUANT_DOMAIN,
            signed=int(signed),
            narrow=int(narrow),
            rounding_mode=mode,
        )

    def conv(
        self,
        x,
        codes,
        frac=4,
        bits=4,
        narrow=True,
        bias=None,
        bias_frac=None,
        stride=(1, 1),
        pads=(0, 0, 0, 0),
        name="conv",
        weight=None,
        **attributes,
    ):
        """Add a convolution with quantized weights `codes` (M, C, KH, KW) and a bias of codes.

        `weight` names a tensor that holds the weights; then `codes` only give their shape.
        """
        codes = np.asarray(codes)
        fracs = np.asarray(frac).reshape(-1, *[1] * (codes.ndim - 1) if np.ndim(frac) else ())
        if weight is None:
            values = np.ldexp(codes.astype(np.float32), -fracs)
            weight = self.quant(self.constant(values, f"{name}.weight"), frac, bits, True, narrow)
        inputs = [x, weight]
        if bias is not None:
            values = np.ldexp(np.float32(bias), -np.asarray(bias_frac))
            inputs.append(self.quant(self.constant(values, f"{name}.bias"), bias_frac, 32, True))
        _, _, height, width = self.shapes[x]
        top, left, bottom, right = pads
        outputs, _, kh, kw = codes.shape
        shape = (
            *(1, outputs),
            (height + top + bottom - kh) // stride[0] + 1,
            (width + left + right - kw) // stride[1] + 1,
        )
        settings = {"group": 1, "dilations": [1, 1], "kernel_shape": [kh, kw]}
        settings |= {"strides": list(stride), "pads": list(pads)} | attributes
        return self.node("Conv", inputs, shape, f"/{name}/Conv", **settings)

    def looked_up(self, table, indices, frac=7, bits=8, shifts=None, name="conv", **attributes):
        """Add a table of codes and a Gather of `indices`, channels divided by 2**`shifts`."""
        values = np.ldexp(np.asarray(table, np.float32), -frac)
        quantized = self.quant(self.constant(values, f"{name}.table"), frac, bits, True, True)
        places = self.constant(np.asarray(indices), f"{name}.weight")
        shape = np.shape(indices)
        found = self.node("Gather", [quantized, places], shape, f"/{name}/Gather", **attributes)
        if shifts is None:
            return found
        factors = np.float32(2.0) ** -np.asarray(shifts)
        factors = self.constant(factors.reshape(-1, *[1] * (len(shape) - 1)).astype(np.float32))
        return self.node("Mul", [found, factors], shape, f"/{name}/Mul")

    def relu(self, x):
        """Add max(x, 0)."""
        return self.node("Relu", [x], self.shapes[x])

    def concat(self, *xs, axis=1):
        """Add a concatenation of channels."""
        _, _, height, width = self.shapes[xs[0]]
        channels = sum(self.shapes[x][1] for x in xs)
        return self.node("Concat", list(xs), (1, channels, height, width), axis=axis)

    def add(self, x, y):
        """Add a sum."""
        return self.node("Add", [x, y], self.shapes[x])

    def pool(self, x):
        """Add an average over the whole map."""
        _, channels, height, width = self.shapes[x]
        kernel = [height, width]
        return self.node(
            "AveragePool", [x], (1, channels, 1, 1), kernel_shape=kernel, strides=kernel
        )

    def max_pool(self, x, kernel, stride, pads=(0, 0, 0, 0), ceil=False):
        """Add a maximum over a sliding window, its size by PyTorch's rule."""
        _, channels, *sizes = self.shapes[x]
        found = []
        for i, size in enumerate(sizes):
            room = size + pads[i] + pads[i + 2] - kernel[i]
            steps = math.ceil(room / stride[i]) if ceil else room // stride[i]
            found.append(steps + 1 - (steps * stride[i] >= size + pads[i]))
        settings = {"kernel_shape": kernel, "strides": stride, "pads": pads, "ceil_mode": int(ceil)}
        return self.node("MaxPool", [x], (1, channels, *found), **settings)

    def flatten(self, x):
        """Add a flattening of everything behind the frame axis."""
        return self.node("Flatten", [x], (1, math.prod(self.shapes[x][1:])), axis=1)

    def gemm(
        self,
        x,
        codes,
        frac=4,
        bits=4,
        bias=None,
        bias_frac=None,
        name="fc",
        weight=None,
        **attributes,
    ):
        """Add a fully connected layer with quantized weights `codes` (M, C), as Brevitas does."""
        fracs = np.reshape(frac, (-1, 1)) if np.ndim(frac) else frac
        if weight is None:
            values = self.constant(np.ldexp(np.float32(codes), -fracs), f"{name}.weight")
            weight = self.quant(values, fracs, bits, True, narrow=True)
        inputs = [x, weight]
        if bias is not None:
            values = np.ldexp(np.float32(bias), -np.asarray(bias_frac))
            inputs.append(self.quant(self.constant(values, f"{name}.bias"), bias_frac, 32, True))
        settings = {"alpha": 1.0, "beta": 1.0, "transB": 1} | attributes
        return self.node("Gemm", inputs, (1, len(codes)), f"/{name}/Gemm", **settings)

    def slice(self, x, start, end, axis=1):
        """Add a slice along one axis."""
        shape = list(self.shapes[x])
        shape[axis] = len(range(shape[axis])[start:end])
        limits = (self.constant(np.array([v], np.int64)) for v in (start, end, axis))
        return self.node("Slice", [x, *limits], shape)

    def model(self, output=None, batch=1):
        """Return the model with `output`, by default the last result."""
        output = output or self.last
        shape = [batch, *self.input_shape[1:]]
        graph = helper.make_graph(
            self.nodes,
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, self.shapes[output])],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", 13), helper.make_opsetid(QUANT_DOMAIN, 2)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def saved(self, path, output=None):
        """Save the model as `path` and return that."""
        onnx.save(self.model(output), str(path))
        return path


def codes(rng, outputs, channels, kernel, bits=4, narrow=True):
    """Return random weight codes (M, C, KH, KW)."""
    top = (1 << (bits - 1)) - 1
    return rng.integers(-top - (not narrow), top + 1, (outputs, channels, *kernel))


def pixels(rng, frames, shape=(3, 8, 8), bits=8, signed=False):
    """Return random input codes, channels last."""
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if signed else (0, 1 << bits)
    return rng.integers(low, high, (frames, shape[1], shape[2], shape[0]))


def assert_as_qonnx(model, frames):
    """Hold the interpreter to qonnx's own execution of the model as it came."""
    expected = executors.by_qonnx(model, frames)
    assert not isinstance(expected, str), expected
    assert np.array_equal(executors.by_interpreter(model, frames), expected)


def fire_net(rng, per_channel=False, classes=4, head=6):
    """Return a network with a strided fire module, a pool and dropped padding classes."""
    fracs = (lambda m: rng.integers(3, 6, m)) if per_channel else (lambda m: 4)
    net = Net((3, 8, 8))
    acc = 8  # fraction bits of the input
    x = net.last
    plan = [("conv1", 8, 3, 2), ("fire2.squeeze", 4, 1, 1)]
    for name, outputs, kernel, stride in plan:
        x, acc = _layer(net, rng, x, acc, name, outputs, kernel, stride, fracs(outputs))
    squeezed, inner = x, acc
    left, acc = _layer(net, rng, squeezed, inner, "fire2.expand1", 8, 1, 1, fracs(8))
    right, _ = _layer(net, rng, squeezed, inner, "fire2.expand3", 8, 3, 1, fracs(8))
    x = net.concat(left, right)
    frac = fracs(head)
    x = net.conv(
        x,
        codes(rng, head, 16, (1, 1)),
        frac,
        bias=rng.integers(-99, 99, head),
        bias_frac=acc + frac,
        name="conv10",
    )
    net.slice(net.flatten(net.pool(x)), 0, classes)
    return net


def _layer(net, rng, x, acc, name, outputs, kernel, stride, frac):
    channels = net.shapes[x][1]
    pads = [kernel // 2] * 4
    x = net.conv(
        x,
        codes(rng, outputs, channels, (kernel, kernel)),
        frac,
        bias=rng.integers(-50, 50, outputs),
        bias_frac=acc + frac,
        stride=(stride, stride),
        pads=pads,
        name=name,
    )
    after = 5 if "expand" in name else 3
    return net.quant(net.relu(x), after, 4, False), after
