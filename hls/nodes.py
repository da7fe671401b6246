"""What a layer of hls4ml says of itself: name, geometry, types, ReuseFactor."""

from __future__ import annotations

import warnings
from typing import Any

from .. import Refusal
from .names import from_identifier, to_identifier
from .types import Type, is_auto


def name(node: Any) -> str:
    """Return the readable name of a layer; hls4ml prefixes some with their class."""
    found = node.name.removesuffix("_act") if node.class_name == "Activation" else node.name
    for prefix in ("Conv2D_", "PointwiseConv2D_", "DepthwiseConv2D_"):
        found = found.removeprefix(prefix)
    if found == "output":  # the operation that leaves the network
        found = "output_layer"
    return from_identifier(found)


def shape(node: Any) -> tuple[int, int, int]:
    """Return the shape of a result; hls4ml drops the axes of a single pixel."""
    return (1, 1, *(int(size) for size in node.get_output_variable().shape))[-3:]


def pads(node: Any) -> tuple[int, int, int, int]:
    """Return the padding: top, left, bottom, right."""
    return tuple(node.get_attr(f"pad_{side}", 0) for side in ("top", "left", "bottom", "right"))


def stride(node: Any) -> tuple[int, int]:
    """Return the rows and columns from one window to the next."""
    return node.get_attr("stride_height"), node.get_attr("stride_width")


def must_not_be_dilated(node: Any) -> None:
    """Refuse a dilated convolution; hls4ml's parser of Keras 3 does not pass dilation on."""
    keras_model = node.model.config.get_config_value("KerasModel")
    layer = next((x for x in getattr(keras_model, "layers", ()) if x.name == node.name), None)
    rows, columns = getattr(layer, "dilation_rate", (1, 1))
    rows = node.get_attr("dilation_height", rows)
    columns = node.get_attr("dilation_width", columns)
    if (rows, columns) != (1, 1):
        raise Refusal(f"layer {name(node)}: dilation must be 1, not {rows}x{columns}")


def window(node: Any) -> tuple[int, int]:
    """Return the rows and columns of a pool: of its window, or of the whole map."""
    return tuple(
        node.get_attr(f"pool_{side}", node.get_attr(f"in_{side}")) for side in ("height", "width")
    )


def result_type(node: Any) -> Type:
    """Return the type of a layer's result."""
    return Type.of(node.get_output_variable().type.precision, name(node))


def must_accumulate(node: Any, frac: int, lo: int, hi: int) -> None:
    """Refuse a configured accumulator that would lose something; hls4ml's `auto` never does."""
    precision, _ = node.model.config.get_precision(node, "accum")
    if is_auto(precision) or Type.of(precision, name(node), "accum").holds(frac, lo, hi):
        return
    raise Refusal(
        f"layer {name(node)}: its accum type must hold every sum from {lo} to {hi} times "
        f"2^{-frac}, but {precision} does not; leave it auto"
    )


def reuse_factors(model_graph: Any) -> dict[str, object]:
    """Return what a configuration, or an edit since, says of each layer's ReuseFactor.

    Warns
    -----
    UserWarning
        The configuration spells a layer's name otherwise than hls4ml, which ignores it then.

    """
    layers = {_letters(name(node)): to_identifier(name(node)) for node in model_graph.get_layers()}
    for key, factor in model_graph.config.layer_name_rf.items():
        meant = layers.get(_letters(key), key)
        if factor != 1 and meant.lower() != key:
            warnings.warn(
                f"ReuseFactor {factor} of {key}: hls4ml's name for this layer is {meant}, the "
                "factor is ignored",
                stacklevel=2,
            )
    return {
        name(node): edited
        if (edited := node.get_attr("reuse_factor", 1)) != 1
        else model_graph.config.get_reuse_factor(node)
        for node in model_graph.get_layers()
    }


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
