"""Modules that are counted only: what the networks of the literature have and our chip has not."""

from __future__ import annotations

from dataclasses import dataclass

from .graph import Op
from .modules import Module


@dataclass(frozen=True)
class Lrn(Module):
    """Local response normalization (Krizhevsky et al. 2012, section 3.3)."""

    kind = "lrn"
    weighted = False

    def expand(self, graph, x, context):  # noqa: D102
        return graph.same(self.name, Op.LRN, x)


@dataclass(frozen=True)
class Softmax(Module):
    """Softmax, which a host computes of the logits where it is wanted."""

    kind = "softmax"
    weighted = False

    def expand(self, graph, x, context):  # noqa: D102
        return graph.same(self.name, Op.SOFTMAX, x)


@dataclass(frozen=True)
class AveragePool(Module):
    """Averages over a sliding window."""

    kernel: int = 2
    stride: int = 2

    kind = "average_pool"
    weighted = False

    def limits(self):  # noqa: D102
        return {"kernel": (1, 15), "stride": (1, 15)}

    def expand(self, graph, x, context):  # noqa: D102
        return graph.average(self.name, x, self.kernel, self.stride)


@dataclass(frozen=True)
class Inception(Module):
    """GoogLeNet's module: 1x1, 3x3, 5x5 and pooled branches side by side (Szegedy et al. 2015).

    `reduce3` and `reduce5` are the 1x1 convolutions before the 3x3 and the 5x5, `pooled` the one
    behind the 3x3 max pool.
    """

    conv1: int = 0
    reduce3: int = 0
    conv3: int = 0
    reduce5: int = 0
    conv5: int = 0
    pooled: int = 0

    kind = "inception"
    scaled = ("conv1", "reduce3", "conv3", "reduce5", "conv5", "pooled")

    def limits(self):  # noqa: D102
        return {key: (1, 65536) for key in self.scaled}

    def expand(self, graph, x, context):  # noqa: D102
        def conv(part, y, kernel=1):
            channels = getattr(self, part)
            y = graph.conv(f"{self.name}/{part}", y, channels, kernel)
            return graph.relu(y.name, y)

        pool = graph.max_pool(f"{self.name}/pool", x, 3, 1, 1)
        parts = [
            conv("conv1", x),
            conv("conv3", conv("reduce3", x), 3),
            conv("conv5", conv("reduce5", x), 5),
            conv("pooled", pool),
        ]
        return graph.join(f"{self.name}/concat", Op.CONCAT, parts)


@dataclass(frozen=True)
class Dense(Module):
    """A block of DenseNet-BC: each layer adds `growth` channels to all before (Huang et al. 2017).

    A layer normalizes, squeezes to four times `growth` by a 1x1, normalizes and convolves 3x3.
    """

    layers: int = 1
    growth: int = 32

    kind = "dense"
    scaled = ("growth",)

    def limits(self):  # noqa: D102
        return {"layers": (1, 128), "growth": (1, 1024)}

    def expand(self, graph, x, context):  # noqa: D102
        for number in range(1, self.layers + 1):
            y = x
            for part, channels, kernel in ((1, 4 * self.growth, 1), (2, self.growth, 3)):
                name = f"{self.name}/layer{number}_conv{part}"
                y = graph.relu(name, graph.same(f"{name}/norm", Op.NORM, y))
                y = graph.conv(name, y, channels, kernel, bias=False)
            x = graph.join(f"{self.name}/layer{number}_concat", Op.CONCAT, (x, y))
        return x


@dataclass(frozen=True)
class Transition(Module):
    """DenseNet's way from block to block: normalized, half the channels, half the size."""

    kind = "transition"

    def expand(self, graph, x, context):  # noqa: D102
        y = graph.relu(self.name, graph.same(f"{self.name}/norm", Op.NORM, x))
        y = graph.conv(f"{self.name}/conv", y, x.channels // 2, bias=False)
        return graph.average(f"{self.name}/pool", y, 2, 2)


@dataclass(frozen=True)
class Norm(Module):
    """A batch normalization and its ReLU where no convolution stands before it."""

    kind = "norm"
    weighted = False

    def expand(self, graph, x, context):  # noqa: D102
        return graph.relu(self.name, graph.same(self.name, Op.NORM, x))
