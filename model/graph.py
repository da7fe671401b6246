"""A network as a graph of primitive layers: what modules expand to, and all that reads a network.

Each `Node` is one layer with one output. Counting, building in PyTorch and drawing as QONNX walk
the same nodes, so that a new kind of module is written once, in `zynqfire.model.modules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod

from .. import Refusal

Shape = tuple[int, int, int]  # height, width, channels
Pair = tuple[int, int]  # vertical, horizontal


class Op(StrEnum):
    """What a layer does."""

    INPUT = "input"
    CONV = "conv"
    FC = "fc"
    NORM = "norm"  # a batch normalization with its scale that follows no convolution
    RELU = "relu"
    MAX = "max"
    AVERAGE = "average"
    ADD = "add"
    CONCAT = "concat"
    LRN = "lrn"
    DROPOUT = "dropout"
    SOFTMAX = "softmax"


@dataclass(frozen=True)
class Node:
    """One layer.

    Attributes
    ----------
    name : str
        ``MODULE/PART``, or the module's name where that is a single layer.
    inputs : tuple of str
        Names of the nodes read.
    in_shape, out_shape : (int, int, int)
        Height, width and channels; a vector's are (1, 1, elements).
    pad : (int, int)
        Rows above and below, columns left and right; zeros, and for a maximum nothing.
    ceil : bool
        Whether a pool's last window may hang over the edge.
    quantizer : str
        Of a ReLU or of an average that a layer follows: the name of its quantizer, which
        several may share.
    share : float
        Of a dropout.
    bias : bool
        Whether the published layer has a bias, for counting; what is built always has one.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    in_shape: Shape
    out_shape: Shape
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    pad: Pair = (0, 0)
    groups: int = 1
    ceil: bool = False
    quantizer: str = ""
    share: float = 0.0
    bias: bool = True

    @property
    def module(self) -> str:
        """Name of the module this is a layer of."""
        return self.name.partition("/")[0]

    @property
    def weighted(self) -> bool:
        """Whether this is a convolution or a fully connected layer."""
        return self.op in (Op.CONV, Op.FC)

    @property
    def channels(self) -> int:
        """Output channels."""
        return self.out_shape[2]

    @property
    def fan_in(self) -> int:
        """Products that one output of a convolution or fully connected layer sums up."""
        return prod(self.kernel) * self.in_shape[2] // self.groups

    @property
    def weights(self) -> int:
        """Weights of a convolution or fully connected layer; else 0."""
        return self.fan_in * self.channels if self.weighted else 0

    @property
    def macs(self) -> int:
        """Products of a frame."""
        return self.weights * prod(self.out_shape[:2])


