"""The kinds of modules that our networks are made of, and the layers that each stands for.

A module takes one map and gives one. It is a frozen dataclass whose fields are what a network's
file may say of it; `expand` adds its layers to a graph. Modules that are only counted are in
`zynqfire.model.published`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from .graph import Graph, Node, Op


@dataclass(frozen=True)
class Context:
    """What a module may know of its network.

    Attributes
    ----------
    head : int
        Output channels of the classifier.
    followed : bool
        Whether a layer with weights comes after the module.
    """

    head: int
    followed: bool


@dataclass(frozen=True)
class Module(ABC):
    """A module with its name in the network."""

    name: str

    kind: ClassVar[str]
    weighted: ClassVar[bool] = True  # whether it has layers with weights
    scaled: ClassVar[tuple[str, ...]] = ()  # fields that the metaparameter `width` multiplies

    @abstractmethod
    def expand(self, graph: Graph, x: Node, context: Context) -> Node:
        """Add the layers of the module to `x`; return the last."""

    def limits(self) -> dict[str, tuple[float, float]]:
        """Return the least and the greatest value of each numeric field."""
        return {}


@dataclass(frozen=True)
class Conv(Module):
    """A convolution and its ReLU.

    Without `channels` it is the classifier, `head` channels. The ReLU of the last layer is counted
    but never built: logits leave the chip signed, whatever a paper draws behind them. `bias` says
    whether the published layer has one, which is counted; what is built always has.
    """

    channels: int = 0
    kernel: int = 3
    stride: int = 1
    pad: int | None = None
    groups: int = 1
    relu: bool = True
    bias: bool = True

    kind = "conv"
    scaled = ("channels",)

    def limits(self):  # noqa: D102
        return {
            "channels": (0, 65536),
            "kernel": (1, 15),
            "stride": (1, 8),
            "pad": (0, 15),
            "groups": (1, 65536),
        }

    def expand(self, graph, x, context):  # noqa: D102
        channels = self.channels or context.head
        sides = self.kernel, self.stride, self.pad
        y = graph.conv(self.name, x, channels, *sides, self.groups, self.bias)
        return graph.relu(self.name, y) if self.relu else y


@dataclass(frozen=True)
class Fc(Module):
    """A fully connected layer, `bias` as in `Conv`; without `channels` it is the classifier."""

    channels: int = 0
    relu: bool = False
    bias: bool = True

    kind = "fc"
    scaled = ("channels",)

    def limits(self):  # noqa: D102
        return {"channels": (0, 65536)}

    def expand(self, graph, x, context):  # noqa: D102
        y = graph.fc(self.name, x, self.channels or context.head, self.bias)
        return graph.relu(self.name, y) if self.relu else y


@dataclass(frozen=True)
class Fire(Module):
    """A fire module: a squeeze, then 1x1 and 3x3 expansions of it side by side.

    With stride 1 the squeeze is 1x1. With stride 2 it is 3x3, padded by 1: ZynqNet's strided
    convolution in place of a max-pool. `bypass` adds the module's input to its output, through a
    1x1 convolution where their shapes differ (Iandola et al. 2016, section 6: simple and complex).
    """

    squeeze: int = 0
    expand1: int = 0
    expand3: int = 0
    stride: int = 1
    bypass: bool = False

    kind = "fire"
    scaled = ("squeeze", "expand1", "expand3")

    def limits(self):  # noqa: D102
        widths = {key: (1, 65536) for key in ("squeeze", "expand1", "expand3")}
        return {**widths, "stride": (1, 2)}

    def expand(self, graph, x, context):  # noqa: D102
        name, kernel = self.name, 3 if self.stride > 1 else 1
        y = graph.conv(f"{name}/squeeze", x, self.squeeze, kernel, self.stride)
        y = graph.relu(f"{name}/squeeze", y)
        # One quantizer for both expansions, so that their concatenation is exact.
        parts = [
            graph.conv(f"{name}/expand{side}", y, channels, side)
            for side, channels in ((1, self.expand1), (3, self.expand3))
        ]
        parts = [graph.relu(part.name, part, f"{name}/expand") for part in parts]
        y = graph.join(f"{name}/concat", Op.CONCAT, parts)
        if not self.bypass:
            return y
        x = shortcut(graph, name, x, y, self.stride)
        return graph.relu(f"{name}/bypass", graph.join(f"{name}/add", Op.ADD, (x, y)))


@dataclass(frozen=True)
class Residual(Module):
    """A residual block: two 3x3 convolutions, their result added to the block's input.

    Where `stride` or `channels` change the shape, the shortcut is a 1x1 convolution of the input
    (He et al. 2016, section 3.3, option B). The sum of both is exact, only its ReLU is quantized.
    """

    channels: int = 0
    stride: int = 1

    kind = "residual"
    scaled = ("channels",)

    def limits(self):  # noqa: D102
        return {"channels": (1, 65536), "stride": (1, 2)}

    def expand(self, graph, x, context):  # noqa: D102
        name = self.name
        y = graph.conv(f"{name}/conv1", x, self.channels, 3, self.stride)
        y = graph.relu(f"{name}/conv1", y)
        x = shortcut(graph, name, x, y, self.stride)
        y = graph.conv(f"{name}/conv2", y, self.channels, 3)
        return graph.relu(f"{name}/add", graph.join(f"{name}/add", Op.ADD, (x, y)))


@dataclass(frozen=True)
class SqueezeNext(Module):
    """A stage of SqueezeNext blocks (Gholami et al. 2018, figure 1 and its released networks).

    A block squeezes `channels` to a half and a quarter by 1x1 convolutions, convolves 3x1 and 1x3
    (in turn 1x3 and 3x1), expands by a 1x1 and adds its input. The first block of a stage has
    `stride`, and a 1x1 convolution with a ReLU for its shortcut; with `branch_of_shortcut` its
    branch reads that convolution's result, as in the variants v5. `groups` are those of the first
    squeeze, the 3x1 and the 1x3.
    """

    channels: int = 0
    blocks: int = 1
    stride: int = 1
    groups: int = 1
    branch_of_shortcut: bool = False

    kind = "squeezenext"
    scaled = ("channels",)

    def limits(self):  # noqa: D102
        return {
            "channels": (4, 65536),
            "blocks": (1, 64),
            "stride": (1, 2),
            "groups": (1, 65536),
        }

    def expand(self, graph, x, context):  # noqa: D102
        for number in range(1, self.blocks + 1):
            x = self._block(graph, x, number, self.stride if number == 1 else 1)
        return x

    def _block(self, graph: Graph, x: Node, number: int, stride: int) -> Node:
        name, half, quarter = f"{self.name}/block{number}", self.channels // 2, self.channels // 4
        projected = x
        if number == 1:
            projected = graph.conv(f"{name}_shortcut", x, self.channels, 1, stride)
            projected = graph.relu(projected.name, projected)
            if self.branch_of_shortcut:
                x, stride = projected, 1
        tall, flat = ((3, 1), (1, 3)) if number % 2 else ((1, 3), (3, 1))
        y = x
        for part, channels, kernel, groups in (
            ("squeeze1", half, (1, 1), self.groups),
            ("squeeze2", quarter, (1, 1), 1),
            ("tall" if number % 2 else "flat", half, tall, self.groups),
            ("flat" if number % 2 else "tall", half, flat, self.groups),
            ("expand", self.channels, (1, 1), 1),
        ):
            first = stride if part == "squeeze1" else 1
            y = graph.conv(f"{name}_{part}", y, channels, kernel, first, groups=groups)
            y = graph.relu(y.name, y)
        return graph.relu(f"{name}_add", graph.join(f"{name}_add", Op.ADD, (projected, y)))


@dataclass(frozen=True)
class Separable(Module):
    """MobileNet's module: a 3x3 convolution of each channel, then a 1x1 (Howard et al. 2017)."""

    channels: int = 0
    stride: int = 1

    kind = "separable"
    scaled = ("channels",)

    def limits(self):  # noqa: D102
        return {"channels": (1, 65536), "stride": (1, 2)}

    def expand(self, graph, x, context):  # noqa: D102
        name = self.name
        y = graph.conv(f"{name}/depthwise", x, x.channels, 3, self.stride, groups=x.channels)
        y = graph.relu(f"{name}/depthwise", y)
        return graph.relu(f"{name}/pointwise", graph.conv(f"{name}/pointwise", y, self.channels))


