"""Weights to start from: another run's float network, or a state dict in a file.

A file has our own names (``fire2.squeeze.weight``) or those that torchvision gives a SqueezeNet:
``features.0`` is conv1, the ``features.N`` with a squeeze are the fire modules in their order, and
``classifier.1`` is conv10. Only tensors are read, no code is run.

torchvision's networks see ``(pixel / 255 - mean) / deviation`` of each colour, ours
``pixel / 256``. Conv1 takes up the difference,

    w' = w * 256 / (255 deviation),    b' = b - sum over the window of w * mean / deviation,

which is exact where conv1 does not pad, as in SqueezeNet v1.0 and v1.1; with padding the border
differs, for torchvision pads with the mean colour and ours is black. torchvision's networks have a
ReLU behind the last convolution, ours have none.

A state dict without batch normalizations starts a network that has them: they begin as the
identity, and before the first stage `transparent` gives them the statistics of training pictures
and the gain and offset that undo these, so that training starts from the function of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from ... import Refusal
from .. import run as folder
from ..config import NetworkConfig
from ..graph import Node
from ..network import Network

MEAN = (0.485, 0.456, 0.406)  # of ImageNet's red, green and blue, as torchvision's models take it
DEVIATION = (0.229, 0.224, 0.225)
SUFFIXES = (".pt", ".pth")
State = dict[str, torch.Tensor]


def source(init: str | Path) -> Path:
    """Return the file that holds the weights of `init`, a run's folder or a file."""
    path = Path(init)
    if path.is_dir():
        return folder.float_file(path, "init")
    if path.suffix not in SUFFIXES or not path.is_file():
        raise Refusal(f"init must be a run's folder or a {' or '.join(SUFFIXES)} file, not {init}")
    return path


def imported(
    init: str | Path,
    config: NetworkConfig,
    report: Callable[[str], None] | None = None,
    *,
    whole: bool = False,
) -> tuple[State, bool]:
    """Return the state of a float network of `config` with normalizations, weights from `init`.

    Parameters
    ----------
    init : str or Path
        A run's folder, or a ``.pt`` or ``.pth`` file.
    report : callable, optional
        Takes what is worth saying: a classifier of other classes is left as it was initialized.
    whole : bool
        Refuse a classifier of other classes.

    Returns
    -------
    state : dict
        As `Network.state_dict`.
    bare : bool
        Whether it came without normalizations, so that `transparent` is due.

    Raises
    ------
    Refusal
        Where a layer is missing, is not the network's, or has another shape.
    """
    where, path = f"init {init}", source(init)
    given = folder.read_tensors(path, where)
    if not all(isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in given.items()):
        raise Refusal(f"{where}: must hold tensors by name, a state dict, and holds other things")
    say = report or (lambda text: None)
    if any(name.startswith("features.") for name in given):
        given = _renamed(given, config, where)
        padded = " (but at the border, which it pads)" if any(config.convolutions()[0].pad) else ""
        say(f"{config.name}: torchvision's names; its input normalization goes into conv1{padded}")
    network = Network(config, quantized=False, normalized=True)
    for module in _normalizations(network):
        module.running_var.fill_(1 - module.eps)  # what is exactly the identity
    state = network.state_dict()
    normal = {name for name in state if "_bn." in name}
    bare = not normal & given.keys()
    wanted = state.keys() - normal if bare else set(state)
    head = {name for name in state if name.startswith(f"{_ours(config.classifier)}.")}
    classes = {len(given[name]) for name in head & given.keys() if given[name].ndim}
    if len(classes) == 1 and not classes <= {config.classes, config.head}:
        if whole:
            raise Refusal(f"{where}: must have {config.classes} classes, not {classes.pop()}")
        say(
            f"{config.name}: {path.name} has {classes.pop()} classes, not {config.classes}: the "
            "classifier starts untrained"
        )
        wanted -= head
        given = {name: value for name, value in given.items() if name not in head}
    elif classes == {config.classes} != {config.head}:  # outputs that are padding follow
        for name in head:
            state[name].zero_()
            given[name] = torch.cat([given[name], state[name][config.classes :]])
    _check(given, state, wanted, where)
    state.update({name: value.to(state[name].dtype) for name, value in given.items()})
    return state, bare