class Graph:
    """Grows node by node; each method adds a layer to `x` and returns its node.

    Parameters
    ----------
    where : str
        The network, for refusals.
    size : (int, int)
        Height and width of the input.
    channels : int
        Of the input.
    """

    def __init__(self, where: str, size: Pair, channels: int):
        self.where = where
        shape = (*size, channels)
        self.input = Node("input", Op.INPUT, (), shape, shape)
        self.nodes: list[Node] = []

    def conv(
        self,
        name: str,
        x: Node,
        channels: int,
        kernel: int | Pair = 1,
        stride: int = 1,
        pad: int | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> Node:
        """Add a convolution; by default its padding keeps the size of the map at stride 1."""
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        pads = tuple((k - 1) // 2 for k in kernel) if pad is None else (pad, pad)
        for what, count in (("inputs", x.channels), ("outputs", channels)):
            if count % groups:
                raise Refusal(
                    f"{self.where}: layer {name}: {groups} groups must divide its {what}, not "
                    f"{count}"
                )
        for size, k, p in zip(x.out_shape, kernel, pads, strict=False):
            if size + 2 * p < k:
                raise Refusal(
                    f"{self.where}: layer {name} needs a map of at least {kernel[0] - 2 * pads[0]} "
                    f"by {kernel[1] - 2 * pads[1]}, not {x.out_shape[0]} by {x.out_shape[1]}"
                )
        sizes = [
            (n + 2 * p - k) // stride + 1
            for n, k, p in zip(x.out_shape, kernel, pads, strict=False)
        ]
        return self._add(
            name,
            Op.CONV,
            (x,),
            (*sizes, channels),
            kernel=kernel,
            stride=(stride, stride),
            pad=pads,
            groups=groups,
            bias=bias,
        )

    def fc(self, name: str, x: Node, channels: int, bias: bool = True) -> Node:
        """Add a fully connected layer, which is a convolution as large as its map."""
        shape = (1, 1, channels)
        return self._add(name, Op.FC, (x,), shape, kernel=x.out_shape[:2], bias=bias)

    def relu(self, name: str, x: Node, quantizer: str | None = None) -> Node:
        """Add a ReLU; its quantizer has its name where none is given."""
        return self._add(f"{name}/relu", Op.RELU, (x,), x.out_shape, quantizer=quantizer or name)

    def max_pool(
        self, name: str, x: Node, kernel: int, stride: int, pad: int = 0, ceil: bool = True
    ) -> Node:
        """Add a maximum over a sliding window."""
        sizes = self._pooled(name, x, kernel, stride, pad, ceil)
        sides = {"kernel": (kernel,) * 2, "stride": (stride,) * 2, "pad": (pad,) * 2}
        return self._add(name, Op.MAX, (x,), (*sizes, x.channels), ceil=ceil, **sides)

    def average(
        self, name: str, x: Node, kernel: int = 0, stride: int = 1, quantizer: str = ""
    ) -> Node:
        """Add an average over a sliding window, or over the whole map where `kernel` is 0."""
        sides: tuple[Pair, Pair] = (x.out_shape[:2], x.out_shape[:2])
        if kernel:
            sides = ((kernel, kernel), (stride, stride))
        sizes = self._pooled(name, x, kernel, stride, 0, True) if kernel else (1, 1)
        shape = (*sizes, x.channels)
        return self._add(
            name, Op.AVERAGE, (x,), shape, kernel=sides[0], stride=sides[1], quantizer=quantizer
        )

    def join(self, name: str, op: Op, parts: Sequence[Node]) -> Node:
        """Add the sum or the concatenation of `parts`."""
        shapes = {part.out_shape[:2] if op is Op.CONCAT else part.out_shape for part in parts}
        if len(shapes) > 1:
            sizes = " and ".join("x".join(map(str, p.out_shape)) for p in parts)
            raise Refusal(f"{self.where}: layer {name} joins maps of one size, not {sizes}")
        channels = sum(p.channels for p in parts) if op is Op.CONCAT else parts[0].channels
        return self._add(name, op, parts, (*parts[0].out_shape[:2], channels))

    def same(self, name: str, op: Op, x: Node, share: float = 0.0) -> Node:
        """Add a layer that leaves the shape alone."""
        return self._add(name, op, (x,), x.out_shape, share=share)

    def _pooled(self, name: str, x: Node, kernel: int, stride: int, pad: int, ceil: bool) -> Pair:
        least = kernel - 2 * pad - (stride - 1 if ceil else 0)
        height, width = x.out_shape[:2]
        if min(height, width) < least:
            raise Refusal(
                f"{self.where}: layer {name} needs a map of at least {least} by {least}, not "
                f"{height} by {width}"
            )
        sizes = []
        for size in (height, width):
            spare = size + 2 * pad - kernel
            count = (-(-spare // stride) if ceil else spare // stride) + 1
            # As in Caffe and PyTorch, no window starts in the padding behind the map.
            sizes.append(count - (ceil and pad > 0 and (count - 1) * stride >= size + pad))
        return sizes[0], sizes[1]

    def _add(
        self, name: str, op: Op, inputs: Sequence[Node], shape: Sequence[int], **more: object
    ) -> Node:
        names = tuple(node.name for node in inputs)
        node = Node(name, op, names, inputs[0].out_shape, tuple(shape), **more)
        self.nodes.append(node)
        return node
