"""A convolution whose weights are indices into a small table (Han et al. 2016, section 3).

Where a stage begins, k-means makes the table of the float weights. Training moves each entry by the
sum of its weights' gradients. Unlike in Deep Compression the float weights go on learning, too, by
the gradient of the entry in whose place they stand, and each is always that of the nearest entry:
so indices change where it pays, and batch normalizations can be folded into what was learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from . import kmeans
from ._brevitas import QuantConv2d


class Lookup(torch.autograd.Function):
    """``values[indices]`` in place of `weight`; in ONNX a Gather along axis 0.

    `values` is `table` quantized. Gradients go straight through, to `weight` as if it was used
    itself and to `table` as if not quantized: the clamp keeps no entry at the end of the grid.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight: torch.Tensor,
        table: torch.Tensor,
        values: torch.Tensor,
        indices: torch.Tensor,
    ) -> torch.Tensor:
        """Return the values that `indices` name, in their shape."""
        ctx.save_for_backward(table, indices)
        return values[indices]

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        """Return the gradients of the weights, and their sum for each entry.

        An entry that is exactly zero holds pruned weights and gets nothing. PyTorch's own gradient
        of an indexing adds up in the order in which its threads come, so that no two runs are
        alike.
        """
        table, indices = ctx.saved_tensors
        sums = torch.bincount(indices.flatten(), gradient.flatten().double(), len(table))
        return gradient, (sums * (table != 0)).to(table.dtype), None, None

    @staticmethod
    def symbolic(g: Any, weight: Any, table: Any, values: Any, indices: Any) -> Any:
        """Return the node of the exported graph."""
        result = g.op("Gather", values, indices, axis_i=0)
        result.setType(values.type().with_sizes(indices.type().sizes()))
        return result


class CodebookConv2d(QuantConv2d):
    """A convolution with the weights ``quantized(table)[indices]``.

    Parameters
    ----------
    bits : int
        Of an index; the table has 2**bits entries.
    settings
        As of Brevitas' QuantConv2d; `weight_quant` quantizes the table and has one scale.

    Attributes
    ----------
    weight : Parameter, (M, C / groups, KH, KW)
        What the weights would be in float.
    table : Parameter, (2**bits,)
        Ascending when chosen; where there are fewer different weights, the last is repeated.
    indices : Tensor of int64, in the shape of `weight`
        The entry nearest to each weight, a buffer. In training it follows at every call; in
        evaluation it stays as it was when that began.
    """

    def __init__(self, *sizes: Any, bits: int, **settings: Any):
        super().__init__(*sizes, **settings)
        self.table = nn.Parameter(torch.zeros(1 << bits))
        self.register_buffer("indices", torch.zeros(self.weight.shape, dtype=torch.int64))

    def quant_weight(self, *_: Any) -> Any:
        """Return the weights as a QuantTensor."""
        if self.training:
            self._assign()
        entries = self.weight_quant(self.table)
        weights = Lookup.apply(self.weight, self.table, entries.value, self.indices)
        return entries.set(value=weights)

    @torch.no_grad()
    def choose(self) -> None:
        """Make the table anew from `weight`."""
        centroids, _ = kmeans.cluster(self.weight.numpy(), len(self.table))
        missing = len(self.table) - len(centroids)
        self.table.copy_(torch.from_numpy(np.pad(centroids, (0, missing), mode="edge")))
        self._assign()

    def train(self, mode: bool = True) -> CodebookConv2d:
        """Begin training or evaluation."""
        super().train(mode)
        if not mode:
            self._assign()
        return self

    @torch.no_grad()
    def _assign(self) -> None:
        """Point each weight to its entry, of two as near to the lower.

        In float64, so that the indices are the same in whatever precision the network runs.
        """
        entries, order = self.table.double().sort(stable=True)
        middles = (entries[1:] + entries[:-1]) / 2
        self.indices.copy_(order[torch.bucketize(self.weight.double().contiguous(), middles)])

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        *others: Any,
    ) -> None:
        """Load; a float network has no codebook, it is yet to be chosen and not missing."""
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *others
        )
        codebook = {f"{prefix}table", f"{prefix}indices"}
        if codebook <= set(missing_keys):
            missing_keys[:] = [key for key in missing_keys if key not in codebook]
