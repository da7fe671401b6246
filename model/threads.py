"""How many threads PyTorch gets: handing out small work costs more than it saves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from .config import NetworkConfig

SHARED = 2_000_000_000  # multiplications of a batch from which on threads are worth it


@contextmanager
def threads(config: NetworkConfig, batch: int) -> Iterator[None]:
    """Run batches of `config` on one thread where they are small, else on all.

    Measured on two cores: zynqnet-32 in batches of 32 gains a third from the second core when that
    is idle, and loses three quarters of its speed when it is not. One thread also makes the
    result independent of the number of cores.
    """
    work = sum(node.macs for node in config.convolutions())
    before = torch.get_num_threads()
    torch.set_num_threads(1 if work * batch < SHARED else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
