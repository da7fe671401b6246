"""hls4ml's ReuseFactor as a folding: how many products of an output pixel share one multiplier.

A convolution with the factor R has KH*KW*C*M / R multipliers, so that an output pixel takes R
cycles: R = (KH*KW*C / SIMD) * (M / PE). Not every R is a folding; hls4ml then takes the nearest
that is one and says so, and so does this, towards the faster side.

The factor 1 is hls4ml's default for every layer, and would unroll the network. It says nothing
here: such a layer gets what the board holds, and is no faster than the slowest one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from numbers import Integral

from ... import Refusal
from ..fold import Fold
from ..ir import Conv, Network
from .folding import layer_cycles, legal

UNASKED = 1


def from_factors(network: Network, factors: Mapping[str, object]) -> dict[str, dict[str, int]]:
    """Return the foldings, layer -> {"pe", "simd"}, of the layers whose ReuseFactor is above 1.

    Parameters
    ----------
    network : Network
    factors : mapping
        Convolution to its ReuseFactor.

    Raises
    ------
    Refusal
        For a factor that is no positive integer.

    Warns
    -----
    UserWarning
        Where no folding has the factor; the nearest one below it is taken.

    """
    folds = {}
    for conv in network.convolutions:
        factor = factors.get(conv.name, UNASKED)
        if not isinstance(factor, Integral) or isinstance(factor, bool) or factor < 1:
            raise Refusal(
                f"layer {conv.name}: ReuseFactor must be a positive integer, not {factor}"
            )
        if factor != UNASKED:
            fold = _nearest(network, conv, int(factor))
            folds[conv.name] = {"pe": fold.pe, "simd": fold.simd}
    return folds


def _nearest(network: Network, conv: Conv, factor: int) -> Fold:
    """Return the folding of `factor`, or of the next one below; of several, fastest, then least."""
    folds = [fold for fold in legal(conv) if fold.pixels == 1]
    found = max(r for r in (f.words(conv) * f.groups(conv) for f in folds) if r <= factor)
    if found != factor:
        warnings.warn(
            f"layer {conv.name}: no folding has the ReuseFactor {factor}, the nearest below it, "
            f"{found}, is taken",
            stacklevel=2,
        )
    options = [f for f in folds if f.words(conv) * f.groups(conv) == found]
    return min(options, key=lambda f: (layer_cycles(network, conv, f), f.taps, f.pe))
