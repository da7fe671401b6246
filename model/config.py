"""Networks as data: a TOML file becomes a frozen `NetworkConfig`; unknown keys are refused.

A network is the table ``[modules]``: one module after the other, by name, in order of execution.
The kinds of modules and their fields are the dataclasses of `zynqfire.model.modules` and
`zynqfire.model.published`; a module is of the kind that its name says without its number, or of
`kind`. SqueezeNet's metaparameters (Iandola et al. 2016, section 5.1) may stand in any file: they
replace the widths of its fire modules. ``base = "NAME"`` starts from another network, a shipped one
or a ``.toml`` beside this one, whose fields the file then replaces.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import Refusal
from . import modules as deployed
from . import published
from .graph import Graph, Node
from .legal import check
from .metaparameters import apply
from .modules import Context, Module
from .tables import merged, override, typed
from .training.recipe import Training

NETWORKS = Path(__file__).parent / "networks"
CHANNELS = 3  # of a picture: red, green, blue
TABLE_BITS = 8  # of the values in a codebook
KINDS: dict[str, type[Module]] = {
    item.kind: item
    for place in (deployed, published)
    for item in vars(place).values()
    if isinstance(item, type) and issubclass(item, Module) and item is not Module
}


@dataclass(frozen=True)
class LayerBits:
    """Widths of one layer where they differ from the network's."""

    weight_bits: int | None = None
    activation_bits: int | None = None
    codebook_bits: int | None = None


