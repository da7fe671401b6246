"""The `zynqfire` command: one thin function a subcommand, heavy imports inside."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from . import Refusal, __version__, _inputs, _tables
from ._console import Answer, InOrder, run, say, subcommand, writable
from ._inputs import FILE, FOLDER, PATH, overrides_option
from ._model_commands import export, networks, pack, profile, quantize, train, unpack

DEFAULT_BOARD = "pynq-z2"
LONGEST = 2**53  # cycles a frame that a tiny --fps may ask for


@click.group(
    cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="zynqfire")
def zynqfire() -> None:
    """Quantized SqueezeNets from PyTorch to bit-exact SystemVerilog, every weight on chip."""


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line `args` (default: the process's) and return the exit code."""
    return run(zynqfire, sys.argv[1:] if args is None else args)


board_option = click.option("--board", default=DEFAULT_BOARD, show_default=True, help="Board name.")


@subcommand(
    "compile",
    example="zynqfire compile runs/zynqnet-32/model.onnx --board pynq-z2 -o build",
    make="make rtl NET=zynqnet-32 BOARD=pynq-z2",
)
@click.argument("net", metavar="NET|MODEL.onnx")
@board_option
@click.option("-o", "--out", type=PATH, required=True, help="The build folder to write.")
@click.option("--folding", type=FILE, help="JSON file: layer to {pe, simd, pixels}.")
@click.option("--interval", type=click.IntRange(min=1), help="Most cycles a frame.")
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="Frames a second.")
@click.option(
    "--clock", type=click.FloatRange(min=0, min_open=True), help="MHz, for --fps.  [the board's]"
)
@click.option(
    "--backend",
    type=click.Choice(["zynqfire", "vitis"]),
    default="zynqfire",
    show_default=True,
    help="SystemVerilog, or hls4ml's own Vitis HLS project.",
)
@click.option("--over-budget", is_flag=True, help="Write what does not fit the board, too.")
@overrides_option
def compile_(
    net: str,
    board: str,
    out: Path,
    folding: Path | None,
    interval: int | None,
    fps: float | None,
    clock: float | None,
    backend: str,
    over_budget: bool,
    overrides: tuple[str, ...],
) -> Answer:
    """Turn a network into SystemVerilog.

    A NET, a shipped name or a .toml file, is exported untrained first. Without --folding,
    --interval or --fps the folding is the fastest that fits the board. What does not fit is
    refused.
    """
    chosen = [
        f"--{name}"
        for name, value in (("folding", folding), ("interval", interval), ("fps", fps))
        if value is not None
    ]
    if len(chosen) > 1:
        raise click.UsageError(
            f"one of --folding, --interval and --fps, not {' and '.join(chosen)}"
        )
    if clock is not None and fps is None:
        raise click.UsageError(f"--clock belongs to --fps, not alone: {clock:g}")
    ours = [*chosen, *(["--over-budget"] if over_budget else [])]
    if ours and backend == "vitis":
        raise click.UsageError(f"{ours[0]} is of the zynqfire backend, not of vitis")
    writable(out)
    _inputs.known(net)
    target = _inputs.board(board)
    for option, value in (("--fps", fps), ("--clock", clock)):
        if value is not None and not math.isfinite(value):
            raise click.UsageError(f"{option} must be a finite number, not {value:g}")
    if fps is not None:
        cycles = (clock or target.clock_mhz) * 1e6 / fps
        interval = max(1, int(min(cycles, LONGEST)))
    with ExitStack() as stack:
        held = None if over_budget or backend == "vitis" else target
        model = _inputs.model(net, overrides, stack, held)
        if backend == "vitis":
            from .hls.vitis import write_project

            period = 1000 / target.clock_mhz
            result = write_project(model, out, part=target.part, clock_period=period, report=say)
        else:
            from .hls.compile import compile_model

            try:
                result = compile_model(
                    model,
                    target,
                    out,
                    folding=folding,
                    interval=interval,
                    must_fit=not over_budget,
                    report=say,
                )
            except Refusal as refusal:
                if fps is None or "interval" not in str(refusal):
                    raise
                speed = f"--fps {fps:g} at {clock or target.clock_mhz:g} MHz is {interval} cycles"
                raise Refusal(f"{refusal}: {speed}") from None
    return Answer(result, _tables.compiled(result))


