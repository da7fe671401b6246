"""What commands are given: networks, boards, widths and models, as the stages take them."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from . import Refusal
from ._console import say
from .hls.board import Board

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)

overrides_option = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field of the network, e.g. --set input=64.",
)


def network(net: str, overrides: tuple[str, ...]) -> Any:
    """Return the configuration of `net`, a shipped name or a file, with fields overridden."""
    from .model.config import load

    return load(net, assignments(overrides))


def assignments(overrides: tuple[str, ...]) -> dict[str, str]:
    """Return what every `--set KEY=VALUE` sets."""
    return dict(_assignment(text) for text in overrides)


def widths(text: str | None) -> list[int | None]:
    """Return the weight bits that `--bits` names; none where it is not given."""
    if text is None:
        return [None]
    match = re.fullmatch(r"([2-8])(?:\.\.([2-8]))?", text)
    low, high = (int(n) for n in (match[1], match[2] or match[1])) if match else (1, 0)
    if low > high:
        raise click.UsageError(f"--bits takes N or A..B, weight bits from 2 to 8, not {text}")
    return list(range(low, high + 1))


def counted_network(net: str, overrides: tuple[str, ...], bits: int | None) -> Any:
    """Return the IR of `net` with so many weight bits, its weights drawn if it is no ONNX file."""
    from .hls.lower import from_onnx

    if not net.endswith(".onnx"):
        from .model.sketch import sketch

        config = network(net, overrides)
        _must_fit_a_board(config)
        return from_onnx(sketch(config, weight_bits=bits))
    no_overrides(net, overrides)
    found = from_onnx(Path(net))
    if bits is None:
        return found
    from .hls.fewer_bits import all_at_most

    return all_at_most(found, bits)


def _must_fit_a_board(config: Any) -> None:
    """Refuse a network that no board holds, not even with the fewest bits, before it is drawn."""
    from .board.catalog import names
    from .hls.advise import FEWEST
    from .hls.count import capacity
    from .model.legal import deployable

    deployable(config)
    largest = max(map(board, names()), key=capacity)
    bits = FEWEST * sum(node.weights for node in config.convolutions())
    if bits > capacity(largest):
        raise Refusal(
            f"network {config.name}: must fit some board, its weights alone need {bits} bits of "
            f"on-chip memory where each has {FEWEST}, the largest, {largest.name}, has "
            f"{capacity(largest)}"
        )


def _assignment(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals and value):
        raise click.UsageError(f"--set takes KEY=VALUE, not {text}")
    return key, value


def board(name: str) -> Any:
    """Return the board called `name`."""
    from .board.catalog import load

    return load(name)


def model(
    net: str, overrides: tuple[str, ...], stack: ExitStack, board: Board | None = None
) -> Path:
    """Return `net` if it is an ONNX file, else the ONNX file of the untrained network.

    A network whose weights alone are more than `board` can hold is refused before its export.
    """
    if net.endswith(".onnx"):
        no_overrides(net, overrides)
        return Path(net)
    config = network(net, overrides)
    from .model.legal import deployable

    deployable(config)
    if board is not None:
        from .hls.compile import OVERRIDE
        from .hls.count import capacity

        layers = config.convolutions()
        bits = sum(node.weights * config.stored_bits_of(node.name) for node in layers)
        if bits > capacity(board):
            raise Refusal(
                f"network {config.name}: must fit {board.name}'s {capacity(board)} bits of on-chip "
                f"memory, its weights alone need {bits}; {OVERRIDE}"
            )
    from .model.export import export_untrained

    say(f"{config.name}: exporting with untrained weights")
    path = temporary(stack) / f"{config.name}.onnx"
    export_untrained(config, path, report=say)
    return path


def temporary(stack: ExitStack) -> Path:
    """Return a folder that is there as long as `stack`."""
    return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="zynqfire-")))


def known(net: str) -> str:
    """Return `net`; an ONNX file must be there."""
    if net.endswith(".onnx") and not Path(net).is_file():
        raise Refusal(f"model {net}: no such file")
    return net


def no_overrides(net: str, overrides: tuple[str, ...]) -> None:
    """Refuse `--set` for an ONNX file."""
    if overrides:
        raise Refusal(f"--set {overrides[0]}: the fields of an ONNX file are fixed, {net}")