@dataclass(frozen=True)
class NetworkConfig:
    """A network with everything needed to build, train and export it.

    Attributes
    ----------
    input : (int, int)
        Height and width of the picture; a TOML file may give one number for both.
    classes : int
        Logits that leave the network.
    modules : tuple of Module
        In order of execution.
    head : int
        Output channels of the classifier, at least `classes`; the rest is padding and is cut off.
    batch_norm : bool
        Whether the published network has a batch normalization behind every convolution, for
        counting; while they train, all networks here have them.
    per_channel : bool
        Whether every output channel's weights have a scale of their own.
    codebook_bits : int
        Width of a stored weight where it is an index into its layer's table of values, 2 to 5; 0
        where weights are stored themselves. The values have 8 bits, or the `weight_bits` of the
        layer.
    layers : dict
        Widths by layer, for example ``fire2/squeeze``. An activation has the name of its
        convolution, but fireN/expand (both expansions share it), fireN/bypass, residualN/add or,
        behind an average, that of the average.
    """

    name: str
    input: tuple[int, int]
    classes: int
    modules: tuple[Module, ...]
    head: int = 0
    batch_norm: bool = False
    weight_bits: int = 4
    activation_bits: int = 4
    per_channel: bool = False
    codebook_bits: int = 0
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        object.__setattr__(self, "head", self.head or self.classes)
        check(self)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The layers in order of execution, the input not among them."""
        graph = Graph(f"network {self.name}", self.input, CHANNELS)
        x = graph.input
        weighted = [index for index, m in enumerate(self.modules) if m.weighted]
        for index, module in enumerate(self.modules):
            followed = bool(weighted) and index < weighted[-1]
            x = module.expand(graph, x, Context(self.head, followed))
        return tuple(graph.nodes)

    @cached_property
    def classifier(self) -> Node:
        """The last layer with weights."""
        return self.convolutions()[-1]

    def convolutions(self) -> tuple[Node, ...]:
        """Return the convolutions and fully connected layers in order of execution."""
        return tuple(node for node in self.nodes if node.weighted)

    def activations(self) -> tuple[str, ...]:
        """Return the names of the activation quantizers in order of execution."""
        built = self.nodes[: self.nodes.index(self.classifier)]
        return tuple(dict.fromkeys(node.quantizer for node in built if node.quantizer))

    def codebook_bits_of(self, layer: str) -> int:
        """Return the width of an index into the table of convolution `layer`, 0 without one."""
        bits = self.layers.get(layer, LayerBits()).codebook_bits
        return self.codebook_bits if bits is None else bits

    def weight_bits_of(self, layer: str) -> int:
        """Return the width of a weight of convolution `layer`, or of the values in its table."""
        bits = TABLE_BITS if self.codebook_bits_of(layer) else self.weight_bits
        return self.layers.get(layer, LayerBits()).weight_bits or bits

    def stored_bits_of(self, layer: str) -> int:
        """Return the width of what is stored for a weight of convolution `layer`."""
        return self.codebook_bits_of(layer) or self.weight_bits_of(layer)

    def table_bits_of(self, layer: str) -> int:
        """Return the size of the table of convolution `layer`, 0 without one."""
        bits = self.codebook_bits_of(layer)
        return self.weight_bits_of(layer) << bits if bits else 0

    def activation_bits_of(self, name: str) -> int:
        """Return the width of activation `name`."""
        return self.layers.get(name, LayerBits()).activation_bits or self.activation_bits

    def to_json(self) -> str:
        """Return the configuration as JSON text, which `load` reads back."""
        tree = asdict(self)
        tree["modules"] = {
            module.name: {"kind": module.kind} | {k: v for k, v in entry.items() if k != "name"}
            for module, entry in zip(self.modules, tree["modules"], strict=True)
        }
        return json.dumps(tree, indent=1) + "\n"


def names() -> list[str]:
    """Return the shipped networks."""
    return sorted(path.stem for path in NETWORKS.glob("*.toml"))


def load(net: str | Path, overrides: Mapping[str, Any] | None = None) -> NetworkConfig:
    """Return the network called `net`.

    Parameters
    ----------
    net : str or Path
        A shipped name, or the path of a ``.toml`` file (or of the ``.json`` that a run keeps).
    overrides : mapping, optional
        Fields to replace, dotted where nested: ``{"input": "224", "conv1.stride": 1,
        "fire2.squeeze": 24, "SR": 0.25, "layers.conv1.weight_bits": 8}``. Text is read as a TOML
        value. A field of a module goes before a metaparameter.

    Raises
    ------
    Refusal
        Where there is no such network, or the file, a key or a value is not legal.
    """
    tree, name = _read(net)
    where = f"network {tree.setdefault('name', name)}"
    later, modules = {}, tree.setdefault("modules", {})
    for key, value in (overrides or {}).items():
        if isinstance(modules, dict) and key.partition(".")[0] in modules:
            later[f"modules.{key}"] = value
        else:
            override(tree, key, value)
    scaled = {kind: module.scaled for kind, module in KINDS.items()}
    tree["modules"] = apply(tree, _kinds(tree["modules"], where), scaled, where)
    for key, value in later.items():
        override(tree, key, value)
    if later:
        tree["modules"] = _kinds(tree["modules"], where)
    return _config(tree, where)


def _read(net: str | Path, behind: tuple[Path, ...] = ()) -> tuple[dict[str, Any], str]:
    """Return the fields of network `net`, those of its base among them, and its file's name.

    `behind` are the files whose base it is.
    """
    path = Path(net)
    if path.suffix not in (".toml", ".json"):
        path = NETWORKS / f"{net}.toml"
        if not path.is_file():
            raise Refusal(f"network must be a .toml file or one of {', '.join(names())}, not {net}")
    elif behind:
        path = behind[-1].parent / path
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise Refusal(f"network {path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:  # of both decoders, and text that is not UTF-8
        raise Refusal(f"network {path}: not {path.suffix[1:].upper()} ({error})") from None
    if not isinstance(tree, dict):
        raise Refusal(f"network {path}: must be a table, not {tree!r:.40}")
    base = tree.pop("base", None)
    if base is None:
        return tree, path.stem
    if not isinstance(base, str):
        raise Refusal(f"network {path.stem}: base must be text, not {base!r}")
    if path.resolve() in [file.resolve() for file in behind]:
        raise Refusal(f"network {path.stem}: its base must not be based on it, not {base}")
    under, _ = _read(base, (*behind, path))
    under.pop("name", None)
    return merged(under, tree), path.stem


def _kinds(modules: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return the tables of `modules`, each with its kind in it."""
    if not isinstance(modules, dict):
        raise Refusal(f"{where}: modules must be a table, not {modules!r}")
    result = {}
    for name, table in modules.items():
        if not isinstance(table, dict):
            raise Refusal(f"{where}: {name} must be a table, not {table!r}")
        if "name" in table:
            raise Refusal(
                f"{where}: {name}: a module has the name of its table, not one of its own"
            )
        kind = table.get("kind", name.rstrip("0123456789"))
        if not isinstance(kind, str) or kind not in KINDS:
            raise Refusal(f"{where}: {name}: kind must be one of {', '.join(KINDS)}, not {kind}")
        result[name] = {**table, "kind": kind}
    return result


def _config(tree: dict[str, Any], where: str) -> NetworkConfig:
    tree = dict(tree)
    size = tree.get("input", [0, 0])
    if isinstance(size, int) and not isinstance(size, bool):
        tree["input"] = [size, size]
    elif not isinstance(size, list | tuple) or len(size) != 2:
        raise Refusal(f"{where}: input must be a number or a list of 2, not {size!r}")
    built = []
    for name, table in tree.pop("modules").items():
        kind = KINDS[table["kind"]]
        settings = {"name": name} | {key: v for key, v in table.items() if key != "kind"}
        built.append(typed(kind, settings, f"{where}: {name}"))
    return typed(NetworkConfig, tree | {"modules": tuple(built)}, where)
