"""Networks as data: a TOML file becomes a frozen `NetworkConfig`; unknown keys are refused.

A network is conv1, modules, and a classifier. The modules are fire modules named fire2, fire3, …,
listed (``[[fire]]``) or from SqueezeNet's metaparameters (``[metaparameters]``, Iandola et al.
2016, section 5.1), or residual blocks named residual2, residual3, … (``[[residual]]``). The
classifier is conv10, averaged over the whole map, or after the average the fully connected fc.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import Refusal
from .tables import override, typed

NETWORKS = Path(__file__).parent / "networks"
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
    fc : bool
        Whether the classifier is fully connected after the average, else it is conv10 before it.
    head : int
        Output channels of the classifier, at least `classes`; the rest is padding and is cut off.
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
    fc: bool = False
    head: int = 0
    weight_bits: int = 4
    activation_bits: int = 4
    per_channel: bool = False
    dropout: float = 0.0
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    training: Training = Training()

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        object.__setattr__(self, "head", self.head or self.classes)
        _check(self)

    @property
    def classifier(self) -> str:
        """Name of the last layer."""
        return "fc" if self.fc else "conv10"

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

        size, channels = (
            add("conv1", stem.kernel, stem.stride, stem.pad, stem.channels),
            stem.channels,
        )
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
            channels = fire.outputs
        for number, block in enumerate(self.residual, 2):
            halved = add(f"residual{number}/conv1", 3, block.stride, 1, block.channels)
            if block.stride > 1 or channels != block.channels:
                add(f"residual{number}/shortcut", 1, block.stride, 0, block.channels)
            size, channels = halved, block.channels
            add(f"residual{number}/conv2", 3, 1, 1, block.channels)
        if self.fc:
            size = (1, 1)
        add(self.classifier, 1, 1, 0, self.head)
        return tuple(result)

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
    path = Path(net)
    if path.suffix not in (".toml", ".json"):
        path = NETWORKS / f"{net}.toml"
        if not path.is_file():
            raise Refusal(f"network must be a .toml file or one of {', '.join(names())}, not {net}")
    try:
        text = path.read_text(encoding="utf-8")
        tree = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise Refusal(f"network {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # both decoders' errors, and text that is not UTF-8
        raise Refusal(f"network {path}: not {path.suffix[1:].upper()} ({error})") from None
    tree.setdefault("name", path.stem)
    for key, value in (overrides or {}).items():
        override(tree, key, value)
    return _config(tree, str(tree["name"]))


def _config(tree: dict[str, Any], name: str) -> NetworkConfig:
    tree = dict(tree)
    where = f"network {name}"
    size = tree.get("input", [0, 0])
    if isinstance(size, int) and not isinstance(size, bool):
        tree["input"] = [size, size]
    elif not isinstance(size, list | tuple) or len(size) != 2:
        raise Refusal(f"{where}: input must be a number or a list of 2, not {size!r}")
    if "metaparameters" in tree:
        if "fire" in tree:
            raise Refusal(f"{where}: takes either [metaparameters] or [[fire]], not both")
        meta = typed(Metaparameters, tree.pop("metaparameters"), f"{where}: metaparameters")
        if meta.freq < 1:
            raise Refusal(f"{where}: metaparameters: freq must be at least 1, not {meta.freq}")
        tree["fire"] = [asdict(fire) for fire in meta.fires()]
    return typed(NetworkConfig, tree, where)


def _check(config: NetworkConfig) -> None:
    where = f"network {config.name}"

    def need(good: bool, what: str, value: Any) -> None:
        if not good:
            raise Refusal(f"{where}: {what}, not {value}")

    def between(value: float, low: float, high: float, what: str) -> None:
        need(low <= value <= high, f"{what} must be from {low} to {high}", value)

    for size in config.input:
        between(size, 1, 4096, "input")
    between(config.classes, 2, 65536, "classes")
    need(config.head >= config.classes, f"head must be at least {config.classes}", config.head)
    between(config.weight_bits, 2, 8, "weight_bits")
    between(config.activation_bits, 2, 8, "activation_bits")
    need(0 <= config.dropout < 1, "dropout must be from 0 to below 1", config.dropout)
    stem = config.conv1
    between(stem.channels, 1, 65536, "conv1: channels")
    between(stem.kernel, 1, 15, "conv1: kernel")
    between(stem.stride, 1, 8, "conv1: stride")
    between(stem.pad, 0, stem.kernel - 1, "conv1: pad")
    channels = stem.channels
    need(
        bool(config.fire) != bool(config.residual),
        "there must be either fire modules or residual blocks",
        "both" if config.fire else "none",
    )
    for number, fire in enumerate(config.fire, 2):
        here = f"fire{number}: "
        for key in ("squeeze", "expand1", "expand3"):
            between(getattr(fire, key), 1, 65536, here + key)
        need(fire.stride in (1, 2), f"{here}stride must be 1 or 2", fire.stride)
        if fire.bypass:
            need(fire.stride == 1, f"{here}a bypass needs stride 1", fire.stride)
            rule = f"{here}a bypass needs as many outputs as inputs, {channels}"
            need(fire.outputs == channels, rule, fire.outputs)
        channels = fire.outputs
    for number, block in enumerate(config.residual, 2):
        between(block.channels, 1, 65536, f"residual{number}: channels")
        need(block.stride in (1, 2), f"residual{number}: stride must be 1 or 2", block.stride)
    if config.fc:
        area = math.prod(config.pooled)
        what = "fc: the map averaged before it must have a power of two of positions"
        need(area & (area - 1) == 0, what, area)
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
    training = config.training
    for key in ("float_epochs", "quantized_epochs", "merged_epochs"):
        between(getattr(training, key), 0, 100000, f"training: {key}")
    between(training.batch, 1, 65536, "training: batch")
    need(
        training.rate > 0 and math.isfinite(training.rate),
        "training: rate must be above 0",
        training.rate,
    )
