"""How Verilator is built and run under cocotb; nothing else in the package knows.

`build` turns SystemVerilog into a simulator and keeps it in a cache under the hash of everything
that went into it; `run` runs the cocotb tests of a module in it::

    built = build("zf_width", [rtl / "zf_width.sv"], {"LaneBits": 4, "InLanes": 1, "OutLanes": 4})
    run(built, "zynqfire.rtl_tb.test_zf_width", seed=3)

Built for speed, both of the compilation (Verilator's own runtime is compiled once and shared, small
designs take two seconds) and of the simulation (no ``--public-flat-rw``: only the top's ports, and
what `public` names, are visible to the bench). Registers start random, so that whatever reset
forgets shows.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from .. import Refusal
from .verilate import LOG_LINES, Compiler, SimulationError, Verilator

__all__ = ["RTL", "Built", "SimulationError", "build", "config", "library", "run", "sized"]

RTL = Path(__file__).parent.parent / "hls" / "rtl"  # the library
TB = Path(__file__).parent / "sv"  # what benches put around it
CACHE = "ZYNQFIRE_SIM_CACHE"  # environment variable: folder of built simulators
_CONFIG = "ZYNQFIRE_BENCH"  # environment variable: what `config` returns inside the simulation


def library(top: str) -> list[Path]:
    """Return the files of a module, of the library or of benches, and of all modules below it."""
    found: dict[str, Path] = {}
    names = [top]
    while names:
        name = names.pop()
        found[name] = (TB if name.startswith("zf_tb_") else RTL) / f"{name}.sv"
        text = re.sub(r"//.*", "", found[name].read_text())
        below = set(re.findall(r"\bzf_\w+", text)) - found.keys() - set(names)
        names += [n for n in below if any((path / f"{n}.sv").is_file() for path in (RTL, TB))]
    return list(found.values())


@dataclass(frozen=True)
class Built:
    """A simulator ready to run: its top module, program, parameters and kind of waves."""

    top: str
    program: Path
    parameters: Mapping[str, int | str]
    waves: str  # "", "vcd" or "fst"


def build(
    top: str,
    sources: Iterable[Path | str],
    parameters: Mapping[str, int | str] | None = None,
    *,
    public: Mapping[str, Sequence[str]] | None = None,
    options: Sequence[str] = (),
    fast: bool = False,
    waves: bool = False,
    cache: Path | str | None = None,
    harness: Path | None = None,
    report: Callable[[str], object] | None = None,
) -> Built:
    """Build a simulator of `top`, or take it from the cache.

    Parameters
    ----------
    top : str
        Top module; its ports are visible to benches.
    sources : iterable of path
        SystemVerilog files.
    parameters : mapping, optional
        Top's parameters: integers of 32 bits, strings, and with `sized` integers of any width.
    public : mapping, optional
        Module name to patterns of further signals that benches read, as ``{"top": ("*_tvalid",)}``.
    options : sequence of str
        Further Verilator options, such as ``--timing``.
    fast : bool
        Spend compilation time on simulation speed; for whole networks.
    waves : bool
        Make waves possible: FST where its headers exist, else VCD.
    cache : path, optional
        Folder of built simulators; default ``$ZYNQFIRE_SIM_CACHE``, else ``build/sim`` here.
    harness : path, optional
        C++ that drives the model and offers functions: what is built is a shared library with them,
        no simulator for `run`.
    report : callable, optional
        Receives messages where it is built.

    Raises
    ------
    Refusal
        A tool or a source is missing.
    SimulationError
        The design does not compile.
    """
    compiler = Compiler.find()
    parameters = dict(parameters or {})
    sources = [Path(source).absolute() for source in sources]
    for source in sources:
        if not source.is_file():
            raise Refusal(f"simulation of {top}: source file {source} does not exist")
    kind = compiler.waves if waves else ""
    visible = ["`verilator_config", f'public_flat_rw -module "{top}" -port "*"']
    for module, patterns in (public or {}).items():
        visible += [f'public_flat_rd -module "{module}" -var "{pattern}"' for pattern in patterns]
    switches = [
        *("-O3", "--x-assign", "unique", "--x-initial", "unique", "--assert", "--no-MMD"),
        *(["--vpi"] if harness is None else []),
        *("--timescale", "1ns/1ps", "--top-module", top, *options),
        *{"": [], "vcd": ["--trace-vcd"], "fst": ["--trace-fst"]}[kind],
        *(f"-G{name}={_literal(value)}" for name, value in parameters.items()),
    ]
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(repr((compiler.identity, switches, visible, fast)).encode())
    for source in [*sources, *([] if harness is None else sorted(harness.parent.iterdir()))]:
        digest.update(f"\0{source.name}\0".encode() + source.read_bytes())
    cache = Path(cache or os.environ.get(CACHE) or Path("build", "sim")).absolute()
    program = cache / f"{top}-{digest.hexdigest()[:20]}" / "simulator"
    if not program.is_file():
        say, start = report or (lambda text: None), time.perf_counter()
        say(f"building the simulator of {top}; it is kept for the next time")
        try:
            program.parent.mkdir(parents=True, exist_ok=True)
            # GNU make cannot work in a folder with a space in its path
            parent = None if " " in str(cache) else cache
            with tempfile.TemporaryDirectory(prefix="build-", dir=parent) as work:
                control = Path(work, "visible.vlt")
                control.write_text("\n".join(visible) + "\n")
                switches += [str(control)] if harness is None else []  # its ports are members
                switches += map(str, sources)
                made = Verilator().compile(
                    *(top, switches, Path(work)),
                    compiler=compiler,
                    fast=fast,
                    cache=cache,
                    harness=harness,
                )
                # Beside first, because `work` may be another file system; two builders may race
                beside = program.with_name(f"{Path(work).name}.new")
                shutil.move(made, beside)
                beside.replace(program)
        except OSError as error:
            raise Refusal(f"simulation of {top}: {cache} cannot be written: {error}") from error
        say(f"built the simulator of {top} in {time.perf_counter() - start:.1f} s")
    return Built(top, program, parameters, kind)


def run(
    built: Built,
    test_module: str,
    *,
    testcase: str | Sequence[str] | None = None,
    seed: int = 1,
    config: Mapping[str, object] | None = None,
    plusargs: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    waves: Path | str | None = None,
) -> str:
    """Run the cocotb tests of a module in a built simulator and return the log.

    Parameters
    ----------
    built : Built
        From `build`.
    test_module : str
        Dotted name that the simulator's Python imports, as ``zynqfire.rtl_tb.test_zf_width``.
    testcase : str or sequence of str, optional
        Run only the tests of these names.
    seed : int
        Of Python's `random` in the bench and of the registers' initial values.
    config : mapping, optional
        Anything JSON; `config` returns it, and the parameters, inside the simulation.
    plusargs, env
        Further arguments and environment variables of the simulator.
    cwd : path, optional
        Where ``$readmemh`` looks; default an empty folder of its own.
    waves : path, optional
        Wave file to write, its suffix added; needs ``build(..., waves=True)``.

    Raises
    ------
    SimulationError
        A test fails, none ran, or the simulator stops early: quotes the failure and the log's end.
    """
    with tempfile.TemporaryDirectory(prefix="zynqfire-sim-") as scratch:
        log, results = Path(scratch, "log"), Path(scratch, "results.xml")
        arguments = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
        if waves is not None:
            if not built.waves:
                raise Refusal(f"simulation of {built.top}: waves need a build made with waves")
            path = Path(f"{Path(waves).absolute()}.{built.waves}")
            arguments += ["--trace", "--trace-file", str(path)]
        simulator = Verilator(
            {
                "COCOTB_RANDOM_SEED": str(seed),
                "COCOTB_ANSI_OUTPUT": "0",
                _CONFIG: json.dumps({**built.parameters, **(config or {})}),
                **(env or {}),
            }
        )
        simulator.start([str(built.program), *arguments])
        ended = []
        try:
            simulator.test(
                test_module,
                built.top,
                hdl_toplevel_lang="verilog",
                testcase=testcase,
                plusargs=plusargs,
                test_dir=cwd or scratch,
                results_xml=str(results),
                log_file=log,
            )
        except SystemExit:  # how the runner, under pytest, says that the results hold a failure
            pass
        except RuntimeError as error:
            ended = [str(error)]
        text = log.read_text(errors="replace") if log.is_file() else ""
        failures = _failures(results) or ended
    if failures:
        end = "\n".join(text.splitlines()[-LOG_LINES:])
        raise SimulationError(f"{test_module} on {built.top}: {'; '.join(failures)}\n{end}")
    return text


def config() -> dict[str, object]:
    """Return, inside a simulation, the design's parameters and the `config` given to `run`."""
    return json.loads(os.environ[_CONFIG])


def _failures(results: Path) -> list[str]:
    """Return a line for each failure in cocotb's report; a report that is missing is one."""
    try:
        cases = ElementTree.parse(results).getroot().findall(".//testcase")
    except (FileNotFoundError, ElementTree.ParseError):
        return ["the simulator stopped before the end"]
    failures = []
    for case in cases:
        for mark in ("failure", "error"):
            for found in case.findall(mark):
                reason = found.get("error_msg") or found.get("message") or found.text or mark
                failures.append(f"{case.get('name')}: {reason.strip()}")
    ran = [case for case in cases if case.find("skipped") is None]
    return failures if ran else ["no test ran"]


def sized(value: int, bits: int) -> str:
    """Return a parameter of a packed type of so many bits."""
    return f"{bits}'h{value:x}"


def _literal(value: int | str) -> str:
    """Return a parameter's value as Verilator's command line takes it."""
    if isinstance(value, str):
        return value if re.fullmatch(r"\d+'h[0-9a-f]+", value) else f'"{value}"'
    return str(int(value))
