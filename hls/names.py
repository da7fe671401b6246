"""Readable, unique layer names: `fire2/squeeze` from `fire2.squeeze.weight`.

hls4ml makes C++ identifiers of layer names, so inside its graph the slash is written `__`.
"""

from __future__ import annotations

import re

from .onnx_graph import Node, OnnxGraph


def to_identifier(name: str) -> str:
    """Return `name` as hls4ml carries it: fire2/squeeze becomes fire2__squeeze."""
    return name.replace("/", "__")


def from_identifier(name: str) -> str:
    """Return the readable form of what `to_identifier` returned."""
    return name.replace("__", "/")


class Names:
    """Hands out names but the `reserved` ones; `of` maps a tensor to the layer it belongs to."""

    def __init__(self, *reserved: str):
        self.of: dict[str, str] = {}
        self._taken = {name.lower() for name in reserved}

    def unique(self, wish: str) -> str:
        """Return `wish`, or `wish_2` and so on where it is taken."""
        parts = [re.sub(r"[^A-Za-z0-9]+", "_", part).strip("_") for part in wish.split("/")]
        clean = "/".join(part for part in parts if part) or "layer"
        if clean[0].isdigit():
            clean = f"layer_{clean}"
        name, number = clean, 1
        while name.lower() in self._taken:  # hls4ml's configuration ignores case
            number += 1
            name = f"{clean}_{number}"
        self._taken.add(name.lower())
        return name

    def layer(self, node: Node, graph: OnnxGraph) -> str:
        """Return the name of a convolution, from its parameters, its module or its node."""
        for wish in _from_parameters(node, graph):
            return self.unique(wish.replace(".", "/"))
        scope = node.scopes[-1] if node.scopes else ""
        return self.unique(scope.replace(".", "/") or node.name)

    def after(self, tensor: str, what: str) -> str:
        """Return the name of what follows `tensor`: fire2/squeeze/relu."""
        return self.unique(f"{self.of.get(tensor, 'input')}/{what}")

    def adding(self, node: Node) -> str:
        """Return the name of an addition: fire3/add in the module fire3 or of that name."""
        scope = node.scopes[-1].replace(".", "/") if node.scopes else ""
        if scope.endswith("add"):
            return self.unique(scope)
        return self.unique(f"{scope}/add" if scope else node.name)

    def joining(self, tensors: tuple[str, ...], node: Node) -> str:
        """Return the name of a concatenation: fire2/concat after fire2/expand1 and expand3."""
        owners = [self.of.get(tensor, "") for tensor in tensors]
        parents = {owner.rpartition("/")[0] for owner in owners}
        parent = parents.pop() if len(parents) == 1 else ""
        return self.unique(f"{parent}/concat" if parent else node.name)


def _from_parameters(node: Node, graph: OnnxGraph) -> list[str]:
    makers = {output: maker for maker in graph.nodes for output in maker.outputs}
    found = []
    for parameter, suffix in zip(node.inputs[1:], (".weight", ".bias"), strict=False):
        name = parameter
        while name in makers and makers[name].inputs:
            name = makers[name].inputs[0]
        if name.endswith(suffix):
            found.append(name.removesuffix(suffix))
    return found
