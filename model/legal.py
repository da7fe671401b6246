"""What of a `NetworkConfig` cannot be counted, or not be built: one sentence each."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import Refusal
from .graph import Node, Op
from .training.recipe import check_training

if TYPE_CHECKING:
    from .config import NetworkConfig

CODEBOOK_BITS = range(2, 6)
CODEBOOK_RULE = "codebook_bits must be from 2 to 5, or 0 for none"
COUNTED = (Op.NORM, Op.LRN)  # what has no quantized form here


def check(config: NetworkConfig) -> None:
    """Refuse a network that cannot be.

    Raises
    ------
    Refusal
        With the first rule that is broken.
    """
    where = f"network {config.name}"
    if not config.name.isprintable() or "/" in config.name or config.name[:1] in ("", "."):
        rule = "a network's name must be printable, without / and without . at its start"
        raise Refusal(f"{rule}, not {config.name!r}")

    def need(good: bool, what: str, value: Any) -> None:
        if not good:
            raise Refusal(f"{where}: {what}, not {value}")

    def between(value: float, low: float, high: float, what: str) -> None:
        need(low <= value <= high, f"{what} must be from {low} to {high}", value)

    for size in config.input:
        between(size, 1, 4096, "input")
    between(config.classes, 2, 65536, "classes")
    need(config.head >= config.classes, f"head must be at least {config.classes}", config.head)
    need(config.head <= 65536, "head must be at most 65536", config.head)
    between(config.weight_bits, 2, 8, "weight_bits")
    between(config.activation_bits, 2, 8, "activation_bits")
    need(config.codebook_bits in (0, *CODEBOOK_BITS), CODEBOOK_RULE, config.codebook_bits)
    for module in config.modules:
        plain = re.fullmatch(r"[A-Za-z]\w*", module.name, re.ASCII)
        free = module.name != "input" and not module.name.endswith(("_bn", "_relu"))
        rule = "a module's name must be letters, digits and _, not input and without _bn or _relu"
        need(bool(plain) and free, f"{rule} at its end", module.name)
        for key, limits in module.limits().items():
            value = getattr(module, key)
            if value is not None:
                between(value, *limits, f"{module.name}: {key}")
    need(
        any(node.weighted for node in config.nodes),
        "modules must hold a layer with weights",
        ", ".join(module.name for module in config.modules) or "nothing",
    )
    last = config.classifier
    rule = f"{last.name}: the classifier must have at least {config.classes} channels"
    need(last.channels >= config.classes, rule, last.channels)
    rule = f"{last.name}: channels must be left out or be the {config.head} of head"
    need(last.channels == config.head, rule, last.channels)
    convolutions = [conv.name for conv in config.convolutions()]
    for name, bits in config.layers.items():
        for key, known in (
            ("weight_bits", convolutions),
            ("activation_bits", config.activations()),
        ):
            value = getattr(bits, key)
            if value is not None:
                need(name in known, f"{key} of a layer needs one of {', '.join(known)}", name)
                between(value, 2, 8, f"layers.{name}: {key}")
        value = bits.codebook_bits
        if value is not None:
            rule = f"codebook_bits of a layer needs one of {', '.join(convolutions)}"
            need(name in convolutions, rule, name)
            need(value in (0, *CODEBOOK_BITS), f"layers.{name}: {CODEBOOK_RULE}", value)
    for name in convolutions:
        index, width = config.codebook_bits_of(name), config.weight_bits_of(name)
        if index:
            rule = "per_channel must be false with codebook_bits, a table has one scale"
            need(not config.per_channel, rule, "true")
            rule = f"{name}: codebook_bits must be below the {width} bits of its values"
            need(index < width, rule, index)
    check_training(config.training, where)


def deployable(config: NetworkConfig) -> tuple[Node, ...]:
    """Return the layers that are built of `config`: to the classifier, and its average.

    A classifier's ReLU and a softmax are left to nobody: they do not change which class is first.

    Raises
    ------
    Refusal
        Where a layer has no quantized form, so that the network can only be counted.
    """
    nodes = {"input": None} | {node.name: node for node in config.nodes}
    built = []
    for reason in (_reason, _outsized):  # what has no quantized form at all comes first
        for node in config.nodes:
            if why := reason(config, node, nodes):
                raise Refusal(f"network {config.name}: layer {node.name} {why}")
    for node in config.nodes:
        behind = config.nodes.index(node) > config.nodes.index(config.classifier)
        if not behind:
            built.append(node)
        elif node.op is Op.AVERAGE:
            built.append(replace(node, inputs=(config.classifier.name,)))
    if math.prod(built[-1].out_shape[:2]) > 1:
        size = "x".join(map(str, built[-1].out_shape[:2]))
        raise Refusal(
            f"network {config.name}: layer {built[-1].name} must be averaged to logits, its map "
            f"is {size}"
        )
    return tuple(built)


def _reason(config: NetworkConfig, node: Node, nodes: dict[str, Node | None]) -> str:
    """Say why `node` cannot be built, or nothing."""
    sources = [nodes[name] for name in node.inputs]
    if node.op in COUNTED:
        what = {Op.NORM: "is a normalization apart from a convolution", Op.LRN: "is an LRN"}[
            node.op
        ]
        return f"{what}, which has no quantized form: the network can only be counted"
    area = math.prod(node.kernel)
    if node.op is Op.AVERAGE:
        if node.in_shape[:2] != node.kernel:
            return (
                f"averages windows of {node.kernel[0]}x{node.kernel[1]}, only averages of the "
                "whole map are built: the network can only be counted"
            )
        if node.quantizer and area & (area - 1):
            return (
                "averages before a layer, so its map must have a power of two of positions, "
                f"not {area}"
            )
    if node.weighted and any(s and (s.weighted or s.op is Op.ADD) for s in sources):
        return f"must read what is quantized, not the sums of {node.inputs[0]}"
    return ""


def _outsized(config: NetworkConfig, node: Node, nodes: dict[str, Node | None]) -> str:
    """Say which kernel or stride of `node` the hardware's windows have not, or nothing."""
    if node.weighted and not all(side % 2 for side in node.kernel):
        sides = "x".join(map(str, node.kernel))
        return f"has a kernel of {sides}, only odd ones are built: the network can only be counted"
    if node.op is Op.CONV and max(node.stride) > 2:
        return (
            f"has a stride of {max(node.stride)}, only 1 and 2 are built: the network can only be "
            "counted"
        )
    return ""
