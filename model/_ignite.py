"""What we use of pytorch-ignite, imported without PyTorch's warnings about its own old parts."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ignite.engine import Engine, Events
    from ignite.metrics import Accuracy

__all__ = ["Accuracy", "Engine", "Events"]