@subcommand(
    "simulate",
    example="zynqfire simulate build --frames 3",
    make="make sim NET=zynqnet-32 FRAMES=3",
)
@click.argument("build", type=FOLDER)
@click.option("--frames", type=click.IntRange(min=1), help="Frames, back to back.")
@click.option("--input", "inputs", type=FILE, help=".npy: frames x height x width x channels.")
@click.option("--stalls", type=int, metavar="SEED", help="Stall both ends at random.")
@click.option("--waves", is_flag=True, help="Write the waveforms, too.")
def simulate(
    build: Path, frames: int | None, inputs: Path | None, stalls: int | None, waves: bool
) -> Answer:
    """Simulate a build, bit-exact.

    Every output is compared with the integer interpreter and, where there are any, with the golden
    vectors. Exit code 1 when one differs.
    """
    from .rtl_tb.simulate import simulate as run_simulation

    result = run_simulation(
        build, frames=frames, inputs=inputs, stalls=stalls, waves=waves, report=say
    )
    if "message" in result:
        say(result["message"])
    return Answer(result, [_tables.facts("Simulated", result)], yes=result["bit_exact"])


@subcommand(
    "budget",
    example="zynqfire budget zynqnet --board zc706 --picture memory.svg",
    make="make budget NET=zynqnet-32",
)
@click.argument("build", metavar="NET|MODEL.onnx|BUILD")
@click.option("--board", help="Board name, for a network.  [pynq-z2]")
@click.option("--all-boards", is_flag=True, help="A matrix: every board.")
@click.option("--bits", metavar="N|A..B", help="Weight bits instead of the network's; a matrix.")
@click.option("--interval", type=click.IntRange(min=1), help="Most cycles a frame.")
@click.option("--picture", type=PATH, help="The board's memory drawn: a .svg or .png to write.")
@overrides_option
def budget(
    build: str,
    board: str | None,
    all_boards: bool,
    bits: str | None,
    interval: int | None,
    picture: Path | None,
    overrides: tuple[str, ...],
) -> Answer:
    """Count the on-chip memory, before anything is trained or written.

    Of a NET or an ONNX file, folded as `compile` would, or of a BUILD. Where it does not fit, what
    would make it fit. With --all-boards or a range of --bits, a matrix of both. Exit code 1 when
    over, or when no cell of a matrix fits.
    """
    folder = Path(_inputs.known(build))
    given = {
        "--board": board,
        "--all-boards": all_boards,
        "--bits": bits,
        "--interval": interval,
        "--set": overrides,
    }
    if folder.is_dir() and (fixed := [option for option, value in given.items() if value]):
        raise Refusal(f"build {build}: board, network and speed are fixed, {fixed[0]} given")
    if board and all_boards:
        raise click.UsageError(f"one of --board and --all-boards, not both: {board}")
    widths = _inputs.widths(bits)
    if picture is not None:
        from ._picture import must_be_a_picture
        from .hls.picture import draw

        if all_boards or len(widths) > 1:
            raise click.UsageError("--picture is of one board and one width, not of a matrix")
        must_be_a_picture(picture)
        writable(picture)
    from .board.catalog import names

    if all_boards or len(widths) > 1:
        from .hls.matrix import matrix

        wanted = names() if all_boards else [board or DEFAULT_BOARD]
        targets = [_inputs.board(name) for name in wanted]
        networks = {width: _inputs.counted_network(build, overrides, width) for width in widths}
        cells = matrix(networks, targets, interval, say)
        yes = any(cell["fits"] for cell in cells)
        name = next(iter(networks.values())).name
        answer = {"network": name, "interval_cycles": interval, "matrix": cells}
        return Answer(answer, [_tables.matrix(answer)], yes=yes)
    if folder.is_dir():
        from .hls.budget import budget as of_build

        result = of_build(folder)
        target, interval = result["board"], result["interval_cycles"]
    else:
        from .hls.count import counted

        target, network = board or DEFAULT_BOARD, _inputs.counted_network(build, overrides, *widths)
        result = counted(network, _inputs.board(target), interval, say)
    if picture is not None:
        draw(result, picture)
        result["picture"] = str(picture)
    if not result["fits"]:
        from .hls import ir_text
        from .hls.advise import advise, in_words

        if folder.is_dir():
            network = ir_text.read(folder / "network.json")
        boards = [_inputs.board(name) for name in names()]
        result["advice"] = advise(network, _inputs.board(target), interval, boards, say)
        result["message"] = in_words(result)
    return Answer(result, _tables.budget(result), yes=result["fits"])