def _renamed(given: Mapping[str, torch.Tensor], config: NetworkConfig, where: str) -> State:
    """Return torchvision's state under our names, its input normalization in conv1."""
    fires = sorted({int(m[1]) for name in given if (m := re.match(r"features\.(\d+)\.s", name))})
    parts = {"squeeze": "squeeze", "expand1x1": "expand1", "expand3x3": "expand3"}
    result = {}
    for name, value in given.items():
        layer, _, kind = name.rpartition(".")
        match = re.fullmatch(r"features\.(\d+)\.(\w+)", layer)
        if match and match[2] in parts and int(match[1]) in fires:
            ours = f"fire{fires.index(int(match[1])) + 2}.{parts[match[2]]}"
        elif layer in ("features.0", "classifier.1"):
            ends = config.convolutions()[0], config.classifier
            ours = _ours(ends[layer == "classifier.1"])
        else:
            raise Refusal(f"{where}: {name} is no tensor of torchvision's SqueezeNet")
        result[f"{ours}.{kind}"] = value
    first = [f"{_ours(config.convolutions()[0])}.{kind}" for kind in ("weight", "bias")]
    weight, bias = (result.get(name) for name in first)
    if weight is None or bias is None or weight.ndim != 4 or weight.shape[1] != len(MEAN):
        raise Refusal(f"{where}: features.0 must have a weight of {len(MEAN)} colours and a bias")
    weight = weight.double() / torch.tensor(DEVIATION).double()[:, None, None]
    shift = (weight * torch.tensor(MEAN).double()[:, None, None]).sum((1, 2, 3))
    folded = weight * (256 / 255), bias.double() - shift
    result |= {name: value.to(torch.float32) for name, value in zip(first, folded, strict=True)}
    return result


def _check(given: Mapping[str, torch.Tensor], state: State, wanted: set[str], where: str) -> None:
    """Refuse a state that lacks a tensor, has one too many, or one of another shape."""
    for name in state:
        if name in wanted and name not in given:
            raise Refusal(f"{where}: the network's layer {_layer(name)} is missing, no {name}")
    for name, value in given.items():
        if name not in state:
            raise Refusal(f"{where}: the network has no layer {_layer(name)}, for {name}")
        want, got = list(state[name].shape), list(value.shape)
        if want != got:
            kind = name.rpartition(".")[2]
            raise Refusal(f"{where}: layer {_layer(name)} needs a {kind} of {want}, not {got}")
        if value.is_complex() or value.is_quantized or value.is_sparse:
            raise Refusal(f"{where}: {name} must be a plain tensor, not one of {value.dtype}")
        if not value.isfinite().all():
            raise Refusal(f"{where}: the values of {name} must be finite, and are not all")


def _ours(node: Node) -> str:
    return node.name.replace("/", ".")


def _layer(name: str) -> str:
    return name.rpartition(".")[0].replace(".", "/")


@torch.no_grad()
def transparent(network: Network, images: torch.Tensor) -> None:
    """Give every normalization the statistics of what reaches it, and undo them by its gain.

    In evaluation the network computes what it did; in training it does so up to the difference of
    a batch's statistics from those of `images`, (N, 3, H, W).
    """

    def settle(layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        values = inputs[0].transpose(0, 1).flatten(1)
        layer.running_mean.copy_(values.mean(1))
        layer.running_var.copy_(values.var(1))
        layer.weight.copy_((layer.running_var + layer.eps).sqrt())
        layer.bias.copy_(layer.running_mean)

    handles = [layer.register_forward_pre_hook(settle) for layer in _normalizations(network)]
    network.eval()(images)
    for handle in handles:
        handle.remove()


def _normalizations(network: Network) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
