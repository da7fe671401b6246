"""Exact evaluation of a quantized network on integer pixels, and how it takes pixels."""

from __future__ import annotations

import copy
import math

import numpy as np
import torch

from . import quantizers
from .config import NetworkConfig
from .network import Network
from .threads import threads

PIXELS = 4 * 256 * 256  # at a time, which keeps float64 maps small


def tensor(codes: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return pixels (N, H, W, 3) as the network takes them, (N, 3, H, W) of value byte * 2**-8.

    The result is channels last in memory, which is what PyTorch's convolutions are quick with.
    """
    x = torch.from_numpy(np.ascontiguousarray(codes)).permute(0, 3, 1, 2)
    return x.to(dtype) * 2.0**-quantizers.PIXEL_FRAC


def chunk(config: NetworkConfig) -> int:
    """Return how many pictures are run at a time."""
    return max(1, min(64, PIXELS // math.prod(config.input)))


def integers(network: Network, codes: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Run a quantized `network` exactly on integer pixels.

    Runs in float64 on the CPU: its sums are exact far beyond the 2**24 where float32's end. The
    average is taken as the sum it is made of, a change of fraction bits where the area is a power
    of two.

    Parameters
    ----------
    network : Network
        Quantized and merged.
    codes : ndarray of uint8, (N, H, W, 3)
        Pixels.

    Returns
    -------
    outputs : ndarray of int64, (N, classes)
        Codes of the logits.
    frac, divisor : int
        A logit is ``code * 2**-frac / divisor``.
    """
    exact = copy.deepcopy(network).double().eval()
    frac = exact.output_frac()
    sums = []
    some = chunk(network.config)
    with torch.no_grad(), threads(network.config, some):
        for start in range(0, len(codes), some):
            x = tensor(codes[start : start + some], torch.float64)
            maps = exact.features(x) * 2.0**frac
            sums.append(maps.to(torch.int64).sum((2, 3)))
            if not torch.equal(maps, maps.round()):
                raise AssertionError(f"network {network.config.name}: logits off their grid")
    outputs = torch.cat(sums)[:, : network.config.classes].numpy()
    area = math.prod(network.config.classifier.out_shape[:2])  # 1 for fc
    log2 = area.bit_length() - 1
    return (outputs, frac + log2, 1) if area == 1 << log2 else (outputs, frac, area)
