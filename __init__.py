"""Quantized SqueezeNets from PyTorch to bit-exact SystemVerilog, every weight on chip."""

__version__ = "0.1.0"


class Refusal(ValueError):
    """Input that cannot be taken: one sentence that names the object, the rule and the value.

    The command prints the sentence and exits with 2.
    """
