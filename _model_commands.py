"""The subcommands of the stage `model`: one thin function each, heavy imports inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from . import Refusal, _inputs, _tables
from ._console import Answer, say, subcommand, writable
from ._inputs import FILE, PATH, overrides_option
from ._picture import must_be_a_picture

SEED = click.IntRange(0, 2**64 - 1)


@subcommand(
    "train",
    example="zynqfire train zynqnet-32 --data digits --out runs/zynqnet-32",
    make="make train NET=zynqnet-32",
)
@click.argument("net")
@click.option("--data", default="digits", show_default=True, help="Data set: a name or a folder.")
@click.option("--out", type=PATH, help="Run folder; continued if it exists.  [runs/NET]")
@click.option("--epochs", type=click.IntRange(min=1), help="Epochs instead of the network's own.")
@click.option("--seed", type=SEED, default=0, show_default=True)
@click.option("--scratch", is_flag=True, help="Quantized from the first epoch, no float stage.")
@click.option("--init", type=PATH, metavar="RUN|FILE.pt", help="Float weights to start from.")
@click.option("--teacher", type=PATH, metavar="RUN", help="A run whose float network teaches.")
@click.option("--nproc", type=click.IntRange(min=1), help="Processes that share every batch.  [1]")
@click.option("--batch-per-process", is_flag=True, help="Each has a batch; the rate rises, too.")
@overrides_option
def train(net: str, out: Path | None, overrides: tuple[str, ...], **options: Any) -> Answer:
    """Train a network with quantization, by the recipe in its table [training].

    NET is a shipped name or a .toml file. A RUN that was stopped is continued. With --init and
    --set training.float_epochs=0 quantization starts at once.
    """
    config = _inputs.network(net, overrides)
    out = writable(out or Path("runs") / config.name)
    from .model.train import train as run_training

    result = run_training(config, out=out, report=say, **options)
    if result is None:  # under torchrun the first process answers
        click.get_current_context().exit(0)
    return Answer(result, [_tables.facts("Trained", result)])


@subcommand(
    "export",
    example="zynqfire export runs/zynqnet-32 -o runs/zynqnet-32/model.onnx",
    make="make export NET=zynqnet-32",
)
@click.argument("source", metavar="RUN|NET")
@click.option("-o", "--out", type=PATH, required=True, help="The .onnx file to write.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of untrained weights.")
@overrides_option
def export(source: str, out: Path, seed: int, overrides: tuple[str, ...]) -> Answer:
    """Write QONNX and golden vectors.

    Of a training RUN, or of a NET with seeded weights and calibrated activations.
    """
    writable(out)
    if Path(source).is_dir():
        if overrides:
            raise Refusal(f"--set {overrides[0]}: a trained run has its network, {source}")
        from .model.export import export_run

        result = export_run(Path(source), out, report=say)
    else:
        config = _inputs.network(source, overrides)
        from .model.export import export_untrained

        result = export_untrained(config, out, seed=seed, report=say)
    return Answer(result, [_tables.facts("Exported", result)])


@subcommand(
    "quantize",
    example="zynqfire quantize runs/zynqnet-32 -o runs/w8a8 --set weight_bits=8 "
    "--set activation_bits=8",
)
@click.argument("source", metavar="RUN|NET")
@click.option("-o", "--out", type=PATH, required=True, help="The run folder to write.")
@click.option("--init", type=PATH, metavar="FILE.pt", help="Float weights of a NET.")
@click.option("--data", help="Data set: a name or a folder.  [the run's]")
@click.option(
    "--images", type=click.IntRange(min=1), help="Training pictures to calibrate with.  [256]"
)
@click.option("--equalize/--no-equalize", "equalized", default=True, help="Scale channels.")
@click.option("--correct/--no-correct", "corrected", default=True, help="Correct biases.")
@overrides_option
def quantize(
    source: str, out: Path, init: Path | None, overrides: tuple[str, ...], **options: Any
) -> Answer:
    """Quantize float weights without training.

    Of the float network of a training RUN, whose widths --set may change, or of a NET with --init
    and --data. 8 bits cost little so; below, train. The folder written is a run for export.
    """
    writable(out)
    from .model.ptq import of_file, of_run
    from .model.ptq import quantize as run_quantization

    if init is not None:
        start = of_file(_inputs.network(source, overrides), init, say)
    elif not Path(source).is_dir():
        raise Refusal(f"quantize: must have a run's folder, or --init with a network, not {source}")
    else:
        start = of_run(source, _inputs.assignments(overrides))
    result = run_quantization(start, out, report=say, **options)
    return Answer(result, _tables.quantized(result))


@subcommand("profile", example="zynqfire profile zynqnet --picture zynqnet.svg")
@click.argument("net", metavar="NET|MODEL.onnx")
@click.option(
    "--convention",
    type=click.Choice(["conv", "netscope"]),
    default="conv",
    show_default=True,
    help="Count convolutions only, or every layer as netscope does.",
)
@click.option("--picture", type=PATH, help="The layers drawn: a .svg or .png to write.")
@overrides_option
def profile(net: str, convention: str, picture: Path | None, overrides: tuple[str, ...]) -> Answer:
    """List the layers, what they cost, and which of ZynqNet's design rules they break."""
    if picture is not None:
        must_be_a_picture(picture)
        writable(picture)
    if net.endswith(".onnx"):
        _inputs.no_overrides(_inputs.known(net), overrides)
        from .model.profile import profile_onnx

        result = profile_onnx(Path(net), convention)
    else:
        from .model.profile import profile as count

        result = count(_inputs.network(net, overrides), convention)
    if picture is not None:
        from .model.picture import draw

        draw(net, result, picture)
        result["picture"] = str(picture)
    return Answer(result, _tables.profiled(net, result))