@dataclass(frozen=True)
class MaxPool(Module):
    """Max-pooling; with `ceil` a last window may hang over the edge, as SqueezeNet's do."""

    kernel: int = 3
    stride: int = 2
    pad: int = 0
    ceil: bool = True

    kind = "pool"
    weighted = False

    def limits(self):  # noqa: D102
        return {"kernel": (1, 15), "stride": (1, self.kernel), "pad": (0, self.kernel // 2)}

    def expand(self, graph, x, context):  # noqa: D102
        return graph.max_pool(self.name, x, self.kernel, self.stride, self.pad, self.ceil)


@dataclass(frozen=True)
class Average(Module):
    """The average of the whole map, quantized where a layer with weights follows."""

    kind = "average"
    weighted = False

    def expand(self, graph, x, context):  # noqa: D102
        return graph.average(self.name, x, quantizer=self.name if context.followed else "")


@dataclass(frozen=True)
class Dropout(Module):
    """Dropout of a `share` of the values in training."""

    share: float = 0.5

    kind = "dropout"
    weighted = False

    def limits(self):  # noqa: D102
        return {"share": (0, 0.99)}

    def expand(self, graph, x, context):  # noqa: D102
        return graph.same(self.name, Op.DROPOUT, x, self.share)


def shortcut(graph: Graph, module: str, x: Node, y: Node, stride: int) -> Node:
    """Return what is added to `y`: `x` itself, or where the shapes differ its 1x1 convolution."""
    if x.out_shape == y.out_shape:
        return x
    return graph.conv(f"{module}/shortcut", x, y.channels, 1, stride)
