"""Networks as data: a TOML file becomes a frozen `NetworkConfig`; unknown keys are refused.

A network is conv1, modules, and a classifier. The modules are fire modules named fire2, fire3, …,
listed (``[[fire]]``) or from SqueezeNet's metaparameters (``[metaparameters]``, Iandola et al.
2016, section 5.1), or residual blocks named residual2, residual3, … (``[[residual]]``). The
classifier is conv10, averaged over the whole map, or after the average the fully connected fc.
Between them may stand max pools (``[max_pool]``). ``base = "NAME"`` starts from another network, a
shipped one or a ``.toml`` beside this one, whose fields the file then replaces.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import Refusal
from .legal import check
from .tables import merged, override, typed

NETWORKS = Path(__file__).parent / "networks"
META = "metaparameters"
CHANNELS = 3  # of a picture: red, green, blue


@dataclass(frozen=True)
class Stem:
    """The first convolution, conv1."""

    channels: int
    kernel: int = 3
    stride: int = 2
    pad: int = 1


@dataclass(frozen=True)
class Fire:
    """A fire module: a squeeze, then 1x1 and 3x3 expansions of it side by side.

    With stride 1 the squeeze is 1x1. With stride 2 it is 3x3, padded by 1: ZynqNet's strided
    convolution in place of a max-pool. `bypass` adds the module's input to its output.
    """

    squeeze: int
    expand1: int
    expand3: int
    stride: int = 1
    bypass: bool = False

    @property
    def outputs(self) -> int:
        """Channels after the expansions are put side by side."""
        return self.expand1 + self.expand3


@dataclass(frozen=True)
class Metaparameters:
    """SqueezeNet's rule: ``e_i = base_e + incr_e * floor(i / freq)`` expand channels in module i.

    Of them ``pct3x3 * e_i`` are 3x3 and ``SR * e_i`` channels are squeezed to. `strided` and
    `bypass` hold numbers of fire modules, counted from 2 as in their names.
    """

    base_e: int
    incr_e: int
    freq: int
    pct3x3: float
    SR: float
    modules: int = 8
    strided: tuple[int, ...] = ()
    bypass: tuple[int, ...] = ()

    def fires(self) -> tuple[Fire, ...]:
        """Return the modules that the rule describes."""
        result = []
        for i in range(self.modules):
            expand = self.base_e + self.incr_e * (i // self.freq)
            expand3 = round(self.pct3x3 * expand)
            stride = 2 if i + 2 in self.strided else 1
            squeeze = round(self.SR * expand)
            result.append(Fire(squeeze, expand - expand3, expand3, stride, i + 2 in self.bypass))
        return tuple(result)


@dataclass(frozen=True)
class Residual:
    """A residual block: two 3x3 convolutions, their result added to the block's input.

    Where `stride` or `channels` change the shape, the shortcut is a 1x1 convolution of the input
    (He et al. 2016, section 3.3, option B). The sum of both is exact, only its ReLU is quantized.
    """

    channels: int
    stride: int = 1


@dataclass(frozen=True)
class MaxPool:
    """Max-pooling of the results of conv1 or of modules, `after`, by their names.

    No padding; a last window may hang over the edge (ceil mode), as SqueezeNet's do.
    """

    after: tuple[str, ...] = ()
    kernel: int = 3
    stride: int = 2


@dataclass(frozen=True)
class LayerBits:
    """Widths of one layer where they differ from the network's."""

    weight_bits: int | None = None
    activation_bits: int | None = None


@dataclass(frozen=True)
class Training:
    """How long and how fast to train; see `zynqfire.model.train`."""

    float_epochs: int = 10
    quantized_epochs: int = 10
    merged_epochs: int = 4
    batch: int = 64
    rate: float = 0.003


@dataclass(frozen=True)
class Convolution:
    """A convolution of the network with the sizes it works on (height, width)."""

    name: str
    kernel: int
    stride: int
    pad: int
    inputs: int
    outputs: int
    in_size: tuple[int, int]
    out_size: tuple[int, int]