@subcommand("networks", example="zynqfire networks")
def networks() -> Answer:
    """List the networks that are shipped: what they cost, and which of them can be built.

    Deployable is one that has a quantized form and whose weights the largest board holds.
    """
    from .board.catalog import load as board
    from .board.catalog import names as boards
    from .hls.cuts import RAMB36_BITS, URAM_BITS
    from .model.config import load, names
    from .model.legal import deployable
    from .model.metaparameters import accepted
    from .model.profile import profile as count

    room, largest = max(
        (item.bram36 * RAMB36_BITS + item.uram * URAM_BITS, item.name)
        for item in map(board, boards())
    )
    rows = []
    for name in names():
        config, why = load(name), None
        cost = count(config)
        bits = cost["weight_bits"]
        try:
            deployable(config)
        except Refusal as refusal:
            why = str(refusal)
        if not why and bits > room:
            why = f"network {name}: its weights take {bits:,} bits, {largest} holds {room:,}"
        rows.append(
            {"name": name}
            | {key: cost[key] for key in ("macs", "weights", "biases")}
            | {"deployable": why is None, "why": why}
            | {"metaparameters": accepted(module.kind for module in config.modules)}
        )
    return Answer({"networks": rows}, _tables.networks(rows))


@subcommand("pack", example="zynqfire pack runs/zynqnet-32/model.onnx -o model.zfz")
@click.argument("model", metavar="MODEL.onnx", type=FILE)
@click.option("-o", "--out", type=PATH, required=True, help="The .zfz file to write.")
@click.option("--round", "rounded", is_flag=True, help="Round weights as their quantizers do.")
@click.option("--picture", type=PATH, help="Bits by layer drawn: a .svg or .png to write.")
def pack(model: Path, out: Path, rounded: bool, picture: Path | None) -> Answer:
    """Compress a model for an update over the air.

    Weights as Huffman-coded integers, sparse where that is smaller; `unpack` gives the same file
    back, byte for byte. Weights off their quantizer's grid are refused unless they are to be
    rounded, which changes the file and no answer of the network.
    """
    writable(out)
    if picture is not None:
        must_be_a_picture(picture)
        writable(picture)
    from .model.packed.pack import pack as write

    result = write(model, out, rounded=rounded, report=say)
    if picture is not None:
        from .model.packed.picture import draw

        draw(result, picture)
        result["picture"] = str(picture)
    return Answer(result, _tables.packed(result))


@subcommand("unpack", example="zynqfire unpack model.zfz -o model.onnx")
@click.argument("packed", metavar="MODEL.zfz", type=FILE)
@click.option("-o", "--out", type=PATH, required=True, help="The .onnx file to write.")
def unpack(packed: Path, out: Path) -> Answer:
    """Restore a packed model, byte for byte.

    A file that is damaged or cut short is refused. On a board `model/packed/zfz.py` does the same
    alone.
    """
    writable(out)
    from .model.packed.pack import unpack as write

    result = write(packed, out, report=say)
    return Answer(result, [_tables.facts("Unpacked", result)])
