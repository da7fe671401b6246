"""Data parallelism: every process takes its part of each batch, sums go through all-reduce.

With gradients, the statistics of batch normalizations and the masks of dropout those of the whole
batch, N processes do what one does, up to the rounding of float32. Activation and weight scales
need no statistics in training: they are chosen once a stage, by the first process for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn
from torch.overrides import TorchFunctionMode

from ... import Refusal


@dataclass(frozen=True)
class Group:
    """The processes of one training; alone, every method is trivial.

    Attributes
    ----------
    rank : int
        Of this process; the first, 0, writes and speaks.
    size : int
        How many processes there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """Return which of `count` things are this process's."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of all processes' `values`, which become it."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def total_gradients(
        self, parameters: Iterable[nn.Parameter], values: torch.Tensor
    ) -> torch.Tensor:
        """Sum the gradients of `parameters`, in place, and `values`, which is returned.

        One message for everything: a reduction costs a round trip however small it is.
        """
        if self.size == 1:
            return values
        gradients = [p.grad for p in parameters if p.grad is not None]
        parts = [values, *gradients]
        sums = self.total(torch.cat([part.flatten() for part in parts]))
        values, *sums = sums.split([part.numel() for part in parts])
        for gradient, new in zip(gradients, sums, strict=True):
            gradient.copy_(new.view(gradient.shape))
        return values

    def share(self, module: nn.Module) -> None:
        """Give every process the first one's parameters and buffers, bit for bit."""
        if self.size > 1:
            for tensor in [*module.parameters(), *module.buffers()]:
                value = tensor.detach().contiguous()
                distributed.broadcast(value, 0)
                tensor.detach().copy_(value)

    def agree(self, work: Callable[[], Any]) -> Any:
        """Return what `work` gives the first process; where it refuses, all do."""
        if self.size == 1:
            return work()
        answer: list[Any] = [None, None]
        if self.first:
            try:
                answer[0] = work()
            except Refusal as refusal:
                answer[1] = str(refusal)
        distributed.broadcast_object_list(answer)
        if answer[1] is not None:
            raise Refusal(answer[1])
        return answer[0]


class _Sum(torch.autograd.Function):
    """The sum over processes. What it feeds is in every process's loss, so gradients sum, too."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        distributed.all_reduce(values)
        return values

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient


class WholeBatchNorm2d(nn.BatchNorm2d):
    """Batch normalization by the mean and variance over all processes' parts of the batch.

    PyTorch's SyncBatchNorm does the same on GPUs and refuses CPUs. Sums are in float64, which makes
    one reduction of sum and sum of squares enough.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`, (N, C, H, W), normalized by channel."""
        if not self.training:
            return super().forward(x)
        wide = x.double()
        count = wide.new_tensor([x.numel() / x.shape[1]])
        sums = torch.cat([wide.sum((0, 2, 3)), wide.square().sum((0, 2, 3)), count])
        sums = _Sum.apply(sums)
        total, squares = sums[:-1].chunk(2)
        count = sums[-1].detach()
        mean = total / count
        variance = squares / count - mean.square()
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(x.dtype), self.momentum)
            unbiased = variance * count / (count - 1)
            self.running_var.lerp_(unbiased.to(x.dtype), self.momentum)
        gain = self.weight * (variance + self.eps).rsqrt()
        offset = self.bias - mean * gain
        return x * gain.to(x.dtype)[:, None, None] + offset.to(x.dtype)[:, None, None]


def whole_batch(module: nn.Module) -> None:
    """Make every batch normalization in `module` one of the whole batch, in place."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                new = WholeBatchNorm2d(child.num_features, child.eps, child.momentum)
                new.to(child.weight).load_state_dict(child.state_dict())
                parent.add_module(name, new.train(child.training))


class WholeBatchDropout(TorchFunctionMode):
    """While it is on, dropout draws the masks of the whole batch and takes this process's part."""

    def __init__(self, group: Group, batch: int):
        super().__init__()
        self.group, self.batch = group, batch

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call `function`, dropout in our way."""
        called = self._dropout if function is nn.functional.dropout else function
        return called(*args, **(kwargs or {}))

    def _dropout(
        self, x: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        if not training:
            return x
        last = x.is_contiguous(memory_format=torch.channels_last)
        order = torch.channels_last if last else torch.contiguous_format  # masks are drawn in it
        ones = x.new_ones((self.batch, *x.shape[1:])).contiguous(memory_format=order)
        return x * nn.functional.dropout(ones, p)[self.group.part(self.batch)]