@dataclass(frozen=True)
class NetworkConfig:
    """A network with everything needed to build, train and export it.

    Attributes
    ----------
    input : (int, int)
        Height and width of the picture; a TOML file may give one number for both.
    classes : int
        Logits that leave the network.
    residual : tuple of Residual
        The modules in place of `fire`.
    max_pool : MaxPool
        What is pooled on the way.
    fc : bool
        Whether the classifier is fully connected after the average, else it is conv10 before it.
    head : int
        Output channels of the classifier, at least `classes`; the rest is padding and is cut off.
    head_pad : int
        Zeros around the map that conv10 sees, 1 in SqueezeNet v1.0.
    per_channel : bool
        Whether every output channel's weights have a scale of their own.
    layers : dict
        Widths by layer, for example ``fire2/squeeze``. An activation belongs to conv1,
        fireN/squeeze, fireN/expand (both expansions share it), fireN/bypass, residualN/conv1,
        residualN/add or, before fc, pool.
    """

    name: str
    input: tuple[int, int]
    classes: int
    conv1: Stem
    fire: tuple[Fire, ...] = ()
    residual: tuple[Residual, ...] = ()
    max_pool: MaxPool = MaxPool()
    fc: bool = False
    head: int = 0
    head_pad: int = 0
    weight_bits: int = 4
    activation_bits: int = 4
    per_channel: bool = False
    dropout: float = 0.0
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    training: Training = Training()

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        object.__setattr__(self, "head", self.head or self.classes)
        check(self)

    @property
    def classifier(self) -> str:
        """Name of the last layer."""
        return "fc" if self.fc else "conv10"

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules between conv1 and the classifier."""
        kind, count = ("fire", len(self.fire)) if self.fire else ("residual", len(self.residual))
        return tuple(f"{kind}{number}" for number in range(2, count + 2))

    @property
    def pooled(self) -> tuple[int, int]:
        """Height and width of the map that is averaged."""
        return self.convolutions()[-2 if self.fc else -1].out_size

    def convolutions(self) -> tuple[Convolution, ...]:
        """Return all convolutions, fc as one of a 1x1 map, in order of execution."""
        stem, size, channels = self.conv1, self.input, CHANNELS
        result = []

        def add(name: str, kernel: int, stride: int, pad: int, outputs: int) -> tuple[int, int]:
            out = tuple((n + 2 * pad - kernel) // stride + 1 for n in size)
            if min(out) < 1:
                raise Refusal(
                    f"network {self.name}: layer {name} needs a map of at least {kernel - 2 * pad} "
                    f"by {kernel - 2 * pad}, not {size[0]} by {size[1]}"
                )
            result.append(Convolution(name, kernel, stride, pad, channels, outputs, size, out))
            return out

        size = add("conv1", stem.kernel, stem.stride, stem.pad, stem.channels)
        size, channels = self.after_pool("conv1", size), stem.channels
        for number, fire in enumerate(self.fire, 2):
            strided = fire.stride > 1
            size = add(
                f"fire{number}/squeeze",
                3 if strided else 1,
                fire.stride,
                int(strided),
                fire.squeeze,
            )
            channels = fire.squeeze
            add(f"fire{number}/expand1", 1, 1, 0, fire.expand1)
            add(f"fire{number}/expand3", 3, 1, 1, fire.expand3)
            size, channels = self.after_pool(f"fire{number}", size), fire.outputs
        for number, block in enumerate(self.residual, 2):
            halved = add(f"residual{number}/conv1", 3, block.stride, 1, block.channels)
            if block.stride > 1 or channels != block.channels:
                add(f"residual{number}/shortcut", 1, block.stride, 0, block.channels)
            size, channels = halved, block.channels
            add(f"residual{number}/conv2", 3, 1, 1, block.channels)
            size = self.after_pool(f"residual{number}", size)
        if self.fc:
            size = (1, 1)
        add(self.classifier, 1, 1, self.head_pad, self.head)
        return tuple(result)

    def after_pool(self, name: str, size: tuple[int, int]) -> tuple[int, int]:
        """Return the size of the map behind `name`'s max pool, or `size` where it has none."""
        if name not in self.max_pool.after:
            return size
        kernel, stride = self.max_pool.kernel, self.max_pool.stride
        least = kernel - stride + 1
        if min(size) < least:
            raise Refusal(
                f"network {self.name}: the max pool after {name} needs a map of at least {least} "
                f"by {least}, not {size[0]} by {size[1]}"
            )
        return tuple(-(-(n - kernel) // stride) + 1 for n in size)

    def activations(self) -> tuple[str, ...]:
        """Return the names of the activation quantizers in order of execution."""
        names = ["conv1"]
        for number, fire in enumerate(self.fire, 2):
            names += [f"fire{number}/squeeze", f"fire{number}/expand"]
            names += [f"fire{number}/bypass"] if fire.bypass else []
        for number in range(2, len(self.residual) + 2):
            names += [f"residual{number}/conv1", f"residual{number}/add"]
        names += ["pool"] if self.fc else []
        return tuple(names)

    def weight_bits_of(self, layer: str) -> int:
        """Return the stored width of a weight of convolution `layer`."""
        return self.layers.get(layer, LayerBits()).weight_bits or self.weight_bits

    def activation_bits_of(self, name: str) -> int:
        """Return the width of activation `name`."""
        return self.layers.get(name, LayerBits()).activation_bits or self.activation_bits

    def to_json(self) -> str:
        """Return the configuration as JSON text, which `load` reads back."""
        return json.dumps(asdict(self), indent=1) + "\n"


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
        "fire2.squeeze": 24, "layers.conv1.weight_bits": 8}``. Text is read as a TOML value.

    Raises
    ------
    Refusal
        Where there is no such network, or the file, a key or a value is not legal.
    """
    tree, name = _read(net)
    meta = {key: value for key, value in (overrides or {}).items() if key.startswith(META)}
    for key, value in meta.items():
        override(tree, key, value)
    tree = _expanded(tree, f"network {tree.setdefault('name', name)}")
    for key, value in (overrides or {}).items():
        if key not in meta:  # those of modules reach the ones that the metaparameters made
            override(tree, key, value)
    return _config(tree, str(tree["name"]))


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
    except ValueError as error:  # both decoders' errors, and text that is not UTF-8
        raise Refusal(f"network {path}: not {path.suffix[1:].upper()} ({error})") from None
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


def _expanded(tree: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the fields `tree` with fire modules in place of metaparameters."""
    tree = dict(tree)
    if META in tree:
        if "fire" in tree:
            raise Refusal(f"{where}: takes either [metaparameters] or [[fire]], not both")
        meta = typed(Metaparameters, tree.pop(META), f"{where}: {META}")
        if meta.freq < 1:
            raise Refusal(f"{where}: metaparameters: freq must be at least 1, not {meta.freq}")
        tree["fire"] = [asdict(fire) for fire in meta.fires()]
    return tree


def _config(tree: dict[str, Any], name: str) -> NetworkConfig:
    where = f"network {name}"
    size = tree.get("input", [0, 0])
    if isinstance(size, int) and not isinstance(size, bool):
        tree["input"] = [size, size]
    elif not isinstance(size, list | tuple) or len(size) != 2:
        raise Refusal(f"{where}: input must be a number or a list of 2, not {size!r}")
    return typed(NetworkConfig, tree, where)