@subcommand("synth", example="zynqfire synth build --tool vivado", make="make synth NET=zynqnet-32")
@click.argument("build", type=FOLDER)
@click.option("--tool", type=click.Choice(["yosys", "vivado"]), default="yosys", show_default=True)
@click.option(
    "--clock",
    type=click.FloatRange(min=0, min_open=True),
    help="MHz to ask Vivado for.  [the board's]",
)
def synth(build: Path, tool: str, clock: float | None) -> Answer:
    """Synthesize a build.

    With Yosys, resources by layer and the longest path in logic levels. With Vivado, also placed
    and routed: the clock it reaches, and BUILD/vivado/zynqfire.bit and .hwh for the board. Exit
    code 1 when timing is not met.
    """
    if clock is not None and tool != "vivado":
        raise click.UsageError(f"--clock is of --tool vivado, not of {tool}")
    if clock is not None and not math.isfinite(clock):
        raise click.UsageError(f"--clock must be a finite number, not {clock:g}")
    from .board.synth import synth as run_synthesis

    result = run_synthesis(build, tool=tool, report=say, clock_mhz=clock)
    if "message" in result:
        say(result["message"])
    return Answer(result, _tables.synthesized(result), yes=result.get("timing_met", True))


@subcommand(
    "package",
    example="zynqfire package build -o zynqnet-32.zip",
    make="make package NET=zynqnet-32",
)
@click.argument("build", type=FOLDER)
@click.option("-o", "--out", type=PATH, required=True, help="The .zip file to write.")
def package(build: Path, out: Path) -> Answer:
    """Pack a build for the board.

    The bitstream where Vivado made one, the driver for Python and for C, a self-test with golden
    vectors, and a notebook. The self-test also runs on the RTL in the archive.
    """
    writable(out)
    from .board.package import package as pack_build

    result = pack_build(build, out, say)
    return Answer(result, _tables.archive(result))


@subcommand("boards", example="zynqfire boards")
def boards() -> Answer:
    """List the boards that are known."""
    from .board.catalog import load, names

    rows = [_tables.board(load(name)) for name in names()]
    return Answer({"boards": rows}, [_tables.rows(rows)])


@subcommand("demo", example="zynqfire demo", make="make demo")
@click.option(
    "--out",
    type=PATH,
    default=Path("runs/demo"),
    show_default=True,
    help="What is kept there and still holds is reused.",
)
def demo(out: Path) -> Answer:
    """Go the whole way on handwritten digits.

    Trains zynqnet-32, exports, compiles for pynq-z2, simulates every held-out image and counts the
    memory. Exit code 1 when anything differs or does not fit.
    """
    from .demo import run as run_demo

    result = run_demo(writable(out), report=say)
    return Answer(result, _tables.demo(result), yes=result["passed"])


for each in (
    train,
    quantize,
    export,
    compile_,
    simulate,
    budget,
    synth,
    package,
    profile,
    networks,
    boards,
    pack,
    unpack,
    demo,
):
    zynqfire.add_command(each)

if __name__ == "__main__":
    sys.exit(main())
